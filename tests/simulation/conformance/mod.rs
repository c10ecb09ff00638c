//! What the simulated server claims about a real one. Each claim is one body of a test that runs against
//! the simulator, and, with the feature `sandbox`, against the API server of the sandbox.

mod apply;
mod dry_run;
mod lifecycle;
mod ownership;
mod peer;
mod reading;

use peer::Peer;

/// Makes of each claim a test against the simulator and one against the real server.
macro_rules! claims {
    ($($claim:path => $simulated:ident, $real:ident;)*) => {
        $(
            #[test]
            fn $simulated() {
                Peer::simulated(|peer| Box::pin($claim(peer)));
            }

            #[cfg(feature = "sandbox")]
            #[test]
            fn $real() {
                Peer::real(stringify!($real), |peer| Box::pin($claim(peer)));
            }
        )*
    };
}

claims! {
    apply::creates_and_owns => simulated_apply_creates, real_apply_creates;
    apply::again_changes_nothing => simulated_apply_again, real_apply_again;
    apply::entry_tells_of_strangers => simulated_entry, real_entry;
    apply::conflicts_name_the_field => simulated_conflicts, real_conflicts;
    apply::drops_what_it_leaves_out => simulated_drops, real_drops;
    apply::owns_the_fields_of_every_kind => simulated_fields, real_fields;
    apply::refuses_immutable_fields => simulated_immutable, real_immutable;
    dry_run::creates_nothing => simulated_dry_create, real_dry_create;
    dry_run::changes_nothing => simulated_dry_change, real_dry_change;
    dry_run::shows_that_nothing_would_change => simulated_dry_same, real_dry_same;
    dry_run::refuses_as_a_write_does => simulated_dry_refusal, real_dry_refusal;
    dry_run::tries_a_create => simulated_dry_post, real_dry_post;
    dry_run::names_a_missing_namespace => simulated_dry_namespace, real_dry_namespace;
    ownership::a_conflict_tells_how_the_field_was_written => simulated_conflict_words, real_conflict_words;
    ownership::force_can_be_bound_to_a_state => simulated_bound_force, real_bound_force;
    ownership::an_apply_can_be_bound_to_a_state => simulated_bound_apply, real_bound_apply;
    ownership::replicas_left_out_fall_back_unless_handed_off => simulated_hand_off, real_hand_off;
    ownership::client_side_fields_can_be_made_ours => simulated_migration, real_migration;
    ownership::a_patch_that_does_not_fit_changes_nothing => simulated_json_patch, real_json_patch;
    ownership::an_orphaning_deletion_leaves_the_dependents => simulated_orphans, real_orphans;
    ownership::immutable_fields_say_so_in_their_own_words => simulated_words, real_words;
    lifecycle::generation_counts_the_spec => simulated_generation, real_generation;
    lifecycle::deletion_has_preconditions => simulated_deletion, real_deletion;
    lifecycle::foreground_holds_the_owner => simulated_foreground, real_foreground;
    lifecycle::an_ending_namespace_takes_nothing_new => simulated_namespace, real_namespace;
    lifecycle::a_lease_is_taken_once => simulated_lease, real_lease;
    lifecycle::services_get_addresses => simulated_service, real_service;
    reading::lists_come_in_pages => simulated_pages, real_pages;
    reading::metadata_alone_can_be_listed => simulated_metadata, real_metadata;
    reading::a_watch_tells_every_change => simulated_watch, real_watch;
    reading::a_watch_without_a_version_begins_with_the_state => simulated_state, real_state;
    reading::a_watch_from_long_ago_has_expired => simulated_expired, real_expired;
    reading::discovery_tells_the_kinds => simulated_discovery, real_discovery;
    reading::the_server_tells_of_itself => simulated_version, real_version;
    reading::rules_tell_what_one_may_do => simulated_rules, real_rules;
    reading::what_a_field_is_not_selects_too => simulated_exclusion, real_exclusion;
}
