//! Claims that get no volume.

use crate::evidence::Evidence::{Event, Unscheduled};
use crate::objects::{DEBIAN, IDLE, web};
use crate::trial::Failure;

const DESCRIBE: &str = "kubectl --namespace $NAMESPACE describe persistentvolumeclaim data";

fn claim(class: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{ name: data }}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: \"{class}\"
  resources: {{ requests: {{ storage: 1Mi }} }}
"
    )
}

pub(crate) fn all() -> Vec<Failure> {
    let mounted = "volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]";
    vec![
        // A volume made by hand can bind without the class: it is given a moment to come.
        Failure::new("class-missing", claim("fats"), Event("ProvisioningFailed", "\"fats\" not found"))
            .has_grace(30)
            .blames("PersistentVolumeClaim/data")
            .tells(&["there is no storage class fats", "ProvisioningFailed"])
            .offers(DESCRIBE),
        Failure::new("class-none", claim(""), Event("FailedBinding", "no persistent volumes available"))
            .may_pass_until(8)
            .blames("PersistentVolumeClaim/data")
            .tells(&["no persistent volumes available", "FailedBinding"])
            .offers(DESCRIBE),
        Failure::new("claim-missing", web(&[mounted], &[DEBIAN, IDLE]), Unscheduled("\"data\" not found"))
            .tells(&["claim data is not there"])
            .offers("kubectl --namespace $NAMESPACE get persistentvolumeclaim data"),
    ]
}
