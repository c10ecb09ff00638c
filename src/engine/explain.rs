//! Why is it not ready? (filled below)

use super::retry::Tools;
use crate::cluster::Catalog;
use crate::event::{CauseFound, EventKind};
use crate::object::Object;
use crate::plan::StageId;

/// x
pub(super) struct Explanation;
impl Explanation {
    pub(super) fn into_event(self, stage: StageId) -> EventKind {
        EventKind::CauseFound(CauseFound {
            stage,
            chain: vec![],
            reason: String::new(),
            message: String::new(),
            log: vec![],
            next: vec![],
        })
    }
}
pub(super) async fn explain(_tools: &Tools, _catalog: &Catalog, _unready: &[Object]) -> Vec<Explanation> {
    vec![]
}
