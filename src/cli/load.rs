//! From the command line's words to a plan: which file, from disk or from the binary, composed with its
//! values.

use super::arguments::PlanArguments;
use super::context::{BuiltInFiles, DiskFiles, exists};
use super::exit::{Exit, Failure};
use crate::compose::{Composed, Files, Request, compose};
use crate::problem::Severity;

/// A plan, and where it came from.
pub(crate) struct Loaded {
    /// The plan with what was found on the way.
    pub composed: Composed,
    /// The file, with `, built in` behind it when it was not on disk.
    pub name: String,
    /// The file on disk.
    pub file: Option<String>,
}

/// Finds and composes the plan. `context` is the kubeconfig context, whose own plan is preferred.
///
/// # Errors
/// Every problem of the plan, its manifests and values, as one report with exit code 3.
pub(crate) fn load(
    arguments: &PlanArguments,
    context: Option<&str>,
    coloured: bool,
) -> Result<Loaded, Failure> {
    let (files, path) = find(arguments.plan.as_deref(), context);
    let built_in = files.is_some();
    let files = files.unwrap_or(&DiskFiles);
    let request = Request { files, plan: &path, values: &arguments.values, set: &arguments.set };
    let composed = compose(&request).map_err(|problems| {
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        let report = problems.render(Severity::Error, coloured);
        let message = format!("{report}\n\nerror: {count} {noun} in `{path}`; nothing was sent\n");
        Failure { is_report: true, ..Failure::new(Exit::PlanInvalid, message) }
    })?;
    let file = (!built_in).then(|| path.clone());
    let name = if built_in { format!("{path}, built in") } else { path };
    Ok(Loaded { composed, name, file })
}

/// Returns the built-in files when the plan is one of them, and the path.
fn find(plan: Option<&str>, context: Option<&str>) -> (Option<&'static dyn Files>, String) {
    if let Some(plan) = plan {
        let built_in = format!("plans/{plan}.yaml");
        let is_name = !plan.contains(['/', '.']) && !exists(&DiskFiles, plan);
        if is_name && exists(&DiskFiles, &built_in) {
            return (None, built_in);
        }
        if is_name && exists(&BuiltInFiles, &built_in) {
            return (Some(&BuiltInFiles), built_in);
        }
        return (None, plan.to_owned());
    }
    // A context is somebody's word: only one that is a plain file name can name a plan.
    let own = context
        .filter(|context| !context.contains(['/', '\\']))
        .map(|context| format!("plans/{context}.yaml"));
    let default = "plans/wesago.yaml".to_owned();
    for path in own.into_iter().chain([default.clone()]) {
        if exists(&DiskFiles, &path) {
            return (None, path);
        }
        // A folder with a plan of its own is not mixed with the built-in ones.
        if !exists(&DiskFiles, &default) && exists(&BuiltInFiles, &path) {
            return (Some(&BuiltInFiles), path);
        }
    }
    (Some(&BuiltInFiles), default)
}
