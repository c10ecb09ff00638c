//! JSON values as YAML that every reader takes for the same values.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_saphyr::DoubleQuoted;

/// Returns `value` as one YAML document, with a line end. Strings that some reader could take for
/// another type (`on`, `0644`, `1e3`) are quoted.
pub fn to_yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! {
        // A folded block would turn a long line into several: harder to compare, easier to misread.
        folded_wrap_chars: usize::MAX,
    };
    // JSON has nothing that YAML cannot say, and a String takes every write.
    serde_saphyr::to_string_with_options(&Written(value), options)
        .unwrap_or_else(|error| unreachable!("JSON is YAML: {error}"))
}

/// A value on its way to the writer.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            // A block whose first line begins with a tab is right, and Go's reader refuses it.
            Value::String(text) if text.contains('\n') && text.trim_start_matches('\n').starts_with('\t') => {
                DoubleQuoted(text).serialize(serializer)
            }
            Value::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| sequence.serialize_element(&Written(item)))?;
                sequence.end()
            }
            Value::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, item)| map.serialize_entry(key, &Written(item)))?;
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::to_yaml;

    #[test]
    fn objects_read_well_and_hostile_strings_are_quoted() {
        let value = json!({
            "kind": "ConfigMap",
            "data": { "script": "#!/bin/sh\nset -e\n", "tab": "\tx\ny\n", "mode": "0644", "on": "off" },
            "list": [{ "name": "a", "value": 1.5 }, [], {}, null, true],
        });
        insta::assert_snapshot!(to_yaml(&value), @r#"
        kind: ConfigMap
        data:
          script: |
            #!/bin/sh
            set -e
          tab: "\tx\ny\n"
          mode: "0644"
          "on": "off"
        list:
        - name: a
          value: 1.5
        - []
        - {}
        - null
        - true
        "#);
    }
}
