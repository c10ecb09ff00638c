//! The server's warnings, each told once a run: a deprecated version is warned of with every object in it.

use std::collections::BTreeSet;

use crate::object::ObjectRef;

/// So many different warnings are told of one run; a text with a name in it never repeats.
const MOST: usize = 100;

/// What has been told.
#[derive(Default)]
pub(super) struct Warnings {
    told: BTreeSet<String>,
    full: bool,
}

impl Warnings {
    /// Returns what is to be told of the warnings an object came with.
    pub(super) fn news(&mut self, object: &ObjectRef, warnings: Vec<String>) -> Vec<String> {
        let mut news = Vec::new();
        for warning in warnings {
            if self.told.contains(&warning) || self.full {
                continue;
            }
            if self.told.len() == MOST {
                self.full = true;
                news.push(format!("the server gave more than {MOST} warnings; further ones are not told"));
                continue;
            }
            news.push(format!("{object}: {warning}"));
            self.told.insert(warning);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Warnings};
    use crate::object::ObjectRef;

    fn config(name: &str) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: name.into(),
        }
    }

    #[test]
    fn a_warning_is_told_once_with_the_first_object() {
        let mut warnings = Warnings::default();
        let deprecated = || vec!["v1beta1 is deprecated".to_owned()];
        assert_eq!(warnings.news(&config("a"), deprecated()), ["ConfigMap/a: v1beta1 is deprecated"]);
        assert!(warnings.news(&config("b"), deprecated()).is_empty());
        assert_eq!(warnings.news(&config("b"), vec!["unknown field".into()]), ["ConfigMap/b: unknown field"]);
    }

    #[test]
    fn a_server_that_never_stops_warning_is_not_listened_to_for_ever() {
        let mut warnings = Warnings::default();
        let all =
            (0..MOST + 50).flat_map(|n| warnings.news(&config("a"), vec![n.to_string()])).collect::<Vec<_>>();
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all[MOST], "the server gave more than 100 warnings; further ones are not told");
    }
}
