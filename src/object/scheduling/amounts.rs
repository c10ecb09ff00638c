//! Sums of amounts, by resource, in thousandths.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::Quantity;

/// An amount in thousandths, rounded up as the scheduler does.
pub(crate) type Millis = i128;

/// Amounts by resource, such as `cpu`.
pub(crate) type Amounts = BTreeMap<String, Millis>;

/// Returns the amounts in a mapping such as `requests`; what is no quantity is left out.
pub(crate) fn amounts(value: Option<&Value>) -> Amounts {
    let map = value.and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), Quantity::of(value)?.thousandths())))
        .collect()
}

/// Adds amounts, so many times.
pub(crate) fn add(sum: &mut Amounts, amounts: &Amounts, times: i64) {
    for (name, amount) in amounts {
        let slot = sum.entry(name.clone()).or_default();
        *slot = slot.saturating_add(amount.saturating_mul(i128::from(times)));
    }
}

/// Returns an amount as a person writes it: memory and storage in binary units, all else in whole or
/// thousandth units.
pub(crate) fn shown(resource: &str, millis: Millis) -> String {
    const UNITS: [(&str, i128); 4] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    if resource.contains("memory") || resource.contains("storage") {
        let bytes = millis / 1000;
        let unit = UNITS.iter().find(|(_, size)| bytes.abs() >= *size);
        return match unit {
            Some((unit, size)) if bytes % size == 0 => format!("{}{unit}", bytes / size),
            Some((unit, size)) => {
                let tenths = bytes * 10 / size;
                format!("{}.{}{unit}", tenths / 10, (tenths % 10).abs())
            }
            None => bytes.to_string(),
        };
    }
    if millis % 1000 == 0 { (millis / 1000).to_string() } else { format!("{millis}m") }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (resource, millis, text) in [
            ("cpu", 250, "250m"),
            ("cpu", 4_000, "4"),
            ("pods", 110_000, "110"),
            ("memory", 134_217_728_000, "128Mi"),
            ("memory", 1_610_612_736_000, "1.5Gi"),
            ("requests.storage", 999_000, "999"),
        ] {
            assert_eq!(shown(resource, millis), text);
        }
    }
}
