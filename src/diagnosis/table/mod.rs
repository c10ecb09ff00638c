//! The table of signals, row by row, with what a kubelet, a scheduler and controllers really write.

mod containers;
mod controllers;
mod nodes;

use serde_json::Value;

use super::fixtures::{Scene, pod};

const WEB: &str = "pod web-1-a, container web: ";

/// Returns Deployment `web` with one pod of this status.
fn one(status: &Value) -> Scene {
    Scene::web(vec![pod(status)])
}
