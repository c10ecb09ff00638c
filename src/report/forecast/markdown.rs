//! A forecast as Markdown, for a comment under a pull request: one line that says it all, each object
//! folded, its fields as a fenced `diff`.

use std::fmt::Write as _;

use super::hunks::{Shown, Sign, shown};
use super::{Heading, headline, remarks, word};
use crate::difference::Told;
use crate::event::{Forecast, ObjectForecast};
use crate::report::words::count;

/// Returns a forecast as Markdown; ends with a line end.
pub fn forecast_markdown(heading: Heading<'_>, forecast: &Forecast) -> String {
    let mut text = format!("**{}** on `{}`\n", escaped(&headline(heading, forecast)), heading.context);
    for object in &forecast.objects {
        text.push('\n');
        text.push_str(&folded(object));
    }
    text
}

fn folded(object: &ObjectForecast) -> String {
    let mut title = format!("<code>{}</code> {}", escaped(&object.object.to_string()), word(object.prospect));
    if !object.fields.is_empty() {
        title.push_str(", ");
        title.push_str(&count(object.fields.len(), "field"));
    }
    if !object.rolls.is_empty() {
        title.push_str(", its pods roll");
    }
    let remarks = remarks(object);
    if object.fields.is_empty() && remarks.is_empty() {
        return format!("- {title}\n");
    }
    let mut text = format!("<details><summary>{title}</summary>\n");
    if !remarks.is_empty() {
        text.push('\n');
    }
    for remark in &remarks {
        let _infallible = writeln!(text, "- {}", escaped(&remark.replace('\n', " ")));
    }
    if !object.fields.is_empty() {
        let body: String = object.fields.iter().map(field).collect();
        let fence = fence(&body);
        let _infallible = write!(text, "\n{fence}diff\n{body}{fence}\n");
    }
    text.push_str("\n</details>\n");
    text
}

/// Returns a field as lines of a diff; what names it is an unchanged line.
fn field(told: &Told) -> String {
    let mut text = format!("  {}\n", told.field);
    let mut line = |sign: &str, content: &str| {
        let _infallible = writeln!(text, "{sign} {content}");
    };
    match shown(told) {
        Shown::Inline(before, after) => {
            for (sign, value) in [("-", before), ("+", after)] {
                if let Some(value) = value {
                    line(sign, &value);
                }
            }
        }
        Shown::Lines(lines) => {
            for shown in lines {
                match shown.sign {
                    Sign::Same => line(" ", &shown.text()),
                    Sign::Gone => line("-", &shown.text()),
                    Sign::New => line("+", &shown.text()),
                    Sign::Skipped => line("@@", "@@"),
                }
            }
        }
    }
    text
}

/// Returns a fence longer than any row of backticks in `body`: content cannot end it.
fn fence(body: &str) -> String {
    let longest = body.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Returns a text that means itself in Markdown and HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '*' | '_' | '[' | ']' | '\\' | '|' | '@' => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HEADING, forecast, nothing};
    use super::{escaped, fence, forecast_markdown};

    #[test]
    fn for_a_pull_request() {
        insta::assert_snapshot!(forecast_markdown(HEADING, &forecast()), @r#"
        **shop: 1 refused, 1 to delete, 1 to recreate, 2 to create, 3 to configure, 1 kept, 30 unchanged** on `k3s`

        <details><summary><code>Secret/shop-env</code> created</summary>

        - a value is made for `PASSWORD`

        </details>

        <details><summary><code>ConfigMap/settings</code> configured, 3 fields</summary>

        ```diff
          .data.mode
        - "fast"
        + "slow"
          .data.site
          listen 80;
        - server_name shop.example;
        + server_name store.example;
          .data.old
        - "1"
        ```

        </details>

        <details><summary><code>Secret/web</code> configured, 1 field</summary>

        ```diff
          .data.KEY
        - <hidden 0a1b2c>
        + <hidden 3d4e5f>
        ```

        </details>

        <details><summary><code>Job/migrate</code> recreated</summary>

        - runs again: it failed

        </details>

        <details><summary><code>Deployment/web</code> configured, 2 fields, its pods roll</summary>

        - its pods roll: ConfigMap/settings changes in `mode`
        - warning: spec.x is deprecated

        ```diff
          .spec.replicas
        - 2
        + 3
          .spec.paused
        + false
        ```

        </details>

        <details><summary><code>Deployment/big</code> refused</summary>

        - exceeded quota: small, requested: pods=3

        </details>

        <details><summary><code>Widget/one</code> created</summary>

        - unverified: the cluster does not know the kind Widget yet

        </details>

        <details><summary><code>Service/old</code> deleted</summary>

        - it is no longer in the plan

        </details>

        <details><summary><code>PersistentVolumeClaim/data</code> kept</summary>

        - it is no longer in the plan, but a volume of 1Gi; --delete-data removes it

        </details>
        "#);
    }

    #[test]
    fn of_nothing_to_do() {
        insta::assert_snapshot!(forecast_markdown(HEADING, &nothing()), @"**shop: a deploy would change nothing (31 objects unchanged)** on `k3s`");
    }

    #[test]
    fn content_cannot_end_its_fence_or_become_markup() {
        assert_eq!(fence("a ``` b\n"), "````");
        assert_eq!(fence("plain"), "```");
        assert_eq!(
            escaped("</details><b>*x*</b> @team"),
            "&lt;/details&gt;&lt;b&gt;\\*x\\*&lt;/b&gt; \\@team"
        );
    }
}
