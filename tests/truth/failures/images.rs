//! Images that cannot be had.

use crate::evidence::Evidence::Waiting;
use crate::evidence::PULLING;
use crate::objects::web;
use crate::trial::Failure;

pub(crate) fn all() -> Vec<Failure> {
    vec![
        // Nothing listens there: the registry may come back.
        Failure::new("image-unreachable", web(&[], &["image: localhost:1/shop:1"]), Waiting(PULLING))
            .may_pass_until(12)
            .tells(&["`localhost:1/shop:1` cannot be pulled", "connection refused"]),
        Failure::new("image-name", web(&[], &["image: Not/A/Name"]), Waiting(&["InvalidImageName"]))
            .tells(&["`Not/A/Name` is no image name", "InvalidImageName"]),
        Failure::new("image-tag", web(&[], &["image: $REGISTRY/missing/shop:$RUN"]), Waiting(PULLING))
            .tells(&["cannot be pulled", "/missing/shop:", "not found"]),
        Failure::new("image-denied", web(&[], &["image: $REGISTRY/closed/shop:$RUN"]), Waiting(PULLING))
            .tells(&["cannot be pulled", "/closed/shop:", "403"]),
        Failure::new(
            "image-never-pulled",
            web(&[], &["image: localhost/sandbox/nope:1", "imagePullPolicy: Never"]),
            Waiting(&["ErrImageNeverPull"]),
        )
        .tells(&["`localhost/sandbox/nope:1` is not on the node", "never to pull it"]),
    ]
}
