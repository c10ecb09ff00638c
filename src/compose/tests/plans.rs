//! Wrong plan files: what is told of graphs, fields, files and overlays.

use super::{HEAD, MAP, Memory, composed_with, told};

#[test]
fn a_cycle_is_told_with_every_need_of_it() {
    let plan = "stages:\n  a: { needs: [c], apply: [m.yaml] }\n  b: { needs: [a], configs: { x: [m.yaml] } }\n  c: { needs: [b], configs: { y: [m.yaml] } }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP)]), @r"
    error: stages wait for each other: a -> c -> b -> a
     --> plan.yaml:4:16
      |
    4 |   a: { needs: [c], apply: [m.yaml] }
      |                ^ `a` needs `c`
    5 |   b: { needs: [a], configs: { x: [m.yaml] } }
      |                - `b` needs `a`
    6 |   c: { needs: [b], configs: { y: [m.yaml] } }
      |                - `c` needs `b`
      |
      = help: one of them must start first: take one of these needs out
    ");
}

#[test]
fn needs_that_lead_nowhere() {
    let plan = "stages:\n  databases:\n    stages:\n      postgres: { apply: [m.yaml] }\n      redis: { needs: [postgres], configs: { a: [m.yaml] } }\n  web: { needs: [databses, databases/postgre, redis, web, nothing], configs: { b: [m.yaml] } }\n  idle: { enabled: false, configs: { c: [m.yaml] } }\n  busy: { needs: [idle], configs: { d: [m.yaml] } }\n  all:\n    stages:\n      one: { needs: [all], configs: { e: [m.yaml] } }\n      two: { configs: { f: [m.yaml] } }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP)]), @r"
    error: stage `databases/redis` needs `postgres`, which is not a stage
     --> plan.yaml:7:24
      |
    7 |       redis: { needs: [postgres], configs: { a: [m.yaml] } }
      |                        ^^^^^^^^ unknown stage
      |
      = help: a member is named with its group: `databases/postgres`

    error: stage `web` needs `databses`, which is not a stage
     --> plan.yaml:8:18
      |
    8 |   web: { needs: [databses, databases/postgre, redis, web, nothing], configs: { b: [m.yaml] } }
      |                  ^^^^^^^^ unknown stage
      |
      = help: did you mean `databases`?

    error: stage `web` needs `databases/postgre`, which is not a stage
     --> plan.yaml:8:28
      |
    8 |   web: { needs: [databses, databases/postgre, redis, web, nothing], configs: { b: [m.yaml] } }
      |                            ^^^^^^^^^^^^^^^^^ unknown stage
      |
      = help: did you mean `databases/postgres`?

    error: stage `web` needs `redis`, which is not a stage
     --> plan.yaml:8:47
      |
    8 |   web: { needs: [databses, databases/postgre, redis, web, nothing], configs: { b: [m.yaml] } }
      |                                               ^^^^^ unknown stage
      |
      = help: a member is named with its group: `databases/redis`

    error: stage `web` needs itself
     --> plan.yaml:8:54
      |
    8 |   web: { needs: [databses, databases/postgre, redis, web, nothing], configs: { b: [m.yaml] } }
      |                                                      ^^^

    error: stage `web` needs `nothing`, which is not a stage
     --> plan.yaml:8:59
      |
    8 |   web: { needs: [databses, databases/postgre, redis, web, nothing], configs: { b: [m.yaml] } }
      |                                                           ^^^^^^^ unknown stage

    error: stage `busy` needs `idle`, which is left out
      --> plan.yaml:10:19
       |
     9 |   idle: { enabled: false, configs: { c: [m.yaml] } }
       |   ---- `enabled` is false here or for its group
    10 |   busy: { needs: [idle], configs: { d: [m.yaml] } }
       |                   ^^^^
       |
       = help: leave `busy` out too, or do not let it need `idle`

    error: stage `all/one` needs its own group `all`, and so itself
      --> plan.yaml:13:22
       |
    13 |       one: { needs: [all], configs: { e: [m.yaml] } }
       |                      ^^^
       |
       = help: name the members it waits for: `all/…`
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot is as long as what it shows")]
fn unknown_fields_and_wrong_types_of_the_plan() {
    let plan = "stage: {}\nstages:\n  a: { need: [b], apply: m.yaml, deadline: 10 }\n  b: { apply: [m.yaml], deadline: soon, enabled: on, checks: [{ http: { service: x, port: 99999, path: x, contains: 5 } }] }\n  c: { apply: [3] }\n  C: { apply: [m.yaml] }\n  d: {}\n  d/e: { apply: [m.yaml] }\n  g: { stages: {} }\nsecrets:\n  s: { A: hunter2, B: {}, C: { generate: 4 }, D: { generate: 20, env: X }, E: { file: x } }\npatches: [{ target: x }, { merge: {} }]\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP)]), @r#"
    error: plan.yaml:13:11: the value of key `A` of secret `s` is written into the plan
     |
     = help: a plan says where a value comes from: write `{ generate: 32 }`, `{ env: NAME }` or `{ command: [PROGRAM, ARGUMENT] }`

    error: the plan has no field `stage`
     --> plan.yaml:3:1
      |
    3 | stage: {}
      | ^^^^^ unknown field
      |
      = help: did you mean `stages`?

    error: stage `a` has no field `need`
     --> plan.yaml:5:8
      |
    5 |   a: { need: [b], apply: m.yaml, deadline: 10 }
      |        ^^^^ unknown field
      |
      = help: did you mean `needs`?

    error: `apply` is a string
     --> plan.yaml:5:26
      |
    5 |   a: { need: [b], apply: m.yaml, deadline: 10 }
      |                          ^^^^^^ expected a list of strings
      |
      = help: write `[m.yaml]`

    error: `deadline` is the number 10
     --> plan.yaml:5:44
      |
    5 |   a: { need: [b], apply: m.yaml, deadline: 10 }
      |                                            ^^ expected a time
      |
      = help: write a number with its unit: `90s`, `10m`, `1h 30m`

    error: `soon` is no time
     --> plan.yaml:6:35
      |
    6 |   b: { apply: [m.yaml], deadline: soon, enabled: on, checks: [{ http: { service: x, port: 99999, path: x, contains: 5 } }] }
      |                                   ^^^^
      |
      = help: write a number with its unit: `90s`, `10m`, `1h 30m`

    error: `enabled` is `on`, which only some readers take for true
     --> plan.yaml:6:50
      |
    6 |   b: { apply: [m.yaml], deadline: soon, enabled: on, checks: [{ http: { service: x, port: 99999, path: x, contains: 5 } }] }
      |                                                  ^^
      |
      = help: write true

    error: `port` is 99999; it must be from 1 to 65535
     --> plan.yaml:6:91
      |
    6 |   b: { apply: [m.yaml], deadline: soon, enabled: on, checks: [{ http: { service: x, port: 99999, path: x, contains: 5 } }] }
      |                                                                                           ^^^^^

    error: the path `x` does not begin with `/`
     --> plan.yaml:6:104
      |
    6 |   b: { apply: [m.yaml], deadline: soon, enabled: on, checks: [{ http: { service: x, port: 99999, path: x, contains: 5 } }] }
      |                                                                                                        ^
      |
      = help: write `/x`

    error: `contains` is the number 5
     --> plan.yaml:6:117
      |
    6 |   b: { apply: [m.yaml], deadline: soon, enabled: on, checks: [{ http: { service: x, port: 99999, path: x, contains: 5 } }] }
      |                                                                                                                     ^ expected a string
      |
      = help: quote it: "5"

    error: `apply` is the number 3
     --> plan.yaml:7:16
      |
    7 |   c: { apply: [3] }
      |                ^ expected a string
      |
      = help: quote it: "3"

    error: `C` is not a name: use lowercase letters, digits and `-`, a letter or digit at both ends
     --> plan.yaml:8:3
      |
    8 |   C: { apply: [m.yaml] }
      |   ^

    error: stage `d` does nothing
     --> plan.yaml:9:3
      |
    9 |   d: {}
      |   ^ no `apply`, `configs` or `checks`
      |
      = help: give it `apply: [path]`, or leave it out

    error: `d/e` is no name for a stage
      --> plan.yaml:10:3
       |
    10 |   d/e: { apply: [m.yaml] }
       |   ^^^
       |
       = help: members of a group stand under its own `stages:`

    error: group `g` has no stages
      --> plan.yaml:11:3
       |
    11 |   g: { stages: {} }
       |   ^

    error: key `B` of secret `s` has no source
      --> plan.yaml:13:23
       |
    13 |   s: { A: hunter2, B: {}, C: { generate: 4 }, D: { generate: 20, env: X }, E: { file: x } }
       |                       ^^
       |
       = help: write `{ generate: 32 }`, `{ env: NAME }` or both

    error: `generate` is 4; it must be from 8 to 256
      --> plan.yaml:13:42
       |
    13 |   s: { A: hunter2, B: {}, C: { generate: 4 }, D: { generate: 20, env: X }, E: { file: x } }
       |                                          ^

    error: `env` of key `D` of secret `s` is never asked
      --> plan.yaml:13:66
       |
    13 |   s: { A: hunter2, B: {}, C: { generate: 4 }, D: { generate: 20, env: X }, E: { file: x } }
       |                                                                  ^^^
       |
       = help: sources are asked in their order, and `generate` always has a value: put it last

    error: key `E` of secret `s` has no field `file`
      --> plan.yaml:13:81
       |
    13 |   s: { A: hunter2, B: {}, C: { generate: 4 }, D: { generate: 20, env: X }, E: { file: x } }
       |                                                                                 ^^^^ unknown field
       |
       = help: the fields are `env`, `command` and `generate`

    error: the patch of `x` changes nothing
      --> plan.yaml:14:11
       |
    14 | patches: [{ target: x }, { merge: {} }]
       |           ^^^^^^^^^^^^^
       |
       = help: give it `merge: {…}` or `json: [{ op: …, path: …, value: … }]`

    error: `x` names no object
      --> plan.yaml:14:21
       |
    14 | patches: [{ target: x }, { merge: {} }]
       |                     ^
       |
       = help: a target is `Kind/name`, such as `Deployment/django`

    error: a patch has no `target`
      --> plan.yaml:14:26
       |
    14 | patches: [{ target: x }, { merge: {} }]
       |                          ^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_key_that_is_there_twice_is_told_at_both_places() {
    let plan = "stages:\n  a: { apply: [m.yaml] }\n  b: { apply: [n.yaml] }\n  a: { apply: [m.yaml] }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP)]), @r"
    error: key `a` is there twice
     --> plan.yaml:6:3
      |
    4 |   a: { apply: [m.yaml] }
      |   - first
    5 |   b: { apply: [n.yaml] }
    6 |   a: { apply: [m.yaml] }
      |   ^ second
    ");
}

#[test]
fn files_that_are_not_there() {
    let plan = "stages:\n  a: { apply: [manifests/redsi, manifests/redis/settings.yml, other/x.yaml, empty] }\n  b: { configs: { c: [manifests/nothing.conf], bin: { files: [bytes], substitute: true } } }\n";
    let mut files =
        Memory::new(&[("manifests/redis/settings.yaml", MAP), ("empty/readme.md", ""), ("plan.yaml", "")]);
    files.0.insert("plan.yaml".into(), format!("{HEAD}{plan}").into_bytes());
    files.0.insert("bytes".into(), vec![0xff, 0xfe]);
    insta::assert_snapshot!(composed_with(&files, "plan.yaml", &[], &[]).unwrap_err(), @r"
    error: `manifests/redsi` does not exist
     --> plan.yaml:4:16
      |
    4 |   a: { apply: [manifests/redsi, manifests/redis/settings.yml, other/x.yaml, empty] }
      |                ^^^^^^^^^^^^^^^
      |
      = help: did you mean `manifests/redis`?

    error: `manifests/redis/settings.yml` does not exist
     --> plan.yaml:4:33
      |
    4 |   a: { apply: [manifests/redsi, manifests/redis/settings.yml, other/x.yaml, empty] }
      |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `manifests/redis/settings.yaml`?

    error: `other/x.yaml` does not exist
     --> plan.yaml:4:63
      |
    4 |   a: { apply: [manifests/redsi, manifests/redis/settings.yml, other/x.yaml, empty] }
      |                                                               ^^^^^^^^^^^^
      |
      = help: the folder `other` does not exist either

    error: the folder `empty` holds no manifest
     --> plan.yaml:4:77
      |
    4 |   a: { apply: [manifests/redsi, manifests/redis/settings.yml, other/x.yaml, empty] }
      |                                                                             ^^^^^
      |
      = help: a manifest is a file `*.yaml`, `*.yml` or `*.json` directly in the folder

    error: `manifests/nothing.conf` does not exist
     --> plan.yaml:5:23
      |
    5 |   b: { configs: { c: [manifests/nothing.conf], bin: { files: [bytes], substitute: true } } }
      |                       ^^^^^^^^^^^^^^^^^^^^^^

    error: `bytes` is not UTF-8 text, so it can hold no variables
     --> plan.yaml:5:63
      |
    5 |   b: { configs: { c: [manifests/nothing.conf], bin: { files: [bytes], substitute: true } } }
      |                                                               ^^^^^
      |
      = help: put it into a config without `substitute`
    ");
    insta::assert_snapshot!(composed_with(&files, "plans.yaml", &[], &[]).unwrap_err(), @r"
    error: `plans.yaml` does not exist
     |
     = help: did you mean `plan.yaml`?
    ");
}

#[test]
fn plans_that_extend_what_is_not_there_or_each_other() {
    let files = Memory::new(&[
        ("a.yaml", "extends: b.yaml\n"),
        ("b.yaml", "extends: a.yaml\n"),
        ("c.yaml", "extends: bb.yaml\n"),
    ]);
    let all = ["a.yaml", "c.yaml"].map(|plan| composed_with(&files, plan, &[], &[]).unwrap_err());
    insta::assert_snapshot!(all.join("\n"), @r"
    error: plans extend each other: a.yaml -> b.yaml -> a.yaml
     --> b.yaml:1:10
      |
    1 | extends: a.yaml
      |          ^^^^^^
    error: `bb.yaml` does not exist
     --> c.yaml:1:10
      |
    1 | extends: bb.yaml
      |          ^^^^^^^
      |
      = help: did you mean `b.yaml`?
    ");
}
