//! The log of one container, line after line, while it is being written. A connection that is cut goes on
//! where it was; a container that has ended is read to its end by one last request, since the server may
//! keep a followed log open for seconds after the end (kubelet, `stateCheckPeriod`).
//!
//! ```text
//!  follow ──▶ lines ──▶ cut ──▶ follow since the last second, without the lines told already
//!     └─ the container has ended ──▶ read the rest ──▶ end
//! ```

mod text;

use std::pin::Pin;

use futures::Stream;
use http::Method;
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::sync::watch;

use self::text::{Lines, Place, stamped};
use super::watch::{Delays, LONGEST_PAUSE, delays};
use super::{ANSWER_WITHIN, ApiError, Cluster, refused, request, within};

/// How often the rest of an ended container's log is asked for.
const LAST_TRIES: u32 = 4;

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// The namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub name: String,
}

/// How much of a log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogWanted {
    /// Begin with so many of the last lines; `None` for the first line.
    pub tail: Option<u32>,
    /// Lines at most.
    pub at_most: usize,
}

/// What a log told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogNews {
    /// The next line.
    Line(LogText),
    /// Nothing more is told, though there may be more.
    Cut(LogCut),
}

/// A line of a log: text without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogText {
    /// The text.
    pub text: String,
    /// True when the line was longer than what is read of one.
    pub is_cut: bool,
}

/// Why a log is not told to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogCut {
    /// So many lines were told, and more are not wanted.
    TooMany(usize),
    /// We may not read it.
    Forbidden(ApiError),
    /// It could not be read to its end.
    Failed(ApiError),
}

/// The end of a container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// True when the next life of it has begun: its log is then the previous one.
    pub previous: bool,
}

impl Cluster {
    /// Follows the log of one life of a container, until `ended` tells its end and all of it is told, or as
    /// much as is wanted. Failures are waited out; `seed` feeds the noise of the pauses.
    pub fn follow_log(
        &self,
        container: Container,
        wanted: LogWanted,
        ended: watch::Receiver<Option<Ended>>,
        seed: u64,
    ) -> impl Stream<Item = LogNews> + Send + use<> {
        let place = Place::beginning(wanted.tail);
        let follow = Follow {
            cluster: self.clone(),
            container,
            ended,
            place,
            reading: None,
            room: wanted.at_most,
            at_most: wanted.at_most,
            last_tries: 0,
            is_over: false,
            seed,
            delays: delays(seed),
            has_paused: false,
        };
        futures::stream::unfold(follow, |mut follow| async move {
            let news = follow.next().await?;
            Some((news, follow))
        })
    }

    /// Reads a log as it is now, from its last `tail` lines on.
    ///
    /// # Errors
    /// [`ApiError`]; 400 when the container has not started yet, or there is no previous one.
    pub async fn read_log(
        &self,
        container: &Container,
        tail: Option<u32>,
        previous: bool,
    ) -> Result<impl Stream<Item = Result<LogText, ApiError>> + Send + use<>, ApiError> {
        let place = Place::beginning(tail);
        let reading = self.open_log(container, &place, false, previous).await?;
        Ok(futures::stream::try_unfold(reading, |mut reading| async move {
            loop {
                if let Some(line) = reading.lines.ready.pop_front() {
                    return Ok(Some((stamped(&line).1, reading)));
                }
                if !reading.more().await? {
                    return Ok(None);
                }
            }
        }))
    }

    async fn open_log(
        &self,
        container: &Container,
        place: &Place,
        follow: bool,
        previous: bool,
    ) -> Result<Reading, ApiError> {
        let Container { namespace, pod, name } = container;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let (since, tail) = (place.since(), place.tail.map(|tail| tail.to_string()));
        let mut query = vec![("container", name.as_str()), ("timestamps", "true")];
        query.extend(follow.then_some(("follow", "true")));
        query.extend(previous.then_some(("previous", "true")));
        match (&since, &tail) {
            (Some(since), _) => query.push(("sinceTime", since)),
            (None, Some(tail)) => query.push(("tailLines", tail)),
            (None, None) => {}
        }
        let request = request(Method::GET, &path, &query, None)?;
        let response = within(ANSWER_WITHIN, self.client.send(request.map(Body::from))).await??;
        let status = response.status();
        if !status.is_success() {
            let body = within(ANSWER_WITHIN, response.into_body().collect()).await??.to_bytes();
            return Err(refused(status, &String::from_utf8_lossy(&body), None));
        }
        let body = Box::pin(response.into_body());
        Ok(Reading { body: Some(body), lines: Lines::default(), skip: place.told, is_last: !follow })
    }
}

/// One answer, while it is read.
struct Reading {
    /// `None` once its end was read.
    body: Option<Pin<Box<Body>>>,
    lines: Lines,
    /// Lines that were told already.
    skip: usize,
    /// True when its end is the log's end.
    is_last: bool,
}

impl Reading {
    /// Takes the next piece and returns false at the end.
    async fn more(&mut self) -> Result<bool, ApiError> {
        let Some(body) = &mut self.body else { return Ok(false) };
        if let Some(frame) = body.frame().await {
            if let Some(bytes) = frame?.data_ref() {
                self.lines.push(bytes);
            }
        } else {
            self.body = None;
            self.lines.end();
        }
        Ok(true)
    }
}

struct Follow {
    cluster: Cluster,
    container: Container,
    ended: watch::Receiver<Option<Ended>>,
    place: Place,
    reading: Option<Reading>,
    /// Lines that are still wanted, of how many.
    room: usize,
    at_most: usize,
    /// How often the rest of an ended container's log was asked for.
    last_tries: u32,
    is_over: bool,
    seed: u64,
    delays: Delays,
    /// True between a pause and the next line.
    has_paused: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<LogNews> {
        while !self.is_over {
            if let Some(text) = self.take() {
                if let Some(room) = self.room.checked_sub(1) {
                    self.room = room;
                    return Some(LogNews::Line(text));
                }
                self.is_over = true;
                return Some(LogNews::Cut(LogCut::TooMany(self.at_most)));
            }
            if let Err(error) = self.step().await
                && let Some(cut) = self.failed(error).await
            {
                self.is_over = true;
                return Some(LogNews::Cut(cut));
            }
        }
        None
    }

    /// Returns the next line that was not told yet.
    fn take(&mut self) -> Option<LogText> {
        let reading = self.reading.as_mut()?;
        while let Some(line) = reading.lines.ready.pop_front() {
            let (at, text) = stamped(&line);
            if reading.skip > 0 && !self.place.is_news(at) {
                reading.skip -= 1;
                continue;
            }
            reading.skip = 0;
            self.place.advance(at);
            if std::mem::take(&mut self.has_paused) {
                self.delays = delays(self.seed);
            }
            return Some(text);
        }
        None
    }

    /// Opens a connection, or takes the next piece of one.
    async fn step(&mut self) -> Result<(), ApiError> {
        let end = *self.ended.borrow();
        let Some(reading) = &mut self.reading else {
            self.reading = Some(self.open(end).await?);
            return Ok(());
        };
        // While an answer has more, that comes first: a pod may be gone by the time it is asked again.
        let waits_for_end = !reading.is_last && self.last_tries < LAST_TRIES;
        let more = tokio::select! {
            biased;
            more = reading.more() => more?,
            end = end_of(self.ended.clone()), if waits_for_end => return self.turn_to_the_rest(end).await,
        };
        if !more {
            self.is_over = reading.is_last || self.last_tries >= LAST_TRIES;
            self.reading = None;
            if !self.is_over {
                self.pause().await;
            }
        }
        Ok(())
    }

    async fn open(&mut self, end: Option<Ended>) -> Result<Reading, ApiError> {
        self.last_tries += u32::from(end.is_some());
        let previous = end.is_some_and(|end| end.previous);
        self.cluster.open_log(&self.container, &self.place, end.is_none(), previous).await
    }

    /// Asks for the rest of a container that has ended. Until there is an answer the open one is kept: it
    /// may hold the last lines of a pod that is gone.
    async fn turn_to_the_rest(&mut self, end: Ended) -> Result<(), ApiError> {
        match self.open(Some(end)).await {
            Ok(rest) => self.reading = Some(rest),
            Err(error) if error.is_not_found() => self.last_tries = LAST_TRIES,
            Err(error) if error.is_forbidden() => return Err(error),
            Err(_) => self.pause().await,
        }
        Ok(())
    }

    /// Waits out a failure; `None` when it is worth another try.
    async fn failed(&mut self, error: ApiError) -> Option<LogCut> {
        self.reading = None;
        let has_ended = self.ended.borrow().is_some();
        let code = error.refusal().map(|refusal| refusal.code);
        match code {
            Some(401 | 403) => return Some(LogCut::Forbidden(error)),
            // The pod is gone, or this life of the container is.
            Some(404) => self.is_over = true,
            Some(400) if has_ended => self.is_over = true,
            _ if has_ended && self.last_tries >= LAST_TRIES => return Some(LogCut::Failed(error)),
            _ => self.pause().await,
        }
        None
    }

    /// Waits before the next request; the end of the container ends the first wait at once.
    async fn pause(&mut self) {
        self.has_paused = true;
        let has_ended = self.ended.borrow().is_some();
        let pause = tokio::time::sleep(self.delays.next().unwrap_or(LONGEST_PAUSE));
        tokio::select! {
            biased;
            _ = end_of(self.ended.clone()), if !has_ended => {}
            () = pause => {}
        }
    }
}

/// Waits for the end of a container.
async fn end_of(mut ended: watch::Receiver<Option<Ended>>) -> Ended {
    let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    // Whoever could tell the end is gone, and so is whoever listens.
    end.unwrap_or(Ended { previous: false })
}
