//! The API server's audit log: who asked it for what, and when it answered.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::seen::{Seen, ensure};

/// A place in the log, which moves on as the log is read.
pub(crate) struct Audit {
    log: PathBuf,
    from: u64,
    known: BTreeSet<String>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What was asked, such as `patch`.
    pub(crate) verb: String,
    /// The plural of the kind, such as `deployments`; empty for discovery.
    pub(crate) resource: String,
    /// Such as `status`; empty for the object itself.
    pub(crate) subresource: String,
    /// Where it is; empty outside of any namespace.
    pub(crate) namespace: String,
    /// The object; empty for a list.
    pub(crate) name: String,
    /// Who asked.
    pub(crate) user_agent: String,
    /// The status code of the answer.
    pub(crate) code: u16,
    /// True when the server was asked to do everything but keep it.
    pub(crate) is_dry_run: bool,
    /// When it came.
    pub(crate) received: Timestamp,
    /// When it was answered.
    pub(crate) answered: Timestamp,
}

impl Audit {
    /// Returns the place after all that is in the log now.
    pub(crate) fn from_now_on(log: &Path) -> Seen<Self> {
        let length = log.metadata().map_err(|error| format!("{}: {error}", log.display()))?.len();
        Ok(Self { log: log.to_owned(), from: length, known: BTreeSet::new() })
    }

    /// Returns the requests that were answered since then, or since it was last asked, each once.
    pub(crate) fn requests(&mut self) -> Seen<Vec<Request>> {
        let text = self.read().map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut requests = Vec::new();
        // The last line may be half written.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            self.from = self.from.saturating_add(line.len() as u64);
            let entry: Value =
                serde_json::from_str(line).map_err(|error| format!("audit log: {error} in {line}"))?;
            // A watch is told of twice: when it begins, and when it ends.
            if self.known.insert(entry["auditID"].as_str().unwrap_or_default().to_owned()) {
                requests.push(Request::of(&entry)?);
            }
        }
        Ok(requests)
    }

    fn read(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Request {
    fn of(entry: &Value) -> Seen<Self> {
        let text =
            |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let time = |key: &str| {
            let stamp = text(key);
            stamp.parse::<Timestamp>().map_err(|error| format!("audit log: {key} `{stamp}`: {error}"))
        };
        let code = entry.pointer("/responseStatus/code").and_then(Value::as_u64);
        let request = Self {
            verb: text("/verb"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            user_agent: text("/userAgent"),
            // An entry without one is of a panicked request; 0 is no answer.
            code: code.and_then(|code| u16::try_from(code).ok()).unwrap_or(0),
            is_dry_run: text("/requestURI").contains("dryRun=All"),
            received: time("/requestReceivedTimestamp")?,
            answered: time("/stageTimestamp")?,
        };
        ensure!(!request.verb.is_empty(), "audit log: no verb in {entry}");
        Ok(request)
    }

    /// Returns true when it asks for a change that is kept.
    pub(crate) fn is_write(&self) -> bool {
        !self.is_dry_run
            && matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }
}
