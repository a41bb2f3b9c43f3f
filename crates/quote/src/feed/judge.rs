//! What stands of a symbol when it is to be used, in the order in which [`Reason`] lists it.

use backstop_clock::Mono;
use rust_decimal::Decimal;

use super::{Accepted, Feed};
use crate::fresh::clock_step;
use crate::policy::{Limits, Stamps};
use crate::refusal::FieldName;
use crate::units::{duration, nanos, of_mono};
use crate::{Field, Market, MarketState, Need, Now, QuoteSide, Reason, Symbol};

/// A quote that may be used, and how long.
pub(super) struct Judged<'a> {
    pub(super) accepted: &'a Accepted,
    pub(super) until: Mono,
}

/// The least time that any limit leaves.
struct Left(i64);

impl Left {
    /// Whether `age` is within `max`. At the limit it is.
    fn allows(&mut self, age: i64, max: i64) -> bool {
        let left = max.saturating_sub(age);
        self.0 = self.0.min(left);
        left >= 0
    }
}

impl Feed {
    /// Without a market it is judged for an exit, which no closed market holds up.
    pub(super) fn judge(
        &self,
        symbol: &Symbol,
        need: Need,
        market: Option<&Market>,
        now: Now,
    ) -> Result<Judged<'_>, Reason> {
        let (config, at, mut left) = (self.policy.config(), of_mono(now.mono), Left(i64::MAX));
        let source = &config.source;
        if let Some(market) = market {
            // QUOTE-7: closed, halted, before the opening, and a word that nobody knows.
            if market.state != MarketState::Open {
                return Err(Reason::MarketNotOpen { state: market.state.clone() });
            }
            let (age, max) = (at.saturating_sub(of_mono(market.asked)), config.max_market_age);
            if !left.allows(age, nanos(max)) {
                return Err(Reason::MarketStale { age: duration(age), max });
            }
        }
        let followed = self.followed.get(symbol).ok_or(Reason::NotFollowed)?;
        // QUOTE-4: the connection first; the longer limit of a symbol counts only while it lives.
        if let Some(message) = self.alive.message {
            let (silent, max) = (at.saturating_sub(message), source.max_silence);
            if !left.allows(silent, nanos(max)) {
                return Err(Reason::ConnectionSilent { silent: duration(silent), max });
            }
        }
        if let Some(reason) = &followed.refused {
            return Err(reason.clone());
        }
        let accepted = followed.accepted.as_ref().ok_or(Reason::NoQuote)?;
        let received = accepted.received;
        let age = at.saturating_sub(of_mono(received.mono));
        if age < 0 {
            return Err(Reason::ReceivedAhead { ahead: duration(age.saturating_neg()) });
        }
        if let Some(by) = clock_step(received.mono, received.wall, now, source.max_ahead) {
            return Err(Reason::ClockStep { by, max: source.max_ahead });
        }
        let rules = &followed.rules;
        // QUOTE-2: on the monotonic receive clock, …
        if !left.allows(age, rules.max_age) {
            return Err(Reason::Stale { age: duration(age), max: rules.limits.max_age });
        }
        // … and on the quote's own.
        self.check_stamps(accepted, rules, at, &mut left)?;
        check_side(accepted, need, &rules.limits)?;
        Ok(Judged { accepted, until: now.mono.plus(duration(left.0)) })
    }

    fn check_stamps(
        &self,
        accepted: &Accepted,
        rules: &crate::policy::Rules,
        now: i64,
        left: &mut Left,
    ) -> Result<(), Reason> {
        let source = &self.policy.config().source;
        let age = |at| self.alive.age(at, now, nanos(source.max_offset));
        let (older, newer) = (age(accepted.screened.older), age(accepted.screened.newer));
        match source.stamps {
            Stamps::AsOf { .. } => {
                if !left.allows(older, rules.max_age) {
                    return Err(Reason::StampStale { age: duration(older), max: rules.limits.max_age });
                }
            }
            Stamps::LastChange { max_feed_quiet } => {
                if !left.allows(newer, rules.max_quiet) {
                    return Err(Reason::StampStale { age: duration(newer), max: rules.limits.max_quiet });
                }
                if !left.allows(older, rules.max_side_quiet) {
                    return Err(Reason::SideStale { age: duration(older), max: rules.limits.max_side_quiet });
                }
                // QUOTE-4: a quiet option is fresh only while something else moves.
                let newest = self.alive.newest.map_or(i64::MAX, age);
                if !left.allows(newest, nanos(max_feed_quiet)) {
                    return Err(Reason::FeedStale { age: duration(newest), max: max_feed_quiet });
                }
            }
        }
        Ok(())
    }
}

/// QUOTE-3: a missing side refuses only who needs it.
fn check_side(accepted: &Accepted, need: Need, limits: &Limits) -> Result<(), Reason> {
    let bid = (accepted.screened.bid, &accepted.bid, FieldName::Bid, FieldName::BidSize);
    let ask = (accepted.screened.ask, &accepted.ask, FieldName::Ask, FieldName::AskSize);
    let needed = match need {
        Need::Buy => [Some(ask), None],
        Need::Sell => [Some(bid), None],
        Need::Both => [Some(bid), Some(ask)],
    };
    for (units, side, price, size) in needed.into_iter().flatten() {
        if units.is_none() {
            return Err(Reason::NoSide { field: price });
        }
        check_size(side, size, limits.min_size)?;
    }
    Ok(())
}

fn check_size(side: &QuoteSide, field: FieldName, min: Decimal) -> Result<(), Reason> {
    match side.size {
        _ if min.is_zero() => Ok(()),
        Field::Value(size) if size >= min => Ok(()),
        size => Err(Reason::TooSmall { field, size: size.value(), min }),
    }
}
