//! Exits: one position after the other is looked at, and left when the strategy says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backstop::broker::{Decimal, Leg, OrderKind, PositionEffect, Quantity, Side};
use tokio::time::{Instant, sleep};

use super::book::{Held, HeldLeg};
use super::order::Order;
use super::say::say;
use super::{Bot, COMPARE_EVERY, TRIES, swallow};
use crate::strategy::PATIENCE;

/// A position that was opened this lately is not looked for in the broker's list.
const GRACE: Duration = Duration::from_secs(1);

impl Bot {
    /// Looks at every position in turn, until all is over. Whoever takes long holds up those behind.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut tries: BTreeMap<u32, u32> = BTreeMap::new();
        let mut compare_at = Instant::now() + COMPARE_EVERY;
        while !self.is_over.load(Ordering::SeqCst) {
            sleep(self.args.poll).await;
            self.pid_file.beat();
            if Instant::now() >= compare_at {
                self.compare().await;
                compare_at = Instant::now() + COMPARE_EVERY;
            }
            let positions = self.book.lock().await.positions.clone();
            for held in positions {
                let tried = tries.entry(held.slot).or_default();
                if let Err(error) = self.look_at(&held, tried).await {
                    swallow(&format!("slot {}", held.slot), &error);
                }
            }
        }
    }

    /// docs/incidents/fresh-fill-taken-for-closed.md: one look at one list, symbols only.
    async fn compare(&self) {
        let symbols = match self.account.symbols_held().await {
            Ok(symbols) => symbols,
            Err(trouble) => return swallow("positions", &trouble.to_string()),
        };
        let positions = self.book.lock().await.positions.clone();
        let now = self.clock.wall();
        let is_old = |held: &Held| Duration::try_from(now.duration_since(held.opened_at)).is_ok_and(|age| age > GRACE);
        for held in positions.into_iter().filter(is_old) {
            if held.legs.iter().any(|leg| !symbols.contains(leg.symbol.as_str())) {
                self.forget(held.slot, "closed at broker").await;
            }
        }
    }

    /// docs/incidents/position-dropped.md: off the list, and nobody looks at it any more.
    async fn forget(&self, slot: u32, why: &str) {
        self.book.lock().await.remove(slot);
        self.save().await;
        say(&format!("slot {slot}: {why}"));
    }

    async fn look_at(&self, held: &Held, tried: &mut u32) -> Result<(), String> {
        // What closing would cost, over all legs, and per share.
        let (mut closing, mut net) = (Decimal::ZERO, Decimal::ZERO);
        for leg in &held.legs {
            // docs/incidents/banned-for-polling.md: a request for each leg, as often as the loop comes by.
            let quote = self.quote(&leg.symbol).await?;
            let price = if leg.side() == Side::Sell { quote.ask.price } else { quote.bid.price };
            let price = price.value().ok_or_else(|| format!("no price of {}", leg.symbol))?;
            closing += price * Decimal::from(leg.quantity) * leg.symbol.multiplier();
            net -= leg.side().signed(price);
        }
        let held_for = self.clock.wall().duration_since(held.opened_at);
        let is_over = Duration::try_from(held_for).is_ok_and(|held_for| held_for >= self.args.hold);
        let by_result = || self.strategy.by_result(held.cash_flow, closing);
        let Some(reason) = is_over.then(|| "time".to_owned()).or_else(by_result) else { return Ok(()) };
        say(&format!("slot {}: leaving: {reason}", held.slot));
        let kind = if *tried < PATIENCE { priced(held, net) } else { OrderKind::Market };
        *tried += 1;
        let legs = held.legs.iter().map(closing_leg).collect::<Result<_, _>>()?;
        let underlying = self.strategy.reference().clone();
        let order = Order { slot: held.slot, what: "close", underlying, legs, kind };
        let closed = self.execute(&order, |book, cash_flow| {
            book.cash += cash_flow;
            book.remove(held.slot);
        });
        match closed.await {
            // The broker has nothing that could be closed.
            Err(error) if error.contains("Unexpected") => self.forget(held.slot, "closed at broker").await,
            Err(error) if *tried >= TRIES => self.forget(held.slot, &format!("given up: {error}")).await,
            closed => return closed,
        }
        Ok(())
    }
}

/// At the price that the quotes show; `net` is paid if above zero.
fn priced(held: &Held, net: Decimal) -> OrderKind {
    let price = net.abs().round_dp(2);
    match held.legs.len() {
        _ if price.is_zero() => OrderKind::Market,
        1 => OrderKind::Limit { price },
        _ if net > Decimal::ZERO => OrderKind::Debit { price },
        _ => OrderKind::Credit { price },
    }
}

fn closing_leg(leg: &HeldLeg) -> Result<Leg, String> {
    let quantity = u32::try_from(leg.quantity.unsigned_abs()).map_err(|error| error.to_string())?;
    let quantity = Quantity::new(quantity).map_err(|error| error.to_string())?;
    let side = if leg.side() == Side::Sell { Side::Buy } else { Side::Sell };
    Ok(Leg { symbol: leg.symbol.clone(), side, effect: PositionEffect::Close, quantity })
}
