//! What pods ask for and nodes take and give, as the scheduler counts it: before a deploy, to say what will
//! not fit; after it, to say why a pod has no node.

mod amounts;
mod demand;
mod node;

pub(crate) use amounts::{Amounts, Millis, add, amounts, shown};
pub(crate) use demand::{asks_for_something, requests};
pub(crate) use node::{Refusal, Taint, allocatable, is_fixed, is_open, open_taint, refusal, unmatched_label};
