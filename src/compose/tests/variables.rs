//! Wrong variables: what is told of declarations, values and uses.

use super::{MAP, Memory, composed_with, told};

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
