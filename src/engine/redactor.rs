//! Generated secrets do not reach output, whoever prints them: what a program logs is masked before it is
//! told to anybody.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::compose::Contents as SecretContents;

/// Shorter values would mask ordinary words.
const SHORTEST: usize = 6;
/// What stands for a value.
const MASK: &str = "***";

/// Masks the values it was given, as they are and in base64.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor {
    /// The longest first: a value may hold another one.
    hidden: Vec<String>,
}

impl Redactor {
    /// Returns a redactor of these values; one of several lines is masked line by line.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hidden = BTreeSet::new();
        for value in values {
            if value.len() >= SHORTEST {
                hidden.insert(STANDARD.encode(value));
            }
            let text = String::from_utf8_lossy(value);
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST);
            hidden.extend(lines.map(str::to_owned));
        }
        let mut hidden: Vec<String> = hidden.into_iter().collect();
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { hidden }
    }

    /// Returns a redactor of the values of Secrets.
    pub(super) fn of(secrets: &SecretContents) -> Self {
        Self::new(secrets.values().flat_map(BTreeMap::values).map(Vec::as_slice))
    }

    /// Returns a line with every value masked.
    pub(super) fn redacted<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(line);
        for value in self.hidden.iter().filter(|value| line.contains(value.as_str())) {
            text = Cow::Owned(text.replace(value.as_str(), MASK));
        }
        text
    }

    /// Returns the beginning of a line with every value masked, also one that was cut in two where the
    /// beginning ends.
    pub(super) fn redacted_beginning(&self, line: &str) -> String {
        let mut text = self.redacted(line).into_owned();
        let begun = |value: &String| {
            let lengths = (SHORTEST..value.len()).rev().filter(|&length| value.is_char_boundary(length));
            lengths.into_iter().find(|&length| text.ends_with(&value[..length]))
        };
        if let Some(length) = self.hidden.iter().filter_map(begun).max() {
            text.truncate(text.len() - length);
            text.push_str(MASK);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MASK, Redactor};

    fn redactor(values: &[&str]) -> Redactor {
        Redactor::new(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn a_value_is_masked_wherever_it_stands() {
        let redactor = redactor(&[
            "hunter2-hunter2",
            "hunter2",
            "-----BEGIN KEY-----\n  MIIEvQIBADAN\n-----END KEY-----",
        ]);
        for (line, told) in [
            ("url=postgres://x:hunter2-hunter2@db", "url=postgres://x:***@db"),
            ("hunter2hunter2", "******"),
            ("key MIIEvQIBADAN", "key ***"),
            ("in base64: aHVudGVyMg==", "in base64: ***"),
            ("hunter", "hunter"),
            ("", ""),
        ] {
            assert_eq!(redactor.redacted(line), told);
        }
    }

    #[test]
    fn short_values_mask_nothing() {
        let redactor = redactor(&["admin", "", "1"]);
        assert_eq!(redactor.redacted("admin has 1 message"), "admin has 1 message");
    }

    #[test]
    fn a_value_that_was_cut_in_two_is_masked_too() {
        let redactor = redactor(&["correct-horse-battery"]);
        assert_eq!(redactor.redacted_beginning("password: correct-hor"), "password: ***");
        assert_eq!(redactor.redacted_beginning("password: corr"), "password: corr");
        assert_eq!(redactor.redacted_beginning("correct-horse-battery and more"), "*** and more");
    }

    proptest! {
        /// No value is left, wherever a line was cut; of a cut one less than what could be guessed.
        #[test]
        fn no_value_is_left(
            values in prop::collection::vec("[a-c]{6,12}", 1..4),
            before in "[a-c ]{0,12}",
            which in any::<prop::sample::Index>(),
            cut in 0_usize..30,
        ) {
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let redactor = redactor(&texts);
            let whole = format!("{before}{}{before}", which.get(&values));
            prop_assert!(values.iter().all(|value| !redactor.redacted(&whole).contains(value.as_str())));
            let begun = redactor.redacted_beginning(&whole[..cut.min(whole.len())]);
            prop_assert!(values.iter().all(|value| !begun.contains(value.as_str())));
            prop_assert!(values.iter().all(|value| !begun.ends_with(&value[..6])), "{} {}", begun, MASK);
        }
    }
}
