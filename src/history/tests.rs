//! What is kept reads back, what is not known is refused, and what goes is never the last good one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Content, Found, KEPT, Origin, Revision, Unreadable, name, secret, surplus, target};
use crate::arbitrary::Arbitrary;
use crate::event::{ChangeCounts, Verdict};
use crate::inventory::Hash;
use crate::object::rule::{Rule, Test, Wanted};
use crate::object::{FieldPath, GroupKind, Object, Uid};
use crate::plan::{
    Check, ConflictPolicy, ConflictRule, HttpCheck, Plan, SecretKey, SecretSource, SecretSpec, Stage, StageId,
};

fn revision(number: u32, verdict: Verdict) -> Revision {
    Revision {
        number,
        run: "7f3a90".into(),
        at: "2026-11-26T12:00:00.25Z".parse().unwrap(),
        took_ms: 1_234,
        origin: Origin { by: "anna@build".into(), from: "/srv/shop.yaml".into(), commit: None },
        version: "0.1.0".into(),
        changes: ChangeCounts { created: 2, ..ChangeCounts::default() },
        rollback_to: None,
        verdict,
        applied: Hash::of(&json!(number)),
        left_out: None,
    }
}

/// Returns revisions by letters: `s` succeeded, `f` failed, `l` succeeded and its plan is left out.
fn found(letters: &str) -> Vec<Found> {
    let one = |(at, letter): (usize, char)| {
        let number = u32::try_from(at + 1).unwrap();
        let verdict =
            if letter == 'f' { Verdict::Failed { reason: "no".into() } } else { Verdict::Succeeded };
        let left_out = (letter == 'l').then(|| "too large".to_owned());
        Found {
            revision: Revision { left_out, ..revision(number, verdict) },
            object: name("shop", "shop", number),
            uid: Uid(number.to_string()),
        }
    };
    letters.chars().enumerate().map(one).collect()
}

#[test]
fn a_rollback_leads_to_the_last_good_one_before_what_is_there() {
    let leads_to = |letters: &str, applied: u32| {
        target(&found(letters), &Hash::of(&json!(applied))).map(|found| found.revision.number)
    };
    assert_eq!(leads_to("", 0), None);
    assert_eq!(leads_to("s", 1), None, "there is nothing before it");
    assert_eq!(leads_to("ss", 2), Some(1));
    assert_eq!(leads_to("sff", 3), Some(1));
    assert_eq!(leads_to("sls", 3), Some(1), "one without its plan cannot be brought back");
    // A deploy that was killed, or whose revision could not be kept: the newest is what was before.
    assert_eq!(leads_to("ss", 0), Some(2));
    assert_eq!(leads_to("ssf", 0), Some(2));
}

#[test]
fn ten_are_kept_and_the_last_good_one_among_them() {
    let goes = |letters: &str| -> Vec<u32> {
        surplus(&found(letters)).iter().map(|found| found.revision.number).collect()
    };
    assert_eq!(goes(""), [0; 0]);
    assert_eq!(goes("sssssssss"), [0; 0]);
    assert_eq!(goes("ssssssssss"), [1], "the next one makes them ten again");
    assert_eq!(goes("sfffffffff"), [2], "the only good one stays");
    assert_eq!(goes("ssfffffffffff"), [1, 3, 4, 5]);
}

proptest! {
    #[test]
    fn whatever_happened_ten_are_left_and_a_good_one_if_there_was_one(letters in "[sfl]{0,30}") {
        let all = found(&letters);
        let goes = surplus(&all);
        prop_assert_eq!(all.len() - goes.len(), all.len().min(KEPT - 1));
        let stays = all.iter().filter(|found| !goes.contains(found));
        let good = |found: &&Found| found.revision.verdict.is_success() && found.revision.left_out.is_none();
        prop_assert_eq!(stays.filter(good).max_by_key(|found| found.revision.number), all.iter().rfind(good));
    }
}

fn packed(text: &str) -> Content {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    Content::found(packed.finish().unwrap())
}

fn plan(stages: Vec<Stage>) -> Plan {
    Plan::new("shop", "shop", stages).unwrap()
}

fn stage(id: &str, needs: &[&str], objects: Vec<Object>) -> Stage {
    let needs = needs.iter().map(|need| StageId::new(*need).unwrap()).collect();
    let check = HttpCheck {
        service: "web".into(),
        port: 80,
        path: "/".into(),
        host: Some("shop.example".into()),
        status: 200,
        contains: None,
    };
    let (deadline, checks) = (Duration::from_millis(90_500), vec![Check::Http(check)]);
    Stage { id: StageId::new(id).unwrap(), needs, objects, deadline, checks }
}

/// Returns a plan with something of everything that a plan can say.
fn whole() -> Plan {
    let map = Object::new(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"},
        "data": {"z": "1", "a": "2"},
    }));
    let widget = GroupKind { group: "example.org".into(), kind: "Widget".into() };
    let path = |text: &str| FieldPath::parse(text).unwrap();
    let test = |wanted| Test { path: path("status.conditions[type=Ready].status"), wanted };
    let rule = Rule {
        in_progress: vec![test(Wanted::Exists(false)), test(Wanted::SameAs(path("spec.replicas")))],
        failed: vec![test(Wanted::OneOf(vec![json!("Error"), json!(3)]))],
        current: vec![test(Wanted::Equals(json!(true))), test(Wanted::AtLeast(0.5))],
    };
    let sources = vec![
        SecretSource::Env("PASSWORD".into()),
        SecretSource::Command(vec!["sops".into(), "-d".into()]),
        SecretSource::Generate(20),
    ];
    let keys = vec![SecretKey { key: "PASSWORD".into(), sources }];
    let map = map.unwrap();
    let policies = [ConflictPolicy::Yield, ConflictPolicy::Take, ConflictPolicy::Fail];
    let rules =
        policies.map(|policy| ConflictRule { target: map.reference(), path: ".data.a".into(), policy });
    plan(vec![stage("group/base", &[], vec![map]), stage("web", &["group/base"], vec![])])
        .with_secrets(vec![SecretSpec { name: "shop-env".into(), keys }])
        .with_notes(Some("it is at http://shop.example".into()))
        .with_rules(BTreeMap::from([(widget.clone(), rule)]))
        .with_conflicts(rules.into())
        .with_open_kinds([widget].into())
}

#[track_caller]
fn assert_same(one: &Plan, other: &Plan) {
    // Everything a plan has is in what is shown of it.
    assert_eq!(format!("{one:#?}"), format!("{other:#?}"));
}

#[test]
fn a_plan_reads_back_as_it_was() {
    assert_same(&Content::of(&whole()).unwrap().plan().unwrap(), &whole());
}

/// What the first version wrote must be readable for ever: this text is never changed, only added to.
#[test]
fn the_first_format_is_read() {
    let text = r#"{"format":1,"name":"shop","namespace":"shop","notes":"it is at http://shop.example","stages":[{"id":"group/base","deadline_ms":90500,"checks":[{"http":{"service":"web","port":80,"path":"/","host":"shop.example","status":200,"contains":null}}],"objects":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"z":"1","a":"2"}}]},{"id":"web","needs":["group/base"],"deadline_ms":90500,"checks":[{"http":{"service":"web","port":80,"path":"/","host":"shop.example","status":200,"contains":null}}],"objects":[]}],"secrets":[{"name":"shop-env","keys":[{"key":"PASSWORD","sources":[{"env":"PASSWORD"},{"command":["sops","-d"]},{"generate":20}]}]}],"readiness":[[{"group":"example.org","kind":"Widget"},{"in_progress":[{"path":"status.conditions[type=Ready].status","wanted":{"exists":false}},{"path":"status.conditions[type=Ready].status","wanted":{"same-as":"spec.replicas"}}],"failed":[{"path":"status.conditions[type=Ready].status","wanted":{"one-of":["Error",3]}}],"current":[{"path":"status.conditions[type=Ready].status","wanted":{"equals":true}},{"path":"status.conditions[type=Ready].status","wanted":{"at-least":0.5}}]}]],"conflicts":[{"target":{"group":"","kind":"ConfigMap","namespace":"shop","name":"a"},"path":".data.a","policy":"yield"},{"target":{"group":"","kind":"ConfigMap","namespace":"shop","name":"a"},"path":".data.a","policy":"take"},{"target":{"group":"","kind":"ConfigMap","namespace":"shop","name":"a"},"path":".data.a","policy":"fail"}],"open_kinds":[{"group":"example.org","kind":"Widget"}]}"#;
    assert_same(&packed(text).plan().unwrap(), &whole());
}

#[test]
fn what_cannot_be_read_is_refused_in_words() {
    let refused = |content: &Content| content.plan().unwrap_err().to_string();
    let newer = r#"{"format":2,"plan":"in words of its own"}"#;
    assert_eq!(refused(&packed(newer)), "it is in format 2, and this wesago reads format 1");
    assert_eq!(
        refused(&packed("{}")),
        "its content cannot be read: missing field `format` at line 1 column 2"
    );
    let knot = |needs: &str| {
        format!(
            r#"{{"format":1,"name":"a","namespace":"a","stages":[{{"id":"a","needs":[{needs}],"deadline_ms":1,"objects":[]}}]}}"#
        )
    };
    assert_eq!(refused(&packed(&knot(r#""a""#))), "its content cannot be read: stage `a` needs itself");
    assert!(packed(&knot("")).plan().is_ok());
    let cut_off = Content::of(&whole()).unwrap();
    let cut_off = Content::found(cut_off.bytes()[..cut_off.bytes().len() / 2].to_vec());
    assert!(refused(&cut_off).starts_with("its content cannot be read: "), "{}", refused(&cut_off));
    let nothing = packed(
        r#"{"format":1,"name":"a","namespace":"a","stages":[{"id":"a","deadline_ms":1,"objects":[{"kind":"X"}]}]}"#,
    );
    assert!(refused(&nothing).contains("`apiVersion` is missing"), "{}", refused(&nothing));
}

/// Returns a Secret as the server hands it out.
fn handed_out(secret: Object) -> Object {
    let mut value = secret.into_value();
    value["metadata"]["uid"] = "u".into();
    Object::new(value).unwrap()
}

#[test]
fn a_revision_is_a_secret_and_reads_back() {
    let content = Content::of(&whole()).unwrap();
    for mut wanted in [
        revision(3, Verdict::Succeeded),
        Revision {
            rollback_to: Some(1),
            origin: Origin { commit: Some("0123".into()), ..Origin::default() },
            ..revision(12, Verdict::TimedOut { waiting_for: vec!["a".into(), "b".into()] })
        },
    ] {
        let secret = handed_out(secret("shop", "shop", &mut wanted, &content).unwrap());
        let found = Found::parse("shop", &secret).unwrap();
        assert_eq!(found.revision, wanted);
        assert_eq!(found.content(&secret), Ok(content.clone()));
        assert_eq!(Found::parse("sho", &secret), None, "it is another plan's");
    }
}

#[test]
fn a_plan_that_does_not_fit_is_left_out_and_the_rest_is_kept() {
    // What does not compress: a plan of more than a megabyte.
    let mut noise = Arbitrary::new(7, &[], &[]);
    let numbers: Vec<u64> = (0..180_000).map(|_| noise.number()).collect();
    let map = Object::new(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": json!(numbers).to_string()},
    }));
    let large = plan(vec![stage("base", &[], vec![map.unwrap()])]);
    let mut wanted = revision(3, Verdict::Succeeded);
    let secret = secret("shop", "shop", &mut wanted, &Content::of(&large).unwrap()).unwrap();
    assert!(wanted.left_out.as_ref().unwrap().ends_with("are more than a Secret holds (1048576)"));
    assert_eq!(secret.get("/data"), Some(&json!({})));
    let secret = handed_out(secret);
    let found = Found::parse("shop", &secret).unwrap();
    assert_eq!(found.revision, wanted);
    assert!(matches!(found.content(&secret), Err(Unreadable::LeftOut(_))));
}

#[test]
fn a_long_reason_is_cut() {
    let mut wanted = revision(3, Verdict::Failed { reason: "é".repeat(300_000) });
    let secret = secret("shop", "shop", &mut wanted, &Content::of(&whole()).unwrap()).unwrap();
    assert!(secret.annotation("wesago/verdict").unwrap().len() < 5_000);
}

#[test]
fn what_a_newer_version_says_in_its_own_words_is_left_out() {
    let mut wanted = revision(3, Verdict::Succeeded);
    let secret = handed_out(secret("shop", "shop", &mut wanted, &Content::of(&whole()).unwrap()).unwrap());
    let mut value = secret.into_value();
    value["metadata"]["annotations"]["wesago/verdict"] = r#"{"verdict":"half-way"}"#.into();
    value["metadata"]["annotations"]["wesago/changes"] = "many".into();
    let found = Found::parse("shop", &Object::new(value.clone()).unwrap()).unwrap();
    assert_eq!(found.revision.verdict, Verdict::Failed { reason: r#"{"verdict":"half-way"}"#.into() });
    assert_eq!(found.revision.changes, ChangeCounts::default());
    value["metadata"]["name"] = "wesago-shop.vNext".into();
    assert_eq!(Found::parse("shop", &Object::new(value).unwrap()), None);
}

const KEYS: [&str; 6] = ["spec", "metadata", "name", "apiVersion", "a", "b"];
const TEXTS: [&str; 4] = ["", "yes", "${host}", "\u{1b}[0m"];

proptest! {
    /// Objects of any content, in DAGs of any shape.
    #[test]
    fn any_plan_reads_back(seed in any::<u64>(), count in 0_usize..6) {
        let mut dice = Arbitrary::new(seed, &KEYS, &TEXTS);
        let mut stages: Vec<Stage> = Vec::new();
        for at in 0..count {
            let needs: Vec<StageId> =
                stages.iter().filter(|_| dice.chance(40)).map(|stage| stage.id.clone()).collect();
            let objects = (0..dice.below(4)).map(|number| {
                let mut value = Value::Object(dice.fields(3));
                value["apiVersion"] = "v1".into();
                value["kind"] = "Secret".into();
                value["metadata"] = json!({"name": format!("o{at}-{number}")});
                // Numbers are kept to the last digit where JSON keeps them.
                round(&mut value);
                Object::new(value).unwrap()
            });
            let objects = objects.collect();
            stages.push(Stage { needs, objects, ..stage(&format!("s{at}"), &[], vec![]) });
        }
        let plan = plan(stages);
        let read = Content::of(&plan).unwrap().plan().unwrap();
        prop_assert_eq!(format!("{plan:?}"), format!("{read:?}"));
    }

    /// Whatever somebody puts into such a Secret, it is read or refused.
    #[test]
    fn no_content_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9]{0,60}") {
        let _refused = Content::found(bytes).plan();
        let _refused = packed(&text).plan();
        let _refused = packed(&format!(r#"{{"format":1,{text}}}"#)).plan();
    }
}

/// Takes the fractions off: what is a float in a manifest is read as the nearest one.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            *value = json!(number.as_f64().map(f64::round).filter(|number| number.abs() < 1e9));
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(map) => map.values_mut().for_each(round),
        _ => {}
    }
}
