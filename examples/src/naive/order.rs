//! An order, from its request to its fill: no answer is no order, and what was canceled is gone.

use std::time::Duration;

use backstop::broker::{Decimal, Leg, OrderKind, Symbol};
use tokio::time::{Instant, sleep};

use super::account::{Standing, Trouble};
use super::book::Book;
use super::say::{follow, say, unfollow};
use super::{Bot, swallow};

/// How often an order is sent that gets no answer.
const SENDS: u32 = 3;

/// An order to be sent.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) slot: u32,
    pub(super) what: &'static str,
    pub(super) underlying: Symbol,
    pub(super) legs: Vec<Leg>,
    pub(super) kind: OrderKind,
}

impl Bot {
    /// Sends the order and waits for its fill. `settle` brings it into the book, with what it did to cash.
    pub(super) async fn execute(&self, order: &Order, settle: impl FnOnce(&mut Book, Decimal)) -> Result<(), String> {
        let (id, tag) = self.send(order).await?;
        // docs/incidents/crash-between-sent-and-saved.md: whoever dies from here on has forgotten the order.
        let filled = self.wait_for_fill(id, order).await;
        if let Ok(cash_flow) = filled {
            settle(&mut *self.book.lock().await, cash_flow);
            self.save().await;
            say(&format!("slot {}: {} filled, {cash_flow} of cash", order.slot, order.what));
        }
        unfollow(&tag);
        filled.map(drop)
    }

    /// docs/incidents/retry-after-timeout.md: what got no answer is sent again, under a new name.
    async fn send(&self, order: &Order) -> Result<(u64, String), String> {
        let Order { slot, what, .. } = order;
        for _ in 0..SENDS {
            let tag = format!("nv-{}-{slot}-{what}-{}", self.strategy.name(), self.clock.wall().as_microsecond());
            say(&format!("slot {slot}: {what}"));
            follow(&tag, &order.legs);
            match self.account.place(&tag, &order.underlying, &order.legs, order.kind).await {
                Ok(id) => return Ok((id, tag)),
                Err(trouble) => {
                    unfollow(&tag);
                    if let Trouble::Refused(_) = trouble {
                        return Err(trouble.to_string());
                    }
                    say(&format!("slot {slot}: {what}: {trouble}: trying again"));
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(format!("no answer to {SENDS} requests"))
    }

    /// What the fill did to cash.
    async fn wait_for_fill(&self, id: u64, order: &Order) -> Result<Decimal, String> {
        let deadline = Instant::now() + self.args.fill_timeout;
        loop {
            sleep(self.args.poll).await;
            match self.account.order(id).await {
                Ok(standing) => match standing.status.as_str() {
                    "filled" => return Ok(cash_flow(order, &standing)),
                    "canceled" | "rejected" | "expired" => return Err(standing.status),
                    _ => {}
                },
                Err(trouble) => swallow("order", &trouble.to_string()),
            }
            if Instant::now() >= deadline {
                // docs/incidents/release-in-finally.md: canceled is what was asked for. That a part was filled, or all of it in the
                // meantime, nobody looks up.
                if let Err(trouble) = self.account.cancel(id).await {
                    swallow("cancel", &trouble.to_string());
                }
                return Err("not filled in time, canceled".to_owned());
            }
        }
    }
}

/// `avg_fill_price or price`, times what was asked for.
pub(super) fn cash_flow(order: &Order, standing: &Standing) -> Decimal {
    let wanted = match order.kind {
        OrderKind::Limit { price } | OrderKind::Debit { price } => price,
        OrderKind::Credit { price } => -price,
        _ => Decimal::ZERO,
    };
    let paid = standing.average.unwrap_or(wanted);
    let Some(first) = order.legs.first() else { return Decimal::ZERO };
    let signed = if order.legs.len() == 1 { first.side.signed(paid) } else { paid };
    -(signed * Decimal::from(first.quantity) * first.symbol.multiplier())
}
