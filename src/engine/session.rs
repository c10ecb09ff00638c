//! What a run knows of the cluster before its first write: the kinds served, the inventory, and every
//! owned object as it is now. A handful of requests, most of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::retry::Tools;
use super::warnings::Warnings;
use super::{Emitter, EngineError, secrets};
use crate::cluster::{ApiError, Catalog, Listing, Refusal, Resource, Scope, Written};
use crate::event::EventKind;
use crate::inventory::{FIELD_MANAGER, Inventory, PART_OF};
pub(super) use crate::object::settles_at_once;
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::Plan;
use crate::readiness::{StorageClass, Surroundings};

/// Requests in flight at once. The client speaks HTTP/1.1: each is a connection of its own, and beyond
/// this width a small API server answers no faster (500 applies: 0.52–0.75 s at width 8 and more).
pub(super) const WIDTH: usize = 16;
/// How long a cluster that does not answer the first question is asked: a wrong address, or one that is
/// down, is told soon; one that goes away later is waited for.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// A kind of objects in a namespace, or in none.
pub(super) type KindIn = (Resource, Option<String>);

/// The cluster as a run found it.
pub(super) struct Session {
    /// The kinds served.
    pub catalog: Catalog,
    /// What the plan owns.
    pub inventory: Inventory,
    /// Where a watch of a scope goes on.
    pub resource_versions: BTreeMap<Scope, String>,
    /// Every owned object as it is; of kinds in [`settles_at_once`] only the metadata, the plan's generated
    /// Secrets aside.
    pub live: BTreeMap<ObjectRef, Object>,
    /// The metadata of what the plan wants and does not own, by kind and namespace, where that was seen.
    pub neighbours: BTreeMap<KindIn, Vec<Object>>,
    /// What the readiness rules need to know beside.
    pub surroundings: Surroundings,
    has_seen_classes: bool,
    warnings: Warnings,
    /// What the server warned of when the run wrote for itself: its inventory, generated Secrets.
    news: Vec<String>,
}

impl Session {
    /// Asks what kinds are served.
    pub(super) async fn discover(tools: &Tools) -> Result<Catalog, EngineError> {
        let ask =
            async |tools: Tools| ask(&tools, "discover the served kinds", || tools.cluster.discover()).await;
        first_asked(tools, ask).await
    }

    /// Returns what kinds are served; where the plan has only such as every server serves, without asking.
    pub(super) async fn kinds(tools: &Tools, plan: &Plan) -> Result<Catalog, EngineError> {
        let assumed = Catalog::assumed();
        let is_enough = plan.objects().all(|(_, object)| assumed.of(object).is_ok());
        if is_enough { Ok(assumed) } else { Self::discover(tools).await }
    }

    /// Returns the session of one who is about to write: what kinds are served is asked, if it was assumed so
    /// far, and what was read by a wrong assumption is read anew.
    pub(super) async fn confirmed(mut self, tools: &Tools, plan: &Plan) -> Result<Self, EngineError> {
        if !self.catalog.is_assumed() {
            return Ok(self);
        }
        let catalog = Self::discover(tools).await?;
        let read = |catalog| scopes(catalog, plan, &self.inventory);
        if read(&self.catalog) != read(&catalog) {
            return Box::pin(Self::read(tools, plan, catalog)).await;
        }
        self.learn_kinds(catalog);
        Ok(self)
    }

    /// Reads the cluster.
    pub(super) async fn read(tools: &Tools, plan: &Plan, catalog: Catalog) -> Result<Self, EngineError> {
        let inventory = read_inventory(tools, &catalog, plan).await?;
        let scopes = scopes(&catalog, plan, &inventory);
        let seen = look(tools, plan, &inventory, &scopes).await?;
        let mut session = Self {
            surroundings: Surroundings { rules: plan.rules().clone(), ..Surroundings::default() },
            catalog: Catalog::default(),
            inventory,
            resource_versions: BTreeMap::new(),
            live: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            has_seen_classes: false,
            warnings: Warnings::default(),
            news: Vec::new(),
        };
        session.learn_kinds(catalog);
        for (scope, (listing, neighbours)) in scopes.into_iter().zip(seen) {
            if let Some(neighbours) = neighbours {
                session.neighbours.insert((scope.resource.clone(), scope.namespace.clone()), neighbours);
            }
            if !listing.resource_version.is_empty() {
                session.resource_versions.insert(scope, listing.resource_version);
            }
            session.live.extend(listing.objects.into_iter().map(|object| (object.reference(), object)));
        }
        session.look_at_classes(tools, plan).await?;
        Ok(session)
    }

    /// Reads the StorageClasses, once, when a claim of the plan is not bound: only then they matter.
    pub(super) async fn look_at_classes(&mut self, tools: &Tools, plan: &Plan) -> Result<(), EngineError> {
        let is_open = |claim: &Object| {
            let live = self.live.get(&claim.reference());
            live.is_none_or(|live| live.text("/status/phase") != "Bound")
        };
        let mut claims =
            plan.objects().map(|(_, object)| object).filter(|o| o.kind() == "PersistentVolumeClaim");
        if !self.has_seen_classes && claims.any(is_open) {
            self.surroundings.storage_classes = storage_classes(tools, &self.catalog).await?;
            self.has_seen_classes = true;
        }
        Ok(())
    }

    /// Takes in what kinds are served.
    pub(super) fn learn_kinds(&mut self, catalog: Catalog) {
        self.surroundings.served = catalog.served().collect();
        self.surroundings.without_status = catalog.without_status().cloned().collect();
        self.catalog = catalog;
    }

    /// Takes in what a write of this run changes for the objects that follow: a claim may ask for a class
    /// that was not there when the run began.
    pub(super) fn learn(&mut self, written: &Object) {
        if let ("storage.k8s.io", "StorageClass", Some(classes)) =
            (written.group(), written.kind(), &mut self.surroundings.storage_classes)
        {
            classes.insert(written.name().to_owned(), StorageClass::of(written));
        }
    }

    /// Returns how the server serves an object's kind.
    pub(super) fn resource(&self, object: &Object) -> Result<Resource, ApiError> {
        self.catalog.of(object).cloned()
    }

    /// Returns the scope an owned object is listed and watched in.
    pub(super) fn scope(&self, resource: &Resource, namespace: Option<&str>) -> Scope {
        let metadata_only = settles_at_once(&resource.group_kind(), &self.surroundings.rules);
        Scope::owned(resource.clone(), namespace, &self.inventory.id(), metadata_only)
    }

    /// Asks again what kinds are served: a CRD has become ready.
    pub(super) async fn rediscover(tools: &Tools) -> Result<Catalog, ApiError> {
        tools.persist("discover the served kinds", || tools.cluster.discover()).await
    }

    /// Notes in the inventory how deep in the DAG each member is: once the plan has forgotten a member,
    /// nothing else tells in which order it has to go.
    pub(super) fn note_depths(&mut self, plan: &Plan) {
        let depths = plan.graph().depths();
        for (stage, object) in plan.objects() {
            self.inventory.set_depth(&object.reference(), depths[stage.0]);
        }
    }

    /// Takes in the server's warnings about a write of the run's own.
    pub(super) fn warned(&mut self, name: &ObjectRef, written: Written) {
        let news = self.warnings.news(name, written.warnings);
        self.news.extend(news);
    }

    /// Tells what the server has warned of since the last time.
    pub(super) fn tell_warnings(&mut self, emitter: &mut Emitter<'_>) {
        for message in self.news.drain(..) {
            emitter.emit(EventKind::Warned { message });
        }
    }

    /// Writes the inventory as it stands.
    pub(super) async fn save_inventory(&mut self, tools: &Tools) -> Result<(), EngineError> {
        let parent = self.inventory.parent();
        let resource = resource(&self.catalog, &parent.group_kind())?;
        let wanted = Object::new(self.inventory.to_value())
            .map_err(|cause| EngineError::Internal(cause.to_string()))?;
        let manager = format!("{FIELD_MANAGER}-applyset");
        let request = format!("write the inventory {parent}");
        let send = || tools.cluster.apply_as(&manager, resource, &wanted);
        let written = tools.persist_write(&request, send).await;
        let written = written.map_err(|error| EngineError::request(request, error))?;
        self.warned(&parent, written);
        Ok(())
    }
}

/// Returns the reference of a namespace.
pub(super) fn namespace_ref(name: &str) -> ObjectRef {
    ObjectRef { group: String::new(), kind: "Namespace".to_owned(), namespace: None, name: name.to_owned() }
}

/// Returns how the server serves a kind.
pub(super) fn resource<'a>(catalog: &'a Catalog, kind: &GroupKind) -> Result<&'a Resource, EngineError> {
    catalog.preferred(kind).ok_or_else(|| {
        let error = ApiError::UnknownKind { api_version: kind.group.clone(), kind: kind.kind.clone() };
        EngineError::request(format!("find the kind {kind}"), error)
    })
}

/// Reads what a plan owns, without its objects.
pub(super) async fn read_inventory(
    tools: &Tools,
    catalog: &Catalog,
    plan: &Plan,
) -> Result<Inventory, EngineError> {
    let empty = Inventory::new(plan.name(), plan.namespace());
    let parent = empty.parent();
    let maps = resource(catalog, &parent.group_kind())?;
    let found = ask(tools, &format!("get {parent}"), || tools.cluster.get(maps, &parent)).await?;
    match found {
        Some(parent) => Ok(Inventory::parse(plan.name(), plan.namespace(), &parent)?),
        None => Ok(empty),
    }
}

/// Sends the first request of a run, which finds out whether the cluster is there at all.
pub(super) async fn first_asked<T>(
    tools: &Tools,
    ask: impl AsyncFn(Tools) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    match Box::pin(ask(Tools { patience: FIRST_ANSWER_WITHIN, ..tools.clone() })).await {
        // A server that answers is there, whatever it says: it is given the time of any request.
        Err(EngineError::Request { error, .. }) if error.refusal().is_some_and(Refusal::is_of_the_moment) => {
            Box::pin(ask(tools.clone())).await
        }
        answer => answer,
    }
}

/// Sends a request with its retries.
pub(super) async fn ask<T, F>(tools: &Tools, request: &str, send: impl FnMut() -> F) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let answer = tools.persist(request, send).await;
    answer.map_err(|error| EngineError::request(request.to_owned(), error))
}

/// Returns the scopes that hold what the plan wants and what it owned before. Kinds not served are left
/// out: a CRD of the plan may bring them later.
pub(super) fn scopes(catalog: &Catalog, plan: &Plan, inventory: &Inventory) -> BTreeSet<Scope> {
    let set = inventory.id();
    let wanted = plan.stages().iter().flat_map(|stage| &stage.objects).map(Object::reference);
    let owned = inventory.members().map(|(member, _)| member.clone());
    wanted
        .chain(owned)
        .filter_map(|member| {
            let kind = member.group_kind();
            let resource = catalog.preferred(&kind)?.clone();
            let namespace = member.namespace.as_deref();
            // What generated Secrets hold is read with the rest: one list costs less than a look at each.
            let is_read =
                !plan.secrets().is_empty() && kind == secrets::kind() && namespace == Some(plan.namespace());
            let metadata_only = settles_at_once(&kind, plan.rules()) && !is_read;
            Some(Scope::owned(resource, namespace, &set, metadata_only))
        })
        .collect()
}

/// What a scope holds of ours, and what else the plan wants of its kind, where that was seen.
type Seen = (Listing, Option<Vec<Object>>);

/// Looks into all scopes, a few at once, in their order.
async fn look(
    tools: &Tools,
    plan: &Plan,
    inventory: &Inventory,
    scopes: &BTreeSet<Scope>,
) -> Result<Vec<Seen>, EngineError> {
    if !inventory.is_empty() {
        let listings = list_all(tools, scopes).await?;
        return Ok(listings.into_iter().map(|listing| (listing, None)).collect());
    }
    let (wanted, set) = (secrets::wanted(plan).collect(), inventory.id());
    let looks = scopes.iter().map(|scope| look_around(tools, scope, &set, &wanted));
    stream::iter(looks).buffered(WIDTH).try_collect().await
}

/// Looks into a scope for a plan that owns nothing yet, as far as is known: one list of metadata tells whether
/// something is ours after all, for an inventory can be lost, and what somebody else has made.
async fn look_around(
    tools: &Tools,
    scope: &Scope,
    set: &str,
    wanted: &BTreeSet<ObjectRef>,
) -> Result<Seen, EngineError> {
    let all = Scope { metadata_only: true, ..Scope::all(scope.resource.clone(), scope.namespace.as_deref()) };
    let request = format!("list {}", scope.resource.plural);
    let page = ask(tools, &request, || tools.cluster.first_page(&all)).await;
    let is_member = |object: &Object| object.label(PART_OF) == Some(set);
    match page {
        Ok(Some(mut page)) if !page.objects.iter().any(is_member) => {
            page.objects.retain(|object| wanted.contains(&object.reference()));
            let neighbours = std::mem::take(&mut page.objects);
            Ok((page, Some(neighbours)))
        }
        Ok(_) => Ok((list_scope(tools, scope).await?, None)),
        Err(error) => Ok((unless_gone(Err(error))?, None)),
    }
}

/// Lists all scopes, a few at once, in their order.
pub(super) async fn list_all(tools: &Tools, scopes: &BTreeSet<Scope>) -> Result<Vec<Listing>, EngineError> {
    stream::iter(scopes.iter().map(|scope| list_scope(tools, scope))).buffered(WIDTH).try_collect().await
}

/// Lists one scope.
pub(super) async fn list_scope(tools: &Tools, scope: &Scope) -> Result<Listing, EngineError> {
    let request = format!("list {}", scope.resource.plural);
    unless_gone(ask(tools, &request, || tools.cluster.list(scope)).await)
}

/// Returns the answer to a list; nothing when its kind is gone since discovery was asked, and all its objects
/// with it.
fn unless_gone(answer: Result<Listing, EngineError>) -> Result<Listing, EngineError> {
    match answer {
        Err(EngineError::Request { error, .. }) if error.is_not_found() => Ok(Listing::default()),
        answer => answer,
    }
}

/// Reads the StorageClasses; `None` when we may not.
async fn storage_classes(
    tools: &Tools,
    catalog: &Catalog,
) -> Result<Option<BTreeMap<String, StorageClass>>, EngineError> {
    let kind = GroupKind { group: "storage.k8s.io".to_owned(), kind: "StorageClass".to_owned() };
    let Some(resource) = catalog.preferred(&kind) else { return Ok(None) };
    let scope = Scope::all(resource.clone(), None);
    let listing = match ask(tools, "list storageclasses", || tools.cluster.list(&scope)).await {
        Ok(listing) => listing,
        Err(EngineError::Request { error, .. }) if error.is_forbidden() => return Ok(None),
        Err(error) => return Err(error),
    };
    let classes = listing.objects.iter().map(|object| (object.name().to_owned(), StorageClass::of(object)));
    Ok(Some(classes.collect()))
}
