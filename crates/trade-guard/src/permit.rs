//! Leave to try once, and its ends.

use std::sync::Arc;

use crate::key::Key;
use crate::node::{End, Node};
use crate::store::{Event, Record, StoreError, cut};
use crate::word::Word;

/// Leave to try once. Whoever has it is alone with its key until it ends.
///
/// It ends by [`executed`](Permit::executed), [`not_executed`](Permit::not_executed), or, dropped in any other way, with
/// its key *unresolved*: by an early return, a panic, a canceled task. Forgotten ([`std::mem::forget`]), the key stays in
/// progress; it does not open either.
///
/// It can be sent to other threads and tasks. One that was made through a [`Handle`](crate::Handle) borrows it;
/// [`into_owned`](Permit::into_owned) ends that.
#[must_use = "dropping a permit without a verdict shuts its key until it is resolved"]
#[derive(Debug)]
pub struct Permit<'a> {
    node: Held<'a>,
    inside: Word,
    /// What becomes of the key if this is dropped; `None` once it has ended.
    if_dropped: Option<End>,
}

#[derive(Debug)]
enum Held<'a> {
    Borrowed(&'a Arc<Node>),
    Owned(Arc<Node>),
}

/// An attempt: the n-th for a key. What [`TradeGuard::resolve`](crate::TradeGuard::resolve) settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a name that operators type")]
pub struct Attempt {
    /// Of what.
    pub key: Key,
    /// Which one.
    pub number: u64,
}

/// The end of an attempt counts in this process, and is not known to be written down.
#[derive(Debug, thiserror::Error)]
#[error("the end of attempt {} for {} may not be on disk; if not, it is unresolved after a restart", .attempt.number, .attempt.key)]
#[non_exhaustive]
pub struct NotRecorded {
    /// Whose.
    pub attempt: Attempt,
    /// Why.
    pub source: StoreError,
}

impl<'a> Permit<'a> {
    pub(crate) fn borrowed(node: &'a Arc<Node>, inside: Word) -> Self {
        Self { node: Held::Borrowed(node), inside, if_dropped: Some(End::NotExecuted) }
    }

    /// What was entered.
    pub fn key(&self) -> &Key {
        self.node().key()
    }

    /// Which attempt this is.
    pub fn attempt(&self) -> Attempt {
        Attempt { key: *self.key(), number: self.node().attempt() }
    }

    /// The same, not bound to a handle.
    pub fn into_owned(mut self) -> Permit<'static> {
        let node = match &self.node {
            Held::Borrowed(node) => Arc::clone(node),
            Held::Owned(node) => Arc::clone(node),
        };
        Permit { node: Held::Owned(node), inside: self.inside, if_dropped: self.if_dropped.take() }
    }

    /// Something was opened, all of it or a part: counts against the limit.
    ///
    /// # Errors
    /// [`NotRecorded`]: it counts in this process, and may be unresolved after a restart. Never without a claim store.
    ///
    /// # Durability
    /// With a claim store it is on disk when this returns; the calling thread waits for that.
    pub fn executed(mut self) -> Result<(), NotRecorded> {
        let record = self.end(End::Executed, || Event::Executed);
        write(self.node(), record)
    }

    /// Nothing was opened and nothing will be, certainly: the key is free again. The reason is for the record.
    ///
    /// # Errors
    /// [`NotRecorded`]: it counts in this process, and may be unresolved after a restart. Never without a claim store.
    ///
    /// # Durability
    /// As [`executed`](Permit::executed).
    pub fn not_executed(mut self, reason: &str) -> Result<(), NotRecorded> {
        let record = self.end(End::NotExecuted, || Event::NotExecuted { reason: cut(reason) });
        write(self.node(), record)
    }

    /// As [`executed`](Permit::executed), for tasks: does not hold up a runtime's worker, and needs no runtime.
    ///
    /// # Errors
    /// As [`executed`](Permit::executed).
    ///
    /// # Cancel safety
    /// Dropped before it was first polled, the key is unresolved. After that the verdict counts in this process, and may be
    /// unresolved after a restart.
    pub async fn executed_async(mut self) -> Result<(), NotRecorded> {
        let record = self.end(End::Executed, || Event::Executed);
        write_async(self.node(), record).await
    }

    /// As [`not_executed`](Permit::not_executed), for tasks: does not hold up a runtime's worker, and needs no runtime.
    ///
    /// # Errors
    /// As [`executed`](Permit::executed).
    ///
    /// # Cancel safety
    /// As [`executed_async`](Permit::executed_async).
    pub async fn not_executed_async(mut self, reason: &str) -> Result<(), NotRecorded> {
        let record = self.end(End::NotExecuted, || Event::NotExecuted { reason: cut(reason) });
        write_async(self.node(), record).await
    }

    /// The claim is where it has to be: from here on only a verdict opens the key again.
    pub(crate) fn given(mut self) -> Self {
        self.if_dropped = Some(End::Lost);
        self
    }

    /// What to write down of this attempt, if anything is.
    pub(crate) fn record(&self, event: impl FnOnce() -> Event) -> Option<Record> {
        let keeper = self.node().keeper.as_ref()?;
        let Attempt { key, number } = self.attempt();
        Some(Record { key, attempt: number, at: keeper.clock.wall(), event: event() })
    }

    /// What to write down before this may be given to `by`. It carries the count, so that the end of an earlier attempt
    /// that could not be written down is made up for.
    pub(crate) fn claim(&self, by: &str) -> Option<Record> {
        self.record(|| Event::Claimed { by: by.to_owned(), executed: self.inside.executed() })
    }

    pub(crate) fn node(&self) -> &Node {
        match &self.node {
            Held::Borrowed(node) => node,
            Held::Owned(node) => node,
        }
    }

    /// Ends it in memory first: the verdict is the truth, whatever becomes of its record.
    fn end(&mut self, end: End, event: impl FnOnce() -> Event) -> Option<Record> {
        let record = self.record(event);
        self.settle(end);
        record
    }

    pub(crate) fn settle(&mut self, end: End) {
        self.if_dropped = None;
        self.node().end(self.inside, end);
    }
}

impl Permit<'static> {
    pub(crate) fn owned(node: Arc<Node>, inside: Word) -> Self {
        Self { node: Held::Owned(node), inside, if_dropped: Some(End::NotExecuted) }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // GUARD-3: whatever dropped it, what was not said did not happen. One that was never handed out, because its claim
        // was refused or given up, is nobody's attempt.
        if let Some(end) = self.if_dropped.take() {
            self.node().end(self.inside, end);
        }
    }
}

fn write(node: &Node, record: Option<Record>) -> Result<(), NotRecorded> {
    match (&node.keeper, record) {
        (Some(keeper), Some(record)) => keeper.store.append(&record).map_err(|source| not_recorded(&record, source)),
        _ => Ok(()),
    }
}

async fn write_async(node: &Node, record: Option<Record>) -> Result<(), NotRecorded> {
    match (&node.keeper, record) {
        (Some(keeper), Some(record)) => {
            keeper.store.append_async(&record).await.map_err(|source| not_recorded(&record, source))
        }
        _ => Ok(()),
    }
}

fn not_recorded(record: &Record, source: StoreError) -> NotRecorded {
    NotRecorded { attempt: Attempt { key: record.key, number: record.attempt }, source }
}
