//! A revision as a Secret: names and annotations, written and read back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Content, Found, Origin, Revision, Unreadable};
use crate::event::Verdict;
use crate::object::{GroupKind, NotAnObject, Object, ObjectRef};

/// The label of a plan's revisions; its value is the plan's name. Not the set's label: they are no members.
pub const LABEL: &str = "wesago/history";
/// The type of their Secrets.
pub const TYPE: &str = "wesago/revision";
/// The kind that holds them.
const KIND: &str = "Secret";
/// The key of the plan.
const PLAN: &str = "plan";
/// Secrets of more are refused (kubernetes `apis/core/types.go`, `MaxSecretSize`).
const SIZE_AT_MOST: usize = 1 << 20;
/// Reasons longer than this are cut: annotations have a limit, too.
const REASON_AT_MOST: usize = 2_000;

/// Returns the kind of a revision's object.
pub(super) fn kind() -> GroupKind {
    GroupKind { group: String::new(), kind: KIND.to_owned() }
}

/// Returns what begins the name of each revision's Secret.
fn prefix(plan: &str) -> String {
    format!("wesago-{plan}.v")
}

/// Returns the reference of a revision's Secret.
pub fn name(plan: &str, namespace: &str, number: u32) -> ObjectRef {
    let GroupKind { group, kind } = kind();
    ObjectRef {
        group,
        kind,
        namespace: Some(namespace.to_owned()),
        name: format!("{}{number}", prefix(plan)),
    }
}

/// Returns a revision as the Secret it is kept in. A plan that does not fit is left out, which the revision
/// then says.
///
/// # Errors
/// [`NotAnObject`], which no revision comes to.
pub fn secret(
    plan: &str,
    namespace: &str,
    revision: &mut Revision,
    content: &Content,
) -> Result<Object, NotAnObject> {
    let size = content.bytes().len();
    let mut data = Map::new();
    if size + PLAN.len() <= SIZE_AT_MOST {
        data.insert(PLAN.to_owned(), STANDARD.encode(content.bytes()).into());
    } else {
        let why = format!("{size} bytes, compressed, are more than a Secret holds ({SIZE_AT_MOST})");
        revision.left_out = Some(why);
    }
    Object::new(json!({
        "apiVersion": "v1", "kind": KIND, "type": TYPE,
        // Nobody has a reason to change it, and no kubelet needs to watch it.
        "immutable": true,
        "metadata": {
            "name": name(plan, namespace, revision.number).name, "namespace": namespace,
            "labels": {LABEL: plan}, "annotations": annotations(revision),
        },
        "data": data,
    }))
}

fn annotations(revision: &Revision) -> Map<String, Value> {
    let Revision {
        number,
        run,
        at,
        took_ms,
        origin,
        version,
        changes,
        rollback_to,
        verdict,
        applied,
        left_out,
    } = revision;
    let mut annotations = Map::new();
    let mut add = |key: &str, value: String| annotations.insert(format!("wesago/{key}"), value.into());
    add("revision", number.to_string());
    add("run", run.clone());
    add("at", at.to_string());
    add("took-ms", took_ms.to_string());
    add("by", origin.by.clone());
    add("from", origin.from.clone());
    add("version", version.clone());
    add("changes", json(changes));
    add("verdict", json(&shortened(verdict)));
    add("applied", json(applied));
    let more = [("commit", origin.commit.clone()), ("rollback-to", rollback_to.map(|to| to.to_string()))];
    for (key, value) in more.into_iter().chain([("left-out", left_out.clone())]) {
        if let Some(value) = value {
            add(key, value);
        }
    }
    annotations
}

/// Returns a value as JSON; none of those written here can fail.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn shortened(verdict: &Verdict) -> Verdict {
    let cut = |text: &String| text.chars().take(REASON_AT_MOST).collect::<String>();
    match verdict {
        Verdict::Failed { reason } => Verdict::Failed { reason: cut(reason) },
        Verdict::TimedOut { waiting_for } => {
            let all = waiting_for.join("; ");
            let waiting_for = if all.len() > REASON_AT_MOST { vec![cut(&all)] } else { waiting_for.clone() };
            Verdict::TimedOut { waiting_for }
        }
        other => other.clone(),
    }
}

impl Found {
    /// Reads a revision of a plan from its Secret, whose data may be missing; `None` when it is none. What a
    /// newer version says in words of its own is left out.
    pub fn parse(plan: &str, secret: &Object) -> Option<Self> {
        let number = secret.name().strip_prefix(prefix(plan).as_str())?.parse().ok()?;
        let note = |key: &str| secret.annotation(&format!("wesago/{key}"));
        let text = |key: &str| note(key).unwrap_or_default().to_owned();
        let origin = Origin { by: text("by"), from: text("from"), commit: note("commit").map(str::to_owned) };
        let unknown = || Verdict::Failed { reason: text("verdict") };
        let revision = Revision {
            number,
            run: text("run"),
            at: note("at")?.parse().ok()?,
            took_ms: read(note("took-ms")).unwrap_or_default(),
            origin,
            version: text("version"),
            changes: read(note("changes")).unwrap_or_default(),
            rollback_to: read(note("rollback-to")),
            verdict: read(note("verdict")).unwrap_or_else(unknown),
            applied: read(note("applied")).unwrap_or_default(),
            left_out: note("left-out").map(str::to_owned),
        };
        Some(Self { revision, object: secret.reference(), uid: secret.uid()? })
    }

    /// Returns the plan in a revision's Secret, which must have been read as a whole.
    ///
    /// # Errors
    /// [`Unreadable`] when there is none.
    pub fn content(&self, secret: &Object) -> Result<Content, Unreadable> {
        if let Some(why) = &self.revision.left_out {
            return Err(Unreadable::LeftOut(why.clone()));
        }
        let packed = secret.get(&format!("/data/{PLAN}")).and_then(Value::as_str);
        let packed = packed.ok_or_else(|| Unreadable::Broken(format!("it has no key `{PLAN}`")))?;
        let bytes = STANDARD.decode(packed).map_err(|cause| Unreadable::Broken(cause.to_string()))?;
        Ok(Content::found(bytes))
    }
}

fn read<T: DeserializeOwned>(text: Option<&str>) -> Option<T> {
    serde_json::from_str(text?).ok()
}
