//! The operations that are not at rest.

use std::collections::{BTreeMap, BTreeSet};

use super::OperationId;
use crate::operation::State;

/// By number, so in the order in which they were begun.
#[derive(Debug)]
pub(super) struct Table<K> {
    open: BTreeMap<u64, (State, K)>,
    /// Failed ones that somebody may still roll back.
    failed: BTreeSet<u64>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), failed: BTreeSet::new() }
    }
}

impl<K: Clone> Table<K> {
    pub(super) fn restore(operations: Vec<(u64, State, K)>, failed: BTreeSet<u64>) -> Self {
        Self { open: operations.into_iter().map(|(number, state, kind)| (number, (state, kind))).collect(), failed }
    }

    pub(super) fn begin(&mut self, number: u64, kind: K) {
        self.open.insert(number, (State::Pending, kind));
    }

    /// Where an operation is that can still move.
    pub(super) fn state(&self, number: u64) -> Option<State> {
        let failed = self.failed.contains(&number).then_some(State::Failed);
        self.open.get(&number).map(|(state, _)| *state).or(failed)
    }

    /// Makes a move, or says where the operation is that cannot make it.
    pub(super) fn advance(&mut self, number: u64, to: State) -> Result<(), Option<State>> {
        let from = self.state(number);
        let next = from.and_then(|from| from.next(to)).ok_or(from)?;
        self.set(number, next);
        Ok(())
    }

    /// Puts an operation where it is now, however it got there.
    pub(super) fn set(&mut self, number: u64, to: State) {
        self.failed.remove(&number);
        if to == State::Failed {
            self.failed.insert(number);
        }
        if to.is_at_rest() {
            self.open.remove(&number);
        } else if let Some((state, _)) = self.open.get_mut(&number) {
            *state = to;
        }
    }

    pub(super) fn open(&self) -> Vec<(OperationId, State, K)> {
        self.open.iter().map(|(number, (state, kind))| (OperationId(*number), *state, kind.clone())).collect()
    }

    pub(super) fn failed(&self) -> &BTreeSet<u64> {
        &self.failed
    }

    pub(super) fn forget_failed(&mut self) {
        self.failed.clear();
    }

    pub(super) fn forget_one_failed(&mut self, number: u64) {
        self.failed.remove(&number);
    }
}
