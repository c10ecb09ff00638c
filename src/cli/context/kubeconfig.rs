//! From a kubeconfig context to a client. Inside a pod, with no kubeconfig, the service account is used.

use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::variable;
use crate::cli::exit::{Exit, Failure};
use crate::cluster::Cluster;

/// The name of the context of a service account.
pub(crate) const IN_CLUSTER: &str = "in-cluster";
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A client, and where it leads.
pub(crate) struct Connection {
    /// The cluster.
    pub cluster: Cluster,
    /// The context's name; `in-cluster` inside a pod.
    pub context: String,
    /// The API server's address.
    pub server: String,
}

/// Returns the current context's name; `None` without a kubeconfig, or when it names none.
///
/// # Errors
/// A kubeconfig that cannot be read.
pub(crate) fn current_context(kubeconfig: Option<&Path>) -> Result<Option<String>, Failure> {
    Ok(read(kubeconfig)?.and_then(|kubeconfig| kubeconfig.current_context))
}

/// Returns a client for a context, or for the current one.
///
/// # Errors
/// A kubeconfig that cannot be read, has no such context, or holds credentials that cannot be used.
pub(crate) async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Connection, Failure> {
    let unusable = |cause: &dyn std::error::Error| {
        Failure::new(Exit::Cluster, "the kubeconfig cannot be used").caused_by(cause)
    };
    let (mut config, context) = if let Some(kubeconfig) = read(kubeconfig)? {
        let name = named(&kubeconfig, context)?;
        let options = KubeConfigOptions { context: Some(name.clone()), cluster: None, user: None };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        (config.map_err(|cause| unusable(&cause))?, name)
    } else {
        let config = Config::incluster().map_err(|cause| {
            Failure::new(Exit::Cluster, "there is no kubeconfig, and this is not a pod")
                .caused_by(&cause)
                .hint("set KUBECONFIG, or say `--kubeconfig FILE`")
        })?;
        (config, IN_CLUSTER.to_owned())
    };
    // Every try is the engine's and is told; kube's own retry is silent for minutes.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_WITHIN);
    let agent = HeaderValue::from_static(concat!("wesago/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let client = || kube::Client::try_from(config.clone());
    let cluster = Cluster::new(client().map_err(|cause| unusable(&cause))?);
    // What a plugin, a file or a provider gave can be had anew; a certificate, or a token in the kubeconfig,
    // is what it is.
    let login = &config.auth_info;
    let is_given = login.exec.is_some() || login.token_file.is_some() || login.auth_provider.is_some();
    let cluster =
        if is_given { cluster.with_renewal(move || kube::Client::try_from(config.clone())) } else { cluster };
    Ok(Connection { cluster, context, server })
}

/// Reads the file named, else those of `KUBECONFIG`, else the default one; `None` when there is none.
fn read(path: Option<&Path>) -> Result<Option<Kubeconfig>, Failure> {
    let broken = |cause: kube::config::KubeconfigError| {
        Failure::new(Exit::Cluster, "the kubeconfig cannot be read").caused_by(&cause)
    };
    if let Some(path) = path {
        return Kubeconfig::read_from(path).map(Some).map_err(broken);
    }
    if let Some(kubeconfig) = Kubeconfig::from_env().map_err(broken)? {
        return Ok(Some(kubeconfig));
    }
    let default = variable("HOME").map(|home| Path::new(&home).join(".kube").join("config"));
    match default.filter(|path| path.exists()) {
        Some(path) => Kubeconfig::read_from(path).map(Some).map_err(broken),
        None => Ok(None),
    }
}

/// Returns the context asked for, or the current one, once it is known to exist.
fn named(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<String, Failure> {
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let Some(name) = context.or(kubeconfig.current_context.as_deref()) else {
        return Err(Failure::new(Exit::Usage, "no context is named, and the kubeconfig has no current one")
            .hint(format!("say `--context NAME`; there are: {}", known.join(", "))));
    };
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint = crate::problem::nearest(name, known.iter().copied())
        .map_or_else(|| format!("there are: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    Err(Failure::new(Exit::Usage, format!("the kubeconfig has no context `{name}`")).hint(hint))
}
