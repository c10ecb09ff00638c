//! Events by the object they speak of, newest first. Both APIs are read: `v1` (`involvedObject`, `message`)
//! and `events.k8s.io/v1` (`regarding`, `note`).

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::Value;

use crate::object::Object;
use crate::object::condition;

/// Events, newest first.
pub(super) struct Events<'a>(Vec<Event<'a>>);

/// One event, or one that repeats.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    object: &'a Object,
    last_seen: Option<Timestamp>,
}

impl<'a> Events<'a> {
    pub(super) fn new(objects: &[&'a Object]) -> Self {
        let mut events: Vec<_> =
            objects.iter().map(|object| Event { object, last_seen: last_seen(object) }).collect();
        events.sort_by_key(|event| Reverse(event.last_seen));
        Self(events)
    }

    /// Returns the events about this life of `object`.
    pub(super) fn about(&self, object: &'a Object) -> impl Iterator<Item = Event<'a>> {
        self.0.iter().copied().filter(move |event| event.is_about(object))
    }

    /// Returns the newest event about `object` with one of these reasons.
    pub(super) fn newest(&self, object: &'a Object, reasons: &[&str]) -> Option<Event<'a>> {
        self.about(object).find(|event| reasons.contains(&event.reason()))
    }
}

impl<'a> Event<'a> {
    pub(super) fn reason(self) -> &'a str {
        self.object.text("/reason")
    }

    /// Returns the text for people, on one line.
    pub(super) fn message(self) -> &'a str {
        let message = self.object.text("/message");
        if message.is_empty() { self.object.text("/note") } else { message }
    }

    pub(super) fn is_warning(self) -> bool {
        self.object.text("/type") == "Warning"
    }

    pub(super) fn last_seen(self) -> Option<Timestamp> {
        self.last_seen
    }

    /// Returns true unless the event speaks of another container of its pod: the field path is
    /// `spec.containers{web}`.
    pub(super) fn may_speak_of(self, container: &str) -> bool {
        let path = self.about_field("fieldPath");
        match path.split_once('{').and_then(|(_, rest)| rest.strip_suffix('}')) {
            Some(name) => name == container,
            None => true,
        }
    }

    fn is_about(self, object: &Object) -> bool {
        if self.about_field("kind") != object.kind() || self.about_field("name") != object.name() {
            return false;
        }
        // A recreated object of the same name has another uid; some events carry none.
        let uid = self.about_field("uid");
        uid.is_empty() || object.text("/metadata/uid") == uid
    }

    fn about_field(self, field: &str) -> &'a str {
        ["/involvedObject", "/regarding"]
            .iter()
            .find_map(|pointer| self.object.get(pointer)?.get(field)?.as_str())
            .unwrap_or_default()
    }
}

/// Returns when the event last happened: a repeated one keeps its first stamps.
fn last_seen(event: &Object) -> Option<Timestamp> {
    [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/firstTimestamp",
        "/metadata/creationTimestamp",
    ]
    .iter()
    .find_map(|pointer| condition::time(event.get(pointer).filter(|value| !Value::is_null(value))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{event, object};
    use super::*;

    #[test]
    fn events_come_newest_first_whatever_api_they_are_of() {
        let pod = object("v1", "Pod", json!({"metadata": {"name": "a", "uid": "pod-a"}}));
        let old = event(&pod, "Failed", "old", 10);
        let new = object(
            "events.k8s.io/v1",
            "Event",
            json!({"reason": "Failed", "note": "new", "type": "Warning",
                "series": {"lastObservedTime": "2026-03-01T12:00:20.000001Z"},
                "eventTime": "2026-03-01T11:00:00.000000Z",
                "regarding": {"kind": "Pod", "name": "a", "uid": "pod-a"}}),
        );
        let all = [&old, &new];
        let events = Events::new(&all);
        let told: Vec<_> = events.about(&pod).map(Event::message).collect();
        assert_eq!(told, ["new", "old"]);
        assert_eq!(events.newest(&pod, &["Killing"]).map(Event::message), None);
    }

    #[test]
    fn an_event_of_an_earlier_life_is_not_about_this_one() {
        let earlier = object("v1", "Pod", json!({"metadata": {"name": "a", "uid": "earlier"}}));
        let pod = object("v1", "Pod", json!({"metadata": {"name": "a", "uid": "later"}}));
        let told = event(&earlier, "Failed", "of the earlier", 1);
        let all = [&told];
        assert_eq!(Events::new(&all).about(&pod).count(), 0);
    }

    #[test]
    fn a_field_path_names_the_container() {
        let pod = object("v1", "Pod", json!({"metadata": {"name": "a", "uid": "pod-a"}}));
        let mut value = event(&pod, "Unhealthy", "x", 1).into_value();
        value["involvedObject"]["fieldPath"] = json!("spec.containers{web}");
        let told = Object::new(value).unwrap();
        let all = [&told];
        let events = Events::new(&all);
        let event = events.about(&pod).next().unwrap();
        assert!(event.may_speak_of("web") && !event.may_speak_of("other"));
    }
}
