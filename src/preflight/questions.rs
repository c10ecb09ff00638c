//! What has to be asked of a cluster, and no more: a plan without claims does not need to know the storage
//! classes.

use std::collections::BTreeSet;

use super::facts::{Facts, List, core};
use super::workloads::workloads;
use super::{ingress, quota, references, rights, storage};
use crate::object::scheduling::asks_for_something;
use crate::object::{GroupKind, ObjectRef};
use crate::plan::Plan;

/// Questions to a cluster; none depends on the answer to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Ask `/version`.
    pub version: bool,
    /// Ask for the rules of this user in these namespaces.
    pub rules: BTreeSet<String>,
    /// List these.
    pub lists: BTreeSet<List>,
    /// Get these.
    pub objects: BTreeSet<ObjectRef>,
}

impl Questions {
    /// Returns what to ask first. What `facts` holds already is not asked; a namespace that is known not to
    /// be there is not asked for what is in it.
    pub fn of(plan: &Plan, facts: &Facts) -> Self {
        let workloads = workloads(plan);
        let namespaces = rights::namespaces(plan);
        let mut lists = BTreeSet::new();
        let mut objects = references::elsewhere(plan);
        for namespace in &namespaces {
            let with_pods = workloads.iter().any(|one| one.object.namespace() == Some(namespace));
            // A quota may count objects of any kind.
            lists.insert(List::Quotas(namespace.clone()));
            if with_pods || namespace == plan.namespace() {
                objects.insert(core("Namespace", None, namespace));
            }
        }
        let with_demands = workloads.iter().any(|workload| asks_for_something(workload.spec));
        let choosy = workloads.iter().any(|workload| {
            workload.spec.get("nodeSelector").is_some()
                || workload.spec.pointer("/affinity/nodeAffinity").is_some()
        });
        if with_demands || choosy || workloads.iter().any(|workload| workload.claims().next().is_some()) {
            lists.insert(List::Nodes);
        }
        if with_demands {
            lists.insert(List::Pods);
        }
        if storage::is_used(plan) {
            lists.insert(List::StorageClasses);
        }
        if ingress::is_used(plan) {
            lists.insert(List::IngressClasses);
        }
        Self { version: true, rules: namespaces, lists, objects }.unanswered(facts)
    }

    /// Returns what the first answers make worth asking.
    pub fn then(plan: &Plan, facts: &Facts) -> Self {
        let mut next = Self::default();
        if storage::needs_volumes(plan, facts) {
            next.lists.insert(List::Volumes);
            let claims = plan.objects().map(|(_, object)| object.reference());
            next.objects.extend(claims.filter(|object| {
                object.group_kind()
                    == GroupKind { group: String::new(), kind: "PersistentVolumeClaim".to_owned() }
                    || object.kind == "StatefulSet"
            }));
        }
        for (list, answer) in &facts.lists {
            let (List::Quotas(namespace), Ok(quotas)) = (list, answer) else { continue };
            if quotas.iter().any(quota::counts_pods) {
                next.lists.extend([List::Limits(namespace.clone()), List::Pods]);
            }
        }
        next.unanswered(facts)
    }

    /// Returns true when there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn unanswered(mut self, facts: &Facts) -> Self {
        let is_gone = |namespace: &str| facts.is_missing(&core("Namespace", None, namespace));
        self.version &= facts.version.is_none();
        self.rules.retain(|namespace| !facts.rules.contains_key(namespace));
        self.lists.retain(|list| !facts.lists.contains_key(list) && !list.namespace().is_some_and(is_gone));
        self.objects.retain(|object| !facts.objects.contains_key(object));
        self
    }
}
