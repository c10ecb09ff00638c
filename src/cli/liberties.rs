//! What a deploy may do to what is not, or not only, the plan's: from words on the command line to options.

use super::arguments::LibertyArguments;
use super::exit::{Exit, Failure};
use crate::engine::{Adopt, DeployOptions, ObjectName};
use crate::plan::Plan;
use crate::problem::nearest;

/// Returns the options of a deploy that may do this much; what is named must be in the plan.
pub(super) fn liberties(arguments: &LibertyArguments, plan: &Plan) -> Result<DeployOptions, Failure> {
    let adopt = if arguments.adopt.iter().any(|word| word == "all") {
        Adopt::All
    } else {
        let names: Result<Vec<ObjectName>, _> = arguments.adopt.iter().map(|word| word.parse()).collect();
        Adopt::Named(names.map_err(|cause| {
            Failure::new(Exit::Usage, format!("--adopt: {cause}"))
                .hint("`--adopt all` takes over all of them")
        })?)
    };
    let (take, recreate) = (arguments.take.clone(), arguments.recreate.clone());
    let options = DeployOptions { adopt, take, recreate, ..DeployOptions::default() };
    let Some(unknown) = options.unknown(plan).into_iter().next() else { return Ok(options) };
    let failure = Failure::new(Exit::Usage, format!("the plan has no `{unknown}`"));
    let names: Vec<String> = plan.objects().map(|(_, object)| object.reference().to_string()).collect();
    match nearest(&unknown, names.iter().map(String::as_str)) {
        Some(found) => Err(failure.hint(format!("did you mean `{found}`?"))),
        None => Err(failure.hint("`wesago render` prints its objects")),
    }
}
