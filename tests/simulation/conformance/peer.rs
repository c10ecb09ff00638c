//! The server a claim is held against, in memory or real, spoken to through the same client.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use crate::api_server::ApiServer;
use crate::journal::Journal;
use crate::network::{Connection, Failures};
use crate::random::Random;
use crate::weather::Weather;

/// A server, and a namespace of its own for one claim.
pub(crate) struct Peer {
    client: kube::Client,
    pub(crate) namespace: String,
    /// The simulated server, for a claim that needs its history shortened.
    pub(crate) simulated: Option<ApiServer>,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

type Claim = Pin<Box<dyn Future<Output = ()>>>;

impl Peer {
    /// Holds a claim against the simulator.
    pub(crate) fn simulated(claim: impl FnOnce(Arc<Self>) -> Claim) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let server = ApiServer::new("2026-01-01T00:00:00Z".parse().unwrap());
            let connection = Connection {
                server: server.clone(),
                journal: Journal::new(server.versions()),
                run: 1,
                weather: Weather::default(),
                random: Arc::new(Mutex::new(Random::from_seed(1))),
                next_id: Arc::default(),
                failures: Failures::default(),
            };
            let client = kube::Client::new(connection, "default");
            let peer = Arc::new(Self { client, namespace: "claim".into(), simulated: Some(server) });
            peer.create_namespace().await;
            claim(peer).await;
        });
    }

    /// Holds a claim against the sandbox's server, in a namespace that is removed afterwards.
    #[cfg(feature = "sandbox")]
    pub(crate) fn real(name: &str, claim: impl FnOnce(Arc<Self>) -> Claim) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = kube::config::KubeConfigOptions {
                context: Some("sandbox".to_owned()),
                ..kube::config::KubeConfigOptions::default()
            };
            let mut config = kube::Config::from_kubeconfig(&options).await.unwrap();
            config.default_retry = false;
            let client = kube::Client::try_from(config).unwrap();
            let namespace = format!("wesago-claim-{}-{}", name.replace('_', "-"), std::process::id());
            let peer = Arc::new(Self { client, namespace, simulated: None });
            peer.create_namespace().await;
            // The namespace goes whether the claim holds or not.
            let local = tokio::task::LocalSet::new();
            let held = local.run_until(async { tokio::task::spawn_local(claim(Arc::clone(&peer))).await });
            let held = held.await;
            peer.delete(&format!("/api/v1/namespaces/{}", peer.namespace), &json!({})).await;
            held.unwrap();
        });
    }

    async fn create_namespace(&self) {
        let metadata = json!({"name": self.namespace});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        assert_eq!(self.post("/api/v1/namespaces", &namespace).await.code, 201);
    }

    /// Returns the path of a collection, or of an object, in the claim's namespace: `apps/v1/deployments/web`.
    pub(crate) fn path(&self, what: &str) -> String {
        let parts: Vec<&str> = what.split('/').collect();
        let (root, rest) = if parts[0] == "v1" {
            ("/api/v1".to_owned(), &parts[1..])
        } else {
            (format!("/apis/{}/{}", parts[0], parts[1]), &parts[2..])
        };
        format!("{root}/namespaces/{}/{}", self.namespace, rest.join("/"))
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, method: Method, uri: &str, content: &str, body: &Value) -> Reply {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let accept = match content {
            "" => "application/json",
            accept if method == Method::GET => accept,
            _ => "application/json",
        };
        let mut request = Request::builder().method(method).uri(uri).header(header::ACCEPT, accept);
        if !content.is_empty() {
            request = request.header(header::CONTENT_TYPE, content);
        }
        let response = self.client.send(request.body(Body::from(bytes)).unwrap()).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Reply { code, body }
    }

    pub(crate) async fn get(&self, uri: &str) -> Reply {
        self.send(Method::GET, uri, "", &Value::Null).await
    }

    pub(crate) async fn post(&self, uri: &str, object: &Value) -> Reply {
        self.send(Method::POST, &format!("{uri}?fieldManager=claim"), "application/json", object).await
    }

    pub(crate) async fn put(&self, uri: &str, object: &Value) -> Reply {
        self.send(Method::PUT, &format!("{uri}?fieldManager=claim"), "application/json", object).await
    }

    pub(crate) async fn delete(&self, uri: &str, options: &Value) -> Reply {
        self.send(Method::DELETE, uri, "application/json", options).await
    }

    /// Applies an object as a field manager.
    pub(crate) async fn apply(&self, manager: &str, uri: &str, object: &Value) -> Reply {
        let uri = format!("{uri}?fieldManager={manager}&fieldValidation=Strict");
        self.send(Method::PATCH, &uri, "application/apply-patch+yaml", object).await
    }

    /// Changes an object by hand.
    pub(crate) async fn edit(&self, uri: &str, patch: &Value) -> Reply {
        let uri = format!("{uri}?fieldManager=somebody");
        self.send(Method::PATCH, &uri, "application/merge-patch+json", patch).await
    }

    /// Reads the lines of a watch until one is of this kind, and returns all of them.
    pub(crate) async fn watch_until(&self, uri: &str, last: &str) -> Vec<Value> {
        let request = Request::builder().uri(uri).body(Body::from(Vec::new())).unwrap();
        let mut body = self.client.send(request).await.unwrap().into_body();
        let (mut text, mut events) = (String::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            text.push_str(&String::from_utf8_lossy(frame.unwrap().data_ref().unwrap()));
            while let Some((line, rest)) =
                text.split_once('\n').map(|(line, rest)| (line.to_owned(), rest.to_owned()))
            {
                text = rest;
                let event: Value = serde_json::from_str(&line).unwrap();
                let is_last = event["type"] == last;
                events.push(event);
                if is_last {
                    return events;
                }
            }
        }
        panic!("the watch ended without {last}: {events:?}");
    }
}

impl Reply {
    /// Returns the body of an answer that must have this code.
    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.body);
        self.body
    }

    /// Returns a refusal's message; it must have this code and reason.
    #[track_caller]
    pub(crate) fn refused(self, code: u16, reason: &str) -> Value {
        assert_eq!((self.code, &self.body["reason"]), (code, &reason.into()), "{}", self.body);
        assert_eq!((&self.body["kind"], &self.body["code"]), (&"Status".into(), &code.into()));
        self.body
    }
}

/// Returns the `fieldsV1` of a manager's own entry.
pub(crate) fn entry(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let found =
        entries.into_iter().find(|entry| entry["manager"] == manager && entry["subresource"].is_null());
    found.map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}
