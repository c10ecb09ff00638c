//! What an apply would change, worked out here: for what the server cannot be asked about, or need not be.

use serde_json::Value;

use crate::difference::{FieldChange, FieldSet, Owner, changes, desired, merged, owners};
use crate::inventory::FIELD_MANAGER;
use crate::object::Object;

/// Returns what an apply of `wanted` would change of `live`, as far as can be seen from here.
pub(super) fn reckoned(wanted: &Object, live: &Object) -> Vec<FieldChange> {
    let owners = owners(live.value());
    let is_ours = |owner: &&Owner| {
        owner.manager == FIELD_MANAGER && owner.operation == "Apply" && owner.subresource.is_empty()
    };
    let nothing = FieldSet::default();
    let ours = owners.iter().find(is_ours).map_or(&nothing, |owner| &owner.fields);
    let others: Vec<&FieldSet> =
        owners.iter().filter(|owner| !is_ours(owner)).map(|owner| &owner.fields).collect();
    let before: Value = desired(live.value());
    let after = merged(&before, wanted.value(), ours, &others);
    changes(&before, &after)
}
