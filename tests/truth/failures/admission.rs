//! Objects and pods that the server refuses.

use crate::evidence::Evidence::{Answer, Event};
use crate::objects::{DEBIAN, IDLE, web};
use crate::sandbox::seen::Seen;
use crate::trial::{Failure, is_refused, pods_are_refused};

const QUOTA: &str = "kubectl --namespace $NAMESPACE describe resourcequota";
const WEBHOOKS: &str = "kubectl get validatingwebhookconfigurations";

const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80 }] }\n";

fn quota(hard: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{ name: none, namespace: $NAMESPACE }}\nspec: {{ hard: {{ {hard} }} }}\n"
    )
}

/// Returns a policy of this name that allows no object of a kind in the trial's namespace.
fn policy(name: &str, group: &str, resource: &str) -> String {
    format!(
        "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: {name}, labels: {{ wesago-truth: \"\" }} }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {{ apiGroups: [\"{group}\"], apiVersions: [v1], operations: [CREATE], resources: [{resource}] }}
  validations:
  - {{ expression: \"false\", message: not on a Friday }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: {name}, labels: {{ wesago-truth: \"\" }} }}
spec:
  policyName: {name}
  validationActions: [Deny]
  matchResources: {{ namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: $NAMESPACE }} }} }}
"
    )
}

/// Returns a webhook of this name for objects of some kinds in the trial's namespace, which nobody serves.
fn webhook(name: &str, group: &str, resources: &str) -> String {
    format!(
        "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{ name: {name}, labels: {{ wesago-truth: \"\" }} }}
webhooks:
- name: rules.{name}.example.org
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 2
  admissionReviewVersions: [v1]
  clientConfig: {{ service: {{ namespace: $NAMESPACE, name: rules }} }}
  namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: $NAMESPACE }} }}
  rules: [{{ apiGroups: [\"{group}\"], apiVersions: [v1], operations: [CREATE], resources: [{resources}] }}]
"
    )
}

pub(crate) fn all() -> Vec<Failure> {
    let mut all = pods();
    all.extend(objects());
    all
}

/// The workload is taken, its pods are not.
fn pods() -> Vec<Failure> {
    let web = |pod: &[&str]| web(pod, &[DEBIAN, IDLE]);
    let refused = |name, words| Failure::new(name, web(&[]), Event("FailedCreate", words));
    vec![
        // Whoever serves it may come back, or come with this very deploy.
        refused("webhook-away", "failed calling webhook")
            .beside(webhook("truth-webhook-away", "", "pods"))
            .prepared_by(|namespace| pods_are_refused(namespace, "failed calling webhook"), |_| Ok(()))
            .may_pass_until(10)
            .tells(&["failed calling webhook", "rules.truth-webhook-away.example.org", "\"rules\" not found"])
            .offers(WEBHOOKS),
        refused("quota", "exceeded quota")
            .beside(quota("pods: 0"))
            .tells(&["exceeded quota: none", "limited: pods=0"])
            .offers(QUOTA),
        refused("policy", "not on a Friday")
            .beside(policy("truth-policy", "", "pods"))
            .prepared_by(|namespace| pods_are_refused(namespace, "not on a Friday"), |_| Ok(()))
            .tells(&["truth-policy", "not on a Friday"])
            .offers("kubectl get validatingadmissionpolicy truth-policy --output yaml"),
        refused("pod-security", "violates PodSecurity")
            .in_namespace_with("pod-security.kubernetes.io/enforce: restricted")
            .tells(&["violates PodSecurity \"restricted", "allowPrivilegeEscalation"])
            .offers("kubectl get namespace $NAMESPACE"),
        Failure::new(
            "account-missing",
            web(&["serviceAccountName: nobody"]),
            Event("FailedCreate", "serviceaccount \"nobody\" not found"),
        )
        .tells(&["serviceaccount \"nobody\" not found"])
        .offers("kubectl --namespace $NAMESPACE get serviceaccount nobody"),
    ]
}

/// The server says no to wesago itself.
fn objects() -> Vec<Failure> {
    let refused = |name, objects: &str, code| Failure::new(name, objects, Answer(code));
    vec![
        refused("webhook-away-object", SERVICE, 500)
            .beside(webhook("truth-webhook-away-object", "", "services"))
            .prepared_by(webhook_is_followed, |_| Ok(()))
            .may_pass_until(8)
            .blames("Service/web")
            .tells(&["failed calling webhook", "rules.truth-webhook-away-object.example.org"])
            .offers(WEBHOOKS),
        refused("quota-object", SERVICE, 403)
            .beside(quota("services: 0"))
            .blames("Service/web")
            .tells(&["exceeded quota: none", "limited: services=0"])
            .offers(QUOTA),
        refused("policy-object", &web(&[], &[DEBIAN, IDLE]), 422)
            .beside(policy("truth-policy-object", "apps", "deployments"))
            .prepared_by(policy_is_followed, |_| Ok(()))
            .tells(&["truth-policy-object", "not on a Friday"])
            .offers("kubectl get validatingadmissionpolicy truth-policy-object --output yaml"),
        refused("invalid", &web(&[], &[DEBIAN, IDLE, "ports: [{ containerPort: 70000 }]"]), 422)
            .tells(&["containers[0].ports[0].containerPort", "70000"])
            .offers("kubectl explain deployment.spec.template.spec.containers.ports.containerPort"),
    ]
}

fn policy_is_followed(namespace: &str) -> Seen {
    let probe = ["create", "deployment", "probe", "--image=probe", "--dry-run=server", "--output=name"];
    is_refused(namespace, &probe, "not on a Friday")
}

fn webhook_is_followed(namespace: &str) -> Seen {
    let probe = ["create", "service", "clusterip", "probe", "--tcp=80", "--dry-run=server", "--output=name"];
    is_refused(namespace, &probe, "failed calling webhook")
}
