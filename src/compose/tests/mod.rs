//! The repository's own plans compose without a word; wrong ones are told as a person would want it.

mod conflicts;
mod objects;
mod plans;
mod readiness;
mod variables;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Composed, Entry, FileError, Files, Listed, Request, compose};
use crate::plan::SecretSource;
use crate::problem::Severity;

/// The files of this repository.
struct Repository;

impl Files for Repository {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if path.is_dir() {
            let listed = path.read_dir().unwrap().map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                Listed { name, is_folder: entry.path().is_dir() }
            });
            return Ok(Entry::Folder(listed.collect()));
        }
        std::fs::read(&path).map(Entry::File).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing,
            _ => FileError::Unreadable(error.to_string()),
        })
    }
}

/// Files of a test: path and content.
#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }
}

impl Files for Memory {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(Entry::File(bytes.clone()));
        }
        let prefix = if path == "." { String::new() } else { format!("{path}/") };
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for rest in self.0.keys().filter_map(|known| known.strip_prefix(&prefix)) {
            match rest.split_once('/') {
                Some((folder, _)) => names.insert(folder.to_owned(), true),
                None => names.insert(rest.to_owned(), false),
            };
        }
        if names.is_empty() {
            return Err(FileError::Missing);
        }
        Ok(Entry::Folder(names.into_iter().map(|(name, is_folder)| Listed { name, is_folder }).collect()))
    }
}

fn composed_with(files: &dyn Files, plan: &str, values: &[&str], set: &[&str]) -> Result<Composed, String> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let request = Request { files, plan, values: &owned(values), set: &owned(set) };
    compose(&request).map_err(|problems| problems.render(Severity::Error, false))
}

/// Composes `plan.yaml` with the given text beside `files`.
fn composed(plan: &str, files: &[(&str, &str)]) -> Result<Composed, String> {
    let mut all = vec![("plan.yaml", plan)];
    all.extend_from_slice(files);
    composed_with(&Memory::new(&all), "plan.yaml", &[], &[])
}

#[test]
fn the_repositorys_plans_compose_without_a_word() {
    for plan in ["plans/wesago.yaml", "plans/sandbox.yaml"] {
        let composed = composed_with(&Repository, plan, &[], &[]).unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(composed.warnings.render(Severity::Warning, false), "", "{plan}");
        assert_eq!((composed.plan.name(), composed.plan.namespace()), ("wesago", "gic-wesago"));
        assert!(composed.plan.objects().count() > 20);
        for (_, object) in composed.plan.objects() {
            let place = composed.plan.place(&object.reference());
            assert!(place.is_some(), "{}", object.reference());
            assert!(!object.value().to_string().contains("${host}"), "{}", object.reference());
        }
    }
}

const HEAD: &str = "name: shop\nnamespace: shop\n";

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  colour: blue\n";

/// Returns the problems of `plan.yaml` as text; its name and namespace are put before `rest`.
fn told(rest: &str, files: &[(&str, &str)]) -> String {
    composed(&format!("{HEAD}{rest}"), files).unwrap_err()
}

fn object(composed: &Composed, name: &str) -> Value {
    let mut found = composed.plan.objects().filter(|(_, object)| object.reference().to_string() == name);
    found.next().unwrap_or_else(|| panic!("no {name}")).1.value().clone()
}

#[test]
fn a_plan_becomes_stages_objects_secrets_and_notes() {
    let plan = r#"
name: shop
namespace: shop
variables:
  host: { default: shop.example, description: where it is }
  replicas: { default: 2, type: integer, minimum: 1 }
  extra: { default: false, type: boolean }
secrets:
  shop-env:
    PASSWORD: { env: SHOP_PASSWORD, generate: 20 }
    TOKEN: { command: [cat, token] }
stages:
  data:
    needs: [base]
    stages:
      db: { apply: [m/db.yaml], deadline: 90s }
      cache: { configs: { cache-conf: [m/cache] } }
  base: { apply: [m/settings.yaml] }
  web:
    needs: [data]
    apply: [m/web]
    configs: { web-conf: { files: [m/web.conf], substitute: true } }
    checks: [{ http: { service: web, port: 80, host: "${host}" } }]
  extra: { enabled: "${extra}", needs: [web], apply: [m/extra.yaml] }
notes: |
  open http://${host}/
"#;
    let web = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  replicas: ${replicas}\n  template:\n    spec:\n      containers:\n      - name: web\n        envFrom: [{ configMapRef: { name: settings } }]\n        env: [{ name: P, valueFrom: { secretKeyRef: { name: shop-env, key: PASSWORD } } }]\n";
    let files = [
        (
            "m/db.yaml",
            "kind: List\napiVersion: v1\nitems:\n- { apiVersion: v1, kind: Service, metadata: { name: db } }\n- { apiVersion: v1, kind: PersistentVolume, metadata: { name: disk } }\n",
        ),
        ("m/cache/a.conf", "plain ${HOME}\n"),
        ("m/cache/.hidden", "x"),
        ("m/settings.yaml", MAP),
        ("m/web/b.yaml", web),
        (
            "m/web/a.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: { name: web, namespace: other }\n---\n---\napiVersion: example.org/v1\nkind: Thing\nmetadata: { name: thing }\n",
        ),
        ("m/web/files/ignored.yaml", "not: a manifest"),
        ("m/web.conf", "server_name ${host}; try $${uri};\n"),
        ("m/extra.yaml", "apiVersion: v1\nkind: Secret\nmetadata: { name: extra }\n"),
    ];
    let composed = composed(plan, &files).unwrap_or_else(|text| panic!("{text}"));
    let plan = &composed.plan;
    let order: Vec<&str> = plan.order().iter().map(|at| plan.stage(*at).id.as_str()).collect();
    assert_eq!(order, ["base", "data/db", "data/cache", "web"]);
    let needs: Vec<&str> = plan.stages()[3].needs.iter().map(crate::plan::StageId::as_str).collect();
    assert_eq!(needs, ["data/cache", "data/db"]);
    assert_eq!(plan.stages()[0].deadline.as_secs(), 90);
    assert_eq!(plan.notes(), Some("open http://shop.example/\n"));
    assert_eq!(composed.variables["replicas"], json!(2));
    assert_eq!(
        plan.secrets()[0].keys[0].sources,
        [SecretSource::Env("SHOP_PASSWORD".into()), SecretSource::Generate(20)]
    );
    assert_eq!(object(&composed, "Deployment/web")["spec"]["replicas"], json!(2));
    assert_eq!(object(&composed, "ConfigMap/cache-conf")["data"], json!({"a.conf": "plain ${HOME}\n"}));
    assert_eq!(
        object(&composed, "ConfigMap/web-conf")["data"],
        json!({"web.conf": "server_name shop.example; try ${uri};\n"})
    );
    for (name, namespace) in [
        ("ConfigMap/settings", json!("shop")),
        ("Service/web", json!("other")),
        ("PersistentVolume/disk", Value::Null),
        ("Thing/thing", Value::Null),
    ] {
        assert_eq!(object(&composed, name)["metadata"]["namespace"], namespace, "{name}");
    }
    let thing = plan.open_kinds().iter().next().unwrap().clone();
    assert_eq!(thing.to_string(), "Thing.example.org");
    let mut plan = plan.clone();
    plan.settle_kind(&thing, true);
    let (_, settled) = plan.objects().find(|(_, object)| object.kind() == "Thing").unwrap();
    assert_eq!(settled.namespace(), Some("shop"));
    assert_eq!(plan.place(&settled.reference()).unwrap().file_line(), "m/web/a.yaml:8");
}

#[test]
fn variables_take_the_last_word() {
    let files = Memory::new(&[
        (
            "base.yaml",
            "name: shop\nnamespace: shop\nvariables:\n  a: { default: base }\n  b: { default: base }\n  c: { default: base }\n  d: { default: base }\n  n: { type: integer }\nstages:\n  s: { apply: [m.yaml] }\n",
        ),
        (
            "over.yaml",
            "extends: base.yaml\nvariables:\n  b: { default: overlay }\n  c: { default: overlay }\n  d: { default: overlay }\n",
        ),
        (
            "m.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m }\ndata: { v: '${a} ${b} ${c} ${d} ${n}' }\n",
        ),
        ("values.yaml", "c: file\nd: file\nn: 4\n"),
    ]);
    let composed = composed_with(&files, "over.yaml", &["values.yaml"], &["d=argument", "n=5"]).unwrap();
    assert_eq!(object(&composed, "ConfigMap/m")["data"]["v"], "base overlay file argument 5");
}

#[test]
fn an_overlay_replaces_fields_and_patches_objects() {
    let files = Memory::new(&[
        (
            "plans/base.yaml",
            "name: shop\nnamespace: shop\nstages:\n  s: { apply: [../m.yaml], deadline: 5m }\n  t: { needs: [s], apply: [../t.yaml] }\n",
        ),
        (
            "over.yaml",
            "extends: plans/base.yaml\nname: other\nstages:\n  s: { deadline: 7m }\n  t: { needs: [] }\npatches:\n- { target: ConfigMap/m, merge: { data: { a: null, b: new } } }\n- { target: ConfigMap/m, json: [{ op: add, path: /data/c, value: more }, { op: test, path: /data/b, value: new }] }\n",
        ),
        ("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m }\ndata: { a: old }\n"),
        ("t.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: t }\n"),
    ]);
    let composed = composed_with(&files, "over.yaml", &[], &[]).unwrap();
    assert_eq!(composed.plan.name(), "other");
    assert_eq!(composed.plan.stages()[0].deadline.as_secs(), 420);
    assert!(composed.plan.stages()[1].needs.is_empty());
    assert_eq!(object(&composed, "ConfigMap/m")["data"], json!({"b": "new", "c": "more"}));
}

/// A Deployment whose container has the given fields.
fn deployment(container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: web }}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        {container}\n"
    )
}

/// Returns the hash in the template of `Deployment/web`, with the values of a Secret folded in.
fn fingerprint(container: &str, map: &str, secret: &[(&str, &str)]) -> Option<String> {
    keyed_fingerprint(container, map, secret, b"key")
}

fn keyed_fingerprint(container: &str, map: &str, secret: &[(&str, &str)], key: &[u8]) -> Option<String> {
    let plan = format!(
        "{HEAD}secrets: {{ env: {{ A: {{ generate: 8 }}, B: {{ generate: 8 }} }} }}\nstages:\n  a: {{ apply: [m.yaml, web.yaml] }}\n"
    );
    let composed = composed(&plan, &[("m.yaml", map), ("web.yaml", &deployment(container))]).unwrap();
    let (_, web) = composed.plan.objects().find(|(_, object)| object.kind() == "Deployment").unwrap();
    let mut web = web.clone();
    let keys = secret.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    let manifests = composed.plan.manifest_secrets();
    super::fold_secrets(&mut web, &BTreeMap::from([("env".to_owned(), keys)]), &manifests, key);
    let annotation = web.get("/spec/template/metadata/annotations/wesago~1config")?;
    Some(annotation.as_str().unwrap().to_owned())
}

#[test]
fn s11_a_changed_setting_rolls_exactly_the_pods_that_read_it() {
    const A: &str = "env: [{ name: A, valueFrom: { secretKeyRef: { name: env, key: A } } }]";
    const BOTH: &str = "envFrom: [{ secretRef: { name: env } }, { configMapRef: { name: settings } }]";
    let secret = [("A", "1"), ("B", "1")];
    let red = MAP.replace("blue", "red");
    assert_eq!(fingerprint("image: x", MAP, &secret), None);
    assert_eq!(fingerprint(A, MAP, &secret).unwrap().len(), 16);
    // What it reads changes it, what it does not read leaves it.
    assert_ne!(fingerprint(A, MAP, &secret), fingerprint(A, MAP, &[("A", "2"), ("B", "1")]));
    assert_eq!(fingerprint(A, MAP, &secret), fingerprint(A, &red, &[("A", "1"), ("B", "2")]));
    assert_ne!(fingerprint(BOTH, MAP, &secret), fingerprint(BOTH, &red, &secret));
    assert_ne!(fingerprint(BOTH, MAP, &secret), fingerprint(BOTH, MAP, &[("A", "1"), ("B", "2")]));
    // The same from run to run.
    assert_eq!(fingerprint(BOTH, MAP, &secret), fingerprint(BOTH, MAP, &secret));
}

#[test]
fn a_hash_of_secrets_cannot_be_tried_out() {
    const GENERATED: &str = "env: [{ name: A, valueFrom: { secretKeyRef: { name: env, key: A } } }]";
    const MANIFEST: &str = "envFrom: [{ secretRef: { name: written } }]";
    const MAP_ONLY: &str = "envFrom: [{ configMapRef: { name: settings } }]";
    let written = "apiVersion: v1\nkind: Secret\nmetadata: { name: written }\nstringData: { A: weak }\n";
    let with = |container: &str, more: &str, key: &[u8]| {
        keyed_fingerprint(container, &format!("{MAP}---\n{more}"), &[("A", "weak")], key).unwrap()
    };
    for container in [GENERATED, MANIFEST] {
        assert_ne!(with(container, written, b"one"), with(container, written, b"another"), "{container}");
    }
    let changed = written.replace("weak", "other");
    assert_ne!(with(MANIFEST, written, b"one"), with(MANIFEST, &changed, b"one"));
    // What is no secret needs no key.
    assert_eq!(with(MAP_ONLY, written, b"one"), with(MAP_ONLY, written, b"another"));
}

#[test]
fn only_a_plan_whose_pods_read_its_secrets_has_a_key() {
    let secrets = |container: &str, declared: &str| {
        let plan = format!("{HEAD}{declared}stages:\n  a: {{ apply: [m.yaml, web.yaml] }}\n");
        let composed = composed(&plan, &[("m.yaml", MAP), ("web.yaml", &deployment(container))]).unwrap();
        composed.plan.secrets().iter().map(|secret| secret.name.clone()).collect::<Vec<_>>()
    };
    let declared = "secrets: { env: { A: { generate: 8 } } }\n";
    let reads = "envFrom: [{ secretRef: { name: env } }]";
    assert_eq!(secrets(reads, declared), ["env", "wesago-shop-key"]);
    assert_eq!(secrets("image: x", declared), ["env"]);
    assert_eq!(secrets("image: x", ""), [""; 0]);
}

#[test]
fn files_of_a_config_are_taken_byte_for_byte_up_to_a_limit() {
    let plan = format!("{HEAD}stages:\n  a: {{ configs: {{ c: [files] }} }}\n");
    let mut files = Memory::new(&[("plan.yaml", plan.as_str()), ("files/text", "a\r\nb ${x}\n")]);
    files.0.insert("files/bytes".into(), vec![0, 0xff]);
    let composed = composed_with(&files, "plan.yaml", &[], &[]).unwrap();
    let map = object(&composed, "ConfigMap/c");
    assert_eq!(
        (&map["data"], &map["binaryData"]),
        (&json!({"text": "a\r\nb ${x}\n"}), &json!({"bytes": "AP8="}))
    );
    files.0.insert("files/large".into(), vec![b'x'; 1024 * 1024]);
    insta::assert_snapshot!(composed_with(&files, "plan.yaml", &[], &[]).unwrap_err(), @r"
    error: config `c` holds 1048602 bytes; a ConfigMap takes 1048576
     --> plan.yaml:4:19
      |
    4 |   a: { configs: { c: [files] } }
      |                   ^
      |
      = help: put large files into an image or a volume
    ");
}
