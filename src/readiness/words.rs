//! The sentences reasons are made of.

/// Returns "2 of 3 replicas are available", or "0 of 1 replica is available".
pub(super) fn so_many(done: i64, total: i64, noun: &str, what: &str) -> String {
    if total == 1 {
        format!("{done} of 1 {noun} is {what}")
    } else {
        format!("{done} of {total} {noun}s are {what}")
    }
}

/// Returns "1 pod" or "3 pods".
pub(super) fn counted(number: i64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns `head`, followed by the explanation when there is one.
pub(super) fn explained(head: &str, explanation: Option<String>) -> String {
    match explanation {
        Some(explanation) => format!("{head}: {explanation}"),
        None => head.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(so_many(0, 1, "replica", "available"), "0 of 1 replica is available");
        assert_eq!(so_many(2, 3, "replica", "available"), "2 of 3 replicas are available");
        assert_eq!(counted(1, "pod"), "1 pod");
        assert_eq!(counted(0, "pod"), "0 pods");
        assert_eq!(explained("not available", Some("why".into())), "not available: why");
    }
}
