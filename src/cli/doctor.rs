//! `wesago doctor`: the checks of a deploy without the deploy. Errors first, each with its place and the
//! way to mend it; as JSON one document.

use serde_json::{Value, json};

use super::arguments::{Doctor, Output};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::print;
use super::session::open;
use crate::engine::Checkup;
use crate::event::Level;
use crate::plan::Plan;
use crate::report::{Ink, count, finding_text};

/// Runs the command.
pub(super) async fn run(arguments: &Doctor, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.target, false).await?;
    let plan = &ready.loaded.composed.plan;
    let checkup = ready.engine.checkup(plan).await?;
    match arguments.output {
        Output::Text => print(&text(&checkup))?,
        Output::Json => print(&format!("{:#}\n", document(plan, &ready.context_name, &checkup)))?,
    }
    Ok(Exit::of_findings(&checkup.findings))
}

/// Returns how many findings are of a level.
fn tally(checkup: &Checkup, level: Level) -> usize {
    checkup.findings.iter().filter(|finding| finding.level == level).count()
}

/// Returns what a person reads: what is known of the cluster, what was found, and the sum of it.
fn text(checkup: &Checkup) -> String {
    let mut parts = Vec::new();
    if !checkup.remarks.is_empty() {
        let lines = checkup.remarks.iter().map(|remark| format!("  {remark}"));
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    parts.extend(checkup.findings.iter().map(finding_text));
    parts.push(total(checkup));
    parts.join("\n\n") + "\n"
}

/// Returns the last line.
fn total(checkup: &Checkup) -> String {
    let (errors, warnings) = (tally(checkup, Level::Error), tally(checkup, Level::Warning));
    match (errors, warnings) {
        (0, 0) => Ink::Good.paint("nothing is wrong: the plan can be deployed"),
        (0, _) => {
            Ink::Notice.paint(&format!("no errors, {}: the plan can be deployed", count(warnings, "warning")))
        }
        (_, 0) => Ink::Bad.paint(&format!("{}: the plan cannot be deployed", count(errors, "error"))),
        _ => {
            let both = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
            Ink::Bad.paint(&format!("{both}: the plan cannot be deployed"))
        }
    }
}

fn document(plan: &Plan, context: &str, checkup: &Checkup) -> Value {
    json!({
        "plan": plan.name(),
        "context": context,
        "namespace": plan.namespace(),
        "deployable": tally(checkup, Level::Error) == 0,
        "errors": tally(checkup, Level::Error),
        "warnings": tally(checkup, Level::Warning),
        "remarks": checkup.remarks,
        "findings": checkup.findings,
    })
}

#[cfg(test)]
mod tests {
    use super::{document, text};
    use crate::engine::Checkup;
    use crate::event::{Check, Finding};
    use crate::object::ObjectRef;
    use crate::plan::Plan;

    fn object(kind: &str, name: &str) -> ObjectRef {
        let namespace = Some("shop".into());
        ObjectRef { group: String::new(), kind: kind.into(), namespace, name: name.into() }
    }

    fn checkup() -> Checkup {
        let place = |line: u32| Some(format!("manifests/web.yaml:{line}"));
        let key =
            Finding::error(Check::Reference, "reads key `color` of ConfigMap/settings, which has it not")
                .about(object("Deployment", "web"))
                .fix("did you mean `colour`?");
        let selector = Finding::warning(Check::ServiceSelector, "selects no pods of this plan")
            .about(object("Service", "web"))
            .fix("Deployment/web has app=web");
        Checkup {
            remarks: vec!["the server is Kubernetes v1.34.4".into(), "1 of 1 nodes take pods".into()],
            findings: vec![
                Finding { place: place(3), ..key },
                Finding { place: place(20), ..selector },
                Finding::warning(Check::Capacity, "could not be checked: could not list nodes: forbidden"),
            ],
        }
    }

    #[test]
    fn the_text_tells_errors_first_and_the_sum_last() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&checkup())), @"
          the server is Kubernetes v1.34.4
          1 of 1 nodes take pods

        error[reference]: Deployment/web: reads key `color` of ConfigMap/settings, which has it not
         --> manifests/web.yaml:3
          = help: did you mean `colour`?

        warning[service-selector]: Service/web: selects no pods of this plan
         --> manifests/web.yaml:20
          = help: Deployment/web has app=web

        warning[capacity]: could not be checked: could not list nodes: forbidden

        1 error, 2 warnings: the plan cannot be deployed
        ");
    }

    #[test]
    fn what_can_be_deployed_is_told_so() {
        let mut checkup = checkup();
        checkup.findings.remove(0);
        let last = |checkup: &Checkup| {
            let text = text(checkup);
            anstream::adapter::strip_str(text.lines().last().unwrap()).to_string()
        };
        insta::assert_snapshot!(last(&checkup), @"no errors, 2 warnings: the plan can be deployed");
        checkup.findings.clear();
        insta::assert_snapshot!(last(&checkup), @"nothing is wrong: the plan can be deployed");
    }

    #[test]
    fn the_document_holds_every_finding() {
        let plan = Plan::new("shop", "shop", Vec::new()).unwrap();
        insta::assert_snapshot!(format!("{:#}", document(&plan, "k3s", &checkup())), @r#"
        {
          "plan": "shop",
          "context": "k3s",
          "namespace": "shop",
          "deployable": false,
          "errors": 1,
          "warnings": 2,
          "remarks": [
            "the server is Kubernetes v1.34.4",
            "1 of 1 nodes take pods"
          ],
          "findings": [
            {
              "level": "error",
              "check": "reference",
              "object": {
                "group": "",
                "kind": "Deployment",
                "namespace": "shop",
                "name": "web"
              },
              "place": "manifests/web.yaml:3",
              "what": "reads key `color` of ConfigMap/settings, which has it not",
              "fix": "did you mean `colour`?"
            },
            {
              "level": "warning",
              "check": "service-selector",
              "object": {
                "group": "",
                "kind": "Service",
                "namespace": "shop",
                "name": "web"
              },
              "place": "manifests/web.yaml:20",
              "what": "selects no pods of this plan",
              "fix": "Deployment/web has app=web"
            },
            {
              "level": "warning",
              "check": "capacity",
              "what": "could not be checked: could not list nodes: forbidden"
            }
          ]
        }
        "#);
    }
}
