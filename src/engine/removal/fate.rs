//! What happens to an object of ours that is to be removed: it goes, it stays, or it is let go. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::home::CREATED_BY;
use crate::engine::recreate::takes_volumes;
use crate::engine::secrets::GENERATED;
use crate::object::{Object, ObjectRef};

/// The marks by which somebody says that an object outlives what made it: key, value. Ours first, then
/// those of Helm, Argo CD and cli-utils (readiness.md 4.1).
const KEEP_MARKS: [(&str, &str); 4] = [
    ("wesago/on-delete", "keep"),
    ("helm.sh/resource-policy", "keep"),
    ("client.lifecycle.config.k8s.io/deletion", "detach"),
    ("cli-utils.sigs.k8s.io/on-remove", "keep"),
];

/// Namespaces every cluster needs.
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// What happens to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Goes,
    /// It stays, and stays ours.
    Stays(Keep),
    /// It stays and is no longer ours: our label is taken off.
    IsLetGo {
        /// The annotation that says so.
        mark: &'static str,
    },
}

/// Why an object stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is a volume.
    Volume {
        /// Its size, such as `1Gi`.
        size: String,
    },
    /// Its end would take its volumes with it (`persistentVolumeClaimRetentionPolicy`).
    TakesVolumes,
    /// Its values were made once and exist nowhere else.
    GeneratedSecret,
    /// It holds what stays.
    Namespace,
    /// We did not make it.
    ForeignNamespace,
    /// Its end would erase objects that are not removed with it.
    Instances {
        /// How many.
        count: usize,
    },
    /// A controller made it, and decides about it.
    Controlled {
        /// The controller, such as `Deployment/web`.
        by: String,
    },
    /// It carries our label, but we never wrote it.
    NeverWritten,
    /// It is the newest revision of the plan.
    History {
        /// How many there are.
        count: usize,
    },
}

impl Keep {
    /// Returns the reason as a person would say it.
    pub fn reason(&self) -> String {
        match self {
            Self::Volume { size } => format!("a volume of {size}; --delete-data removes it"),
            Self::TakesVolumes => {
                "its policy `whenDeleted: Delete` takes its volumes with it; --delete-data \
                                   removes both, `whenDeleted: Retain` keeps the volumes"
                    .to_owned()
            }
            Self::GeneratedSecret => "its values exist nowhere else; --delete-data removes it".to_owned(),
            Self::Namespace => "it holds what stays; --delete-data removes it".to_owned(),
            Self::ForeignNamespace => "it was there before; remove it by hand".to_owned(),
            Self::Instances { count: 1 } => {
                "1 object of its kind would go with it; remove that first".to_owned()
            }
            Self::Instances { count } => {
                format!("{count} objects of its kind would go with it; remove those first")
            }
            Self::Controlled { by } => format!("{by} made it and decides about it"),
            Self::History { count: 1 } => "kept for `wesago rollback`; --delete-data removes it".to_owned(),
            Self::History { count } => {
                format!(
                    "the newest of {count} revisions kept for `wesago rollback`; --delete-data removes them"
                )
            }
            Self::NeverWritten => "it carries the plan's label, but wesago never wrote it".to_owned(),
        }
    }

    /// Returns true when the object stays a member of the plan: a later removal asks again.
    pub(super) fn is_member(&self) -> bool {
        !matches!(self, Self::Controlled { .. } | Self::NeverWritten | Self::History { .. })
    }
}

/// What is known beside an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Data may go.
    pub delete_data: bool,
    /// For each definition that is to go, the objects of its kind that do not go with it.
    pub instances: BTreeMap<ObjectRef, usize>,
    /// Namespaces that hold something that stays.
    pub in_use: BTreeSet<String>,
}

/// Returns what happens to an object that carries our label, or that a set of ours has made.
pub(super) fn fate(object: &Object, facts: &Facts) -> Fate {
    if let Some(by) = controller(object) {
        return Fate::Stays(Keep::Controlled { by });
    }
    if let Some((mark, _)) = KEEP_MARKS.iter().find(|(mark, value)| object.annotation(mark) == Some(*value)) {
        return Fate::IsLetGo { mark };
    }
    let keep = match object.kind() {
        "Namespace" => match namespace(object, facts) {
            Some(keep) => return Fate::Stays(keep),
            None => Keep::Namespace,
        },
        "CustomResourceDefinition" => match facts.instances.get(&object.reference()) {
            // Whatever was said of our data: these are somebody else's.
            Some(&count) if count > 0 => return Fate::Stays(Keep::Instances { count }),
            _ => return Fate::Goes,
        },
        "PersistentVolumeClaim" | "PersistentVolume" => Keep::Volume { size: size(object) },
        "Secret" if object.annotation(GENERATED).is_some() => Keep::GeneratedSecret,
        "StatefulSet" if takes_volumes(object) => Keep::TakesVolumes,
        _ => return Fate::Goes,
    };
    if facts.delete_data { Fate::Goes } else { Fate::Stays(keep) }
}

/// Returns why a namespace stays whatever was said of the data.
fn namespace(object: &Object, facts: &Facts) -> Option<Keep> {
    if object.annotation(CREATED_BY).is_none() || SYSTEM_NAMESPACES.contains(&object.name()) {
        return Some(Keep::ForeignNamespace);
    }
    facts.in_use.contains(object.name()).then_some(Keep::Namespace)
}

/// Returns the controller an object belongs to.
fn controller(object: &Object) -> Option<String> {
    let owners = object.get("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?))
}

/// Returns the size of a volume: what it has, else what was asked for.
fn size(object: &Object) -> String {
    let pointers = ["/status/capacity/storage", "/spec/capacity/storage", "/spec/resources/requests/storage"];
    let found = pointers.iter().map(|pointer| object.text(pointer)).find(|size| !size.is_empty());
    found.unwrap_or("unknown size").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Facts, Fate, Keep, fate};
    use crate::object::Object;

    fn object(kind: &str, annotations: &Value) -> Object {
        Object::new(json!({
            "apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "annotations": annotations},
            "spec": {"resources": {"requests": {"storage": "1Gi"}}},
        }))
        .unwrap()
    }

    /// Returns the fates without and with `--delete-data`.
    fn fates(object: &Object) -> [Fate; 2] {
        [false, true].map(|delete_data| fate(object, &Facts { delete_data, ..Facts::default() }))
    }

    #[test]
    fn data_stays_unless_asked_for() {
        let claim = object("PersistentVolumeClaim", &json!({}));
        assert_eq!(fates(&claim), [Fate::Stays(Keep::Volume { size: "1Gi".into() }), Fate::Goes]);
        let mut grown = claim.into_value();
        grown["status"] = json!({"capacity": {"storage": "2Gi"}});
        let grown = Object::new(grown).unwrap();
        assert_eq!(fates(&grown)[0], Fate::Stays(Keep::Volume { size: "2Gi".into() }));
        let secret = object("Secret", &json!({"wesago/generated": "true"}));
        assert_eq!(fates(&secret), [Fate::Stays(Keep::GeneratedSecret), Fate::Goes]);
        assert_eq!(fates(&object("Secret", &json!({}))), [Fate::Goes, Fate::Goes]);
    }

    #[test]
    fn a_set_that_takes_its_volumes_along_is_data() {
        let mut set = object("StatefulSet", &json!({})).into_value();
        set["spec"] = json!({
            "volumeClaimTemplates": [{}], "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"},
        });
        assert_eq!(fates(&Object::new(set.clone()).unwrap()), [Fate::Goes, Fate::Goes]);
        set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] = "Delete".into();
        assert_eq!(fates(&Object::new(set).unwrap()), [Fate::Stays(Keep::TakesVolumes), Fate::Goes]);
    }

    #[test]
    fn a_namespace_that_was_there_before_or_is_in_use_is_never_deleted() {
        let ours = object("Namespace", &json!({"wesago/created-by": "wesago"}));
        assert_eq!(fates(&ours), [Fate::Stays(Keep::Namespace), Fate::Goes]);
        let in_use = Facts { delete_data: true, in_use: ["x".to_owned()].into(), ..Facts::default() };
        assert_eq!(fate(&ours, &in_use), Fate::Stays(Keep::Namespace));
        let foreign = object("Namespace", &json!({}));
        assert_eq!(fates(&foreign)[1], Fate::Stays(Keep::ForeignNamespace));
        let mut system = ours.into_value();
        system["metadata"]["name"] = "kube-system".into();
        assert_eq!(fates(&Object::new(system).unwrap())[1], Fate::Stays(Keep::ForeignNamespace));
    }

    #[test]
    fn a_definition_with_foreign_objects_stays_even_when_data_goes() {
        let definition = object("CustomResourceDefinition", &json!({}));
        let instances = [(definition.reference(), 2)].into();
        let facts = Facts { delete_data: true, instances, ..Facts::default() };
        assert_eq!(fate(&definition, &facts), Fate::Stays(Keep::Instances { count: 2 }));
        assert_eq!(fates(&definition), [Fate::Goes, Fate::Goes]);
    }

    #[test]
    fn what_is_marked_is_let_go() {
        for (mark, value) in super::KEEP_MARKS {
            let marked = object("ConfigMap", &json!({mark: value}));
            assert_eq!(fates(&marked), [Fate::IsLetGo { mark }, Fate::IsLetGo { mark }]);
            assert_eq!(fates(&object("ConfigMap", &json!({mark: "delete"})))[0], Fate::Goes);
        }
    }

    #[test]
    fn what_a_controller_made_is_left_to_it() {
        let mut owned = object("ConfigMap", &json!({})).into_value();
        let reference = |controller: bool| json!([{"kind": "Widget", "name": "w", "controller": controller}]);
        owned["metadata"]["ownerReferences"] = reference(true);
        let kept = Fate::Stays(Keep::Controlled { by: "Widget/w".into() });
        assert_eq!(fates(&Object::new(owned.clone()).unwrap()), [kept.clone(), kept]);
        owned["metadata"]["ownerReferences"] = reference(false);
        assert_eq!(fates(&Object::new(owned).unwrap())[0], Fate::Goes);
    }

    #[test]
    fn every_reason_says_what_to_do() {
        let all = [
            Keep::Volume { size: "1Gi".into() },
            Keep::TakesVolumes,
            Keep::GeneratedSecret,
            Keep::Namespace,
            Keep::ForeignNamespace,
            Keep::Instances { count: 1 },
            Keep::Instances { count: 3 },
            Keep::Controlled { by: "Deployment/web".into() },
            Keep::NeverWritten,
        ];
        let told: Vec<String> = all.iter().map(|keep| format!("x stays: {}", keep.reason())).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        x stays: a volume of 1Gi; --delete-data removes it
        x stays: its policy `whenDeleted: Delete` takes its volumes with it; --delete-data removes both, `whenDeleted: Retain` keeps the volumes
        x stays: its values exist nowhere else; --delete-data removes it
        x stays: it holds what stays; --delete-data removes it
        x stays: it was there before; remove it by hand
        x stays: 1 object of its kind would go with it; remove that first
        x stays: 3 objects of its kind would go with it; remove those first
        x stays: Deployment/web made it and decides about it
        x stays: it carries the plan's label, but wesago never wrote it
        ");
    }
}
