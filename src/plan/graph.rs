//! Who waits for whom, checked: no cycle, no stage twice, none unknown. Pure; knows names only.

use std::collections::BTreeMap;

use super::{StageId, StageIdx};

/// A directed graph without cycles over the stages of one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    needs: Vec<Vec<StageIdx>>,
    dependents: Vec<Vec<StageIdx>>,
    order: Vec<StageIdx>,
}

/// What is wrong with a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two stages have one name.
    #[error("stage `{stage}` is there twice")]
    Duplicate {
        /// The name.
        stage: StageId,
    },
    /// A stage needs one that is not there.
    #[error("stage `{stage}` needs `{missing}`, which is not a stage")]
    Unknown {
        /// Who needs it.
        stage: StageId,
        /// What it needs.
        missing: StageId,
    },
    /// A stage needs itself.
    #[error("stage `{stage}` needs itself")]
    NeedsItself {
        /// The stage.
        stage: StageId,
    },
    /// Stages wait for each other, so that none could start.
    #[error("stages wait for each other: {}", path_text(path))]
    Cycle {
        /// Each needs the next; the first stands at the end again.
        path: Vec<StageId>,
    },
}

fn path_text(path: &[StageId]) -> String {
    path.iter().map(StageId::as_str).collect::<Vec<_>>().join(" -> ")
}

impl Graph {
    /// Returns the graph of `nodes`: each a stage and what it needs, in the order of the file.
    ///
    /// # Errors
    /// Everything that is wrong: every duplicate, unknown and self need, and one cycle for each knot of
    /// stages that wait for each other.
    pub fn new(nodes: &[(&StageId, &[StageId])]) -> Result<Self, Vec<GraphError>> {
        let mut errors = Vec::new();
        let mut index: BTreeMap<&StageId, StageIdx> = BTreeMap::new();
        for (at, (stage, _)) in nodes.iter().enumerate() {
            if index.contains_key(stage) {
                errors.push(GraphError::Duplicate { stage: (*stage).clone() });
            } else {
                index.insert(stage, StageIdx(at));
            }
        }
        let mut needs: Vec<Vec<StageIdx>> = Vec::with_capacity(nodes.len());
        for (stage, wanted) in nodes {
            let mut found: Vec<StageIdx> = Vec::new();
            for need in *wanted {
                match index.get(need) {
                    _ if need == *stage => {
                        errors.push(GraphError::NeedsItself { stage: (*stage).clone() });
                    }
                    Some(at) => found.push(*at),
                    None => {
                        errors.push(GraphError::Unknown { stage: (*stage).clone(), missing: need.clone() });
                    }
                }
            }
            // In the order of the file, whatever the order of the list, and each once.
            found.sort_unstable();
            found.dedup();
            needs.push(found);
        }
        let dependents = inverted(&needs);
        let order = order(&needs, &dependents);
        if order.len() < nodes.len() {
            errors.extend(cycles(&needs, &order).into_iter().map(|path| GraphError::Cycle {
                path: path.into_iter().map(|at| nodes[at.0].0.clone()).collect(),
            }));
        }
        if errors.is_empty() { Ok(Self { needs, dependents, order }) } else { Err(errors) }
    }

    /// Returns how many stages there are.
    pub fn len(&self) -> usize {
        self.needs.len()
    }

    /// Returns true for a graph without stages.
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty()
    }

    /// Returns the stages `stage` waits for, in the order of the file.
    pub fn needs(&self, stage: StageIdx) -> &[StageIdx] {
        &self.needs[stage.0]
    }

    /// Returns the stages that wait for `stage`, in the order of the file.
    pub fn dependents(&self, stage: StageIdx) -> &[StageIdx] {
        &self.dependents[stage.0]
    }

    /// Returns all stages, each after those it needs; otherwise in the order of the file.
    pub fn order(&self) -> &[StageIdx] {
        &self.order
    }

    /// Returns for each stage the number of stages on the longest way of needs that leads to it.
    pub fn depths(&self) -> Vec<u32> {
        let mut depths = vec![0; self.len()];
        for &StageIdx(stage) in &self.order {
            let deepest = self.needs[stage].iter().map(|need| depths[need.0] + 1).max();
            depths[stage] = deepest.unwrap_or(0);
        }
        depths
    }

    /// Returns the graph with every arrow turned round: the order of a teardown.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut order = self.order.clone();
        order.reverse();
        Self { needs: self.dependents.clone(), dependents: self.needs.clone(), order }
    }

    /// Returns true when `stage` waits for `other`, directly or through others.
    pub fn reaches(&self, stage: StageIdx, other: StageIdx) -> bool {
        let mut seen = vec![false; self.len()];
        let mut open = vec![stage];
        while let Some(at) = open.pop() {
            for &need in self.needs(at) {
                if need == other {
                    return true;
                }
                if !std::mem::replace(&mut seen[need.0], true) {
                    open.push(need);
                }
            }
        }
        false
    }
}

fn inverted(needs: &[Vec<StageIdx>]) -> Vec<Vec<StageIdx>> {
    let mut dependents = vec![Vec::new(); needs.len()];
    for (at, wanted) in needs.iter().enumerate() {
        for need in wanted {
            dependents[need.0].push(StageIdx(at));
        }
    }
    dependents
}

/// Returns the stages in an order that respects needs, the earliest of the file first; those in or
/// behind a cycle are missing.
fn order(needs: &[Vec<StageIdx>], dependents: &[Vec<StageIdx>]) -> Vec<StageIdx> {
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut ready: std::collections::BTreeSet<StageIdx> =
        (0..needs.len()).map(StageIdx).filter(|at| open[at.0] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &dependent in &dependents[at.0] {
            open[dependent.0] -= 1;
            if open[dependent.0] == 0 {
                ready.insert(dependent);
            }
        }
    }
    order
}

/// Returns a cycle for each knot among the stages that `order` could not place, as a path that ends
/// where it began. Walking along needs from a stage that waits for ever must come round.
fn cycles(needs: &[Vec<StageIdx>], order: &[StageIdx]) -> Vec<Vec<StageIdx>> {
    let mut settled = vec![false; needs.len()];
    for at in order {
        settled[at.0] = true;
    }
    let mut found = Vec::new();
    for start in 0..needs.len() {
        let mut path: Vec<StageIdx> = Vec::new();
        let mut at = StageIdx(start);
        // Every stage that waits for ever has a need that does, until a cycle is broken by `settled`.
        while !settled[at.0] {
            if let Some(first) = path.iter().position(|&seen| seen == at) {
                let mut cycle = path.split_off(first);
                let earliest = cycle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(i, _)| i);
                cycle.rotate_left(earliest);
                cycle.push(cycle[0]);
                found.push(cycle.clone());
                path.extend(cycle);
                break;
            }
            path.push(at);
            match needs[at.0].iter().find(|need| !settled[need.0]) {
                Some(&next) => at = next,
                None => break,
            }
        }
        // What was walked is told, or only waits for what was told.
        for at in path {
            settled[at.0] = true;
        }
    }
    found
}
