//! The way out of a position: one exit at a time, each looked at until it is at rest.

use backstop_broker::{Decimal, PositionEffect, Side};
use backstop_rate_limiter::Priority;
use backstop_reconcile::PositionId;
use backstop_wal::InProgress;

use crate::bot::{Bot, Failure, PAUSE, parts, wait};
use crate::look::{Found, Search};
use crate::story::{Fact, Intent, Records};

/// An exit that was sent, and of which nobody knows yet.
struct Sent<'a> {
    intent: Intent,
    search: Search,
    operation: InProgress<'a, Records>,
}

impl Bot {
    /// Closes a position, and says whether the broker's own lists confirm it.
    pub(crate) fn leave(&self, position: &PositionId) -> Result<bool, Failure> {
        let mut unknown: Option<Sent<'_>> = None;
        for _ in 0..80 {
            let story = self.journal.state();
            let Some(held) = story.book.get(position) else { return Ok(true) };
            let left: Decimal = held.open_legs().map(|leg| leg.left).sum();
            let is_flying = self.in_flight().iter().any(|(_, _, intent)| intent.position == *position);
            // One exit at a time: a second one while the first may live could sell twice.
            if let Some(sent) = unknown.take() {
                let found = self.look_for(&sent.intent, &sent.search);
                unknown = self.end(sent, found)?;
            } else if !left.is_zero() && !is_flying && self.lock.still_held() {
                unknown = self.close(position, left, story.exits_of(position))?;
            }
            drop(self.reconcile()?);
            wait(PAUSE);
        }
        Ok(false)
    }

    fn close(&self, position: &PositionId, left: Decimal, before: usize) -> Result<Option<Sent<'_>>, Failure> {
        // An exit waits for no quote: without one it asks for whatever there is.
        let bid = self.broker.quote(&self.symbol).ok().and_then(|quote| quote.bid.price.value());
        let price = bid.unwrap_or(Decimal::new(1, 2));
        // Without a day nothing is concluded from the list's silence, and the exit leaves all the same.
        let day = self.broker.market_clock().ok().map(|clock| clock.date);
        let slot = position.as_str().rsplit('-').next().unwrap_or_default();
        let attempt = before.saturating_add(1);
        let id = format!("{}-{slot}-close{attempt}-{}", self.prefix(), self.lock.fence());
        let order = self.order(&id, Side::Sell, PositionEffect::Close, u32::try_from(left)?, price)?;
        // No leave in time: at the next pass.
        let Ok(leave) = self.broker.grant(Priority::Exit) else { return Ok(None) };
        let intent = Intent { slot: slot.parse()?, position: position.clone(), order, since: self.clock.wall(), day };
        let operation = self.journal.begin(intent.clone())?.start()?;
        // All of this took time: without the lock another instance may be closing it.
        if !self.lock.still_held() {
            operation.roll_back(&[Fact::Ended { intent, executed: None, at: self.clock.wall() }])?;
            return Err(format!("the lock is lost, and {position} is open: start again").into());
        }
        let found = self.submit(&intent, leave);
        let search = self.search();
        self.end(Sent { intent, search, operation }, found)
    }

    /// Writes down how an exit came to rest; gives it back while nobody knows.
    fn end<'a>(&self, sent: Sent<'a>, found: Found) -> Result<Option<Sent<'a>>, Failure> {
        let intent = sent.intent.clone();
        let ended = |executed| [Fact::Ended { intent: intent.clone(), executed, at: self.clock.wall() }];
        match found {
            Found::AtRest(executed) => {
                let parts = parts(&executed);
                sent.operation.complete(&ended(Some(executed)))?;
                for part in parts? {
                    // A position of an earlier life was paid for before the balance was read that this one began with.
                    match self.cash.snapshot().position(&intent.position) {
                        Some(_) => self.cash.close(&intent.position, part)?,
                        None => self.cash.deposit(-part.paid)?,
                    }
                }
                self.observe();
            }
            Found::NotPlaced(_) => sent.operation.roll_back(&ended(None))?,
            Found::Unknown(_) => return Ok(Some(sent)),
        }
        Ok(None)
    }
}
