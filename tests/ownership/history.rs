//! Two deploys, their history, the way back and its end.

use serde_json::Value;

use crate::cluster::{NAMESPACE, begin_anew, clear_away, object, part, revisions};
use crate::program::{PLAN, wesago};
use crate::sandbox::audit::{Audit, Request};
use crate::sandbox::command::{audit_log, kubectl_in};
use crate::sandbox::process::USER_AGENT;
use crate::sandbox::seen::{Seen, ensure};
use crate::story::step;

/// Requests of a deploy that finds nothing to do.
const IDLE: usize = 12;
/// Those of them that belong to no namespace.
const DISCOVERY: usize = 2;

pub(crate) fn play() {
    step("an earlier story is cleared away", begin_anew);
    step("two deploys are two revisions", two_deploys);
    step("a deploy that changes nothing asks for no history", nothing_new);
    step("a diff shows what a rollback would change, and not what is secret", diff);
    let ran = step("the Job ran for the second edition", || part("job/migrate", "/metadata/uid"));
    step("a rollback brings the first edition back, and runs no Job", || roll_back(&ran));
    step("the same rollback again has nothing to do", again);
    step("a teardown leaves the history, and with the data it goes", teardown);
    step("nothing is left behind", clear_away);
}

/// Returns the requests of the program in the plan's namespace: another one may be at work elsewhere.
fn ours(audit: &mut Audit) -> Seen<Vec<Request>> {
    let is_ours =
        |request: &Request| request.user_agent.starts_with(USER_AGENT) && request.namespace == NAMESPACE;
    Ok(audit.requests()?.into_iter().filter(is_ours).collect())
}

/// Returns what `wesago history` tells, the newest first.
fn history() -> Seen<Vec<Value>> {
    let told = wesago(&["history", "--output", "json"], "any", 0)?.stdout;
    let told: Value = serde_json::from_str(&told).map_err(|error| format!("{error} in {told}"))?;
    told["revisions"].as_array().cloned().ok_or_else(|| format!("no revisions in {told}"))
}

fn numbers() -> Seen<Vec<u64>> {
    Ok(history()?.iter().filter_map(|revision| revision["revision"].as_u64()).collect())
}

fn edition() -> Seen<Value> {
    part("configmap/settings", "/data/edition")
}

fn two_deploys() -> Seen {
    for edition in ["e1", "e2"] {
        let ended = wesago(&["deploy", "--yes"], edition, 0)?;
        ensure!(ended.stdout.contains("kept as revision "), "it tells of no revision: {}", ended.stdout);
    }
    let all = history()?;
    let [second, first] = all.as_slice() else { return Err(format!("{all:?}")) };
    ensure!(first["revision"] == 1 && second["revision"] == 2, "{all:?}");
    for revision in &all {
        let text = |key: &str| revision[key].as_str().unwrap_or_default().to_owned();
        ensure!(revision["verdict"]["verdict"] == "succeeded", "{revision}");
        ensure!(text("by").contains('@') && text("from").ends_with(PLAN), "{revision}");
        ensure!(revision["took_ms"].as_u64().is_some_and(|took| took > 0), "{revision}");
    }
    ensure!(second["changes"]["recreated"] == 1, "the Job of the second edition: {second}");
    let table = wesago(&["history"], "any", 0)?.stdout;
    ensure!(table.lines().count() == 3 && table.contains("succeeded"), "{table}");
    let kind = part("secret/wesago-ownership.v1", "/type")?;
    ensure!(kind == "wesago/revision", "it is a Secret of type {kind}");
    let labelled = kubectl_in(
        NAMESPACE,
        &["get", "secrets", "--selector", "applyset.kubernetes.io/part-of", "--output", "name"],
    )?;
    // The plan's own, and the key of the hash that rolls what reads it; no revision.
    let members: Vec<&str> = labelled.lines().collect();
    ensure!(members == ["secret/ownership-env", "secret/wesago-ownership-key"], "members: {members:?}");
    Ok(())
}

fn nothing_new() -> Seen {
    let mut audit = Audit::from_now_on(&audit_log()?)?;
    let ended = wesago(&["deploy", "--yes"], "e2", 0)?;
    ensure!(ended.stdout.contains("nothing to do"), "{}", ended.stdout);
    let requests = ours(&mut audit)?;
    let ours: Vec<String> = requests
        .iter()
        .map(|request| format!("{} {}/{}", request.verb, request.resource, request.name))
        .collect();
    ensure!(ours.len() + DISCOVERY <= IDLE, "{} requests: {ours:?}", ours.len());
    // One list of Secrets is of what the plan owns.
    let lists = ours.iter().filter(|request| *request == "list secrets/").count();
    ensure!(lists == 1 && revisions()?.len() == 2, "{ours:?}");
    Ok(())
}

fn diff() -> Seen {
    let password = part("secret/ownership-env", "/data/PASSWORD")?;
    let password = password.as_str().unwrap_or_default();
    let told = wesago(&["diff", "--revision", "1"], "e2", 7)?.stdout;
    for wanted in ["revision 1", "ConfigMap/settings", "e1", "Deployment/web", "Job/migrate"] {
        ensure!(told.contains(wanted), "no `{wanted}` in {told}");
    }
    ensure!(!password.is_empty() && !told.contains(password), "a secret value is in {told}");
    let refused = wesago(&["diff", "--revision", "7"], "e2", 2)?.stderr;
    ensure!(refused.contains("the plan has no revision 7"), "{refused}");
    Ok(())
}

fn roll_back(ran: &Value) -> Seen {
    let password = part("secret/ownership-env", "/data/PASSWORD")?;
    let ended = wesago(&["rollback", "--yes"], "e2", 0)?;
    for wanted in ["rolled back", "kept as revision 3, a rollback to 1", "what Job/migrate did"] {
        ensure!(ended.stdout.contains(wanted), "no `{wanted}` in {}", ended.stdout);
    }
    ensure!(edition()? == "e1", "the setting is {}", edition()?);
    let pods = kubectl_in(NAMESPACE, &["exec", "deployment/web", "--", "printenv", "EDITION"])?;
    ensure!(pods.trim() == "e1", "the pod reads {pods}");
    ensure!(part("job/migrate", "/metadata/uid")? == *ran, "the Job was made again");
    ensure!(part("secret/ownership-env", "/data/PASSWORD")? == password, "another password was made");
    ensure!(history()?[0]["rollback_to"] == 1, "{:?}", history()?[0]);
    Ok(())
}

fn again() -> Seen {
    let mut audit = Audit::from_now_on(&audit_log()?)?;
    let ended = wesago(&["rollback", "1", "--yes"], "e2", 0)?;
    ensure!(ended.stdout.contains("nothing to do"), "{}", ended.stdout);
    let requests = ours(&mut audit)?;
    let writes: Vec<_> =
        requests.iter().filter(|request| request.is_write() && request.resource != "leases").collect();
    ensure!(writes.is_empty(), "{writes:?}");
    ensure!(numbers()? == [3, 2, 1], "{:?}", numbers()?);
    Ok(())
}

fn teardown() -> Seen {
    let ended = wesago(&["teardown", "--yes"], "e2", 0)?;
    ensure!(ended.stdout.contains("the newest of 3 revisions"), "{}", ended.stdout);
    ensure!(object("deployment/web")?.is_none() && revisions()?.len() == 3, "{:?}", revisions()?);
    wesago(&["teardown", "--yes", "--delete-data"], "e2", 0)?;
    ensure!(revisions()?.is_empty(), "{:?}", revisions()?);
    ensure!(object("secret/ownership-env")?.is_none(), "the generated Secret is left");
    let told = wesago(&["history"], "e2", 0)?.stdout;
    ensure!(told == "ownership has no history\n", "{told}");
    Ok(())
}
