//! What on the server shows that something is wrong: a status, an event, or the answer to a write.

use serde_json::Value;

/// The kubelet's two words for one state, which alternate: an image cannot be pulled.
pub(crate) const PULLING: &[&str] = &["ErrImagePull", "ImagePullBackOff"];

/// The first thing that a person with kubectl could have seen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Evidence {
    /// A container waits for one of these reasons.
    Waiting(&'static [&'static str]),
    /// A container has ended with this reason.
    Ended(&'static str),
    /// A container has ended with this exit code.
    Exited(i64),
    /// No node takes a pod, for this reason.
    Unscheduled(&'static str),
    /// An event with this reason says this.
    Event(&'static str, &'static str),
    /// A Job's condition of this reason.
    Job(&'static str),
    /// The server answered a request of wesago with this code.
    Answer(u16),
    /// The stage began: what is wrong was known by then.
    Start,
}

impl Evidence {
    /// Returns true when an object, as a watch told of it, shows it.
    pub(crate) fn is_shown_by(self, resource: &str, object: &Value) -> bool {
        match self {
            Self::Event(reason, says) => {
                resource == "events" && object["reason"] == reason && text(&object["message"]).contains(says)
            }
            Self::Job(reason) => {
                let failed = |condition: &Value| {
                    condition["status"] == "True"
                        && condition["reason"] == reason
                        && condition["type"] != "Complete"
                };
                resource == "jobs" && items(&object["status"]["conditions"]).any(failed)
            }
            Self::Unscheduled(reason) => {
                let refused = |condition: &Value| {
                    condition["type"] == "PodScheduled"
                        && condition["status"] == "False"
                        && text(&condition["message"]).contains(reason)
                };
                resource == "pods" && items(&object["status"]["conditions"]).any(refused)
            }
            Self::Waiting(_) | Self::Ended(_) | Self::Exited(_) => {
                resource == "pods" && containers(object).any(|status| self.is_of(status))
            }
            Self::Answer(_) | Self::Start => false,
        }
    }

    fn is_of(self, status: &Value) -> bool {
        let waiting = text(&status["state"]["waiting"]["reason"]);
        let ended = || ["state", "lastState"].map(|state| &status[state]["terminated"]).into_iter();
        match self {
            Self::Waiting(reasons) => reasons.contains(&waiting),
            Self::Ended(reason) => ended().any(|ended| ended["reason"] == reason),
            Self::Exited(code) => ended().any(|ended| ended["exitCode"] == code),
            _ => false,
        }
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(|list| items(&pod["status"][list]))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
