//! Amounts of cpu, memory and other resources, as Kubernetes writes them: `500m`, `128Mi`, `1e3`
//! (apimachinery `pkg/api/resource/quantity.go`).

use serde_json::Value;

/// An amount, kept in thousandths of its unit and rounded up to them, as the scheduler counts cpu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

/// More digits than any amount has.
const MOST_DIGITS: usize = 18;

impl Quantity {
    /// Returns the amount in `text`; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let number_ends = text.find(|letter: char| !(letter.is_ascii_digit() || "+-.".contains(letter)));
        let (number, suffix) = text.split_at(number_ends.unwrap_or(text.len()));
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && part.is_empty()) || whole.len() + part.len() > MOST_DIGITS {
            return None;
        }
        let mantissa: i128 = format!("0{whole}{part}").parse().ok()?;
        let (times, over) = scale(suffix)?;
        let over = over.checked_mul(10_i128.checked_pow(u32::try_from(part.len()).ok()?)?)?;
        let thousandths = mantissa.checked_mul(times)?.checked_mul(1000)?;
        Some(Self(sign * (thousandths + over - 1).div_euclid(over)))
    }

    /// Returns the amount in a JSON string or number.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// Returns the amount in thousandths of its unit.
    pub fn thousandths(self) -> i128 {
        self.0
    }
}

/// Returns what a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let power = |base: i128, list: &[&str; 6]| {
        let at = list.iter().position(|known| *known == suffix)?;
        base.checked_pow(u32::try_from(at + 1).ok()?)
    };
    match suffix {
        "" => return Some((1, 1)),
        "m" => return Some((1, 1_000)),
        "u" => return Some((1, 1_000_000)),
        "n" => return Some((1, 1_000_000_000)),
        _ => {}
    }
    if let Some(times) = power(1_000, &DECIMAL).or_else(|| power(1_024, &BINARY)) {
        return Some((times, 1));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let size = 10_i128.checked_pow(exponent.unsigned_abs()).filter(|_| exponent.abs() <= 18)?;
    Some(if exponent < 0 { (1, size) } else { (size, 1) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::Quantity;

    #[test]
    fn every_way_to_write_an_amount_is_read() {
        for (text, thousandths) in [
            ("1", 1_000),
            ("500m", 500),
            ("0.5", 500),
            (".5", 500),
            ("1e3", 1_000_000),
            ("1E-3", 1),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1k", 1_000_000),
            ("128Mi", 134_217_728_000),
            ("1.5Gi", 1_610_612_736_000),
            ("100u", 1),
            ("1n", 1),
            ("-2", -2_000),
            ("+2", 2_000),
        ] {
            assert_eq!(Quantity::parse(text), Some(Quantity(thousandths)), "{text}");
        }
        for text in ["", "m", "1x", "1.2.3", "--1", "1 Gi", "9999999999999999999", "1e99", "1ee"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
        assert_eq!(Quantity::of(&json!(2)), Quantity::parse("2"));
        assert_eq!(Quantity::of(&json!(true)), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+.0-9a-zA-Zé]{0,24}") {
            let _amount = Quantity::parse(&text);
        }
    }
}
