//! Runs for the tests of this folder: the events a real run would send, written by hand.

use jiff::Timestamp;

use crate::diagnosis::Class;
use crate::difference::Told;
use crate::event::{
    CancelReason, CauseFound, ChangeCounts, Event, EventKind, Forecast, InterruptionFound, LockAwaited,
    LogLine, LogSource, ObjectForecast, Prospect, RunFinished, RunStarted, SCHEMA, StageOutline, Verdict,
};
use crate::object::{Change, ObjectRef};
use crate::plan::StageId;
use crate::readiness::Readiness;

/// Events with their stamps.
pub(super) struct Script {
    events: Vec<Event>,
}

pub(super) fn stage(name: &str) -> StageId {
    StageId::new(name).unwrap()
}

pub(super) fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { group: String::new(), kind: kind.into(), namespace: Some("shop".into()), name: name.into() }
}

/// Returns the object written `Kind/name`.
fn parsed(text: &str) -> ObjectRef {
    let (kind, name) = text.split_once('/').unwrap();
    object(kind, name)
}

/// A stage as `(name, needs, objects)`.
type Outline<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

impl Script {
    pub(super) fn new(command: &str, outlines: &[Outline<'_>]) -> Self {
        let stages = outlines.iter().map(|(name, needs, objects)| StageOutline {
            stage: stage(name),
            needs: needs.iter().map(|need| stage(need)).collect(),
            objects: objects.iter().map(|text| parsed(text)).collect(),
        });
        let started = RunStarted {
            schema: SCHEMA,
            run: "7f3a90".into(),
            command: command.into(),
            plan: "shop".into(),
            context: "sandbox".into(),
            server: "https://198.18.0.1:6443".into(),
            namespace: "shop".into(),
            seed: 7,
            again: " --context sandbox".into(),
            stages: stages.collect(),
        };
        let mut script = Self { events: Vec::new() };
        script.add(0, EventKind::RunStarted(started));
        script
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds an event `elapsed_ms` after the start.
    pub(super) fn add(&mut self, elapsed_ms: u64, event: EventKind) {
        let start: Timestamp = "2026-11-23T20:00:00Z".parse().unwrap();
        let after = std::time::Duration::from_millis(elapsed_ms);
        let at = start.checked_add(after).unwrap();
        self.events.push(Event { seq: self.events.len() as u64, at, elapsed_ms, event });
    }

    fn begins(&mut self, at: u64, name: &str) {
        self.add(at, EventKind::StageStarted { stage: stage(name) });
    }

    fn applied(&mut self, at: u64, name: &str, object: &str, change: Change) {
        let stage = (!name.is_empty()).then(|| stage(name));
        self.add(at, EventKind::ObjectApplied { stage, object: parsed(object), change });
    }

    fn is(&mut self, at: u64, name: &str, object: &str, readiness: Readiness) {
        self.add(at, EventKind::ObjectObserved { stage: stage(name), object: parsed(object), readiness });
    }

    fn waits(&mut self, at: u64, name: &str, object: &str, reason: &str) {
        self.is(at, name, object, Readiness::InProgress { reason: reason.into() });
    }

    fn ready(&mut self, at: u64, name: &str, object: &str) {
        self.is(at, name, object, Readiness::Current { note: None });
    }

    fn ends(&mut self, at: u64, name: &str, verdict: Verdict, took_ms: u64) {
        self.add(at, EventKind::StageFinished { stage: stage(name), verdict, took_ms });
    }

    fn deleted(&mut self, at: u64, name: &str, object: &str, gone: bool) {
        self.add(at, EventKind::ObjectDeleted { stage: Some(stage(name)), object: parsed(object), gone });
    }

    fn run_ends(&mut self, at: u64, verdict: Verdict, changes: ChangeCounts, notes: Option<&str>) {
        let notes = notes.map(str::to_owned);
        self.add(at, EventKind::RunFinished(RunFinished { verdict, changes, notes }));
    }
}

const SHOP: &[Outline<'_>] = &[
    ("databases/postgres", &[], &["ConfigMap/postgres-conf", "Service/postgres", "StatefulSet/postgres"]),
    ("databases/redis", &[], &["StatefulSet/redis"]),
    ("migrate", &["databases/postgres"], &["Job/migrate"]),
    ("web", &["databases/redis", "migrate"], &["Deployment/web"]),
];

/// A deploy that waits for a lock, and gets it from a run that has died.
pub(super) fn waiting() -> Script {
    let mut script = Script::new("deploy", SHOP);
    let awaited = LockAwaited {
        holder: "bob@build/42/81b2c3".into(),
        run: "81b2c3".into(),
        command: "deploy".into(),
        held_ms: Some(250_000),
        at_most_ms: 300_000,
    };
    script.add(40, EventKind::LockAwaited(awaited));
    let found = InterruptionFound {
        run: "81b2c3".into(),
        command: "deploy".into(),
        stages: vec![stage("databases/redis"), stage("migrate")],
        ago_ms: 17_000,
    };
    script.add(12_000, EventKind::InterruptionFound(found));
    script.begins(12_060, "databases/postgres");
    script
}

/// A deploy whose databases start.
pub(super) fn midway() -> Script {
    let mut script = Script::new("deploy", SHOP);
    script.applied(40, "", "Secret/shop-env", Change::Created);
    script.begins(60, "databases/postgres");
    script.begins(60, "databases/redis");
    script.applied(90, "databases/postgres", "ConfigMap/postgres-conf", Change::Created);
    script.ready(90, "databases/postgres", "ConfigMap/postgres-conf");
    script.applied(95, "databases/postgres", "StatefulSet/postgres", Change::Created);
    script.waits(95, "databases/postgres", "StatefulSet/postgres", "0 of 3 replicas ready");
    script.applied(99, "databases/redis", "StatefulSet/redis", Change::Unchanged);
    script.waits(99, "databases/redis", "StatefulSet/redis", "2 of 3 replicas ready");
    script
}

fn databases_settle() -> Script {
    let mut script = midway();
    script.applied(100, "databases/postgres", "Service/postgres", Change::Configured);
    script.ready(100, "databases/postgres", "Service/postgres");
    script.ready(1_200, "databases/redis", "StatefulSet/redis");
    script.ends(1_200, "databases/redis", Verdict::Succeeded, 1_140);
    script.waits(4_100, "databases/postgres", "StatefulSet/postgres", "1 of 3 replicas ready");
    script.waits(4_300, "databases/postgres", "StatefulSet/postgres", "2 of 3 replicas ready");
    script.ready(9_060, "databases/postgres", "StatefulSet/postgres");
    script.ends(9_060, "databases/postgres", Verdict::Succeeded, 9_000);
    script.begins(9_060, "migrate");
    script.applied(9_100, "migrate", "Job/migrate", Change::Recreated);
    script.waits(9_100, "migrate", "Job/migrate", "is running");
    script
}

/// A deploy that succeeds, with a retry, a warning and a check that fails first.
pub(super) fn success() -> Script {
    let mut script = databases_settle();
    script.ready(12_000, "migrate", "Job/migrate");
    script.ends(12_000, "migrate", Verdict::Succeeded, 2_940);
    script.begins(12_000, "web");
    script.add(
        12_100,
        EventKind::AttemptFailed {
            stage: Some(stage("web")),
            request: "apply Deployment/web".into(),
            attempt: 1,
            error: "the API server cannot be reached: connection reset".into(),
            retry_in_ms: 230,
        },
    );
    script.add(12_400, EventKind::Warned { message: "Deployment/web: spec.x is deprecated".into() });
    script.applied(12_400, "web", "Deployment/web", Change::Created);
    script.waits(12_400, "web", "Deployment/web", "0 of 2 replicas available");
    script.ready(15_000, "web", "Deployment/web");
    for (at, passed, answer) in [(15_050, false, "502 Bad Gateway"), (15_400, true, "200 OK")] {
        let check = "GET web:80/".to_owned();
        script
            .add(at, EventKind::CheckAnswered { stage: stage("web"), check, passed, answer: answer.into() });
    }
    script.ends(15_400, "web", Verdict::Succeeded, 3_400);
    let changes =
        ChangeCounts { created: 4, configured: 1, recreated: 1, unchanged: 1, ..ChangeCounts::default() };
    script.run_ends(15_450, Verdict::Succeeded, changes, Some("the shop is at http://shop.example\n"));
    script
}

/// A deploy whose Job is tried twice, in pods of two containers, and tells what it does.
pub(super) fn logs() -> Script {
    let mut script = databases_settle();
    let source = |pod: &str, container: &str| LogSource {
        stage: stage("migrate"),
        object: parsed("Job/migrate"),
        pod: pod.into(),
        container: container.into(),
    };
    let mut says = |at, pod, container, line: &str| {
        let line = line.to_owned();
        script.add(at, EventKind::LogLine(LogLine { source: source(pod, container), line }));
    };
    says(9_400, "migrate-x7k2p", "wait", "postgres:5432 - accepting connections");
    says(9_900, "migrate-x7k2p", "migrate", "Applying forum.0001_initial... OK");
    says(10_000, "migrate-x7k2p", "migrate", "FATAL: terminating <connection> & \"all\"");
    says(10_700, "migrate-9fzqd", "migrate", "Applying forum.0002_more... OK");
    says(10_701, "migrate-9fzqd", "migrate", "");
    let reason = "5000 lines were told; `kubectl --namespace shop logs migrate-9fzqd` shows all".to_owned();
    script.add(11_000, EventKind::LogCut { source: source("migrate-9fzqd", "migrate"), reason });
    script.ready(12_000, "migrate", "Job/migrate");
    script.ends(12_000, "migrate", Verdict::Succeeded, 2_940);
    script.begins(12_000, "web");
    script.applied(12_010, "web", "Deployment/web", Change::Created);
    script.ready(14_000, "web", "Deployment/web");
    script.ends(14_000, "web", Verdict::Succeeded, 2_000);
    let changes =
        ChangeCounts { created: 4, configured: 1, recreated: 1, unchanged: 1, ..ChangeCounts::default() };
    script.run_ends(14_050, Verdict::Succeeded, changes, None);
    script
}

/// A deploy that finds everything as it should be.
pub(super) fn nothing_to_do() -> Script {
    let mut script = Script::new("deploy", SHOP);
    script.add(15, EventKind::Foreseen(Forecast { objects: Vec::new(), unchanged: 7 }));
    script.applied(20, "", "Secret/shop-env", Change::Unchanged);
    for (name, _, objects) in SHOP {
        script.begins(30, name);
        objects.iter().for_each(|object| script.applied(30, name, object, Change::Unchanged));
        script.ends(30, name, Verdict::Succeeded, 0);
    }
    let changes = ChangeCounts { unchanged: 7, ..ChangeCounts::default() };
    script.run_ends(31, Verdict::Succeeded, changes, None);
    script
}

/// A deploy that is about to delete something, and to replace pods.
pub(super) fn foreseen() -> Script {
    let of = |stage_name: &str, name: &str, prospect| {
        ObjectForecast::new((!stage_name.is_empty()).then(|| stage(stage_name)), parsed(name), prospect)
    };
    let field = Told { field: ".spec.replicas".into(), before: Some(2.into()), after: Some(3.into()) };
    let objects = vec![
        of("databases/postgres", "ConfigMap/postgres-conf", Prospect::Write),
        ObjectForecast {
            rolls: vec!["ConfigMap/postgres-conf changes".into()],
            fields: vec![field],
            ..of("databases/postgres", "StatefulSet/postgres", Prospect::Write)
        },
        ObjectForecast { why: vec!["it failed".into()], ..of("migrate", "Job/migrate", Prospect::Recreate) },
        ObjectForecast {
            why: vec!["it has left the plan".into()],
            ..of("", "Service/old", Prospect::Delete)
        },
    ];
    let mut script = Script::new("deploy", SHOP);
    script.add(15, EventKind::Foreseen(Forecast { objects, unchanged: 4 }));
    script
}

fn cause(stage_name: &str) -> EventKind {
    EventKind::CauseFound(CauseFound {
        stage: stage(stage_name),
        chain: vec!["Job/migrate".into(), "Pod/migrate-x7k2p".into(), "container migrate".into()],
        reason: "Error".into(),
        message: "exited with code 1, 3 times".into(),
        class: Some(Class::Permanent),
        place: None,
        log: vec!["connecting to postgres".into(), "FATAL: password authentication failed".into()],
        next: vec!["kubectl --namespace shop logs migrate-x7k2p".into()],
    })
}

/// A deploy in which a Job fails, for a known cause.
pub(super) fn failure() -> Script {
    let mut script = databases_settle();
    let reason = "Job/migrate: BackoffLimitExceeded";
    script.is(13_000, "migrate", "Job/migrate", Readiness::Failed { reason: "BackoffLimitExceeded".into() });
    script.add(13_100, cause("migrate"));
    script.ends(13_100, "migrate", Verdict::Failed { reason: reason.into() }, 4_040);
    script.ends(13_100, "web", Verdict::Skipped { because: stage("migrate") }, 0);
    let changes =
        ChangeCounts { created: 3, configured: 1, recreated: 1, unchanged: 1, ..ChangeCounts::default() };
    let verdict = Verdict::Failed { reason: format!("stage migrate: {reason}") };
    script.run_ends(13_120, verdict, changes, None);
    script
}

/// A deploy in which a stage is not ready in time.
pub(super) fn late() -> Script {
    let mut script = databases_settle();
    let waiting_for = vec!["Job/migrate: is running".to_owned()];
    script.ends(69_060, "migrate", Verdict::TimedOut { waiting_for: waiting_for.clone() }, 60_000);
    script.ends(69_060, "web", Verdict::Skipped { because: stage("migrate") }, 0);
    let changes =
        ChangeCounts { created: 3, configured: 1, recreated: 1, unchanged: 1, ..ChangeCounts::default() };
    let waiting_for = vec!["stage migrate: Job/migrate: is running".to_owned()];
    script.run_ends(69_070, Verdict::TimedOut { waiting_for }, changes, None);
    script
}

/// A deploy that is interrupted while a Job runs.
pub(super) fn interrupted() -> Script {
    let mut script = databases_settle();
    script.add(10_000, EventKind::CancelBegan { reason: CancelReason::Interrupt });
    script.ends(10_000, "web", Verdict::Cancelled, 0);
    script.ends(10_020, "migrate", Verdict::Cancelled, 960);
    let changes =
        ChangeCounts { created: 3, configured: 1, recreated: 1, unchanged: 1, ..ChangeCounts::default() };
    script.run_ends(10_030, Verdict::Cancelled, changes, None);
    script
}

/// A teardown that keeps a volume.
pub(super) fn teardown() -> Script {
    let mut script = Script::new("teardown", SHOP);
    let volume = parsed("PersistentVolumeClaim/data-postgres-0");
    let reason = "a volume of 1Gi; --delete-data removes it".to_owned();
    script.add(50, EventKind::ObjectKept { object: volume, reason });
    for (at, name, object) in [
        (60, "web", "Deployment/web"),
        (2_100, "migrate", "Job/migrate"),
        (2_100, "databases/redis", "StatefulSet/redis"),
        (3_000, "databases/postgres", "StatefulSet/postgres"),
    ] {
        script.begins(at, name);
        script.deleted(at + 20, name, object, false);
        script.deleted(at + 800, name, object, true);
        script.ends(at + 810, name, Verdict::Succeeded, 810);
    }
    script
        .add(3_900, EventKind::ObjectDeleted { stage: None, object: parsed("Secret/shop-env"), gone: true });
    let changes = ChangeCounts { deleted: 5, kept: 1, ..ChangeCounts::default() };
    script.run_ends(4_000, Verdict::Succeeded, changes, None);
    script
}
