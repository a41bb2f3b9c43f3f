//! Looking for an order: what the broker's lists say of it, and when its absence is proof (DESK-7).

use std::time::Duration;

use backstop_broker::Lookup;
use backstop_clock::{Mono, Timestamp};
use backstop_reconcile::Executed;

use crate::bot::{Bot, PAUSE, SETTLE, wait};
use crate::story::Intent;

/// How far the broker's clock and ours may be apart.
const CLOCKS: Duration = Duration::from_secs(1);

/// What the broker's lists say of an order.
pub(crate) enum Found {
    AtRest(Executed),
    NotPlaced(String),
    Unknown(String),
}

/// When an order had been sent at the latest.
pub(crate) struct Search {
    by: Timestamp,
    settled: Mono,
}

impl Bot {
    /// For an order that has been sent by now.
    pub(crate) fn search(&self) -> Search {
        Search { by: self.clock.wall(), settled: self.clock.mono().plus(SETTLE) }
    }

    /// Looks for the order by our name for it, with pauses, for as long as it may still land and a little longer.
    pub(crate) fn find(&self, intent: &Intent, search: &Search) -> Found {
        let mut last = String::new();
        for _ in 0..30 {
            match self.look_for(intent, search) {
                Found::Unknown(reason) => last = reason,
                found => return found,
            }
            wait(PAUSE);
        }
        Found::Unknown(last)
    }

    /// Looks once.
    pub(crate) fn look_for(&self, intent: &Intent, search: &Search) -> Found {
        let asked = self.clock.mono();
        let list = match self.broker.orders() {
            Ok(list) => list,
            Err(error) => return Found::Unknown(error.to_string()),
        };
        match list.find(intent.id()) {
            Lookup::One(order) => Executed::of(intent.id(), &order)
                .map_or_else(|| Found::Unknown(format!("{} is {}", intent.id(), order.status)), Found::AtRest),
            Lookup::Several(orders) => Found::Unknown(format!("{} orders of one intent", orders.len())),
            Lookup::NotListed => {
                // The list is of the broker's day: one of another day lacks the order whatever became of it.
                match self.broker.market_clock() {
                    Ok(clock) if intent.day == Some(clock.date) => {}
                    Ok(_) => return Found::Unknown(format!("{} is of another day than the list", intent.id())),
                    Err(error) => return Found::Unknown(error.to_string()),
                }
                // Later by the broker's clock, which may be ahead of ours; and asked for when nothing could land any more.
                let sent_by = search.by.max(intent.since).checked_add(CLOCKS).unwrap_or(Timestamp::MAX);
                match list.proof_of_absence(intent.id(), sent_by).filter(|_| asked > search.settled) {
                    Some(proof) => Found::NotPlaced(format!("the list reaches to {} and lacks it", proof.witness())),
                    None => Found::Unknown(format!("{} is not listed, which proves nothing yet", intent.id())),
                }
            }
        }
    }
}
