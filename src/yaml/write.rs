//! JSON values as YAML that every reader takes for the same values.

use serde_json::Value;

/// Returns `value` as one YAML document, with a line end. Strings that some reader could take for
/// another type (`on`, `0644`, `1e3`) are quoted.
pub fn to_yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! {
        // A folded block would turn a long line into several: harder to compare, easier to misread.
        folded_wrap_chars: usize::MAX,
    };
    // JSON has nothing that YAML cannot say, and a String takes every write.
    serde_saphyr::to_string_with_options(value, options)
        .unwrap_or_else(|error| unreachable!("JSON is YAML: {error}"))
}
