//! What a deploy would do, for a person: as text for a terminal, as Markdown for a pull request.

mod hunks;
mod markdown;
mod text;

pub use markdown::forecast_markdown;
pub(super) use text::foreseen_headline;
pub use text::{forecast_lines, forecast_notices, forecast_text};

use crate::event::{Certainty, Forecast, ObjectForecast, Prospect};
use crate::report::words::count;

/// What a forecast is about.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// The plan's name.
    pub plan: &'a str,
    /// The kubeconfig context.
    pub context: &'a str,
}

/// Returns `1 to create, 2 to configure, 30 unchanged`; empty for a plan without objects.
pub(crate) fn counts(forecast: &Forecast) -> String {
    let words = [
        (Prospect::Fail, "refused"),
        (Prospect::Delete, "to delete"),
        (Prospect::Recreate, "to recreate"),
        (Prospect::Create, "to create"),
        (Prospect::Configure, "to configure"),
        (Prospect::Write, "to write"),
        (Prospect::LetGo, "let go"),
        (Prospect::Keep, "kept"),
    ];
    let told = words.iter().map(|(prospect, word)| (forecast.with(*prospect).count(), *word));
    let told = told.chain([(forecast.unchanged, "unchanged")]).filter(|(number, _)| *number > 0);
    told.map(|(number, word)| format!("{number} {word}")).collect::<Vec<_>>().join(", ")
}

/// Returns what would be done to an object, in one word.
fn word(prospect: Prospect) -> &'static str {
    match prospect {
        Prospect::Create => "created",
        Prospect::Configure => "configured",
        Prospect::Write => "written",
        Prospect::Recreate => "recreated",
        Prospect::Delete => "deleted",
        Prospect::Keep => "kept",
        Prospect::LetGo => "let go",
        Prospect::Fail => "refused",
    }
}

/// Returns what is told of an object beside its fields, one remark a line.
fn remarks(object: &ObjectForecast) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Certainty::Unverified { why } = &object.certainty {
        remarks.push(format!("unverified: {why}"));
    }
    let is_job = object.object.kind == "Job" && object.prospect == Prospect::Recreate;
    let why = object.why.iter().map(|why| if is_job { format!("runs again: {why}") } else { why.clone() });
    remarks.extend(why);
    remarks.extend(object.rolls.iter().map(|why| format!("its pods roll: {why}")));
    remarks.extend(object.warnings.iter().map(|warning| format!("warning: {warning}")));
    remarks
}

/// Returns the one line about a forecast as a whole.
fn headline(heading: Heading<'_>, forecast: &Forecast) -> String {
    let (Heading { plan, .. }, told) = (heading, counts(forecast));
    if forecast.is_nothing() {
        let unchanged = count(forecast.unchanged, "object");
        let kept = forecast.with(Prospect::Keep).count();
        let kept = if kept > 0 { format!(", {kept} kept") } else { String::new() };
        return format!("{plan}: a deploy would change nothing ({unchanged} unchanged{kept})");
    }
    format!("{plan}: {told}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Heading;
    use crate::difference::Told;
    use crate::event::{Certainty, Forecast, ObjectForecast, Prospect};
    use crate::report::script::{object, stage};

    pub(super) const HEADING: Heading<'static> = Heading { plan: "shop", context: "k3s" };

    fn told(field: &str, before: Option<Value>, after: Option<Value>) -> Told {
        Told { field: field.into(), before, after }
    }

    /// Returns a forecast with everything that can be in one.
    pub(super) fn forecast() -> Forecast {
        let of = |stage_name: &str, kind: &str, name: &str, prospect: Prospect| {
            let stage = (!stage_name.is_empty()).then(|| stage(stage_name));
            ObjectForecast::new(stage, object(kind, name), prospect)
        };
        let settings = "listen 80;\nserver_name shop.example;\n";
        let objects = vec![
            ObjectForecast {
                why: vec!["a value is made for `PASSWORD`".into()],
                ..of("", "Secret", "shop-env", Prospect::Create)
            },
            ObjectForecast {
                fields: vec![
                    told(".data.mode", Some(json!("fast")), Some(json!("slow"))),
                    told(".data.site", Some(json!(settings)), Some(json!(settings.replace("shop", "store")))),
                    told(".data.old", Some(json!("1")), None),
                ],
                ..of("base", "ConfigMap", "settings", Prospect::Configure)
            },
            ObjectForecast {
                fields: vec![told(
                    ".data.KEY",
                    Some(json!("<hidden 0a1b2c>")),
                    Some(json!("<hidden 3d4e5f>")),
                )],
                ..of("base", "Secret", "web", Prospect::Configure)
            },
            ObjectForecast {
                why: vec!["it failed".into()],
                ..of("migrate", "Job", "migrate", Prospect::Recreate)
            },
            ObjectForecast {
                fields: vec![
                    told(".spec.replicas", Some(json!(2)), Some(json!(3))),
                    told(".spec.paused", None, Some(json!(false))),
                ],
                rolls: vec!["ConfigMap/settings changes in `mode`".into()],
                warnings: vec!["spec.x is deprecated".into()],
                ..of("web", "Deployment", "web", Prospect::Configure)
            },
            ObjectForecast {
                why: vec!["exceeded quota: small, requested: pods=3".into()],
                ..of("web", "Deployment", "big", Prospect::Fail)
            },
            ObjectForecast {
                certainty: Certainty::Unverified {
                    why: "the cluster does not know the kind Widget yet".into(),
                },
                ..of("web", "Widget", "one", Prospect::Create)
            },
            ObjectForecast {
                why: vec!["it is no longer in the plan".into()],
                ..of("", "Service", "old", Prospect::Delete)
            },
            ObjectForecast {
                why: vec![
                    "it is no longer in the plan, but a volume of 1Gi; --delete-data removes it".into(),
                ],
                ..of("", "PersistentVolumeClaim", "data", Prospect::Keep)
            },
        ];
        Forecast { objects, unchanged: 30 }
    }

    pub(super) fn nothing() -> Forecast {
        Forecast { objects: Vec::new(), unchanged: 31 }
    }
}
