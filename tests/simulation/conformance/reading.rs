//! Lists, watches and discovery.

use std::sync::Arc;

use serde_json::{Value, json};

use super::peer::Peer;

async fn make(peer: &Peer, name: &str, mark: &str) -> Value {
    let metadata = json!({"name": name, "labels": {"mark": mark}});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}});
    peer.apply("wesago", &peer.path(&format!("v1/configmaps/{name}")), &map).await.expect(201)
}

/// `limit` and `continue` give every object once; the selector chooses; items carry no kind.
pub(super) async fn lists_come_in_pages(peer: Arc<Peer>) {
    for (name, mark) in [("a", "yes"), ("b", "yes"), ("c", "no"), ("d", "yes")] {
        make(&peer, name, mark).await;
    }
    let (maps, mut names, mut next) = (peer.path("v1/configmaps"), Vec::new(), String::new());
    let mut versions = Vec::new();
    loop {
        let uri = format!("{maps}?labelSelector=mark%3Dyes&limit=1&continue={next}");
        let page = peer.get(&uri).await.expect(200);
        assert_eq!((&page["kind"], &page["apiVersion"]), (&"ConfigMapList".into(), &"v1".into()));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 1);
        assert!(items.iter().all(|item| item["kind"].is_null()), "{page}");
        names.extend(items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()));
        versions.push(page["metadata"]["resourceVersion"].clone());
        next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "d"]);
    assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
    let uri = format!("{maps}?fieldSelector=metadata.name%3Db");
    let one = peer.get(&uri).await.expect(200);
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
}

/// `PartialObjectMetadataList` has metadata with the managed fields, and nothing else.
pub(super) async fn metadata_alone_can_be_listed(peer: Arc<Peer>) {
    let made = make(&peer, "a", "yes").await;
    let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let uri = format!("{}?labelSelector=mark%3Dyes", peer.path("v1/configmaps"));
    let list = peer.send(http::Method::GET, &uri, accept, &Value::Null).await.expect(200);
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    let item = &list["items"][0];
    assert_eq!(item["metadata"], made["metadata"]);
    assert!(item["data"].is_null());
}

/// From a list's resource version on: what is new, what changed, what left the selector, what ended, each
/// at a later version.
pub(super) async fn a_watch_tells_every_change(peer: Arc<Peer>) {
    let maps = peer.path("v1/configmaps");
    let list = peer.get(&maps).await.expect(200);
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{maps}/a");
    make(&peer, "a", "yes").await;
    peer.edit(&path, &json!({"data": {"a": "2"}})).await.expect(200);
    peer.edit(&path, &json!({"metadata": {"labels": {"mark": "no"}}})).await.expect(200);
    peer.edit(&path, &json!({"metadata": {"labels": {"mark": "yes"}}})).await.expect(200);
    peer.delete(&path, &json!({})).await.expect(200);
    make(&peer, "last", "yes").await;
    peer.edit(&format!("{maps}/last"), &json!({"data": {"a": "2"}})).await.expect(200);
    let query = format!("watch=true&labelSelector=mark%3Dyes&resourceVersion={version}&timeoutSeconds=20");
    let mut told = Vec::new();
    let mut versions = Vec::new();
    let events = peer.watch_until(&format!("{maps}?{query}"), "DELETED").await;
    let first_end =
        events.last().unwrap()["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let query = format!("watch=true&labelSelector=mark%3Dyes&resourceVersion={first_end}&timeoutSeconds=20");
    let rest = peer.watch_until(&format!("{maps}?{query}"), "MODIFIED").await;
    for event in events.iter().chain(&rest) {
        let object = &event["object"];
        assert_eq!((&object["kind"], &object["apiVersion"]), (&"ConfigMap".into(), &"v1".into()));
        told.push(format!(
            "{} {}",
            event["type"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        ));
        versions.push(object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap());
    }
    let expected =
        ["ADDED a", "MODIFIED a", "DELETED a", "ADDED a", "DELETED a", "ADDED last", "MODIFIED last"];
    assert_eq!(told, expected);
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
}

/// A watch that names no version tells first what is there, as if it had just come to be, then what changes.
pub(super) async fn a_watch_without_a_version_begins_with_the_state(peer: Arc<Peer>) {
    let maps = peer.path("v1/configmaps");
    make(&peer, "a", "yes").await;
    make(&peer, "b", "no").await;
    peer.edit(&format!("{maps}/a"), &json!({"data": {"a": "2"}})).await.expect(200);
    let later = async {
        make(&peer, "c", "yes").await;
        peer.edit(&format!("{maps}/c"), &json!({"data": {"a": "2"}})).await.expect(200);
    };
    let uri = format!("{maps}?watch=true&labelSelector=mark%3Dyes&timeoutSeconds=20");
    let watch = peer.watch_until(&uri, "MODIFIED");
    let (events, ()) = futures::future::join(watch, later).await;
    let told: Vec<String> = events
        .iter()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!("{} {}", text(&event["type"]), text(&event["object"]["metadata"]["name"]))
        })
        .collect();
    assert_eq!(told, ["ADDED a", "ADDED c", "MODIFIED c"]);
    assert_eq!(events[0]["object"]["data"]["a"], "2", "the state, not its history");
}

/// A history that is gone is told by an event ERROR with a Status of code 410.
pub(super) async fn a_watch_from_long_ago_has_expired(peer: Arc<Peer>) {
    make(&peer, "a", "yes").await;
    if let Some(server) = &peer.simulated {
        server.store().compact();
    }
    let uri = format!("{}?watch=true&resourceVersion=1&timeoutSeconds=20", peer.path("v1/configmaps"));
    let events = peer.watch_until(&uri, "ERROR").await;
    let status = &events.last().unwrap()["object"];
    assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &410.into()), "{status}");
    assert_eq!(status["reason"], "Expired");
}

/// The aggregated documents name every kind of the simulator as the real server does.
pub(super) async fn discovery_tells_the_kinds(peer: Arc<Peer>) {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let mut served = Vec::new();
    for path in ["/api", "/apis"] {
        let document = peer.send(http::Method::GET, path, accept, &Value::Null).await.expect(200);
        assert_eq!(document["kind"], "APIGroupDiscoveryList");
        for group in document["items"].as_array().unwrap() {
            for version in group["versions"].as_array().unwrap() {
                for resource in version["resources"].as_array().unwrap() {
                    served.push((
                        group["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                        version["version"].clone(),
                        resource["resource"].clone(),
                        resource["responseKind"]["kind"].clone(),
                        resource["scope"].clone(),
                        resource["subresources"]
                            .as_array()
                            .is_some_and(|all| all.iter().any(|one| one["subresource"] == "status")),
                    ));
                }
            }
        }
    }
    for kind in crate::api_server::Kind::built_in() {
        let scope = if kind.namespaced { "Namespaced" } else { "Cluster" };
        let row = (
            kind.group,
            kind.version.into(),
            kind.plural.into(),
            kind.kind.into(),
            scope.into(),
            kind.status,
        );
        assert!(served.contains(&row), "{row:?}");
    }
    // What the program takes for granted is what it would be told: the version that comes first.
    for assumed in wesago::cluster::Catalog::assumed().resources() {
        let is_it = |row: &&(String, Value, Value, Value, Value, bool)| {
            row.0 == assumed.group && row.3 == assumed.kind.as_str()
        };
        let Some((_, version, plural, _, scope, _)) = served.iter().find(is_it) else {
            assert!(peer.simulated.is_some(), "{assumed:?}");
            continue;
        };
        let wanted = if assumed.namespaced { "Namespaced" } else { "Cluster" };
        assert_eq!(
            (version, plural, scope),
            (&Value::from(&*assumed.version), &Value::from(&*assumed.plural), &wanted.into())
        );
    }
}

/// `/version` has the two numbers as texts, and a name.
pub(super) async fn the_server_tells_of_itself(peer: Arc<Peer>) {
    let version = peer.get("/version").await.expect(200);
    assert_eq!(version["major"], "1");
    let minor = version["minor"].as_str().unwrap().trim_end_matches('+');
    assert!(minor.parse::<u32>().unwrap() >= 30, "{version}");
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1."), "{version}");
}

/// A `SelfSubjectRulesReview` is answered with the rules, and stored nowhere: an administrator's have stars.
pub(super) async fn rules_tell_what_one_may_do(peer: Arc<Peer>) {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": peer.namespace},
    });
    let uri = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = peer.send(http::Method::POST, uri, "application/json", &review).await.expect(201);
    assert_eq!(answer["status"]["incomplete"], false);
    let rules = answer["status"]["resourceRules"].as_array().unwrap();
    let has_star =
        |rule: &Value, list: &str| rule[list].as_array().is_some_and(|all| all.contains(&"*".into()));
    let of_all = |rule: &Value| ["verbs", "apiGroups", "resources"].iter().all(|list| has_star(rule, list));
    assert!(rules.iter().any(of_all), "{answer}");
}

/// A field selector may say what a field must not be; pods have a phase from the start.
pub(super) async fn what_a_field_is_not_selects_too(peer: Arc<Peer>) {
    for name in ["a", "b"] {
        make(&peer, name, "yes").await;
    }
    let uri =
        format!("{}?labelSelector=mark%3Dyes&fieldSelector=metadata.name%21%3Da", peer.path("v1/configmaps"));
    let rest = peer.get(&uri).await.expect(200);
    let names: Vec<&Value> =
        rest["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, ["b"]);
}
