//! Wrong manifests, patches and references: what is told of objects.

use super::{HEAD, MAP, composed, deployment, told};

#[test]
fn objects_that_a_server_would_refuse() {
    let manifest = "kind: ConfigMap\nmetadata: { name: x }\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: my.web\n  labels: { version: 1.10 }\n---\napiVersion: v1\nkind: Namespace\nmetadata: { name: n, namespace: n }\n---\n- list\n---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: j-\n---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: j\n  annotations: { wesago/rerun: allways }\nspec:\n  template:\n    spec:\n      containers:\n      - env:\n        - { name: COUNT, value: 3 }\n        - { name: DEBUG, value: yes }\n        - name: REPLICAS\n          value: ${n}\n";
    let plan = "variables: { n: { default: 3, type: integer } }\nstages:\n  a: { apply: [m.yaml] }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", manifest)]), @r#"
    error: this ConfigMap has no `apiVersion`
     --> m.yaml:1:1
      |
    1 | kind: ConfigMap
      | ^^^^^^^^^^^^^^^

    error: `my.web` is no name for a Service: use lowercase letters, digits and `-`, a letter or digit at both ends
     --> m.yaml:7:9
      |
    7 |   name: my.web
      |         ^^^^^^

    error: `version` is the number 1.1
     --> m.yaml:8:22
      |
    8 |   labels: { version: 1.10 }
      |                      ^^^^ expected a string
      |
      = help: quote it: "1.10"

    error: `metadata.name` is the boolean false
      --> m.yaml:12:19
       |
    12 | metadata: { name: n, namespace: n }
       |                   ^ expected a string
       |
       = help: quote it: "n"

    error: a manifest holds objects, and this is a list
      --> m.yaml:14:1
       |
    14 | - list
       | ^^^^^^
       |
       = help: an object has `apiVersion`, `kind` and `metadata`

    error: an object of a plan needs a name of its own
      --> m.yaml:19:17
       |
    19 |   generateName: j-
       |                 ^^
       |
       = help: write `name` instead of `generateName`: what is applied again must be found again

    error: `wesago/rerun` is `allways`
      --> m.yaml:25:32
       |
    25 |   annotations: { wesago/rerun: allways }
       |                                ^^^^^^^ expected `on-change`, `always` or `once`
       |
       = help: did you mean `always`?

    error: `COUNT` is the number 3
      --> m.yaml:31:33
       |
    31 |         - { name: COUNT, value: 3 }
       |                                 ^ expected a string
       |
       = help: quote it: "3"

    error: `DEBUG` is the boolean true
      --> m.yaml:32:33
       |
    32 |         - { name: DEBUG, value: yes }
       |                                 ^^^ expected a string
       |
       = help: quote it: "yes"

    error: `REPLICAS` is the number 3
      --> m.yaml:34:18
       |
    34 |           value: ${n}
       |                  ^^^^ expected a string
       |
       = help: write `!!str ${n}`: a value that is exactly a variable takes its type
    "#);
}

#[test]
fn objects_that_are_there_twice() {
    let plan = "secrets: { env: { A: { generate: 8 } } }\nstages:\n  a: { apply: [m.yaml, n.yaml] }\n  b: { apply: [m.yaml] }\n  c: { configs: { settings: [m.yaml] } }\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: env }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP), ("n.yaml", secret)]), @r"
    error: `ConfigMap/settings` is applied by two stages
     --> m.yaml:4:9
      |
    4 |   name: settings
      |         ^^^^^^^^
      |
      = help: name its manifest in one of them only

    error: secret `env` is generated, and a manifest too
     --> n.yaml:3:19
      |
    3 | metadata: { name: env }
      |                   ^^^ a manifest here
      |
     ::: plan.yaml:3:12
      |
    3 | secrets: { env: { A: { generate: 8 } } }
      |            --- generated here
      |
      = help: keep one of them; a manifest would overwrite what was generated

    error: `ConfigMap/settings` is there twice
     --> plan.yaml:7:19
      |
    7 |   c: { configs: { settings: [m.yaml] } }
      |                   ^^^^^^^^ second
      |
     ::: m.yaml:4:9
      |
    4 |   name: settings
      |         -------- first
    ");
}

#[test]
fn patches_that_do_not_fit() {
    let plan = "stages:\n  a: { apply: [m.yaml] }\npatches:\n- { target: ConfigMap/setting, merge: {} }\n- { target: settings, merge: {} }\n- { target: ConfigMap/settings, merge: [] }\n- { target: ConfigMap/settings, json: [{ op: ad, path: /x }] }\n- { target: ConfigMap/settings, json: [{ op: replace, path: /data/color, value: red }] }\n- { target: ConfigMap/settings, json: [{ op: add, path: /x/y, value: 1 }] }\n- { target: ConfigMap/settings, json: [{ op: add, path: /x }] }\n- { target: ConfigMap/settings, merge: { metadata: { name: other } } }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP)]), @r"
    error: no object is called `ConfigMap/setting`
     --> plan.yaml:6:13
      |
    6 | - { target: ConfigMap/setting, merge: {} }
      |             ^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `ConfigMap/settings`?

    error: `settings` names no object
     --> plan.yaml:7:13
      |
    7 | - { target: settings, merge: {} }
      |             ^^^^^^^^
      |
      = help: a target is `Kind/name`, such as `Deployment/django`

    error: `merge` is a list
     --> plan.yaml:8:40
      |
    8 | - { target: ConfigMap/settings, merge: [] }
      |                                        ^^ expected a mapping

    error: `ad` is no operation
     --> plan.yaml:9:46
      |
    9 | - { target: ConfigMap/settings, json: [{ op: ad, path: /x }] }
      |                                              ^^
      |
      = help: the operations are `add`, `remove`, `replace`, `move`, `copy` and `test`

    error: cannot replace `/data/color`: path is invalid
      --> plan.yaml:10:61
       |
    10 | - { target: ConfigMap/settings, json: [{ op: replace, path: /data/color, value: red }] }
       |                                                             ^^^^^^^^^^^
       |
       = help: `/data` has `colour`

    error: cannot add `/x/y`: path is invalid
      --> plan.yaml:11:57
       |
    11 | - { target: ConfigMap/settings, json: [{ op: add, path: /x/y, value: 1 }] }
       |                                                         ^^^^
       |
       = help: the object has `apiVersion`, `kind`, `metadata` and `data`

    error: `add` cannot be read: missing field `value`
      --> plan.yaml:12:40
       |
    12 | - { target: ConfigMap/settings, json: [{ op: add, path: /x }] }
       |                                        ^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write `{ op: add, path: /spec/replicas, value: 3 }`

    error: the patch makes `ConfigMap/other` of `ConfigMap/settings`
      --> plan.yaml:13:13
       |
    13 | - { target: ConfigMap/settings, merge: { metadata: { name: other } } }
       |             ^^^^^^^^^^^^^^^^^^
       |
       = help: a patch may not change `kind`, `metadata.name` or `metadata.namespace`
    ");
}

#[test]
fn settings_that_nobody_writes() {
    let plan =
        "secrets: { env: { PASSWORD: { generate: 8 } } }\nstages:\n  a: { apply: [m.yaml, web.yaml] }\n";
    let web = deployment(
        "env: [{ name: A, valueFrom: { configMapKeyRef: { name: settings, key: color } } }, { name: B, valueFrom: { secretKeyRef: { name: env, key: PASWORD } } }, { name: C, valueFrom: { secretKeyRef: { name: mail, key: X, optional: true } } }]",
    );
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP), ("web.yaml", &web)]), @r"
    error: ConfigMap `settings` has no key `color`
     --> web.yaml:9:79
      |
    9 |         env: [{ name: A, valueFrom: { configMapKeyRef: { name: settings, key: color } } }, { name: B, valueFrom: { secretKeyRef: { name: env, key: PASWORD } } }, { name: C, valueFrom: { secretKeyRef: { name: mail, key: X, optional: true } } }]
      |                                                                               ^^^^^
      |
      = help: did you mean `colour`?

    error: Secret `env` has no key `PASWORD`
     --> web.yaml:9:148
      |
    9 |         env: [{ name: A, valueFrom: { configMapKeyRef: { name: settings, key: color } } }, { name: B, valueFrom: { secretKeyRef: { name: env, key: PASWORD } } }, { name: C, valueFrom: { secretKeyRef: { name: mail, key: X, optional: true } } }]
      |                                                                                                                                                    ^^^^^^^
      |
      = help: did you mean `PASSWORD`?
    ");
    // What is not in the plan at all may be in the cluster: the preflight looks there.
    let web = deployment("envFrom: [{ configMapRef: { name: setings } }, { secretRef: { name: tls } }]");
    let composed = composed(&format!("{HEAD}{plan}"), &[("m.yaml", MAP), ("web.yaml", &web)]).unwrap();
    assert!(composed.warnings.is_empty(), "{}", composed.warnings);
}

#[test]
fn a_check_that_asks_a_port_its_service_has_not() {
    let plan = "stages:\n  a: { apply: [m.yaml] }\n  b: { apply: [web.yaml], checks: [{ http: { service: wbe, port: 80 } }, { http: { service: web, port: 81 } }] }\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80 }, { port: 443 }] }\n---\n";
    let web = format!("{service}{}", deployment("envFrom: [{ configMapRef: { name: settings } }]"));
    let files = [("m.yaml", MAP), ("web.yaml", web.as_str())];
    insta::assert_snapshot!(told(plan, &files), @r"
    error: Service `web` has no port 81
     --> plan.yaml:5:93
      |
    5 |   b: { apply: [web.yaml], checks: [{ http: { service: wbe, port: 80 } }, { http: { service: web, port: 81 } }] }
      |                                                                                             ^^^
      |
     ::: web.yaml:4:16
      |
    4 | spec: { ports: [{ port: 80 }, { port: 443 }] }
      |                ----------------------------- its ports: `80` and `443`
    ");
}
