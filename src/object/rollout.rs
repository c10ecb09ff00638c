//! How far a rollout must be before its workload counts as ready, where the manifest asks for less or more
//! than all of it: annotations of Deployments, StatefulSets and DaemonSets.

use serde_json::Value;

use super::Object;

/// The annotation that says how many pods of the new revision must be available: [`Required`]'s words.
pub const REQUIRED_ROLLOUT: &str = "wesago/required-rollout";

/// The annotation that makes a Deployment wait, when `true`, until its old pods have ended too.
pub const WAIT_TERMINATING: &str = "wesago/wait-terminating";

/// How much of a rollout must be done. One node that is away hangs a DaemonSet that must be complete, since it
/// is still counted; a fleet of many may be good enough at nine tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Every pod is new and available; pods that are updated on delete too.
    Full,
    /// All but as many as may be unavailable by the workload's own strategy.
    AllButUnavailable,
    /// At least so many of a hundred, rounded up.
    Percent(u8),
    /// None: the change was taken in by the controller.
    Nothing,
}

impl Required {
    /// What may be written, for a person.
    pub const WORDS: &str = "`full`, `maxUnavailable`, a percentage such as `90%`, or `none`";

    /// Returns what a word asks for; `None` when it is none of [`Required::WORDS`].
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "full" => Some(Self::Full),
            "maxUnavailable" => Some(Self::AllButUnavailable),
            "none" => Some(Self::Nothing),
            _ => {
                let percent: u8 = word.strip_suffix('%')?.parse().ok()?;
                (percent <= 100 && !word.starts_with('+')).then_some(Self::Percent(percent))
            }
        }
    }

    /// Returns what an object asks for; `None` when it says nothing of it, or nothing that is understood.
    pub fn of(object: &Object) -> Option<Self> {
        Self::parse(object.annotation(REQUIRED_ROLLOUT)?)
    }

    /// Returns how many of `wanted` pods must be new and available.
    pub fn count(self, object: &Object, wanted: i64) -> i64 {
        match self {
            Self::Full => wanted,
            Self::AllButUnavailable => wanted.saturating_sub(max_unavailable(object, wanted)).max(0),
            Self::Percent(percent) => part(wanted, i64::from(percent), true),
            Self::Nothing => 0,
        }
    }
}

/// Returns how many pods the workload's strategy lets be unavailable at once: for a Deployment a quarter,
/// rounded down, and never none if it may make none in excess either; for all else one, percentages rounded up
/// (controllers' `deployment_util.go` `ResolveFenceposts`, `daemon/util` `UnavailableCount`).
fn max_unavailable(object: &Object, wanted: i64) -> i64 {
    let is_deployment = object.kind() == "Deployment";
    let strategy = if is_deployment { "/spec/strategy" } else { "/spec/updateStrategy" };
    let of = |field: &str, round_up: bool| {
        let value = object.get(&format!("{strategy}/rollingUpdate/{field}"))?;
        match value {
            Value::String(text) => {
                Some(part(wanted, text.strip_suffix('%')?.parse::<u8>().ok()?.into(), round_up))
            }
            value => value.as_i64(),
        }
    };
    if !is_deployment {
        return of("maxUnavailable", true).unwrap_or(1);
    }
    let unavailable = of("maxUnavailable", false).unwrap_or_else(|| part(wanted, 25, false));
    let surge = of("maxSurge", true).unwrap_or_else(|| part(wanted, 25, true));
    if unavailable == 0 && surge == 0 { 1 } else { unavailable }
}

fn part(whole: i64, percent: i64, round_up: bool) -> i64 {
    let hundredths = whole.max(0).saturating_mul(percent);
    if round_up { hundredths.saturating_add(99) / 100 } else { hundredths / 100 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Object, Required};

    fn workload(kind: &str, spec: &serde_json::Value) -> Object {
        let metadata = json!({"name": "web"});
        Object::new(json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}))
            .unwrap()
    }

    #[test]
    fn words_are_read() {
        for (word, required) in [
            ("full", Some(Required::Full)),
            ("maxUnavailable", Some(Required::AllButUnavailable)),
            ("90%", Some(Required::Percent(90))),
            ("100%", Some(Required::Percent(100))),
            ("none", Some(Required::Nothing)),
            ("101%", None),
            ("+5%", None),
            ("-5%", None),
            ("90", None),
            ("Full", None),
            ("", None),
        ] {
            assert_eq!(Required::parse(word), required, "{word}");
        }
    }

    #[test]
    fn a_part_of_the_pods_is_counted_as_controllers_count() {
        let strategy = |unavailable, surge| json!({"strategy": {"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}});
        let deployment = |spec| workload("Deployment", &spec);
        let daemon_set = |value| {
            workload("DaemonSet", &json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": value}}}))
        };
        for (object, wanted, needed) in [
            (deployment(json!({})), 10, 8),
            (deployment(strategy(json!(3), json!(0))), 10, 7),
            (deployment(strategy(json!("15%"), json!("15%"))), 10, 9),
            // Neither may be missing nor in excess: one is missing all the same, or nothing would move.
            (deployment(strategy(json!("1%"), json!(0))), 10, 9),
            (deployment(strategy(json!(20), json!(0))), 10, 0),
            (daemon_set(json!("15%")), 10, 8),
            (workload("DaemonSet", &json!({})), 3, 2),
        ] {
            assert_eq!(Required::AllButUnavailable.count(&object, wanted), needed, "{object:?}");
        }
        let any = deployment(json!({}));
        assert_eq!(Required::Percent(90).count(&any, 3), 3);
        assert_eq!(Required::Percent(50).count(&any, 3), 2);
        assert_eq!(Required::Percent(0).count(&any, 3), 0);
        assert_eq!(Required::Full.count(&any, 3), 3);
    }
}
