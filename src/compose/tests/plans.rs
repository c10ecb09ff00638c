//! Wrong plan files: what is told of graphs, variables, fields, files and overlays.

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
fn wrong_variables() {
    let files = Memory::new(&[
        (
            "plan.yaml",
            "name: shop\nnamespace: shop\nvariables:\n  host: { default: 15 }\n  count: { default: three, type: integer }\n  small: { default: 0, type: integer, minimum: 1 }\n  flag: { default: yes, type: boolean }\n  mode: { default: fast, one_of: [slow, safe] }\n  kind: { type: int }\n  unused: { default: x }\n  bare: x\n  none: {}\n  n: { default: 1, type: integer, maximum: 5 }\nstages:\n  s: { apply: [m.yaml] }\n",
        ),
        ("m.yaml", MAP),
        ("values.yaml", "n: many\nhots: x\n"),
    ]);
    let set = ["n=9", "nn=1", "flag=on", "host"];
    insta::assert_snapshot!(composed_with(&files, "plan.yaml", &["values.yaml"], &set).unwrap_err(), @r#"
    error: the plan has no variable `nn`
     --> --set:1:1
      |
    1 | nn=1
      | ^^
      |
      = help: the variables are `host`, `count`, `small`, `flag`, `mode`, `kind`, `unused`, `none` and `n`

    error: this sets no value
     --> --set:1:1
      |
    1 | host
      | ^^^^
      |
      = help: write `--set host=VALUE`

    error: variable `n` is 9; the maximum is 5
     --> --set:1:3
      |
    1 | n=9
      |   ^

    error: variable `flag` is `on`
     --> --set:1:6
      |
    1 | flag=on
      |      ^^ expected true or false

    error: variable `host` is the number 15
     --> plan.yaml:4:20
      |
    4 |   host: { default: 15 }
      |                    ^^ expected a string
      |
      = help: write "15", or declare `type: integer`

    error: variable `count` is a string
     --> plan.yaml:5:21
      |
    5 |   count: { default: three, type: integer }
      |                     ^^^^^ expected an integer

    error: variable `small` is 0; the minimum is 1
     --> plan.yaml:6:21
      |
    6 |   small: { default: 0, type: integer, minimum: 1 }
      |                     ^

    error: variable `flag` is `yes`, which not every reader takes for a boolean
     --> plan.yaml:7:20
      |
    7 |   flag: { default: yes, type: boolean }
      |                    ^^^ expected true or false
      |
      = help: write true

    error: variable `mode` is `fast`; it must be one of `slow` and `safe`
     --> plan.yaml:8:20
      |
    8 |   mode: { default: fast, one_of: [slow, safe] }
      |                    ^^^^

    error: variable `kind` has no value
     --> plan.yaml:9:3
      |
    9 |   kind: { type: int }
      |   ^^^^ declared without a default
      |
      = help: pass `--set kind=VALUE`, or give it a `default`

    error: no type is called `int`
     --> plan.yaml:9:17
      |
    9 |   kind: { type: int }
      |                 ^^^
      |
      = help: the types are `string`, `integer`, `number` and `boolean`

    error: variable `bare` is a value, not a declaration
      --> plan.yaml:11:9
       |
    11 |   bare: x
       |         ^
       |
       = help: write `bare: { default: x }`

    error: variable `none` has no value
      --> plan.yaml:12:3
       |
    12 |   none: {}
       |   ^^^^ declared without a default
       |
       = help: pass `--set none=VALUE`, or give it a `default`

    error: variable `n` is a string
     --> values.yaml:1:4
      |
    1 | n: many
      |    ^^^^ expected an integer

    error: the plan has no variable `hots`
     --> values.yaml:2:1
      |
    2 | hots: x
      | ^^^^
      |
      = help: did you mean `host`?
    "#);
}

#[test]
fn an_unused_variable_is_told_once_all_else_is_right() {
    let plan = "variables:\n  hots: { default: x }\nstages:\n  s: { apply: [m.yaml] }\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", MAP)]), @r"
    error: nothing uses variable `hots`
     --> plan.yaml:4:3
      |
    4 |   hots: { default: x }
      |   ^^^^
      |
      = help: write `${hots}` where it belongs, or take it out
    ");
}

#[test]
fn an_undefined_variable_is_told_where_it_stands() {
    let plan = "variables:\n  host: { default: x }\nstages:\n  s: { apply: [m.yaml] }\nnotes: see ${host}\n";
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  url: https://${hots}/\n  script: |\n    echo ${HOME}\n";
    insta::assert_snapshot!(told(plan, &[("m.yaml", manifest)]), @r"
    error: no variable is called `hots`
     --> m.yaml:6:16
      |
    6 |   url: https://${hots}/
      |                ^^^^^^^ undefined
      |
      = help: did you mean `host`?

    error: no variable is called `HOME`
     --> m.yaml:8:10
      |
    8 |     echo ${HOME}
      |          ^^^^^^^ undefined
      |
      = help: declare it under `variables:` of the plan, or write `$${HOME}` for the text itself
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
