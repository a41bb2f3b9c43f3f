//! Which reads would tell more: what was missed while nobody looked, and what a witness could say (REC-9).

use std::collections::BTreeSet;

use backstop_clock::nyse::Day;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::drift::{DriftState, Plan};
use crate::expiry::Expired;
use crate::intents::{Intents, Stage};
use crate::look::Look;
use crate::run::{Need, Run};
use crate::verdict::Source;

/// What the list of orders should have had and does not: it ends where the broker's day began.
pub(crate) fn of_orders(look: &Look<'_>, intents: &Intents) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    let Some(orders) = &look.orders else {
        return BTreeSet::from([Need::Again { source: Source::Orders }]);
    };
    let today = day(look.reads.orders.asked.wall);
    for (id, intent) in intents {
        let order = match &intent.stage {
            Stage::InFlight { order } | Stage::InDoubt { order } => order,
            Stage::AtRest { .. } | Stage::NothingFilled => continue,
        };
        let client_order_id = id.clone();
        match (order, day(intent.since)) {
            (Some(order), _) if !orders.listed.contains(order) => {
                needs.insert(Need::Order { order: order.clone(), client_order_id });
            }
            (None, Some(day)) if today.is_some_and(|today| day < today) => {
                needs.insert(Need::OrdersOf { day, client_order_id });
            }
            (Some(_) | None, _) => {}
        }
    }
    needs
}

/// What would explain what differs.
pub(crate) fn of_run(look: &Look<'_>, run: &Run) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    if look.rows.is_none() {
        needs.insert(Need::Again { source: Source::Positions });
    }
    for drift in run.drift.iter().filter(|drift| drift.plan != Plan::Correct && drift.plan != Plan::Adopt) {
        let opened = drift.may_belong.iter().filter_map(|stake| look.book.get(&stake.position));
        let opened = opened.map(|position| position.opened_at).min();
        match &drift.state {
            DriftState::Missing | DriftState::BrokenSpread { .. } | DriftState::Smaller => {
                if look.reads.balances.is_none() {
                    needs.insert(Need::Balances);
                }
                if let Some(since) = opened.map(first_day)
                    && look.reads.closed.is_none()
                {
                    needs.insert(Need::ClosedLots { since });
                }
            }
            DriftState::Expired { .. } => {
                let expired = Expired::at(&drift.symbol, look.now.wall, look.config);
                let Ok(Some(Expired { on, settles_in_cash: false, .. })) = expired else { continue };
                let holder = drift.may_belong.first().and_then(|stake| look.book.get(&stake.position));
                let known = |underlying| look.reads.settlements.iter().any(|known| known.underlying == underlying);
                if let Some(underlying) = holder.map(|position| position.underlying.clone())
                    && !known(underlying.clone())
                {
                    needs.insert(Need::Settlement { underlying, on });
                }
            }
            _ => {}
        }
    }
    needs
}

/// The day in New York.
fn day(at: Timestamp) -> Option<Date> {
    match Day::at(at) {
        Ok(Day::Trading(day)) => Some(day.date),
        Ok(Day::Closed(day)) => Some(day.date),
        Err(_) => None,
    }
}

/// The day in New York, and where the exchange's calendar ends, one that is no later.
fn first_day(at: Timestamp) -> Date {
    let utc = || at.to_zoned(jiff::tz::TimeZone::UTC).date();
    day(at).unwrap_or_else(|| utc().yesterday().unwrap_or_else(|_| utc()))
}
