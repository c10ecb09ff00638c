//! A browser as small as can be: plain HTTP through the cluster's ingress, cookies, no redirects of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::sandbox::command::excerpt;
use crate::story::{Seen, ensure};

/// Where the ingress controller listens.
const INGRESS: &str = "http://127.0.0.1";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer.
const LARGEST: u64 = 32 << 20;
/// Most redirects on the way to a file.
const REDIRECTS: usize = 3;

/// A browser with its cookies, on one host name.
pub(crate) struct Browser {
    agent: Agent,
    host: &'static str,
    cookies: BTreeMap<String, String>,
}

/// What a server answered.
pub(crate) struct Answer {
    /// What was asked, such as `GET /`.
    pub(crate) question: String,
    /// The status code.
    pub(crate) status: u16,
    /// The header `Content-Type`.
    pub(crate) content_type: String,
    /// The header `Location`.
    pub(crate) location: String,
    /// The content.
    pub(crate) body: Vec<u8>,
}

impl Browser {
    /// Returns a browser that has never been anywhere.
    pub(crate) fn new(host: &'static str) -> Self {
        let settings = Agent::config_builder()
            // The machine's proxy has no way into this cluster.
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { agent: settings.into(), host, cookies: BTreeMap::new() }
    }

    /// Asks for a page.
    pub(crate) fn get(&mut self, path: &str) -> Seen<Answer> {
        let request = self.agent.get(format!("{INGRESS}{path}")).header("Host", self.host);
        let answer = request.header("Cookie", self.cookie_header()).call();
        self.answered(format!("GET {path}"), answer)
    }

    /// Asks for a file and goes where the answers lead, a few steps at most.
    pub(crate) fn follow(&mut self, path: &str) -> Seen<Answer> {
        let mut answer = self.get(path)?;
        for _ in 0..REDIRECTS {
            if !(300..400).contains(&answer.status) {
                return Ok(answer);
            }
            let place = answer.location.clone();
            // An absolute address leads to this host too, or not into this cluster.
            let origin = format!("http://{}", self.host);
            answer = self.get(place.strip_prefix(&origin).unwrap_or(&place))?;
        }
        Err(format!("GET {path}: more than {REDIRECTS} redirects, the last to {}", answer.location))
    }

    /// Sends a document. Django wants the token of its cookie in a header too, or refuses with 403.
    pub(crate) fn post(&mut self, path: &str, content_type: &str, body: &[u8]) -> Seen<Answer> {
        let request = self.agent.post(format!("{INGRESS}{path}")).header("Host", self.host);
        let request = request.header("Cookie", self.cookie_header()).header("Content-Type", content_type);
        let token = self.cookies.get("csrftoken").cloned().unwrap_or_default();
        let answer = request.header("X-CSRFToken", token).send(body);
        self.answered(format!("POST {path}"), answer)
    }

    /// Sends a JSON document.
    pub(crate) fn post_json(&mut self, path: &str, document: &Value) -> Seen<Answer> {
        self.post(path, "application/json", document.to_string().as_bytes())
    }

    /// Returns true when the server has set a cookie of that name.
    pub(crate) fn has_cookie(&self, name: &str) -> bool {
        self.cookies.contains_key(name)
    }

    /// Forgets a cookie.
    pub(crate) fn forget_cookie(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    fn cookie_header(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn answered(&mut self, question: String, answer: Result<Response<Body>, ureq::Error>) -> Seen<Answer> {
        let mut answer = answer.map_err(|error| format!("{question} ({}): {error}", self.host))?;
        let header = |name: &str| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (content_type, location) = (header("content-type"), header("location"));
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().map_err(|error| format!("{question}: a cookie: {error}"))?;
            if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
        let body = body.map_err(|error| format!("{question} ({}): {error}", self.host))?;
        Ok(Answer { question, status, content_type, location, body })
    }
}

impl Answer {
    /// Returns the answer when it has the status that is wanted.
    pub(crate) fn expect(self, status: u16) -> Seen<Self> {
        let (question, seen) = (&self.question, self.status);
        ensure!(seen == status, "{question}: {seen}, wanted {status}: {}", excerpt(&self.text()));
        Ok(self)
    }

    /// Returns the answer when it contains a text.
    pub(crate) fn containing(self, text: &str) -> Seen<Self> {
        let content = self.text();
        ensure!(content.contains(text), "{}: no `{text}` in: {}", self.question, excerpt(&content));
        Ok(self)
    }

    /// Returns the content as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the content as JSON.
    pub(crate) fn json(&self) -> Seen<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| format!("{}: {error} in: {}", self.question, excerpt(&self.text())))
    }

    /// Returns the style sheets and scripts of this host that an HTML page names, each once.
    pub(crate) fn assets(&self) -> Vec<String> {
        let page = self.text();
        let links = ["href=\"", "src=\""].into_iter().flat_map(|mark| page.split(mark).skip(1));
        let mut assets: Vec<String> = links
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| link.starts_with('/') && !link.starts_with("//"))
            .filter(|link| {
                let path = link.split(['?', '#']).next().unwrap_or_default();
                [".css", ".js"].iter().any(|ending| path.ends_with(ending))
            })
            .map(str::to_owned)
            .collect();
        assets.sort();
        assets.dedup();
        assets
    }
}
