//! How lines of logs are told: behind a bar, and whenever another container has the word, its name first.
//! Several containers may speak at once; without the names nobody could tell them apart.

use std::collections::BTreeMap;

use crate::event::{EventKind, LogLine, LogSource};
use crate::plan::StageId;

/// Who spoke last in each stage.
#[derive(Default)]
pub(super) struct Speakers(BTreeMap<StageId, LogSource>);

impl Speakers {
    /// Returns the lines about an event of a log, with their stage; `None` for any other event.
    pub(super) fn told<'a>(&mut self, event: &'a EventKind) -> Option<(&'a StageId, String)> {
        let (source, text) = match event {
            EventKind::LogLine(LogLine { source, line }) => {
                (source, format!("| {line}").trim_end().to_owned())
            }
            EventKind::LogCut { source, reason } => (source, format!("… {reason}")),
            _ => return None,
        };
        let changed = self.0.get(&source.stage) != Some(source);
        if !changed {
            return Some((&source.stage, text));
        }
        self.0.insert(source.stage.clone(), source.clone());
        Some((&source.stage, format!("{}\n{text}", heading(source))))
    }
}

/// Returns what stands above the lines of one container.
pub(super) fn heading(source: &LogSource) -> String {
    let LogSource { object, pod, container, .. } = source;
    format!("log of {object}, pod {pod}, container {container}")
}

#[cfg(test)]
mod tests {
    use super::Speakers;
    use crate::report::script;

    #[test]
    fn a_container_is_named_when_it_takes_the_word() {
        let mut speakers = Speakers::default();
        let script = script::logs();
        let told = script.events().iter().filter_map(|event| speakers.told(&event.event));
        let told: Vec<String> = told.map(|(stage, text)| format!("{stage}: {text}")).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
