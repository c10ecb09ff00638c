//! What a plan itself brings into the cluster, and what that makes of an error: a kind that is missing may
//! be on its way, and so may a permission.

use std::collections::BTreeSet;

use crate::cluster::Circumstances;
use crate::object::{GroupKind, ObjectRef};
use crate::plan::Plan;

/// What a plan brings.
pub(super) struct Bringing {
    /// Kinds with a definition in the plan.
    kinds: BTreeSet<GroupKind>,
    /// Groups with an APIService in the plan; which kinds it serves only the server knows.
    groups: BTreeSet<String>,
    permissions: bool,
}

impl Bringing {
    /// Returns what a plan brings.
    pub(super) fn of(plan: &Plan) -> Self {
        let (mut kinds, mut groups, mut permissions) = (BTreeSet::new(), BTreeSet::new(), false);
        for (_, object) in plan.objects() {
            match (object.group(), object.kind()) {
                ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                    let [group, kind] =
                        ["/spec/group", "/spec/names/kind"].map(|at| object.text(at).to_owned());
                    kinds.insert(GroupKind { group, kind });
                }
                ("apiregistration.k8s.io", "APIService") => {
                    groups.insert(object.text("/spec/group").to_owned());
                }
                ("rbac.authorization.k8s.io", _) => permissions = true,
                _ => {}
            }
        }
        Self { kinds, groups, permissions }
    }

    /// Returns what is to be known when a request for an object fails.
    pub(super) fn circumstances(&self, object: &ObjectRef) -> Circumstances {
        let brings_kind = self.kinds.contains(&object.group_kind()) || self.groups.contains(&object.group);
        Circumstances { writes_permissions: self.permissions, brings_kind }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::Bringing;
    use crate::object::{Object, ObjectRef};
    use crate::plan::{Plan, Stage, StageId};

    fn bringing(objects: &[Value]) -> Bringing {
        let objects = objects.iter().map(|value| Object::new(value.clone()).unwrap()).collect();
        let id = StageId::new("a").unwrap();
        let deadline = Duration::from_secs(1);
        let stage = Stage { id, needs: Vec::new(), objects, deadline, checks: Vec::new() };
        Bringing::of(&Plan::new("shop", "shop", vec![stage]).unwrap())
    }

    fn knows(bringing: &Bringing, group: &str, kind: &str) -> (bool, bool) {
        let object = ObjectRef { group: group.into(), kind: kind.into(), namespace: None, name: "x".into() };
        let circumstances = bringing.circumstances(&object);
        (circumstances.brings_kind, circumstances.writes_permissions)
    }

    #[test]
    fn a_plan_brings_the_kinds_of_its_definitions_and_of_its_apis() {
        let bringing = bringing(&[
            json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "widgets.example.org"},
                "spec": {"group": "example.org", "names": {"kind": "Widget"}},
            }),
            json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": {"group": "metrics.k8s.io"},
            }),
        ]);
        assert_eq!(knows(&bringing, "example.org", "Widget"), (true, false));
        assert_eq!(knows(&bringing, "example.org", "Gadget"), (false, false));
        assert_eq!(knows(&bringing, "metrics.k8s.io", "NodeMetrics"), (true, false));
        assert_eq!(knows(&bringing, "", "ConfigMap"), (false, false));
    }

    #[test]
    fn a_plan_with_roles_writes_permissions() {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "a"},
        });
        assert_eq!(knows(&bringing(&[role]), "", "ConfigMap"), (false, true));
    }
}
