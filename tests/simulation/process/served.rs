//! The simulated API server, served over HTTP on a loopback port by a thread of its own. Requests can be
//! held back, and what was asked is remembered.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, USER_AGENT};
use http::{HeaderMap, HeaderName, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api_server::{Answer, ApiServer, Key, Request, Writer, namespace_key};
use crate::plans::NAMESPACE;

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A server with an address.
pub(super) struct Served {
    state: State,
    address: SocketAddr,
    held: mpsc::Receiver<String>,
}

#[derive(Clone)]
struct State {
    server: ApiServer,
    /// Every request, as `PATCH /api/…?…`.
    asked: Arc<Mutex<Vec<String>>>,
    /// Requests that hold this text wait until it is another one.
    gate: Arc<watch::Sender<Option<String>>>,
    waiting: mpsc::Sender<String>,
}

impl Served {
    /// Starts a server that holds nothing but the plan's namespace.
    pub(super) fn start() -> Self {
        let (waiting, held) = mpsc::channel();
        let server = ApiServer::new("2026-01-01T00:00:00Z".parse().unwrap());
        let key = namespace_key(NAMESPACE);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        {
            let mut store = server.store();
            let kind = store.kind_of(&key);
            let writer = Writer { agent: "somebody", manager: "kubectl-create" };
            store.create(&writer, &kind, &key, namespace).unwrap();
        }
        let state = State { server, asked: Arc::default(), gate: Arc::default(), waiting };
        let (address_of, address) = mpsc::channel();
        let serving = state.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                address_of.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let state = serving.clone();
                    let service = service_fn(move |request| state.clone().answer(request));
                    tokio::spawn(async move {
                        // A client that dies in the middle of a request is what some tests are about.
                        let _broken =
                            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            });
        });
        Self { state, address: address.recv_timeout(PATIENCE).unwrap(), held }
    }

    /// Returns a kubeconfig with one context, `here`, that leads to this server.
    pub(super) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             clusters: [{{name: c, cluster: {{server: \"http://{}\"}}}}]\n\
             users: [{{name: u, user: {{token: none}}}}]\n\
             contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n",
            self.address
        )
    }

    /// Holds back every request that has `text` in it, such as `PATCH /api/v1`, until [`Served::let_go`], and answers
    /// those that were held for another one.
    pub(super) fn hold(&self, text: &str) {
        self.state.gate.send_replace(Some(text.to_owned()));
    }

    /// Waits until a request is held back, and returns it.
    pub(super) fn until_held(&self) -> String {
        self.held.recv_timeout(PATIENCE).unwrap()
    }

    /// Answers what was held back.
    pub(super) fn let_go(&self) {
        self.state.gate.send_replace(None);
    }

    /// Returns every request so far that has `text` in it.
    pub(super) fn asked(&self, text: &str) -> Vec<String> {
        let asked = self.state.asked.lock().unwrap();
        asked.iter().filter(|request| request.contains(text)).cloned().collect()
    }

    /// Returns an object; `None` when it is not there.
    pub(super) fn object(&self, group: &str, kind: &str, name: &str) -> Option<Value> {
        let store = self.state.server.store();
        store.objects.get(&key(group, kind, name)).map(|stored| (*stored.rendered).clone())
    }

    /// Does what the controllers would do once a Deployment's pods run.
    pub(super) fn make_ready(&self, deployment: &str) {
        let key = key("apps", "Deployment", deployment);
        let mut store = self.state.server.store();
        let kind = store.kind_of(&key);
        let generation = store.objects[&key].object["metadata"]["generation"].clone();
        let status = json!({
            "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
            "availableReplicas": 1,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            ],
        });
        let writer = Writer { agent: "controller", manager: "controller" };
        store.update_status(&writer, &kind, &key, &status).unwrap();
    }
}

fn key(group: &str, kind: &str, name: &str) -> Key {
    Key { group: group.into(), kind: kind.into(), namespace: NAMESPACE.into(), name: name.into() }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl State {
    async fn answer(self, request: http::Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let request = read(request).await;
        let line = format!("{} {}?{}", request.method, request.path, request.query);
        self.asked.lock().unwrap().push(line.clone());
        let mut gate = self.gate.subscribe();
        let is_held = |gate: &Option<String>| gate.as_ref().is_some_and(|text| line.contains(text));
        if is_held(&gate.borrow()) {
            // A test that has ended listens no more.
            let _over = self.waiting.send(line.clone());
        }
        // The sender lives in `self`.
        let _lives = gate.wait_for(|gate| !is_held(gate)).await;
        let answer = self.server.handle(&request, None);
        Ok(response(answer, &self.server.date()))
    }
}

async fn read(request: http::Request<Incoming>) -> Request {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        accept: header(&parts.headers, &ACCEPT),
        content_type: header(&parts.headers, &CONTENT_TYPE),
        agent: header(&parts.headers, &USER_AGENT),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn response(answer: Answer, date: &str) -> Response<Body> {
    let code = answer.code();
    let full = |text: String| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let body = match answer {
        Answer::Json(_, value) => full(value.to_string()),
        Answer::Text(_, text) => full(text),
        Answer::Watch(lines) => StreamBody::new(lines.map(|line| Ok(Frame::data(line)))).boxed_unsync(),
    };
    let response = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
    response.header(DATE, date).body(body).unwrap()
}
