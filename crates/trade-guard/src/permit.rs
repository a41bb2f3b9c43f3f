//! Leave to try once, and its ends.

use std::sync::Arc;

use crate::key::Key;
use crate::node::{End, Node};
use crate::store::{Event, Keeper, Record, StoreError, cut};
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
    #[inline]
    pub(crate) fn borrowed(node: &'a Arc<Node>, inside: Word) -> Self {
        Self { node: Held::Borrowed(node), inside, if_dropped: Some(End::Lost) }
    }

    /// Nobody has it yet: dropped, because its claim was refused or given up, it was nobody's attempt.
    pub(crate) fn not_yet_given(self) -> Self {
        Self::becoming(self, End::NotExecuted)
    }

    /// The claim is where it has to be: from here on only a verdict opens the key again.
    pub(crate) fn given(self) -> Self {
        Self::becoming(self, End::Lost)
    }

    fn becoming(mut self, if_dropped: End) -> Self {
        self.if_dropped = Some(if_dropped);
        self
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
    #[inline]
    pub fn executed(mut self) -> Result<(), NotRecorded> {
        if self.node().keeper.is_some() {
            return self.end_and_record(End::Executed, Event::Executed);
        }
        self.settle(End::Executed);
        Ok(())
    }

    /// Nothing was opened and nothing will be, certainly: the key is free again. The reason is for the record.
    ///
    /// # Errors
    /// [`NotRecorded`]: it counts in this process, and may be unresolved after a restart. Never without a claim store.
    ///
    /// # Durability
    /// As [`executed`](Permit::executed).
    #[inline]
    pub fn not_executed(mut self, reason: &str) -> Result<(), NotRecorded> {
        if self.node().keeper.is_some() {
            return self.end_and_record(End::NotExecuted, Event::NotExecuted { reason: cut(reason) });
        }
        self.settle(End::NotExecuted);
        Ok(())
    }

    /// As [`executed`](Permit::executed), for tasks: does not hold up a runtime's worker, and needs no runtime.
    ///
    /// # Errors
    /// As [`executed`](Permit::executed).
    ///
    /// # Cancel safety
    /// Dropped before it was first polled, the key is unresolved. After that the verdict counts in this process, and may be
    /// unresolved after a restart.
    pub async fn executed_async(self) -> Result<(), NotRecorded> {
        self.end_and_record_async(End::Executed, Event::Executed).await
    }

    /// As [`not_executed`](Permit::not_executed), for tasks: does not hold up a runtime's worker, and needs no runtime.
    ///
    /// # Errors
    /// As [`executed`](Permit::executed).
    ///
    /// # Cancel safety
    /// As [`executed_async`](Permit::executed_async).
    pub async fn not_executed_async(self, reason: &str) -> Result<(), NotRecorded> {
        self.end_and_record_async(End::NotExecuted, Event::NotExecuted { reason: cut(reason) }).await
    }

    /// What to write down before this may be given to `by`. It carries the count, so that the end of an earlier attempt
    /// that could not be written down is made up for.
    pub(crate) fn claim(&self, by: &str) -> Option<(&Keeper, Record)> {
        self.record(Event::Claimed { by: by.to_owned(), executed: self.inside.executed() })
    }

    /// What to write down of this attempt, and where, if it is.
    pub(crate) fn record(&self, event: Event) -> Option<(&Keeper, Record)> {
        let keeper = self.node().keeper.as_deref()?;
        let Attempt { key, number } = self.attempt();
        Some((keeper, Record { key, attempt: number, at: keeper.clock.wall(), event }))
    }

    #[inline]
    pub(crate) fn settle(&mut self, end: End) {
        self.if_dropped = None;
        self.node().end(self.inside, end);
    }

    /// Ends it in memory first: the verdict is the truth, whatever becomes of its record.
    #[cold]
    fn end_and_record(mut self, end: End, event: Event) -> Result<(), NotRecorded> {
        let record = self.record(event).map(|(_, record)| record);
        self.settle(end);
        match (&self.node().keeper, record) {
            (Some(keeper), Some(record)) => {
                keeper.store.append(&record).map_err(|source| not_recorded(&record, source))
            }
            _ => Ok(()),
        }
    }

    async fn end_and_record_async(mut self, end: End, event: Event) -> Result<(), NotRecorded> {
        let record = self.record(event).map(|(_, record)| record);
        self.settle(end);
        match (&self.node().keeper, record) {
            (Some(keeper), Some(record)) => {
                keeper.store.append_async(&record).await.map_err(|source| not_recorded(&record, source))
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn node(&self) -> &Node {
        match &self.node {
            Held::Borrowed(node) => node,
            Held::Owned(node) => node,
        }
    }
}

impl Permit<'static> {
    pub(crate) fn owned(node: Arc<Node>, inside: Word) -> Self {
        Self { node: Held::Owned(node), inside, if_dropped: Some(End::Lost) }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        // GUARD-3: whatever dropped it, what was not said did not happen.
        if let Some(end) = self.if_dropped.take() {
            self.node().end(self.inside, end);
        }
    }
}

fn not_recorded(record: &Record, source: StoreError) -> NotRecorded {
    NotRecorded { attempt: Attempt { key: record.key, number: record.attempt }, source }
}
