//! What an unquoted word means to kubectl: the rules of YAML 1.1 as Go's reader has them, then those of
//! its way through JSON. `on` is true, `0644` is 420, `1.0` is 1.

use base64::Engine as _;
use serde_json::{Number, Value};

/// Returns what kubectl reads for a scalar; `plain` is false for a quoted one and a block.
///
/// # Errors
/// What is wrong with it, such as a number that JSON does not have.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Result<Value, String> {
    match tag {
        None if plain => implicit(text),
        Some("binary") => binary(text),
        Some(wanted @ ("int" | "float" | "bool" | "null")) => {
            let value = implicit(text)?;
            let fits = match wanted {
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                "bool" => value.is_boolean(),
                _ => value.is_null(),
            };
            if fits { Ok(value) } else { Err(format!("`{text}` is no `!!{wanted}`")) }
        }
        // Quotes and `!!str` make a string, and so does a tag that kubectl does not know.
        None | Some(_) => Ok(Value::String(text.to_owned())),
    }
}

/// Returns why a plain scalar is likely to be another value than its writer thinks, such as "kubectl
/// reads `on` as true"; `None` for one that every reader takes for the same.
pub(super) fn surprise(text: &str, value: &Value) -> Option<String> {
    let surprising = match value {
        Value::Bool(_) => !matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE"),
        Value::Number(_) => is_surprising_number(text),
        _ => false,
    };
    surprising.then(|| format!("kubectl reads `{text}` as {value}"))
}

/// Returns true for what YAML 1.2 reads otherwise (`0644`, `1_000`, `0b1`) and for what looks like a name
/// (`1e3`, the start of many a commit hash).
fn is_surprising_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let leading_zero = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let radix = digits.starts_with("0b") || digits.starts_with("0B") || digits.starts_with("0O");
    let exponent = !digits.contains('.')
        && !digits.starts_with("0x")
        && !digits.starts_with("0X")
        && digits.contains(['e', 'E']);
    text.contains('_') || leading_zero || radix || exponent
}

fn implicit(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => {
            return Err(format!("`{text}` is a number that JSON does not have"));
        }
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    })
}

/// Returns the number in `text`, by the rules of Go's `yaml.v2`.
fn number(text: &str) -> Option<Value> {
    match text.as_bytes().first()? {
        b'.' => float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits: String = text.chars().filter(|letter| *letter != '_').collect();
            integer(&digits).or_else(|| if is_float(&digits) { float(&digits) } else { None })
        }
        _ => None,
    }
}

/// Returns the integer in `digits`; the prefixes are those of Go, a leading zero means octal.
fn integer(digits: &str) -> Option<Value> {
    let (sign, rest) = match digits.as_bytes().first()? {
        b'+' => ("", &digits[1..]),
        b'-' => ("-", &digits[1..]),
        _ => ("", digits),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, body) = if let Some(body) = lower.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = lower.strip_prefix("0b") {
        (2, body)
    } else if let Some(body) = lower.strip_prefix("0o") {
        (8, body)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    // A second sign is no digit, but Rust's parser would take it.
    if !body.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    if let Ok(value) = i64::from_str_radix(&format!("{sign}{body}"), radix) {
        return Some(value.into());
    }
    if sign.is_empty() && !digits.starts_with('+') {
        return u64::from_str_radix(body, radix).ok().map(Value::from);
    }
    None
}

/// Returns true for `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", after)) => !after.is_empty() && all_digits(after),
        Some((before, after)) => all_digits(before) && all_digits(after),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|text| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

/// Returns the float in `text`; a whole one becomes an integer on its way through JSON, one beyond the
/// range of a float stays text.
fn float(text: &str) -> Option<Value> {
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let in_range = value.abs() < 9_223_372_036_854_775_808.0;
    if in_range && value.fract() == 0.0 {
        // Printed without a point and read again: exact, and no cast that could round.
        return format!("{value:.0}").parse::<i64>().ok().map(Value::from);
    }
    Number::from_f64(value).map(Value::Number)
}

fn binary(text: &str) -> Result<Value, String> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .map_err(|error| format!("`!!binary` is followed by what is not base64: {error}"))?;
    String::from_utf8(bytes)
        .map(Value::String)
        .map_err(|_| "`!!binary` holds bytes that are not text, which JSON does not have".to_owned())
}
