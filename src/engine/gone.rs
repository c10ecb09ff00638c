//! Waiting until an object is over, by a watch on its name.

use std::time::Duration;

use futures::StreamExt as _;

use super::retry::Tools;
use super::session::namespace_ref;
use crate::cluster::{ApiError, Observation, Resource, Scope, Start};
use crate::object::{Object, ObjectRef, Uid};

/// How long to leave a namespace alone whose end may not be watched.
const UNSEEN: Duration = Duration::from_secs(2);

impl Tools {
    /// Waits until a life of an object is over; the stage's deadline ends the wait.
    pub(super) async fn until_gone(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        uid: &Uid,
    ) -> Result<(), ApiError> {
        self.until_none(resource, name, |object| object.uid().as_ref() == Some(uid)).await
    }

    /// Waits until a namespace that is being deleted is gone, or another one bears its name, and no longer
    /// than `at_most`. Whoever may not see namespaces waits for a moment instead.
    pub(super) async fn until_namespace_gone(
        &self,
        namespace: &str,
        at_most: Duration,
    ) -> Result<(), ApiError> {
        let name = namespace_ref(namespace);
        let resource = Resource::namespaces();
        match tokio::time::timeout(at_most, self.until_none(&resource, &name, Object::is_being_deleted)).await
        {
            Ok(Err(error)) if error.is_forbidden() => self.unless_cancelled(tokio::time::sleep(UNSEEN)).await,
            Ok(ended) => ended,
            Err(_) => Err(ApiError::StillThere { object: name, after: at_most }),
        }
    }

    /// Waits until no object of a name `is_it`.
    async fn until_none(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        is_it: impl Fn(&Object) -> bool,
    ) -> Result<(), ApiError> {
        let scope = Scope::named(resource.clone(), name.namespace.as_deref(), &name.name);
        let mut watch = std::pin::pin!(self.cluster.watch(scope, Start::List, self.seed));
        // The stream never ends; a deadline ends this wait.
        while let Some(observation) = self.unless_cancelled(watch.next()).await? {
            match observation {
                Observation::Relisted(listing) if !listing.objects.iter().any(&is_it) => return Ok(()),
                Observation::Seen(object) if !is_it(&object) => return Ok(()),
                Observation::Gone(object) if is_it(&object) => return Ok(()),
                // The kind itself is gone, and all its objects with it.
                Observation::Lost { error, .. } if error.is_not_found() => return Ok(()),
                Observation::Lost { error, .. } if error.is_forbidden() => return Err(error),
                Observation::Relisted(_)
                | Observation::Seen(_)
                | Observation::Gone(_)
                | Observation::Lost { .. }
                | Observation::Unwatchable { .. } => {}
            }
        }
        Ok(())
    }
}
