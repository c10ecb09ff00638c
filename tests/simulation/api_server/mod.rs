//! An API server in memory. It knows HTTP and Kubernetes, nothing of who uses it; what it claims about a
//! real server is held to one by the conformance tests.
//!
//! ```text
//! request ─▶ path ─▶ discovery | rules | read (get, list, watch) | write (create, apply, update, delete)
//!                                   ▲                         │ lifecycle, fields, schema
//!                                   └──── store: history ◀────┘
//! ```

mod answer;
mod discovery;
mod fields;
mod kinds;
mod lifecycle;
mod logs;
mod path;
mod read;
mod rules;
mod schema;
mod store;
mod write;

use std::sync::{Arc, Mutex, MutexGuard};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use wesago::latest::Reader;

pub(crate) use answer::{Answer, Lines, Refusal};
pub(crate) use kinds::Kind;
pub(crate) use logs::Log;
pub(crate) use path::Query;
pub(crate) use store::{Commit, Key, Store};
pub(crate) use write::{DeleteOptions, Writer, namespace_key};

use path::Target;
use read::Selection;

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) agent: String,
    pub(crate) body: Value,
}

/// The server; clones are the same server.
#[derive(Clone)]
pub(crate) struct ApiServer {
    store: Arc<Mutex<Store>>,
}

impl ApiServer {
    /// Returns a server with the namespaces every cluster has.
    pub(crate) fn new(epoch: Timestamp) -> Self {
        let mut store = Store::new(epoch);
        let writer = Writer { agent: "kube-apiserver", manager: "kube-apiserver" };
        for name in ["default", "kube-system"] {
            let key = namespace_key(name);
            let kind = store.kind_of(&key);
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            store.create(&writer, &kind, &key, object).unwrap();
        }
        Self { store: Arc::new(Mutex::new(store)) }
    }

    /// Returns the state, for controllers, for other actors and for a test's judgement.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// Returns the number of the last change, as it grows.
    pub(crate) fn versions(&self) -> Reader<u64> {
        self.store().version.reader()
    }

    /// Returns the `Date` of an answer.
    pub(crate) fn date(&self) -> String {
        self.store().now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Answers a request. `page` is the most a page of a list holds, whatever the limit asked for.
    pub(crate) fn handle(&self, request: &Request, page: Option<usize>) -> Answer {
        let answer = self.answer(request, page);
        answer.unwrap_or_else(|refusal| Answer::Json(refusal.code, refusal.status().into()))
    }

    fn answer(&self, request: &Request, page: Option<usize>) -> Result<Answer, Refusal> {
        let query = Query::parse(&request.query);
        let is_apply = request.content_type == "application/apply-patch+yaml";
        if query.get("dryRun").is_some() && !is_apply && request.method != Method::POST {
            return Err(Refusal::bad_request(
                "the simulated server knows dry runs of applies and creations only",
            ));
        }
        let target = Target::of(&request.path, &self.store().kinds);
        match target {
            Target::Nothing => Err(Refusal::no_such_path()),
            Target::Version => Ok(Answer::Json(200, rules::version().into())),
            Target::Rules if request.method == Method::POST => {
                Ok(Answer::Json(201, rules::review(&request.body, &self.store().rules).into()))
            }
            Target::Rules => Err(Refusal::method_not_allowed()),
            Target::Discovery { core } => {
                Ok(Answer::Text(200, discovery::document(&self.store().kinds, core).to_string()))
            }
            Target::Collection { kind, namespace } => self.collection(request, &query, kind, namespace, page),
            Target::Object { kind, key, subresource, rest } => match subresource.as_str() {
                "" => self.object(request, &query, &kind, &key),
                "status" => {
                    let writer = Writer { agent: &request.agent, manager: manager(&query) };
                    let written =
                        self.store().update_status(&writer, &kind, &key, &request.body["status"])?;
                    Ok(Answer::Json(written.0, written.1))
                }
                "scale" if request.method == Method::PUT => {
                    let writer = Writer { agent: &request.agent, manager: manager(&query) };
                    let replicas = request.body["spec"]["replicas"].as_u64().unwrap_or(0);
                    let written = self.store().scale(&writer, &kind, &key, replicas)?;
                    Ok(Answer::Json(written.0, written.1))
                }
                "proxy" if kind.kind == "Service" => self.proxy(&key, &rest),
                "log" if kind.kind == "Pod" => logs::answer(&self.store, &kind, &key, &query),
                _ => Err(Refusal::no_such_path()),
            },
        }
    }

    fn collection(
        &self,
        request: &Request,
        query: &Query,
        kind: Kind,
        namespace: Option<String>,
        page: Option<usize>,
    ) -> Result<Answer, Refusal> {
        if request.method == Method::POST {
            let mut object = request.body.clone();
            if let Some(namespace) = &namespace {
                object["metadata"]["namespace"] = namespace.clone().into();
            }
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if name.is_empty() {
                return Err(Refusal::bad_request("name or generateName is required"));
            }
            let (group, namespace) = (kind.group.clone(), namespace.unwrap_or_default());
            let key = Key { group, kind: kind.kind.clone(), namespace, name };
            let writer = Writer { agent: &request.agent, manager: manager(query) };
            if query.get("dryRun") == Some("All") {
                return self.store().try_create(&kind, &key, object);
            }
            let (code, object) = self.store().create(&writer, &kind, &key, object)?;
            return Ok(Answer::Json(code, object));
        }
        if request.method != Method::GET {
            return Err(Refusal::method_not_allowed());
        }
        let selection = Selection {
            kind,
            namespace,
            labels: query.selector("labelSelector"),
            fields: query.selector("fieldSelector"),
            without_fields: query.excluded("fieldSelector"),
            metadata_only: request.accept.contains("as=PartialObjectMetadata"),
        };
        if query.get("watch") == Some("true") {
            return Ok(Answer::Watch(read::watch(&self.store, selection, query)));
        }
        read::list(&mut self.store(), &selection, query, page)
    }

    fn object(&self, request: &Request, query: &Query, kind: &Kind, key: &Key) -> Result<Answer, Refusal> {
        let mut store = self.store();
        let writer = Writer { agent: &request.agent, manager: manager(query) };
        let written = match request.method {
            Method::GET => {
                let stored = store.objects.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
                return Ok(Answer::Json(200, Arc::clone(&stored.rendered)));
            }
            Method::PATCH if request.content_type == "application/apply-patch+yaml" => {
                if query.get("fieldManager").is_none() {
                    return Err(Refusal::bad_request("fieldManager is required for apply patch"));
                }
                let force = query.get("force") == Some("true");
                if query.get("dryRun") == Some("All") {
                    store.dry_run(&writer, kind, key, &request.body, force)?
                } else {
                    store.apply(&writer, kind, key, &request.body, force)?
                }
            }
            Method::PATCH if request.content_type == "application/json-patch+json" => {
                store.patch(&writer, kind, key, &request.body)?
            }
            Method::PATCH => {
                let stored = store.objects.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
                let mut object = stored.object.clone();
                json_patch::merge(&mut object, &request.body);
                store.update(&writer, kind, key, object)?
            }
            Method::PUT => store.update(&writer, kind, key, request.body.clone())?,
            Method::DELETE => {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let options = DeleteOptions {
                    uid: text(&request.body["preconditions"]["uid"]),
                    resource_version: text(&request.body["preconditions"]["resourceVersion"]),
                    propagation: text(&request.body["propagationPolicy"]),
                };
                let uid = store.objects.get(key).map(|stored| stored.object["metadata"]["uid"].clone());
                return Ok(Answer::Json(
                    200,
                    match store.delete(&request.agent, kind, key, &options)? {
                        Some(object) => object,
                        None => json!({
                            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                            "details": {"name": key.name, "group": kind.group, "kind": kind.plural, "uid": uid},
                        })
                        .into(),
                    },
                ));
            }
            _ => return Err(Refusal::method_not_allowed()),
        };
        Ok(Answer::Json(written.0, written.1))
    }

    /// A GET passed on to a service: answered when a workload behind its selector has a ready pod.
    fn proxy(&self, key: &Key, rest: &str) -> Result<Answer, Refusal> {
        let (name, _port) = key.name.split_once(':').unwrap_or((&key.name, ""));
        let store = self.store();
        let in_namespace = |other: &&Key| other.namespace == key.namespace;
        let service = Key { name: name.to_owned(), ..key.clone() };
        let kind = store.kind_of(&service);
        let found = store.objects.get(&service).ok_or_else(|| Refusal::not_found(&kind, name))?;
        let selector = found.object["spec"]["selector"].as_object().cloned().unwrap_or_default();
        let selected = |object: &Value| {
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
        };
        let ready = store.objects.iter().filter(|(other, _)| in_namespace(other)).any(|(_, stored)| {
            let status = &stored.object["status"];
            let up = status["readyReplicas"].as_i64().or(status["numberReady"].as_i64()).unwrap_or(0);
            selected(&stored.object) && up > 0
        });
        if ready {
            Ok(Answer::Text(200, format!("hello from {name} at /{rest}")))
        } else {
            Err(Refusal::unavailable(format!("no endpoints available for service \"{name}\"")))
        }
    }
}

/// Returns the field manager a request names.
fn manager(query: &Query) -> &str {
    query.get("fieldManager").unwrap_or("unknown")
}
