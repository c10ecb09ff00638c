//! What deploy, teardown and status share: the context, the connection, the plan, the engine.

use super::arguments::{ClusterArguments, PlanArguments};
use super::context::{Connection, Context, ask, connect, current_context, holder};
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
    /// The context's name, for hints.
    pub context_name: String,
}

/// Loads the plan, then connects. The plan comes first: a mistake in it needs no cluster to be told.
pub(super) async fn open(
    context: &Context,
    plan: &PlanArguments,
    cluster: &ClusterArguments,
    may_ask: bool,
) -> Result<Ready, Failure> {
    let kubeconfig = cluster.kubeconfig.as_deref();
    let named = match &cluster.context {
        Some(name) => Some(name.clone()),
        None => current_context(kubeconfig)?,
    };
    let loaded = load(plan, named.as_deref(), stderr_is_coloured())?;
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
        let answer = ask(&format!("`{context_name}` is the current context. go on? [y/N] "))
            .map_err(|cause| Failure::new(Exit::Internal, "the terminal cannot be read").caused_by(&cause))?;
        if !matches!(answer.as_str(), "y" | "Y" | "yes") {
            return Err(Failure::new(Exit::Usage, "not confirmed").hint("name the context: `--context NAME`"));
        }
    }
    let run = format!("{:06x}", context.entropy.fork("run").seed() & 0x00ff_ffff);
    let holder = holder(&run);
    let identity = RunIdentity { run, context: context_name.clone(), server, holder };
    let engine = Engine::new(api, context.clock, context.entropy, identity);
    Ok(Ready { loaded, engine, context_name })
}
