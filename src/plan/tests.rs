//! Names of stages, and graphs: order, cycles, every error at once.

use std::time::Duration;

use proptest::prelude::*;

use super::{Graph, GraphError, Plan, Stage, StageId, StageIdx};

fn id(text: &str) -> StageId {
    StageId::new(text).unwrap()
}

fn stage(name: &str, needs: &[&str]) -> Stage {
    Stage {
        id: id(name),
        needs: needs.iter().map(|need| id(need)).collect(),
        objects: Vec::new(),
        deadline: Duration::from_secs(60),
        checks: Vec::new(),
    }
}

fn errors(stages: &[(&str, &[&str])]) -> String {
    let stages = stages.iter().map(|(name, needs)| stage(name, needs)).collect();
    let errors = Plan::new("p", "p", stages).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_stage_id_is_one_or_two_labels() {
    assert_eq!(id("databases/postgres").group(), "databases");
    assert_eq!(id("nginx").group(), "nginx");
    for wrong in ["", "a/", "/a", "a/b/c", "Web", "a_b", "-a", "a-", "a b", &"a".repeat(64)] {
        assert!(StageId::new(wrong).is_err(), "{wrong}");
    }
    assert!(serde_json::from_str::<StageId>("\"a/b/c\"").is_err());
}

#[test]
fn order_follows_needs_and_else_the_file() {
    let stages = vec![stage("c", &["a"]), stage("b", &[]), stage("a", &[]), stage("d", &["c", "b"])];
    let plan = Plan::new("p", "p", stages).unwrap();
    let names: Vec<&str> = plan.order().iter().map(|at| plan.stage(*at).id.as_str()).collect();
    assert_eq!(names, ["b", "a", "c", "d"]);
    assert_eq!(plan.needs(StageIdx(3)), [StageIdx(0), StageIdx(1)]);
    assert_eq!(plan.dependents(StageIdx(2)), [StageIdx(0)]);
    assert!(plan.graph().reaches(StageIdx(3), StageIdx(2)));
    assert!(!plan.graph().reaches(StageIdx(2), StageIdx(3)));
    assert_eq!(plan.graph().reversed().needs(StageIdx(2)), [StageIdx(0)]);
    assert_eq!(plan.graph().depths(), [1, 0, 0, 2]);
}

#[test]
fn every_error_of_a_graph_is_told_at_once() {
    insta::assert_snapshot!(
        errors(&[
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["a"]),
            ("behind", &["a"]),
            ("x", &["y"]),
            ("y", &["x"]),
            ("self", &["self"]),
            ("lost", &["nowhere"]),
            ("lost", &[]),
        ]),
        @r"
        stage `lost` is there twice
        stage `self` needs itself
        stage `lost` needs `nowhere`, which is not a stage
        stages wait for each other: a -> b -> c -> a
        stages wait for each other: x -> y -> x
        "
    );
}

/// A random graph whose arrows all point to earlier stages, and a shuffled order of the file.
fn dags() -> impl Strategy<Value = Vec<(usize, Vec<usize>)>> {
    (1usize..14)
        .prop_flat_map(|count| {
            let needs: Vec<_> =
                (0..count).map(|at| proptest::collection::btree_set(0..at.max(1), 0..=at.min(4))).collect();
            (needs, Just((0..count).collect::<Vec<_>>()).prop_shuffle())
        })
        .prop_map(|(needs, file)| {
            file.into_iter()
                .map(|at| (at, needs[at].iter().copied().filter(|need| *need < at).collect()))
                .collect()
        })
}

fn named(nodes: &[(usize, Vec<usize>)]) -> Vec<(StageId, Vec<StageId>)> {
    let name = |at: usize| id(&format!("s{at}"));
    nodes.iter().map(|(at, needs)| (name(*at), needs.iter().map(|need| name(*need)).collect())).collect()
}

fn graph(nodes: &[(StageId, Vec<StageId>)]) -> Result<Graph, Vec<GraphError>> {
    let nodes: Vec<(&StageId, &[StageId])> =
        nodes.iter().map(|(stage, needs)| (stage, needs.as_slice())).collect();
    Graph::new(&nodes)
}

proptest! {
    #[test]
    fn every_stage_comes_once_and_after_its_needs(nodes in dags()) {
        let graph = graph(&named(&nodes)).unwrap();
        let mut position = vec![usize::MAX; graph.len()];
        for (at, stage) in graph.order().iter().enumerate() {
            position[stage.0] = at;
        }
        for at in 0..graph.len() {
            prop_assert!(position[at] < graph.len());
            for need in graph.needs(StageIdx(at)) {
                prop_assert!(position[need.0] < position[at]);
                prop_assert!(graph.dependents(*need).contains(&StageIdx(at)));
            }
        }
        prop_assert_eq!(graph.reversed().reversed(), graph);
    }

    #[test]
    fn a_closed_path_is_always_found_and_told_as_it_is(nodes in dags(), close in any::<prop::sample::Index>()) {
        // Close a path: some stage with needs is needed by the first one it needs.
        let mut nodes = nodes;
        let with_needs: Vec<usize> =
            (0..nodes.len()).filter(|at| !nodes[*at].1.is_empty()).collect();
        prop_assume!(!with_needs.is_empty());
        let from = with_needs[close.index(with_needs.len())];
        let (name, need) = (nodes[from].0, nodes[from].1[0]);
        let target = nodes.iter().position(|(at, _)| *at == need).unwrap();
        nodes[target].1.push(name);
        let named = named(&nodes);
        let errors = graph(&named).unwrap_err();
        prop_assert!(!errors.is_empty());
        for error in errors {
            let GraphError::Cycle { path } = error else { panic!("{error}") };
            prop_assert!(path.len() > 2);
            prop_assert_eq!(path.first(), path.last());
            for pair in path.windows(2) {
                let (_, needs) = named.iter().find(|(stage, _)| *stage == pair[0]).unwrap();
                prop_assert!(needs.contains(&pair[1]));
            }
        }
    }
}
