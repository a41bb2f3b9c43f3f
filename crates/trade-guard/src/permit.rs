//! Leave to try once, and its ends.

use std::sync::Arc;

use crate::key::Key;
use crate::node::{End, Node};
use crate::store::{Event, Keeper, Record, StoreError, cut};

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
pub struct Permit<'a>(Hold<'a>);

/// Who is inside of a node. Two words, so that it goes in registers.
#[derive(Debug)]
enum Hold<'a> {
    Borrowed(&'a Arc<Node>),
    Owned(Arc<Node>),
    /// It has ended.
    Over,
}

/// An attempt whose claim is being written down. Dropped, because that was refused or given up, it was nobody's.
#[derive(Debug)]
pub(crate) struct Claiming<'a>(Hold<'a>);

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

impl Hold<'_> {
    #[inline]
    fn node(&self) -> Option<&Node> {
        match self {
            Self::Borrowed(node) => Some(node),
            Self::Owned(node) => Some(node),
            Self::Over => None,
        }
    }

    #[inline]
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Over)
    }

    /// Ends the attempt, if it has not ended.
    #[inline]
    fn end(&mut self, end: End) {
        if let Some(node) = self.take().node() {
            node.end(end);
        }
    }

    #[inline]
    fn is_recorded(&self) -> bool {
        self.node().is_some_and(|node| node.keeper.is_some())
    }

    /// Ends the attempt and says what to write down of that. In memory first: the verdict is the truth, whatever becomes of
    /// its record.
    fn end_with(&mut self, end: End, event: Event) -> Option<(Arc<Keeper>, Record)> {
        let keeper = self.node().and_then(|node| node.keeper.clone());
        let record = self.record(event).map(|(_, record)| record);
        self.end(end);
        keeper.zip(record)
    }

    /// What to write down of the attempt, and where, if it is.
    fn record(&self, event: Event) -> Option<(&Keeper, Record)> {
        let node = self.node()?;
        let keeper = node.keeper.as_deref()?;
        Some((keeper, Record { key: *node.key(), attempt: node.attempt(), at: keeper.clock.wall(), event }))
    }
}

impl<'a> Permit<'a> {
    #[inline]
    pub(crate) fn borrowed(node: &'a Arc<Node>) -> Self {
        Self(Hold::Borrowed(node))
    }

    /// What was entered.
    pub fn key(&self) -> &Key {
        // Whoever has a permit to ask has one that has not ended: ends consume it.
        self.0.node().map_or(&Key::NONE, Node::key)
    }

    /// Which attempt this is.
    pub fn attempt(&self) -> Attempt {
        Attempt { key: *self.key(), number: self.0.node().map_or(0, Node::attempt) }
    }

    /// The same, not bound to a handle.
    pub fn into_owned(mut self) -> Permit<'static> {
        Permit(match self.0.take() {
            Hold::Borrowed(node) => Hold::Owned(Arc::clone(node)),
            Hold::Owned(node) => Hold::Owned(node),
            Hold::Over => Hold::Over,
        })
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
        if self.0.is_recorded() {
            return self.end_and_record(End::Executed, Event::Executed);
        }
        self.0.end(End::Executed);
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
        if self.0.is_recorded() {
            return self.end_and_record(End::NotExecuted, Event::NotExecuted { reason: cut(reason) });
        }
        self.0.end(End::NotExecuted);
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

    #[cold]
    fn end_and_record(mut self, end: End, event: Event) -> Result<(), NotRecorded> {
        let Some((keeper, record)) = self.0.end_with(end, event) else { return Ok(()) };
        keeper.store.append(&record).map_err(|source| not_recorded(&record, source))
    }

    async fn end_and_record_async(mut self, end: End, event: Event) -> Result<(), NotRecorded> {
        let Some((keeper, record)) = self.0.end_with(end, event) else { return Ok(()) };
        keeper.store.append_async(&record).await.map_err(|source| not_recorded(&record, source))
    }

    /// What to write down of this attempt, and where, if it is.
    pub(crate) fn record(&self, event: Event) -> Option<(&Keeper, Record)> {
        self.0.record(event)
    }

    /// An end that is written down already.
    pub(crate) fn settle(mut self, end: End) {
        self.0.end(end);
    }
}

impl Permit<'static> {
    #[inline]
    pub(crate) fn owned(node: Arc<Node>) -> Self {
        Self(Hold::Owned(node))
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        // GUARD-3: whatever dropped it, what was not said did not happen.
        self.0.end(End::Lost);
    }
}

impl<'a> Claiming<'a> {
    /// `permit` before it is given to anybody.
    pub(crate) fn new(mut permit: Permit<'a>) -> Self {
        Self(permit.0.take())
    }

    /// What to write down first. It carries the count, so that the end of an earlier attempt that could not be written
    /// down is made up for.
    pub(crate) fn record(&self, by: &str) -> Option<(&Keeper, Record)> {
        let executed = self.0.node()?.word().executed();
        self.0.record(Event::Claimed { by: by.to_owned(), executed })
    }

    /// The claim is where it has to be: from here on only a verdict opens the key again.
    pub(crate) fn given(mut self) -> Permit<'a> {
        Permit(self.0.take())
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        self.0.end(End::NotExecuted);
    }
}

fn not_recorded(record: &Record, source: StoreError) -> NotRecorded {
    NotRecorded { attempt: Attempt { key: record.key, number: record.attempt }, source }
}
