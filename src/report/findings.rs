//! A finding of the preflight as a person reads it, in the shape of a compiler's message.
//!
//! ```text
//! error[reference]: Deployment/web: reads key `color` of ConfigMap/settings, which …
//!  --> manifests/web.yaml:3
//!   = help: did you mean `colour`?
//! ```

use super::ink::Ink;
use crate::event::{Finding, Level};

/// Returns a finding, painted; ends without a line end.
pub(crate) fn finding_text(finding: &Finding) -> String {
    let (word, ink) = match finding.level {
        Level::Error => ("error", Ink::Bad),
        Level::Warning => ("warning", Ink::Notice),
    };
    let head = ink.paint(&format!("{word}[{}]", finding.check));
    let object = finding.object.as_ref().map_or_else(String::new, |object| format!("{object}: "));
    let place = finding.place.as_ref().map_or_else(String::new, |place| format!("\n --> {place}"));
    let help = if finding.fix.is_empty() { String::new() } else { format!("\n  = help: {}", finding.fix) };
    format!("{head}: {object}{}{place}{help}", finding.what)
}
