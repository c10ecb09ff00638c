//! L3: the DAG as a pure state machine: who may start, who is skipped, when all is over. It knows no
//! time, no cluster and no task; the engine feeds it what happened and does what it answers.
//!
//! ```text
//! waiting ──last need succeeded──▶ running ──settled──▶ settled
//!    └──a need did not succeed / cancelled──────────────▶ settled
//! ```

use crate::event::Verdict;
use crate::plan::StageIdx;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The run begins.
    Begin,
    /// A running stage came to its end.
    Settled {
        /// The stage.
        stage: StageIdx,
        /// True when what needs it may start.
        succeeded: bool,
    },
    /// Nothing new may start; running stages are the engine's to end.
    Cancel,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start this stage now.
    Start(StageIdx),
    /// This stage will never start.
    Skip {
        /// The stage.
        stage: StageIdx,
        /// The first of its needs that did not succeed; `None` when the run was cancelled.
        because: Option<StageIdx>,
    },
    /// Every stage has settled. Said once, last.
    Conclude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { missing: usize },
    Running,
    Settled,
}

/// The state of every stage of one run.
#[derive(Debug)]
pub struct Schedule {
    states: Vec<State>,
    dependents: Vec<Vec<StageIdx>>,
    unsettled: usize,
    concluded: bool,
    cancelled: bool,
}

impl Schedule {
    /// Returns the schedule of a graph: `needs[i]` are the stages that stage `i` waits for. For a
    /// teardown pass the graph turned round.
    pub fn new(needs: &[Vec<StageIdx>]) -> Self {
        let mut dependents = vec![Vec::new(); needs.len()];
        for (stage, needed) in needs.iter().enumerate() {
            for need in needed {
                dependents[need.0].push(StageIdx(stage));
            }
        }
        let states = needs.iter().map(|needed| State::Waiting { missing: needed.len() }).collect();
        Self { states, dependents, unsettled: needs.len(), concluded: false, cancelled: false }
    }

    /// Takes in what happened and returns what is to be done, in order.
    ///
    /// A stage that settles twice, or settles without running, is ignored: the first end counts.
    pub fn step(&mut self, input: &Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match *input {
            Input::Begin => self.start_ready(&mut effects),
            Input::Settled { stage, succeeded } => self.settled(stage, succeeded, &mut effects),
            Input::Cancel => self.cancel(&mut effects),
        }
        if self.unsettled == 0 && !self.concluded {
            self.concluded = true;
            effects.push(Effect::Conclude);
        }
        effects
    }

    fn start_ready(&mut self, effects: &mut Vec<Effect>) {
        for index in 0..self.states.len() {
            if self.states[index] == (State::Waiting { missing: 0 }) && !self.cancelled {
                self.states[index] = State::Running;
                effects.push(Effect::Start(StageIdx(index)));
            }
        }
    }

    fn settled(&mut self, stage: StageIdx, succeeded: bool, effects: &mut Vec<Effect>) {
        if self.states[stage.0] != State::Running {
            return;
        }
        self.settle(stage);
        if !succeeded {
            self.skip_dependents(stage, effects);
            return;
        }
        for index in 0..self.dependents[stage.0].len() {
            let dependent = self.dependents[stage.0][index];
            if let State::Waiting { missing } = &mut self.states[dependent.0] {
                *missing = missing.saturating_sub(1);
                if *missing == 0 {
                    self.states[dependent.0] = State::Running;
                    effects.push(Effect::Start(dependent));
                }
            }
        }
    }

    /// Skips all that needs `failed`, directly or not, nearest first.
    fn skip_dependents(&mut self, failed: StageIdx, effects: &mut Vec<Effect>) {
        let mut queue = std::collections::VecDeque::from([failed]);
        while let Some(cause) = queue.pop_front() {
            for dependent in self.dependents[cause.0].clone() {
                if matches!(self.states[dependent.0], State::Waiting { .. }) {
                    self.settle(dependent);
                    effects.push(Effect::Skip { stage: dependent, because: Some(failed) });
                    queue.push_back(dependent);
                }
            }
        }
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.cancelled = true;
        for index in 0..self.states.len() {
            if matches!(self.states[index], State::Waiting { .. }) {
                self.settle(StageIdx(index));
                effects.push(Effect::Skip { stage: StageIdx(index), because: None });
            }
        }
    }

    fn settle(&mut self, stage: StageIdx) {
        self.states[stage.0] = State::Settled;
        self.unsettled -= 1;
    }
}

impl Effect {
    /// Returns the verdict of a stage this effect skips; `None` for other effects.
    pub fn skip_verdict(&self, name: impl Fn(StageIdx) -> crate::plan::StageId) -> Option<Verdict> {
        match self {
            Self::Skip { because: Some(cause), .. } => Some(Verdict::Skipped { because: name(*cause) }),
            Self::Skip { because: None, .. } => Some(Verdict::Cancelled),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Effect, Input, Schedule};
    use crate::plan::StageIdx;

    fn graph(edges: &[&[usize]]) -> Vec<Vec<StageIdx>> {
        edges.iter().map(|needs| needs.iter().map(|&need| StageIdx(need)).collect()).collect()
    }

    fn ok(stage: usize) -> Input {
        Input::Settled { stage: StageIdx(stage), succeeded: true }
    }

    #[test]
    fn a_stage_starts_with_the_settling_of_its_last_need() {
        let mut schedule = Schedule::new(&graph(&[&[], &[], &[0, 1]]));
        assert_eq!(schedule.step(&Input::Begin), [Effect::Start(StageIdx(0)), Effect::Start(StageIdx(1))]);
        assert_eq!(schedule.step(&ok(0)), []);
        assert_eq!(schedule.step(&ok(1)), [Effect::Start(StageIdx(2))]);
        assert_eq!(schedule.step(&ok(2)), [Effect::Conclude]);
    }

    #[test]
    fn a_failure_skips_descendants_only() {
        let mut schedule = Schedule::new(&graph(&[&[], &[], &[0], &[2], &[1]]));
        schedule.step(&Input::Begin);
        let effects = schedule.step(&Input::Settled { stage: StageIdx(0), succeeded: false });
        let because = Some(StageIdx(0));
        assert_eq!(
            effects,
            [Effect::Skip { stage: StageIdx(2), because }, Effect::Skip { stage: StageIdx(3), because }]
        );
        assert_eq!(schedule.step(&ok(1)), [Effect::Start(StageIdx(4))]);
    }

    #[test]
    fn nothing_starts_after_a_cancel() {
        let mut schedule = Schedule::new(&graph(&[&[], &[0]]));
        schedule.step(&Input::Begin);
        assert_eq!(schedule.step(&Input::Cancel), [Effect::Skip { stage: StageIdx(1), because: None }]);
        assert_eq!(schedule.step(&ok(0)), [Effect::Conclude]);
        assert_eq!(schedule.step(&ok(0)), [], "the end is said once");
    }

    #[test]
    fn an_empty_plan_concludes_at_once() {
        assert_eq!(Schedule::new(&[]).step(&Input::Begin), [Effect::Conclude]);
    }

    proptest! {
        /// Random DAGs (an edge always points to a lower index), random failures, random order of ends.
        #[test]
        fn every_stage_ends_once_and_only_after_its_needs(
            size in 1usize..24,
            edges in prop::collection::vec((0usize..24, 0usize..24), 0..60),
            failing in prop::collection::btree_set(0usize..24, 0..6),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 24),
        ) {
            let mut needs = vec![BTreeSet::new(); size];
            for (from, to) in edges {
                let (from, to) = (from % size, to % size);
                if to < from { needs[from].insert(to); }
            }
            let lists: Vec<Vec<StageIdx>> =
                needs.iter().map(|set| set.iter().map(|&need| StageIdx(need)).collect()).collect();
            let mut schedule = Schedule::new(&lists);
            let mut running = Vec::new();
            let mut succeeded = BTreeSet::new();
            let mut ended = BTreeSet::new();
            let mut concluded = false;
            let mut effects = schedule.step(&Input::Begin);
            let mut picks = picks.into_iter();
            loop {
                for effect in effects {
                    prop_assert!(!concluded, "nothing comes after the end");
                    match effect {
                        Effect::Start(stage) => {
                            prop_assert!(needs[stage.0].is_subset(&succeeded));
                            running.push(stage.0);
                        }
                        Effect::Skip { stage, because } => {
                            prop_assert!(because.is_some());
                            prop_assert!(!needs[stage.0].is_subset(&succeeded));
                            prop_assert!(ended.insert(stage.0));
                        }
                        Effect::Conclude => concluded = true,
                    }
                }
                if running.is_empty() { break; }
                let pick = picks.next().map_or(0, |pick| pick.index(running.len()));
                let stage = running.remove(pick);
                prop_assert!(ended.insert(stage));
                let success = !failing.contains(&stage);
                if success { succeeded.insert(stage); }
                effects = schedule.step(&Input::Settled { stage: StageIdx(stage), succeeded: success });
            }
            prop_assert!(concluded);
            prop_assert_eq!(ended.len(), size);
        }
    }
}
