//! What a message must be when it comes, in the order in which [`Reason`] lists it.

use backstop_clock::Timestamp;
use rust_decimal::Decimal;

use super::{Alive, Dated, Followed, Last, Stamped};
use crate::policy::{Rules, Source, Stamps};
use crate::refusal::FieldName;
use crate::units::{DECIMALS, NoUnits, duration, nanos, of_mono, of_wall, units};
use crate::{Field, Quote, QuoteSide, Reason};

/// What judging an accepted message later needs of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screened {
    /// The price of each side, in units. `None`: there is none.
    pub(super) bid: Option<i128>,
    pub(super) ask: Option<i128>,
    /// The older stamp of the sides that have a price.
    pub(super) older: Dated,
    /// The newer stamp.
    pub(super) newer: Dated,
}

/// The first moment that a stamp of a quote can have: 1990. What comes in seconds and is read as milliseconds is of 1970.
const EARLIEST: i64 = 631_152_000_000_000_000;
/// The last: 2200.
const LATEST: i64 = 7_258_118_400_000_000_000;

impl Followed {
    pub(super) fn screen(&mut self, quote: &Quote, source: &Source, alive: &mut Alive) -> Result<Screened, Reason> {
        let rules = self.rules;
        let bid = price(FieldName::Bid, &quote.bid, &rules)?;
        let ask = price(FieldName::Ask, &quote.ask, &rules)?;
        size(FieldName::BidSize, &quote.bid)?;
        size(FieldName::AskSize, &quote.ask)?;
        let bid_at = stamp(FieldName::BidStamp, quote.bid.at)?;
        let ask_at = stamp(FieldName::AskStamp, quote.ask.at)?;
        let (older, newer) = match (bid, ask) {
            (None, None) => return Err(Reason::Empty),
            (Some(_), None) => (bid_at.ok_or(Reason::NoStamp { field: FieldName::BidStamp })?, bid_at.max(ask_at)),
            (None, Some(_)) => (ask_at.ok_or(Reason::NoStamp { field: FieldName::AskStamp })?, bid_at.max(ask_at)),
            (Some(_), Some(_)) => {
                let bid_at = bid_at.ok_or(Reason::NoStamp { field: FieldName::BidStamp })?;
                let ask_at = ask_at.ok_or(Reason::NoStamp { field: FieldName::AskStamp })?;
                (bid_at.min(ask_at), Some(bid_at.max(ask_at)))
            }
        };
        let newer = newer.unwrap_or(older);

        let (mono, wall) = (of_mono(quote.received.mono), of_wall(quote.received.wall));
        self.check_order(mono, Stamped { bid: bid_at, ask: ask_at })?;
        // QUOTE-2: neither fresh nor stale. It must not teach us how fast messages are, nor that the feed is alive.
        let ahead = newer.saturating_sub(wall);
        if ahead > nanos(source.max_ahead) {
            return Err(Reason::ClockAhead { ahead: duration(ahead), max: source.max_ahead });
        }
        let moved = self.newest.bid.max(self.newest.ask).is_some_and(|before| before < newer);
        let repeats = self.note(quote, mono, Stamped { bid: bid_at, ask: ask_at });
        let (older, newer) = (Dated::new(older, quote.received), Dated::new(newer, quote.received));
        alive.note(newer, mono, moved);
        if let Stamps::AsOf { max_late } = source.stamps {
            let late = alive.floor.age(older.stamp, mono);
            if late > nanos(max_late) {
                return Err(Reason::Late { late: duration(late), max: max_late });
            }
            // The floor is as slow as the fastest message so far. The first one may be minutes old.
            let (behind, max) = (older.behind(mono), max_late.saturating_add(source.max_offset));
            if behind > nanos(max) {
                return Err(Reason::Behind { behind: duration(behind), max });
            }
        }
        if let (Some(bid_units), Some(ask_units)) = (bid, ask) {
            check_spread(quote, bid_units, ask_units, &rules)?;
        }
        self.check_jump(bid, ask, mono)?;
        if let Some(max) = rules.limits.frozen_after
            && repeats > max.get()
        {
            return Err(Reason::Frozen { repeats, max: max.get() });
        }
        Ok(Screened { bid, ask, older, newer })
    }

    /// QUOTE-4: strictly backwards is rejected; equal times are common.
    fn check_order(&self, received: i64, stamps: Stamped) -> Result<(), Reason> {
        if let Some(last) = self.last
            && received < last.received
        {
            return Err(Reason::ReceivedBackwards { by: duration(last.received.saturating_sub(received)) });
        }
        let sides =
            [(FieldName::BidStamp, stamps.bid, self.newest.bid), (FieldName::AskStamp, stamps.ask, self.newest.ask)];
        for (field, stamp, newest) in sides {
            if let (Some(stamp), Some(newest)) = (stamp, newest)
                && stamp < newest
            {
                return Err(Reason::Backwards { field, by: duration(newest.saturating_sub(stamp)) });
            }
        }
        Ok(())
    }

    /// Remembers a message that is in order, accepted or not. Returns how often it came before, one after the other.
    fn note(&mut self, quote: &Quote, received: i64, stamps: Stamped) -> u32 {
        self.newest = Stamped { bid: stamps.bid.max(self.newest.bid), ask: stamps.ask.max(self.newest.ask) };
        let last = self.rules.limits.frozen_after.and(self.last);
        let same = last.filter(|last| last.bid == quote.bid && last.ask == quote.ask);
        let repeats = same.map_or(0, |last| last.repeats.saturating_add(1));
        self.last = Some(Last { received, bid: quote.bid, ask: quote.ask, repeats });
        repeats
    }

    /// QUOTE-3: against the last quote that was accepted, while that is remembered.
    fn check_jump(&self, bid: Option<i128>, ask: Option<i128>, now: i64) -> Result<(), Reason> {
        let (Some(collar), Some(before)) = (self.rules.limits.collar, self.accepted) else { return Ok(()) };
        if now.saturating_sub(of_mono(before.received.mono)) > self.rules.collar_memory {
            return Ok(());
        }
        // Like with like: a side that joins or leaves moves the mid price, and nobody traded.
        let (from, to) = match (before.screened.bid.zip(bid), before.screened.ask.zip(ask)) {
            (Some((bid_then, bid_now)), Some((ask_then, ask_now))) => (bid_then + ask_then, bid_now + ask_now),
            (Some((then, now)), None) | (None, Some((then, now))) => (2 * then, 2 * now),
            (None, None) => return Ok(()),
        };
        if (to - from).abs() * 10_000 > from * i128::from(collar.max_bps) {
            let shown = |twice| half(twice).unwrap_or_default();
            return Err(Reason::Jumped { from: shown(from), to: shown(to), max_bps: collar.max_bps });
        }
        Ok(())
    }
}

/// Half of so many units, as a price for people.
fn half(units: i128) -> Option<Decimal> {
    let price = Decimal::try_from_i128_with_scale(units, DECIMALS).ok()?.checked_div(Decimal::TWO)?;
    Some(price.normalize())
}

/// QUOTE-3: a price that is possible, or none. Zero is what sources write for a side without orders.
fn price(field: FieldName, side: &QuoteSide, rules: &Rules) -> Result<Option<i128>, Reason> {
    let value = match side.price {
        Field::Missing => return Ok(None),
        Field::Unreadable => return Err(Reason::Unreadable { field }),
        Field::Value(value) => value,
    };
    let enormous = || Reason::Enormous { field, value, max: rules.limits.max_price };
    match units(value) {
        _ if value.is_zero() => Ok(None),
        _ if value.is_sign_negative() => Err(Reason::Negative { field, value }),
        Ok(units) if units > rules.max_price => Err(enormous()),
        Ok(units) => Ok(Some(units)),
        Err(NoUnits::TooLarge) => Err(enormous()),
        Err(NoUnits::TooFine) => Err(Reason::TooFine { field, value }),
    }
}

fn size(field: FieldName, side: &QuoteSide) -> Result<(), Reason> {
    match side.size {
        Field::Unreadable => Err(Reason::Unreadable { field }),
        Field::Value(value) if value.is_sign_negative() && !value.is_zero() => Err(Reason::Negative { field, value }),
        Field::Value(_) | Field::Missing => Ok(()),
    }
}

fn stamp(field: FieldName, at: Field<Timestamp>) -> Result<Option<i64>, Reason> {
    let at = match at {
        Field::Missing => return Ok(None),
        Field::Unreadable => return Err(Reason::Unreadable { field }),
        Field::Value(at) => at,
    };
    let nanos = of_wall(at);
    if (EARLIEST..LATEST).contains(&nanos) { Ok(Some(nanos)) } else { Err(Reason::Implausible { field, at }) }
}

/// QUOTE-3: bid above ask, or further below it than so many basis points of the mid and so many ticks.
fn check_spread(quote: &Quote, bid: i128, ask: i128, rules: &Rules) -> Result<(), Reason> {
    let shown = |side: &QuoteSide| side.price.value().unwrap_or_default();
    if bid > ask {
        return Err(Reason::Crossed { bid: shown(&quote.bid), ask: shown(&quote.ask) });
    }
    // All times 20,000, so that nothing is divided: half of the sum, in ten-thousandths.
    let bps = i128::from(rules.limits.max_spread_bps);
    if (ask - bid - rules.spread) * 20_000 > (bid + ask) * bps {
        let mid = (shown(&quote.bid).saturating_add(shown(&quote.ask))) / Decimal::TWO;
        let relative = mid.saturating_mul(Decimal::new(i64::from(rules.limits.max_spread_bps), 4));
        let fixed = rules.limits.tick.saturating_mul(Decimal::from(rules.limits.max_spread_ticks));
        let widest = relative.saturating_add(fixed).normalize();
        return Err(Reason::TooWide { bid: shown(&quote.bid), ask: shown(&quote.ask), widest });
    }
    Ok(())
}
