//! Entries: until the slot's time is over, or the file says that it is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::book::{Held, HeldLeg};
use super::order::Order;
use super::{Bot, swallow};
use crate::strategy::expiration;

impl Bot {
    /// Tries to enter a slot until its time is over.
    pub(super) async fn enter(self: Arc<Self>, slot: u32, until: Instant) {
        // docs/incidents/same-trade-twice.md: what is being done is nowhere to be seen, only what is in the file.
        while !self.book.lock().await.has_entered(slot) && Instant::now() < until {
            // docs/incidents/snapshot-restored.md: a copy of everything, to put back when anything goes wrong.
            let before = self.book.lock().await.clone();
            // docs/incidents/release-in-finally.md: whatever was sent by then, the slot is free again.
            if let Err(error) = self.try_to_enter(slot).await {
                swallow(&format!("slot {slot}"), &error);
                *self.book.lock().await = before;
                self.save().await;
            }
            sleep((self.args.poll * 2).max(Duration::from_millis(200))).await;
        }
    }

    async fn try_to_enter(&self, slot: u32) -> Result<(), String> {
        let level = self.quote(self.strategy.reference()).await?;
        let day = expiration(self.day, self.clock.wall());
        let book = self.book.lock().await.clone();
        let legs = self.strategy.legs_beside(day, &level, slot, |symbol, side| book.is_held(symbol, side))?;
        let mut quotes = Vec::new();
        for (symbol, _) in &legs {
            quotes.push(self.quote(symbol).await?);
        }
        let plan = self.strategy.entry(&quotes.iter().collect::<Vec<_>>())?;
        // docs/incidents/overdraft.md: check, then deduct. Who enters beside this one sees the same cash.
        if book.cash < plan.reserve {
            return Err(format!("{} of cash, and {} needed", book.cash, plan.reserve));
        }
        let order = Order { slot, what: "open", underlying: plan.underlying, legs: plan.legs, kind: plan.kind };
        let legs = order.legs.iter().map(HeldLeg::from).collect();
        self.execute(&order, |book, cash_flow| book.enter(Held { slot, legs, opened_at: self.clock.wall(), cash_flow }))
            .await
    }
}
