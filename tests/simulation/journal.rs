//! One list of everything that happens in a simulated world, in the order it happens: requests, answers,
//! events told, faults. The oracle reads it; a failing seed prints it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use wesago::event::{Event, EventKind};
use wesago::latest::{Latest, Reader};

use crate::api_server::Request;

/// Which run of the program something belongs to, from 1.
pub(crate) type RunId = u32;

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Since the world began.
    pub(crate) at: Duration,
    /// The server's version at that moment.
    pub(crate) version: u64,
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A run of the program began.
    Began { run: RunId, command: String },
    /// The program sent a request.
    Sent { run: RunId, id: u64, request: Box<Request> },
    /// The request reached the server, which answered this.
    Served { run: RunId, id: u64, code: u16, message: String },
    /// The program told an event.
    Told { run: RunId, event: Box<Event> },
    /// The run ended, was killed, or hung.
    Ended { run: RunId, how: String },
    /// A fault, or a foreign hand.
    Note(String),
}

/// The list; clones are the same list.
#[derive(Clone)]
pub(crate) struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
    versions: Reader<u64>,
    sent: Arc<Latest<u64>>,
    origin: Instant,
}

impl Journal {
    /// Returns an empty list of a world whose server counts `versions`.
    pub(crate) fn new(versions: Reader<u64>) -> Self {
        let sent = Arc::new(Latest::new(0));
        Self { entries: Arc::default(), versions, sent, origin: Instant::now() }
    }

    pub(crate) fn write(&self, what: What) {
        let is_request = matches!(what, What::Sent { .. });
        let entry = Entry { at: self.origin.elapsed(), version: self.versions.get(), what };
        self.entries.lock().unwrap().push(entry);
        if is_request {
            self.sent.set(self.sent.get() + 1);
        }
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.write(What::Note(text.into()));
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap()
    }

    /// Returns the count of requests, as it grows.
    pub(crate) fn requests(&self) -> Reader<u64> {
        self.sent.reader()
    }

    /// Returns how often each kind of fault and interference happened.
    pub(crate) fn tally(&self) -> BTreeMap<String, u64> {
        let mut tally = BTreeMap::new();
        for entry in self.entries().iter() {
            let name = match &entry.what {
                What::Note(text) if text.starts_with("controllers") => continue,
                What::Note(text) => {
                    // `#12 Refused` is about a request, `somebody edits … of …` about an object.
                    let words =
                        text.split(' ').filter(|word| !word.starts_with('#') && !word.starts_with('/'));
                    words.take(2).collect::<Vec<_>>().join(" ")
                }
                What::Ended { how, .. } if how == "Killed" => "the program was killed".to_owned(),
                What::Told { event, .. } => match &event.event {
                    EventKind::CancelBegan { reason } => format!("the program was {reason}"),
                    _ => continue,
                },
                _ => continue,
            };
            *tally.entry(name).or_default() += 1;
        }
        tally
    }

    /// Returns the whole list as text, a line each.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        for Entry { at, version, what } in self.entries().iter() {
            let _infallible = writeln!(text, "{:>10.3} v{version:<5} {}", at.as_secs_f64(), line(what));
        }
        text
    }
}

fn line(what: &What) -> String {
    match what {
        What::Began { run, command } => format!("run {run} BEGAN {command}"),
        What::Sent { run, id, request } => {
            let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
            let body = match &request.body {
                Value::Null => String::new(),
                body => format!(" {}", short(&body.to_string())),
            };
            format!("run {run} #{id} {} {}{query}{body}", request.method, request.path)
        }
        What::Served { run, id, code, message } => format!("run {run} #{id} = {code} {}", short(message)),
        What::Told { run, event } => {
            format!("run {run} [{}] {}", event.seq, serde_json::to_string(&event.event).unwrap())
        }
        What::Ended { run, how } => format!("run {run} ENDED {how}"),
        What::Note(text) => format!("-- {text}"),
    }
}

fn short(text: &str) -> String {
    const MOST: usize = 300;
    if text.chars().count() > MOST {
        text.chars().take(MOST).chain(['…']).collect()
    } else {
        text.to_owned()
    }
}
