//! What the commands that ask a cluster share: the context, the connection, the plan, the engine.

use super::arguments::TargetArguments;
use super::context::{Connection, Context, IN_CLUSTER, connect, current_context, holder};
use super::exit::{Exit, Failure};
use super::load::{Loaded, load};
use super::output::{complain, stderr_is_coloured};
use crate::engine::{Engine, RunIdentity};
use crate::problem::Severity;

/// A plan and the engine for the cluster it is meant for.
pub(super) struct Ready {
    /// The plan.
    pub loaded: Loaded,
    /// The engine.
    pub engine: Engine,
    /// Short name of the run.
    pub run: String,
    /// The context's name, for hints.
    pub context_name: String,
    /// The options that lead another command to the same plan and cluster, each with a space before it.
    pub again: String,
}

/// Loads the plan, then connects. The plan comes first: a mistake in it needs no cluster to be told.
pub(super) async fn open(
    context: &Context,
    target: &TargetArguments,
    may_ask: bool,
) -> Result<Ready, Failure> {
    let cluster = &target.cluster;
    let kubeconfig = cluster.kubeconfig.as_deref();
    let named = match &cluster.context {
        Some(name) => Some(name.clone()),
        None => current_context(kubeconfig)?,
    };
    let loaded = load(&target.plan, named.as_deref(), stderr_is_coloured())?;
    if !loaded.composed.warnings.is_empty() {
        complain(&loaded.composed.warnings.render(Severity::Warning, stderr_is_coloured()));
        complain("\n");
    }
    let connection = connect(kubeconfig, cluster.context.as_deref()).await?;
    let plan = &loaded.composed.plan;
    let Connection { cluster: api, context: context_name, server } = connection;
    complain(&format!(
        "context {context_name}  server {server}  namespace {}  plan {} ({})\n",
        plan.namespace(),
        plan.name(),
        loaded.name
    ));
    if may_ask && cluster.context.is_none() && context.can_ask {
        let answer = Context::ask(&format!("`{context_name}` is the current context. go on? [y/N] "))
            .map_err(|cause| Failure::new(Exit::Internal, "the terminal cannot be read").caused_by(&cause))?;
        if !matches!(answer.as_str(), "y" | "Y" | "yes") {
            return Err(Failure::new(Exit::Usage, "not confirmed").hint("name the context: `--context NAME`"));
        }
    }
    let run = format!("{:06x}", context.entropy.fork("run").seed() & 0x00ff_ffff);
    let holder = holder(&run);
    let again = again(target, &context_name);
    let (name, context_of_run) = (run.clone(), context_name.clone());
    let identity = RunIdentity { run, context: context_of_run, server, again: again.clone(), holder };
    let engine = Engine::new(api, context.clock, context.entropy, identity);
    Ok(Ready { loaded, engine, run: name, context_name, again })
}

/// Returns the options of this run as another command needs them.
fn again(TargetArguments { plan, cluster }: &TargetArguments, context: &str) -> String {
    let mut words = Vec::new();
    if let Some(file) = &cluster.kubeconfig {
        words.extend(["--kubeconfig".to_owned(), file.display().to_string()]);
    }
    if context != IN_CLUSTER {
        words.extend(["--context".to_owned(), context.to_owned()]);
    }
    for (option, values) in
        [("--plan", plan.plan.as_slice()), ("--values", &plan.values), ("--set", &plan.set)]
    {
        for value in values {
            words.extend([option.to_owned(), value.clone()]);
        }
    }
    words.iter().flat_map(|word| [" ".to_owned(), quoted(word)]).collect()
}

/// Returns a word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{TargetArguments, again};
    use crate::cli::arguments::{ClusterArguments, PlanArguments};

    #[test]
    fn the_next_command_leads_to_the_same_plan_and_cluster() {
        let plan = PlanArguments {
            plan: Some("my plans/shop.yaml".into()),
            set: vec!["host=shop.example".into()],
            values: Vec::new(),
        };
        let cluster = ClusterArguments { context: None, kubeconfig: Some("k.yaml".into()) };
        assert_eq!(
            again(&TargetArguments { plan, cluster }, "it's"),
            r" --kubeconfig k.yaml --context 'it'\''s' --plan 'my plans/shop.yaml' --set host=shop.example"
        );
        let plan = PlanArguments { plan: None, set: Vec::new(), values: Vec::new() };
        let cluster = ClusterArguments { context: None, kubeconfig: None };
        assert_eq!(again(&TargetArguments { plan, cluster }, "in-cluster"), "");
    }
}
