//! How a stage is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a stage: `nginx`, or `databases/postgres` for a member of a group.
///
/// Each part is a DNS label, as Kubernetes names are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageId(String);

/// Why a text is not the name of a stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAStageId {
    /// More than one slash.
    #[error("a stage is named `name` or `group/name`, with one slash at most")]
    TooDeep,
    /// A part is not a DNS label.
    #[error("`{0}` is not a name: use lowercase letters, digits and `-`, a letter or digit at both ends")]
    NotALabel(String),
    /// A part is longer than 63 characters.
    #[error("`{0}` is longer than 63 characters")]
    TooLong(String),
}

impl StageId {
    /// Returns the name in `text`.
    ///
    /// # Errors
    /// [`NotAStageId`] when it is not one or two DNS labels.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAStageId> {
        let text = text.into();
        if text.matches('/').count() > 1 {
            return Err(NotAStageId::TooDeep);
        }
        for part in text.split('/') {
            if part.len() > 63 {
                return Err(NotAStageId::TooLong(part.to_owned()));
            }
            let inside = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if part.is_empty() || !inside || part.starts_with('-') || part.ends_with('-') {
                return Err(NotAStageId::NotALabel(part.to_owned()));
            }
        }
        Ok(Self(text))
    }

    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the group: the part before the slash, or the whole name of a stage outside any group.
    pub fn group(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(group, _)| group)
    }

    /// Returns true for a member of a group.
    pub fn is_member(&self) -> bool {
        self.0.contains('/')
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StageId {
    type Err = NotAStageId;

    fn from_str(text: &str) -> Result<Self, NotAStageId> {
        Self::new(text)
    }
}

impl TryFrom<String> for StageId {
    type Error = NotAStageId;

    fn try_from(text: String) -> Result<Self, NotAStageId> {
        Self::new(text)
    }
}

impl From<StageId> for String {
    fn from(id: StageId) -> Self {
        id.0
    }
}
