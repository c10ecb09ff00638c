//! What a deploy would do, told before it does anything: by `diff`, which asks the server, and by `deploy`
//! itself, which knows it from what it has read anyway.

use serde::{Deserialize, Serialize};

use crate::difference::Told;
use crate::object::ObjectRef;
use crate::plan::StageId;

/// What a deploy would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The objects that would be touched, in the order of the plan, then what has left the plan.
    pub objects: Vec<ObjectForecast>,
    /// How many objects would stay as they are.
    pub unchanged: usize,
}

/// What a deploy would do to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectForecast {
    /// Its stage; `None` for what the plan itself needs, and for what has left the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageId>,
    /// The object.
    pub object: ObjectRef,
    /// What would be done to it.
    pub prospect: Prospect,
    /// How sure that is.
    #[serde(default)]
    pub certainty: Certainty,
    /// Why it would be done, where that is not plain from the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// Why its pods would be replaced; empty when they would not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rolls: Vec<String>,
    /// The fields that would change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Told>,
    /// Warnings of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What would be done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prospect {
    /// It is not there, and would be.
    Create,
    /// It would be changed in place.
    Configure,
    /// It would be sent; whether that changes anything is the server's to say.
    Write,
    /// It would be deleted and made anew.
    Recreate,
    /// It has left the plan and would go.
    Delete,
    /// It has left the plan and would stay all the same.
    Keep,
    /// It has left the plan and would stay, but be ours no more.
    LetGo,
    /// The deploy would fail here.
    Fail,
}

/// How sure a forecast is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Certainty {
    /// The server itself said so, in a dry run, or it follows from what was read.
    #[default]
    Verified,
    /// The server could not be asked.
    Unverified {
        /// Why not.
        why: String,
    },
}

impl Forecast {
    /// Returns true when a deploy would touch nothing.
    pub fn is_nothing(&self) -> bool {
        !self.objects.iter().any(|object| object.prospect != Prospect::Keep)
    }

    /// Returns the objects with a prospect.
    pub fn with(&self, prospect: Prospect) -> impl Iterator<Item = &ObjectForecast> {
        self.objects.iter().filter(move |object| object.prospect == prospect)
    }
}

impl ObjectForecast {
    /// Returns the forecast of an object of which nothing more is known.
    pub fn new(stage: Option<StageId>, object: ObjectRef, prospect: Prospect) -> Self {
        Self {
            stage,
            object,
            prospect,
            certainty: Certainty::Verified,
            why: Vec::new(),
            rolls: Vec::new(),
            fields: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
