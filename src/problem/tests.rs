//! Places, the look of a problem, and the order of several.

use super::{Place, Problem, Problems, Severity, SourceText};

#[test]
fn a_place_counts_lines_from_one_and_columns_in_characters() {
    let source = SourceText::new("plan.yaml", "a: 1\nöä: 2\n");
    let place = Place::new(&source, 11..12);
    assert_eq!(place.to_string(), "plan.yaml:2:5");
    assert_eq!(place.text(), "2");
}

#[test]
fn a_span_outside_the_text_or_inside_a_character_is_moved() {
    let source = SourceText::new("plan.yaml", "ö");
    assert_eq!(Place::new(&source, 1..99).span(), 0..2);
    assert_eq!(Place::new(&source, 50..60).span(), 2..2);
}

#[test]
fn rendered_like_rustc() {
    let source = SourceText::new("plan.yaml", "needs: [databse]\nstages:\n  database: {}\n");
    let problem = Problem::at(&Place::new(&source, 8..15), "no stage is called `databse`")
        .labelled("unknown stage")
        .did_you_mean("databse", ["database", "nginx"]);
    insta::assert_snapshot!(problem.render(Severity::Error, false), @r"
    error: no stage is called `databse`
     --> plan.yaml:1:9
      |
    1 | needs: [databse]
      |         ^^^^^^^ unknown stage
      |
      = help: did you mean `database`?
    ");
}

#[test]
fn two_places_in_two_files_and_none() {
    let one = SourceText::new("a.yaml", "name: x\n");
    let two = SourceText::new("b.yaml", "name: x\n");
    let problem = Problem::at(&Place::new(&two, 6..7), "`x` is there twice")
        .labelled("second")
        .mark(&Place::new(&one, 6..7), "first");
    insta::assert_snapshot!(problem.render(Severity::Error, false), @r"
    error: `x` is there twice
     --> b.yaml:1:7
      |
    1 | name: x
      |       ^ second
      |
     ::: a.yaml:1:7
      |
    1 | name: x
      |       - first
    ");
    insta::assert_snapshot!(
        Problem::new("`--set host` has no value").hint("write `--set host=VALUE`").render(Severity::Warning, false),
        @r"
        warning: `--set host` has no value
         |
         = help: write `--set host=VALUE`
        "
    );
}

#[test]
fn problems_come_in_the_order_of_the_files_and_once() {
    let source = SourceText::new("plan.yaml", "abc");
    let mut problems = Problems::new();
    for at in [2, 0, 1, 0] {
        problems.push(Problem::at(&Place::new(&source, at..at + 1), "wrong"));
    }
    problems.push(Problem::new("no place"));
    let problems = problems.into_result(()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "no place\nplan.yaml:1:1: wrong\nplan.yaml:1:2: wrong\nplan.yaml:1:3: wrong"
    );
}
