//! Which containers' logs are followed: each life of each container once, a few at a time, from its start to
//! its end. Pods come in as they are seen; lines come out masked. Nothing here waits for anything else: a
//! log that hangs holds up only itself.

use std::collections::{BTreeMap, VecDeque};

use futures::StreamExt as _;
use futures::stream::{self, BoxStream, SelectAll};
use serde_json::Value;
use tokio::sync::watch;

use super::redactor::Redactor;
use crate::cluster::{Cluster, Container, Ended, LogCut, LogNews, LogText, LogWanted};
use crate::entropy::Entropy;
use crate::object::{Object, Uid};

/// Logs followed at once; each is a connection of its own.
const WIDTH: usize = 16;
/// Lives of containers followed in one run.
const MOST_LIVES: usize = 1_000;
/// Bytes of a line that are told.
const LONGEST_LINE: usize = 4_096;

/// One life of one container: a container that is started again has another log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Life {
    pod: Uid,
    container: String,
    restarts: u64,
}

/// What is known of a life that is, or will be, followed.
struct Followed<T> {
    tag: T,
    end: watch::Sender<Option<Ended>>,
    /// True once its log is told.
    is_told: bool,
}

/// How much of each log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// How much of one life of a container.
    pub wanted: LogWanted,
    /// True to tell what the life before has left, too.
    pub earlier_lives: bool,
}

/// A line of a log, or the end of what is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told<T> {
    /// What the pod was seen for.
    pub tag: T,
    /// Who speaks.
    pub container: Container,
    /// The line; the reason when nothing more is told.
    pub line: Result<String, String>,
}

/// Follows the logs of containers, each with a tag of its follower's choice.
pub(super) struct Followers<T> {
    cluster: Cluster,
    redactor: Redactor,
    entropy: Entropy,
    extent: Extent,
    lives: BTreeMap<Life, Followed<T>>,
    waiting: VecDeque<(Life, Container, watch::Receiver<Option<Ended>>)>,
    streams: SelectAll<BoxStream<'static, (Life, Container, Option<LogNews>)>>,
    /// That there are more containers than are followed, until it is told.
    overflow: Option<Told<T>>,
    /// True once we were told that we may not read logs: that is said once, and not asked again.
    is_forbidden: bool,
}

impl<T: Clone> Followers<T> {
    /// Returns followers of nothing yet.
    pub(super) fn new(cluster: Cluster, redactor: Redactor, entropy: Entropy, extent: Extent) -> Self {
        let (lives, waiting, streams) = (BTreeMap::new(), VecDeque::new(), SelectAll::new());
        let (overflow, is_forbidden) = (None, false);
        Self { cluster, redactor, entropy, extent, lives, waiting, streams, overflow, is_forbidden }
    }

    /// Returns what masks the run's secrets.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Takes in a pod: containers that run, or have run, are followed from now on.
    pub(super) fn see(&mut self, pod: &Object, tag: &T) {
        let (Some(uid), Some(namespace)) = (pod.uid(), pod.namespace()) else { return };
        let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
        for status in statuses.iter().filter_map(|pointer| pod.get(pointer)?.as_array()).flatten() {
            let Some(name) = status["name"].as_str() else { continue };
            let restarts = status["restartCount"].as_u64().unwrap_or(0);
            let life = |restarts| Life { pod: uid.clone(), container: name.to_owned(), restarts };
            let container = Container {
                namespace: namespace.to_owned(),
                pod: pod.name().to_owned(),
                name: name.to_owned(),
            };
            let has_earlier = !status["lastState"]["terminated"].is_null();
            match stand(status) {
                Stand::NotStarted => {}
                Stand::Runs => {
                    if let Some(before) = restarts.checked_sub(1).filter(|_| has_earlier) {
                        if self.extent.earlier_lives {
                            self.start(life(before), container.clone(), tag);
                        }
                        self.end(&life(before), Ended { previous: true });
                    }
                    self.start(life(restarts), container, tag);
                }
                Stand::HasEnded => {
                    self.start(life(restarts), container, tag);
                    self.end(&life(restarts), Ended { previous: false });
                }
            }
        }
        self.fill();
    }

    /// Takes in that a pod is gone.
    pub(super) fn gone(&mut self, pod: &Uid) {
        for (_, followed) in self.lives.iter().filter(|(life, _)| life.pod == *pod) {
            followed.ends(Ended { previous: false });
        }
    }

    /// Returns true while there is a log to wait for.
    pub(super) fn is_active(&self) -> bool {
        !self.streams.is_empty() || self.overflow.is_some()
    }

    /// Returns true while something of a log is not told though its container has ended, or is of a tag that
    /// has.
    pub(super) fn owes(&self, has_ended: impl Fn(&T) -> bool) -> bool {
        let owed = |followed: &Followed<T>| followed.end.borrow().is_some() || has_ended(&followed.tag);
        !self.is_forbidden && self.lives.values().any(|followed| !followed.is_told && owed(followed))
    }

    /// Returns the next line of any log; `None` when none is followed. May be dropped and asked again.
    pub(super) async fn next(&mut self) -> Option<Told<T>> {
        if let Some(overflow) = self.overflow.take() {
            return Some(overflow);
        }
        loop {
            let (life, container, news) = self.streams.next().await?;
            let told = self.take(&life, container, news);
            self.fill();
            if told.is_some() {
                return told;
            }
        }
    }

    fn take(&mut self, life: &Life, container: Container, news: Option<LogNews>) -> Option<Told<T>> {
        let followed = self.lives.get_mut(life)?;
        let told = match news {
            None => {
                followed.is_told = true;
                return None;
            }
            Some(LogNews::Line(text)) => Ok(self.shown(&text)),
            Some(LogNews::Cut(LogCut::Forbidden(_))) if self.is_forbidden => return None,
            Some(LogNews::Cut(cut)) => {
                self.is_forbidden |= matches!(cut, LogCut::Forbidden(_));
                Err(reason(&cut, &container))
            }
        };
        let tag = self.lives.get(life)?.tag.clone();
        Some(Told { tag, container, line: told })
    }

    /// Returns a line without secrets, and no longer than what is told of one.
    fn shown(&self, line: &LogText) -> String {
        let mut text = if line.is_cut {
            self.redactor.redacted_beginning(&line.text)
        } else {
            self.redactor.redacted(&line.text).into_owned()
        };
        let is_longer = text.len() > LONGEST_LINE;
        if is_longer {
            let fits = (0..=LONGEST_LINE).rev().find(|&at| text.is_char_boundary(at));
            text.truncate(fits.unwrap_or(0));
        }
        if is_longer || line.is_cut {
            text.push('…');
        }
        text
    }

    fn start(&mut self, life: Life, container: Container, tag: &T) {
        if self.is_forbidden || self.lives.contains_key(&life) || self.lives.len() > MOST_LIVES {
            return;
        }
        let (end, ends) = watch::channel(None);
        let is_one_too_many = self.lives.len() == MOST_LIVES;
        self.lives.insert(life.clone(), Followed { tag: tag.clone(), end, is_told: is_one_too_many });
        if is_one_too_many {
            let reason = format!("the logs of {MOST_LIVES} containers were told; no further one is");
            self.overflow = Some(Told { tag: tag.clone(), container, line: Err(reason) });
        } else {
            self.waiting.push_back((life, container, ends));
        }
    }

    fn end(&self, life: &Life, how: Ended) {
        if let Some(followed) = self.lives.get(life) {
            followed.ends(how);
        }
    }

    /// Lets those that wait take the free places.
    fn fill(&mut self) {
        while self.streams.len() < WIDTH && !self.is_forbidden {
            let Some((life, container, ends)) = self.waiting.pop_front() else { break };
            let label = format!("log {}/{} {}", container.pod, container.name, life.restarts);
            let seed = self.entropy.fork(&label).seed();
            let news = self.cluster.follow_log(container.clone(), self.extent.wanted, ends, seed).map(Some);
            let news = news.chain(stream::iter([None]));
            self.streams.push(news.map(move |news| (life.clone(), container.clone(), news)).boxed());
        }
    }
}

impl<T> Followed<T> {
    /// Tells the end once; the first word about it is the truest.
    fn ends(&self, how: Ended) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            if is_first {
                *end = Some(how);
            }
            is_first
        });
    }
}

/// How far a container's life is, of which its status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    NotStarted,
    Runs,
    HasEnded,
}

/// A container that waits to be started again still shows its last life: number of restarts and log are those
/// of it (`kubelet_pods.go`, `validateContainerLogStatus`).
fn stand(status: &Value) -> Stand {
    let has = |pointer: &str| status.pointer(pointer).is_some_and(|state| !state.is_null());
    if has("/state/running") {
        Stand::Runs
    } else if has("/state/terminated") || has("/lastState/terminated") {
        Stand::HasEnded
    } else {
        Stand::NotStarted
    }
}

/// Returns why nothing more is told of a log, and where the rest is.
fn reason(cut: &LogCut, container: &Container) -> String {
    let Container { namespace, pod, name } = container;
    let command = format!("kubectl --namespace {namespace} logs {pod} --container {name}");
    match cut {
        LogCut::TooMany(count) => format!("{count} lines were told; `{command}` shows all"),
        LogCut::Forbidden(error) => format!("logs may not be read: {error}"),
        LogCut::Failed(error) => format!("the rest could not be read: {error}; `{command}` may show it"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Extent, Followers, Stand, stand};
    use crate::cluster::{Cluster, LogText, LogWanted};
    use crate::engine::redactor::Redactor;
    use crate::entropy::Entropy;
    use crate::object::Object;

    fn followers(earlier_lives: bool) -> Followers<u8> {
        let redactor = Redactor::new([b"hunter2-hunter2".as_slice()]);
        let wanted = LogWanted { tail: None, at_most: 10 };
        let extent = Extent { wanted, earlier_lives };
        Followers::new(Cluster::silent(), redactor, Entropy::from_seed(1), extent)
    }

    fn pod(statuses: &Value) -> Object {
        Object::new(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "migrate-x", "namespace": "shop", "uid": "p"},
            "status": {"containerStatuses": statuses},
        }))
        .unwrap()
    }

    fn lives(followers: &Followers<u8>) -> Vec<(String, u64, Option<bool>)> {
        let told = followers.lives.iter().map(|(life, followed)| {
            let end = followed.end.borrow().map(|end| end.previous);
            (life.container.clone(), life.restarts, end)
        });
        told.collect()
    }

    #[test]
    fn a_container_is_followed_once_it_has_started() {
        let runs = json!({"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}});
        let ended = json!({"state": {"terminated": {"exitCode": 0}}});
        let crashes =
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}});
        let pulls = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
        let told = [runs, ended, crashes, pulls, json!({})].map(|status| stand(&status));
        assert_eq!(
            told,
            [Stand::Runs, Stand::HasEnded, Stand::HasEnded, Stand::NotStarted, Stand::NotStarted]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn each_life_of_a_container_is_followed_once() {
        let mut followers = followers(true);
        let running = |restarts: u64, last: Value| json!([{"name": "main", "restartCount": restarts, "state": {"running": {}}, "lastState": last}]);
        followers.see(&pod(&json!([{"name": "main", "state": {"waiting": {}}}])), &0);
        assert_eq!(lives(&followers), []);
        for _ in 0..2 {
            followers.see(&pod(&running(0, json!({}))), &0);
            assert_eq!(lives(&followers), [("main".into(), 0, None)]);
        }
        followers.see(&pod(&running(2, json!({"terminated": {}}))), &0);
        let main = |restarts, end| ("main".to_owned(), restarts, end);
        assert_eq!(lives(&followers), [main(0, None), main(1, Some(true)), main(2, None)]);
        followers.gone(&pod(&json!([])).uid().unwrap());
        assert_eq!(lives(&followers), [main(0, Some(false)), main(1, Some(true)), main(2, Some(false))]);
        assert!(followers.owes(|_| false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_life_before_is_told_only_when_wanted() {
        let mut followers = followers(false);
        let status = json!([{"name": "a", "restartCount": 3, "state": {"running": {}}, "lastState": {"terminated": {}}}]);
        followers.see(&pod(&status), &0);
        assert_eq!(lives(&followers), [("a".into(), 3, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_followed_at_a_time() {
        let mut followers = followers(true);
        let statuses: Vec<Value> =
            (0..40).map(|number| json!({"name": format!("c{number}"), "state": {"running": {}}})).collect();
        followers.see(&pod(&statuses.into()), &0);
        assert_eq!((followers.streams.len(), followers.waiting.len()), (super::WIDTH, 40 - super::WIDTH));
        assert!(followers.is_active());
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_masked_before_it_is_cut() {
        let followers = followers(true);
        let shown = |text: String, is_cut| followers.shown(&LogText { text, is_cut });
        assert_eq!(shown("x=hunter2-hunter2;".into(), false), "x=***;");
        assert_eq!(shown("x=hunter2-hun".into(), true), "x=***…");
        let long = shown("ä".repeat(3_000), false);
        assert!(long.len() <= super::LONGEST_LINE + '…'.len_utf8() && long.ends_with('…'));
    }
}
