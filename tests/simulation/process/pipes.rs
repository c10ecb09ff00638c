//! A reader that goes away ends nothing: the deploy goes on without it.

use std::process::Stdio;

use super::program::Place;
use super::served::Served;

#[test]
fn a_deploy_goes_on_when_nobody_reads_it_any_more() {
    for format in [&["--output", "json"][..], &["--output", "json", "--verbose"], &["--verbose"], &[]] {
        let served = Served::start();
        let place = Place::new("pipes", &served);
        served.hold("PATCH /apis/apps");
        let mut command = place.command(&[&["deploy", "--yes"], format].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        served.until_held();
        drop(child.stdout.take());
        drop(child.stderr.take());
        // In one step: a watch that is opened in between would never be held.
        served.hold("watch=true");
        while !served.until_held().contains("deployments") {}
        served.make_ready("web");
        served.let_go();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format:?}");
        assert!(served.object("", "ConfigMap", "last").is_some(), "{format:?}");
    }
}
