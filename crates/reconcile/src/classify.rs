//! Which of the named states a difference is (REC-8), and what else agrees that something is gone (REC-5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop_broker::{BrokerOrderId, ClosedLot, Decimal, Symbol};
use backstop_clock::Mono;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::book::{KNOWN_FOR, day};
use crate::compare::Difference;
use crate::drift::{DriftState, Stake};
use crate::expiry::{Expired, Worth, shares_of};
use crate::intents::Traded;
use crate::look::Look;
use crate::position::Position;
use crate::suspicion::{Agreed, Before};
use crate::tally::Witness;
use crate::units::shrinks;

/// The differences of one look, by symbol, with what belongs together.
#[derive(Debug)]
pub(crate) struct Differences<'l, 'a> {
    look: &'l Look<'a>,
    by_symbol: BTreeMap<&'a Symbol, &'l Difference<'a>>,
    /// Options that were assigned or exercised, and their shares.
    assigned: BTreeMap<Symbol, DriftState>,
    /// What the clearing firm has as closed, by symbol.
    lots: BTreeMap<&'a Symbol, Vec<&'a ClosedLot>>,
    past: &'l Past<'l>,
}

/// What earlier looks say.
#[derive(Debug)]
pub(crate) struct Past<'p> {
    /// Of each symbol that differs: what was before, and since when it is seen to differ as it does.
    pub(crate) of: BTreeMap<&'p Symbol, (Before, Mono)>,
    /// When the orders of others were first seen to be at rest.
    pub(crate) at_rest: &'p BTreeMap<BrokerOrderId, Mono>,
}

impl<'l, 'a> Differences<'l, 'a> {
    pub(crate) fn new(look: &'l Look<'a>, differences: &'l [Difference<'a>], past: &'l Past<'l>) -> Self {
        let by_symbol = differences.iter().map(|difference| (difference.symbol, difference)).collect();
        let mut lots: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for lot in look.reads.closed.as_ref().and_then(|read| read.value()).into_iter().flatten() {
            lots.entry(&lot.symbol).or_default().push(lot);
        }
        let mut all = Self { look, by_symbol, assigned: BTreeMap::new(), lots, past };
        all.assigned = all.assignments();
        all
    }

    /// What a difference looks like.
    pub(crate) fn state(&self, difference: &Difference<'a>) -> DriftState {
        let symbol = difference.symbol;
        if let Some(fault) = difference.row.and_then(|row| row.fault) {
            return DriftState::Unclear { fault };
        }
        let (ours, tracked, delta) = (difference.ours(), difference.tracked, difference.delta());
        if let Some(orders) = &self.look.orders {
            if let Some(overfilled) = orders.overfilled.get(symbol) {
                return DriftState::Overfill { orders: overfilled.clone() };
            }
            if let Some(traded) = orders.unbooked.get(symbol).filter(|traded| sum(traded.iter()) == delta) {
                let orders = traded.iter().map(|traded| traded.order.id.clone()).collect();
                let is_part = traded.iter().any(|traded| traded.is_part);
                return if is_part { DriftState::PartialFill { orders } } else { DriftState::Unbooked { orders } };
            }
        }
        if let Some(state) = self.assigned.get(symbol) {
            return state.clone();
        }
        if let Some(orders) = self.manual(difference) {
            return DriftState::ManualTrade { orders };
        }
        if tracked.is_zero() {
            let overfill = self.closed_too_far(difference);
            return overfill.map_or(DriftState::Orphan, |orders| DriftState::Overfill { orders });
        }
        if ours.is_zero() {
            if let Ok(Some(expired)) = Expired::at(symbol, self.look.now.wall, self.look.config) {
                return DriftState::Expired { on: expired.on };
            }
            let broken = self.holders(difference).filter(|(_, position)| self.stands(position));
            let positions: BTreeSet<_> = broken.map(|(id, _)| id.clone()).collect();
            return if positions.is_empty() { DriftState::Missing } else { DriftState::BrokenSpread { positions } };
        }
        if ours.is_sign_negative() != tracked.is_sign_negative() {
            DriftState::Flipped
        } else if ours.abs() < tracked.abs() {
            DriftState::Smaller
        } else {
            DriftState::Larger
        }
    }

    /// What agrees with the list of positions that so much is gone. Never that list itself, however much of it is there:
    /// one that lacks a row has the others too (REC-5).
    pub(crate) fn witness(&self, difference: &Difference<'a>, state: &DriftState) -> Option<Witness> {
        match state {
            DriftState::Assigned { shares_of, shares, .. } => {
                return Some(Witness::Shares { symbol: shares_of.clone(), quantity: *shares });
            }
            DriftState::ManualTrade { orders } => return Some(Witness::Orders { orders: orders.clone() }),
            DriftState::Expired { .. } => return self.settled(difference).or_else(|| self.closed_lots(difference)),
            // Orders of ours are to be booked: a position that left without them would come back as its opposite.
            DriftState::PartialFill { .. } | DriftState::Unbooked { .. } | DriftState::Overfill { .. } => return None,
            _ => {}
        }
        self.closed_lots(difference).or_else(|| self.balances(difference))
    }

    fn before(&self, difference: &Difference<'a>) -> Before {
        self.past.of.get(difference.symbol).map_or_else(Before::default, |(before, _)| *before)
    }

    /// Whose a difference may be.
    pub(crate) fn stakes(&self, difference: &Difference<'a>) -> Vec<Stake> {
        let holders = difference.net.into_iter().flat_map(|net| &net.holders);
        let stakes = holders.filter_map(|id| {
            let leg = self.look.book.get(id)?.legs.iter().find(|leg| leg.symbol == *difference.symbol)?;
            Some(Stake { position: id.clone(), left: leg.left })
        });
        stakes.collect()
    }

    /// Options of which so many are gone as shares of their underlying came or went.
    fn assignments(&self) -> BTreeMap<Symbol, DriftState> {
        let mut by_underlying: BTreeMap<&Symbol, Vec<(&'a Symbol, Decimal, Decimal)>> = BTreeMap::new();
        for (symbol, difference) in &self.by_symbol {
            let Some(option) = symbol.option() else { continue };
            let gone = -difference.delta();
            if self.look.config.cash_settled.contains(option.root()) || !shrinks(difference.tracked, difference.delta())
            {
                continue;
            }
            let Some((_, position)) = self.holders(difference).next() else { continue };
            let shares = shares_of(&option, gone);
            by_underlying.entry(&position.underlying).or_default().push((symbol, gone, shares));
        }
        let mut assigned = BTreeMap::new();
        for (underlying, options) in by_underlying {
            let Some(shares) = self.by_symbol.get(underlying) else { continue };
            // An assignment sends no order.
            let orders = self.look.orders.as_ref();
            let traded = orders.is_some_and(|orders| orders.unbooked.contains_key(underlying));
            if traded || self.manual(shares).is_some() {
                continue;
            }
            // Shares that were there while the option was come from elsewhere.
            let began = |symbol: &Symbol| self.past.of.get(symbol).map(|(_, began)| *began);
            let options: Vec<_> =
                options.into_iter().filter(|(symbol, ..)| began(symbol) <= began(underlying)).collect();
            let moved = shares.delta();
            let total: Decimal = options.iter().map(|(_, _, shares)| *shares).sum();
            let alone: Vec<_> = options.iter().filter(|(_, _, shares)| *shares == moved).collect();
            let which: Vec<_> = match alone.as_slice() {
                _ if total == moved => options.iter().collect(),
                [one] => vec![*one],
                _ => continue,
            };
            for (symbol, contracts, shares) in which {
                let (option, shares_of) = ((*symbol).clone(), underlying.clone());
                let state = DriftState::Assigned { option, contracts: *contracts, shares_of, shares: *shares };
                assigned.entry(underlying.clone()).or_insert_with(|| state.clone());
                assigned.insert((*symbol).clone(), state);
            }
        }
        assigned
    }

    /// The orders of somebody else that have traded exactly the difference, since it was opened.
    ///
    /// Where it was looked at before, those that came since have traded exactly what is different now. One that was at rest
    /// already while the symbol stood otherwise traded something else: shares of somebody's own, in the same row.
    fn manual(&self, difference: &Difference<'a>) -> Option<BTreeSet<BrokerOrderId>> {
        let traded = self.look.orders.as_ref()?.foreign.get(difference.symbol)?;
        let opened = self.holders(difference).map(|(_, position)| position.opened_at).min();
        let since = opened.map(|at| earlier(at, self.look.config.names.clock_tolerance));
        let is_later =
            |traded: &&Traded<'_>| since.is_none_or(|since| traded.order.created_at.is_some_and(|at| at >= since));
        let traded: Vec<_> = traded.iter().filter(is_later).collect();
        let exact = if let Some((delta, asked)) = self.before(difference).last {
            // What was at rest for less than the lag may have been shown then, or not.
            let since = |lag: Duration| {
                let shown_then = |traded: &Traded<'_>| {
                    let at_rest = self.past.at_rest.get(&traded.order.id);
                    at_rest.is_some_and(|since| asked >= *since && asked.since(*since) >= lag)
                };
                sum(traded.iter().copied().filter(|traded| !shown_then(traded)))
            };
            let wanted = difference.delta() - delta;
            since(self.look.config.lag) == wanted || since(Duration::ZERO) == wanted
        } else {
            sum(traded.iter().copied()) == difference.delta()
        };
        let exact = exact && !traded.is_empty();
        exact.then(|| traded.iter().map(|traded| traded.order.id.clone()).collect())
    }

    /// The closing orders of positions that are closed, where the broker has the opposite of what they opened.
    fn closed_too_far(&self, difference: &Difference<'a>) -> Option<BTreeSet<backstop_broker::BrokerOrderId>> {
        let short = difference.ours().is_sign_negative();
        let of_other_side = |position: &&Position| {
            let leg = position.legs.iter().find(|leg| leg.symbol == *difference.symbol);
            leg.is_some_and(|leg| !leg.opened.is_zero() && leg.opened.is_sign_negative() != short)
        };
        let mut positions = self.holders(difference).map(|(_, position)| position).filter(of_other_side).peekable();
        positions.peek()?;
        Some(positions.flat_map(|position| &position.orders).map(|order| order.broker_order_id().clone()).collect())
    }

    /// Whether any leg of a position that should be there is.
    fn stands(&self, position: &Position) -> bool {
        position.open_legs().any(|leg| {
            self.look.rows.as_ref().is_some_and(|rows| rows.get(&leg.symbol).is_some_and(|row| !row.quantity.is_zero()))
        })
    }

    fn settled(&self, difference: &Difference<'a>) -> Option<Witness> {
        let expired = Expired::at(difference.symbol, self.look.now.wall, self.look.config).ok()??;
        let on = expired.on;
        if expired.settles_in_cash {
            return Some(Witness::CashSettled { on });
        }
        let underlying = self.holders(difference).next().map(|(_, position)| &position.underlying)?;
        // Shares that came or went may be its own, whatever the value says: its holder may exercise what is worth nothing.
        if self.by_symbol.contains_key(underlying) || self.look.config.others.symbols.contains(underlying) {
            return None;
        }
        match expired.worth(underlying, &self.look.reads.settlements) {
            Worth::Nothing { price } => Some(Witness::OutOfTheMoney { on, price }),
            Worth::Something | Worth::NotKnown => None,
        }
    }

    fn closed_lots(&self, difference: &Difference<'a>) -> Option<Witness> {
        let lots = self.lots.get(difference.symbol)?;
        let opened = self.holders(difference).map(|(_, position)| position.opened_at).min()?;
        // It was there when it was last seen, and nobody knows any more what was closed of it in another season.
        let seen = self.before(difference).agreed.map_or(opened, |Agreed { asked, .. }| asked.wall.max(opened));
        // A day of New York is over when the next one has begun in London.
        let first = day(seen.max(self.look.now.wall.checked_sub(KNOWN_FOR).ok()?));
        let of_it = || lots.iter().filter(|lot| lot.closed_on >= first);
        let closed: Decimal = of_it().map(|lot| lot.quantity.abs()).sum();
        let last: Date = of_it().map(|lot| lot.closed_on).max()?;
        // What the book itself has closed is in the report as well, and says nothing of what it still has.
        let known = self.look.book.closings().since(difference.symbol, first) + self.sold_by_others(difference);
        // Where there was more in the row when it was last seen, that is gone as well.
        let less = self.before(difference).last.map_or(Decimal::ZERO, |(delta, _)| (difference.delta() - delta).abs());
        (closed - known >= difference.delta().abs().max(less)).then_some(Witness::ClosedLots { last })
    }

    /// How much of it orders of others have traded the way in which it is missing: they do not explain it, or it had another
    /// witness, and what they closed is in the report as well.
    fn sold_by_others(&self, difference: &Difference<'a>) -> Decimal {
        let traded = self.look.orders.as_ref().and_then(|orders| orders.foreign.get(difference.symbol));
        let same_way = |quantity: &Decimal| quantity.is_sign_negative() == difference.delta().is_sign_negative();
        traded.into_iter().flatten().map(|traded| traded.quantity).filter(same_way).map(|quantity| quantity.abs()).sum()
    }

    /// An account that was worth more than its cash, and now is its cash, holds no shares. An option may be worth nothing.
    fn balances(&self, difference: &Difference<'a>) -> Option<Witness> {
        let balances = self.look.reads.balances.as_ref()?.value()?;
        if difference.symbol.option().is_some() {
            return None;
        }
        let agreed = self.before(difference).agreed;
        let was_worth = self.look.worth_more_at? >= difference.revision() && agreed.is_some();
        let is_cash = balances.total_equity == balances.total_cash;
        let holds_nothing = self.look.rows.as_ref()?.hold_nothing();
        (was_worth && is_cash && holds_nothing).then_some(Witness::Balances { total_cash: balances.total_cash })
    }

    fn holders(&self, difference: &Difference<'a>) -> impl Iterator<Item = (&'a crate::PositionId, &'a Position)> {
        let holders = difference.net.into_iter().flat_map(|net| &net.holders);
        let book = self.look.book;
        holders.filter_map(move |id| Some((id, book.get(id)?)))
    }
}

fn sum<'t, 'a: 't>(traded: impl Iterator<Item = &'t Traded<'a>>) -> Decimal {
    traded.map(|traded| traded.quantity).sum()
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
