//! `wesago logs`: what the pods of a stage, an object or the whole plan write, each line behind the name of
//! who wrote it.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use super::arguments::Logs;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::{complain, write};
use super::session::open;
use super::signals::cancels;
use crate::engine::{LogTold, LogsWanted};
use crate::event::Verdict;
use crate::object::{Object, ObjectRef, controls_pods};
use crate::plan::{Plan, StageId};
use crate::problem::nearest;
use crate::report::Ink;

/// The colours of pods, in turn: neither red nor yellow, which mean something.
const COLOURS: [&str; 5] = ["36", "32", "35", "34", "96"];

/// Runs the command.
pub(super) async fn run(arguments: &Logs, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.target, false).await?;
    let plan = &ready.loaded.composed.plan;
    let wanted = LogsWanted {
        workloads: choose(plan, arguments.what.as_deref())?,
        follow: arguments.follow,
        tail: arguments.tail,
        previous: arguments.previous,
    };
    let cancels = cancels()
        .map_err(|cause| Failure::new(Exit::Internal, "signals cannot be handled").caused_by(&cause))?;
    let mut painter = Painter::default();
    let mut failed = None;
    let tell = |told: &LogTold| match told {
        LogTold::Note(note) => {
            complain(&format!("{} {note}\n", Ink::Notice.paint("note:")));
            ControlFlow::Continue(())
        }
        LogTold::Line { pod, container, line } => match write(&painter.painted(pod, container, line)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                // A reader that has seen enough, such as `head`, is no failure.
                failed = (error.kind() != io::ErrorKind::BrokenPipe).then_some(error);
                ControlFlow::Break(())
            }
        },
    };
    let cancelled = ready.engine.logs(plan, &wanted, cancels, tell).await?;
    if let Some(cause) = failed {
        return Err(Failure::new(Exit::Internal, "standard output cannot be written to").caused_by(&cause));
    }
    Ok(cancelled.map_or(Exit::Done, |reason| Exit::of_run(&Verdict::Cancelled, Some(reason))))
}

/// Returns the workloads asked for: all, those of a stage or a group of stages, or one object, named
/// `Kind/name` or by its name alone.
fn choose(plan: &Plan, what: Option<&str>) -> Result<Vec<ObjectRef>, Failure> {
    let workloads = |is_wanted: &dyn Fn(&StageId, &Object) -> bool| -> Vec<ObjectRef> {
        let all = plan.objects().filter(|(_, object)| has_logs(object.kind()));
        let wanted = all.filter(|(stage, object)| is_wanted(&plan.stage(*stage).id, object));
        wanted.map(|(_, object)| object.reference()).collect()
    };
    let Some(what) = what else {
        let all = workloads(&|_, _| true);
        let nothing = || Failure::new(Exit::Usage, "nothing in the plan has pods");
        return if all.is_empty() { Err(nothing()) } else { Ok(all) };
    };
    let is_stage = |id: &StageId| id.as_str() == what || id.group() == what;
    if plan.stages().iter().any(|stage| is_stage(&stage.id)) {
        let of_stage = workloads(&|id, _| is_stage(id));
        let nothing = || Failure::new(Exit::Usage, format!("nothing in stage `{what}` has pods"));
        return if of_stage.is_empty() { Err(nothing()) } else { Ok(of_stage) };
    }
    let is_object = |object: &Object| match what.split_once('/') {
        Some((kind, name)) => object.kind().eq_ignore_ascii_case(kind) && object.name() == name,
        None => object.name() == what,
    };
    let found = workloads(&|_, object| is_object(object));
    if found.is_empty() { Err(not_there(plan, what)) } else { Ok(found) }
}

/// Returns true for the kinds whose pods can be found.
fn has_logs(kind: &str) -> bool {
    controls_pods(kind) || matches!(kind, "CronJob" | "Pod")
}

fn not_there(plan: &Plan, what: &str) -> Failure {
    let is_it = |object: &Object| what.split_once('/').is_some_and(|(_, name)| object.name() == name);
    if let Some((_, object)) = plan.objects().find(|(_, object)| is_it(object) && !has_logs(object.kind())) {
        return Failure::new(Exit::Usage, format!("{} has no pods, and so no logs", object.reference()));
    }
    let stages = plan.stages().iter().map(|stage| stage.id.to_string());
    let objects = plan.objects().filter(|(_, object)| has_logs(object.kind()));
    let names: Vec<String> =
        stages.chain(objects.map(|(_, object)| object.reference().to_string())).collect();
    let failure = Failure::new(Exit::Usage, format!("the plan has no stage and no workload `{what}`"));
    failure.hint(match nearest(what, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`wesago status` lists stages and objects".to_owned(),
    })
}

/// Gives each pod a colour, in the order in which they speak.
#[derive(Default)]
struct Painter(BTreeMap<String, usize>);

impl Painter {
    /// Returns a line with its pod and container before it.
    fn painted(&mut self, pod: &str, container: &str, line: &str) -> String {
        let next = self.0.len();
        let colour = COLOURS[*self.0.entry(pod.to_owned()).or_insert(next) % COLOURS.len()];
        format!("\u{1b}[{colour}m{pod} {container} |\u{1b}[0m {line}\n")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Painter, choose};
    use crate::object::Object;
    use crate::plan::{Plan, Stage, StageId};

    fn plan() -> Plan {
        let object = |kind: &str, name: &str| {
            let metadata = json!({"name": name, "namespace": "shop"});
            Object::new(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})).unwrap()
        };
        let stage = |id: &str, objects: &[(&str, &str)]| Stage {
            id: StageId::new(id).unwrap(),
            needs: Vec::new(),
            objects: objects.iter().map(|(kind, name)| object(kind, name)).collect(),
            deadline: Duration::from_secs(1),
            checks: Vec::new(),
        };
        let stages = vec![
            stage("databases/postgres", &[("StatefulSet", "postgres"), ("Service", "postgres")]),
            stage("databases/redis", &[("StatefulSet", "redis")]),
            stage("web", &[("ConfigMap", "web"), ("Deployment", "django")]),
            stage("maps", &[("ConfigMap", "more")]),
        ];
        Plan::new("shop", "shop", stages).unwrap()
    }

    fn chosen(what: Option<&str>) -> String {
        match choose(&plan(), what) {
            Ok(chosen) => chosen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(failure) => failure.render(),
        }
    }

    #[test]
    fn a_stage_a_group_or_an_object_can_be_meant() {
        assert_eq!(chosen(None), "StatefulSet/postgres StatefulSet/redis Deployment/django");
        assert_eq!(chosen(Some("databases")), "StatefulSet/postgres StatefulSet/redis");
        assert_eq!(chosen(Some("databases/redis")), "StatefulSet/redis");
        assert_eq!(chosen(Some("web")), "Deployment/django");
        assert_eq!(chosen(Some("deployment/django")), "Deployment/django");
        assert_eq!(chosen(Some("postgres")), "StatefulSet/postgres");
    }

    #[test]
    fn what_has_no_logs_is_told_as_such() {
        let wrong = ["maps", "ConfigMap/more", "Deployment/djagno", "nothing-like-it"];
        insta::assert_snapshot!(wrong.map(|what| chosen(Some(what))).join("\n"));
    }

    #[test]
    fn every_pod_has_a_colour_of_its_own_as_long_as_they_last() {
        let mut painter = Painter::default();
        let lines = ["a", "b", "a"].map(|pod| painter.painted(pod, "main", "hello"));
        assert_eq!(lines[0], "\u{1b}[36ma main |\u{1b}[0m hello\n");
        assert_eq!(lines[1], "\u{1b}[32mb main |\u{1b}[0m hello\n");
        assert_eq!(lines[2], lines[0]);
    }
}
