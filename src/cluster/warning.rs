//! `Warning` headers: how the server tells of deprecated versions, unknown fields and the like (RFC 7234,
//! 5.5; written by apiserver `endpoints/filters/warning.go`).

/// Returns the texts in one header: `299 - "text"`, with a date behind it or not, several with commas
/// between them. What comes after something else is left out.
pub(super) fn texts(header: &str) -> Vec<String> {
    let (mut texts, mut rest) = (Vec::new(), header.trim_start());
    while let Some((text, after)) = one(rest) {
        texts.push(text);
        rest = after;
    }
    texts
}

/// Takes one warning off and returns its text and what follows it.
fn one(header: &str) -> Option<(String, &str)> {
    let (code, rest) = header.split_once(' ')?;
    let (_agent, rest) = rest.split_once(' ')?;
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (text, rest) = quoted(rest.trim_start())?;
    let rest = match quoted(rest.trim_start()) {
        Some((_date, rest)) => rest,
        None => rest,
    };
    Some((text, rest.trim_start().trim_start_matches(',').trim_start()))
}

/// Takes a quoted string off, with its backslashes undone.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let (mut plain, mut escaped) = (String::new(), false);
    for (at, character) in inner.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Some((plain, &inner[at + 1..])),
            other => {
                // A terminal must not be steered by a server.
                plain.push(if other.is_control() { ' ' } else { other });
                escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::texts;

    #[test]
    fn a_warning_is_read() {
        assert_eq!(texts(r#"299 - "policy/v1beta1 is deprecated""#), ["policy/v1beta1 is deprecated"]);
        assert_eq!(
            texts(r#"299 - "unknown field \"spec.x\" \\ ignored""#),
            [r#"unknown field "spec.x" \ ignored"#]
        );
    }

    #[test]
    fn a_date_and_further_warnings_are_told_apart() {
        assert_eq!(
            texts(r#"299 - "one, two" "Wed, 21 Oct 2015 07:28:00 GMT", 299 - "three""#),
            ["one, two", "three"]
        );
    }

    #[test]
    fn what_is_no_warning_is_left_out() {
        for header in ["", "299", "299 -", "299 - text", r#"29x - "text""#, r#"299 - "no end"#] {
            assert!(texts(header).is_empty(), "{header}");
        }
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(texts("299 - \"a\u{1b}[31mb\""), ["a [31mb"]);
    }
}
