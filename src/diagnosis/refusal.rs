//! The server's no: which command shows the rule behind it. The words are those of the admission plugins and
//! of validation (apiserver `admission/plugin`, `apis/*/validation`).

/// Returns the command that shows the rule a refusal speaks of.
pub fn rule_behind(message: &str, namespace: Option<&str>) -> Option<String> {
    let inside = |words: &str| match namespace {
        Some(namespace) => format!("kubectl --namespace {namespace} {words}"),
        None => format!("kubectl {words}"),
    };
    if let Some((_, rest)) = message.split_once("ValidatingAdmissionPolicy '") {
        let name = rest.split('\'').next().filter(|name| is_name(name))?;
        return Some(format!("kubectl get validatingadmissionpolicy {name} --output yaml"));
    }
    if message.contains("failed calling webhook") || message.contains("admission webhook \"") {
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        return Some(format!("kubectl get {kinds}"));
    }
    if message.contains("exceeded quota") {
        return Some(inside("describe resourcequota"));
    }
    if message.contains("violates PodSecurity") {
        // The level is a label.
        return namespace.map(|namespace| format!("kubectl get namespace {namespace} --show-labels"));
    }
    None
}

/// Returns the command that explains a field the server does not take, such as
/// `spec.template.spec.containers[0].image`.
pub fn documentation(kind: &str, api_version: &str, field: &str) -> Option<String> {
    let mut path = String::new();
    let mut depth = 0_u32;
    for letter in field.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            // A message is another's text and must not put anything else into a command.
            _ if letter.is_ascii_alphanumeric() || letter == '.' => path.push(letter),
            _ => return None,
        }
    }
    let kind = kind.to_lowercase();
    (!path.is_empty()).then(|| format!("kubectl explain {kind}.{path} --api-version={api_version}"))
}

/// Returns true for what can be the name of an object.
fn is_name(text: &str) -> bool {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    !text.is_empty() && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::{documentation, rule_behind};

    #[track_caller]
    fn shown_by(message: &str, command: Option<&str>) {
        assert_eq!(rule_behind(message, Some("shop")).as_deref(), command, "{message}");
    }

    #[test]
    fn the_rule_behind_a_refusal_is_shown() {
        for (message, command) in [
            (
                "services \"web\" is forbidden: exceeded quota: small, requested: services=1",
                "kubectl --namespace shop describe resourcequota",
            ),
            (
                "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'all' \
                 denied request: no latest tag",
                "kubectl get validatingadmissionpolicy no-latest --output yaml",
            ),
            (
                "admission webhook \"policy.example.org\" denied the request: no latest tag",
                "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            ),
            (
                "Internal error occurred: failed calling webhook \"policy.example.org\": service not found",
                "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            ),
            (
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
                "kubectl get namespace shop --show-labels",
            ),
        ] {
            shown_by(message, Some(command));
        }
        shown_by("no", None);
    }

    #[test]
    fn a_wrong_field_is_explained_by_the_documentation() {
        let explained = |field| documentation("Deployment", "apps/v1", field);
        assert_eq!(
            explained("spec.template.spec.containers[0].ports[0].containerPort").as_deref(),
            Some(
                "kubectl explain deployment.spec.template.spec.containers.ports.containerPort --api-version=apps/v1"
            )
        );
        assert_eq!(
            explained("metadata.annotations[a.b/c]").as_deref(),
            Some("kubectl explain deployment.metadata.annotations --api-version=apps/v1")
        );
    }

    #[test]
    fn a_text_of_others_puts_nothing_into_a_command() {
        shown_by("ValidatingAdmissionPolicy 'x; rm -rf /' with binding", None);
        assert_eq!(documentation("Deployment", "apps/v1", "spec; rm -rf /"), None);
        assert_eq!(documentation("Deployment", "apps/v1", ""), None);
    }
}
