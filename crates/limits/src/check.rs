//! The check of one order.

use backstop_broker::{Decimal, OrderRequest, Symbol};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::breach::{Breach, Refused};
use crate::config::Config;
use crate::counters::{Counters, Kind};
use crate::exposure::Exposure;
use crate::price::{References, Unjudged, compared, notional};
use crate::usage::Usage;

/// Limits in use. [`Limits::start`] makes them. Read back from a journal they are what they were: checked when they were
/// taken into use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits {
    config: Config,
}

/// What an order is judged by.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "what is left out would not be judged")]
pub struct Look<'a> {
    /// A fresh price of each leg.
    pub references: &'a References,
    /// All that is open or may become so, without this order.
    pub exposure: &'a Exposure,
    /// What was done so far.
    pub counters: &'a Counters,
    /// What the open positions have brought so far, at prices at which they could be left; below zero is a loss. An error
    /// names a symbol that is held and has no price: then nobody knows what is lost, and there are no entries.
    pub open_result: Result<Decimal, &'a Symbol>,
    /// The time of day.
    pub now: Timestamp,
}

/// An order that breaks no limit, as things stood when it was judged. Only [`Limits::check`] makes it.
#[must_use = "the order that was judged is to be counted and sent, or dropped"]
#[derive(Debug)]
pub struct Within {
    notional: Decimal,
}

impl Within {
    /// What the order is worth, for [`Exposure::may_open`]; zero if it opens nothing.
    #[must_use]
    pub fn notional(&self) -> Decimal {
        self.notional
    }
}

impl Limits {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }

    /// What is allowed.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Judges an order of some `kind`. One that opens nothing passes (law 4).
    ///
    /// # Errors
    /// [`Refused`], with every limit that the order would break.
    pub fn check(&self, order: &OrderRequest, kind: &Kind, look: Look<'_>) -> Result<Within, Refused> {
        if !order.opens() {
            return Ok(Within { notional: Decimal::ZERO });
        }
        let mut breaches = Vec::new();
        self.judge_size(order, &mut breaches);
        let notional = self.judge_prices(order, look, &mut breaches);
        self.judge_exposure(order, look, &mut breaches);
        if let Some(notional) = notional {
            self.judge_value(look, notional, &mut breaches);
        }
        self.judge_counts(order, kind, look, &mut breaches);
        match Refused::for_breaches(breaches) {
            Some(refused) => Err(refused),
            None => Ok(Within { notional: notional.unwrap_or_default() }),
        }
    }

    /// The same by what needs no price of the order's legs, for whoever has none yet: no leave to send it, which only
    /// [`check`](Limits::check) gives. `look.references` is not asked.
    ///
    /// # Errors
    /// [`Refused`], with every limit that the order would break whatever its price.
    pub fn check_unpriced(&self, order: &OrderRequest, kind: &Kind, look: Look<'_>) -> Result<(), Refused> {
        if !order.opens() {
            return Ok(());
        }
        let mut breaches = Vec::new();
        self.judge_size(order, &mut breaches);
        self.judge_exposure(order, look, &mut breaches);
        self.judge_counts(order, kind, look, &mut breaches);
        Refused::for_breaches(breaches).map_or(Ok(()), Err)
    }

    /// How much of each limit is used, for people; of those that are judged order by order there is nothing to say. Of
    /// repeated executions the kind with the most is told.
    #[must_use]
    pub fn usage(&self, look: Look<'_>) -> Vec<Usage> {
        let Look { exposure, counters, .. } = look;
        let count = |count: usize| Decimal::from(u64::try_from(count).unwrap_or(u64::MAX));
        let lost = counters.lost(look.open_result.unwrap_or_default()).max(Decimal::ZERO);
        let messages = counters.recent_messages(self.config.messages.seconds, look.now);
        let row = |name, used, limit| Usage { name, used, limit };
        vec![
            row("positions", count(exposure.positions()), self.config.positions.into()),
            row("gross_notional", exposure.notional().unwrap_or(Decimal::MAX), self.config.gross_notional),
            row("entries", counters.entries().into(), self.config.entries.into()),
            row("loss", lost, self.config.loss),
            row("repeats", counters.most_repeated().into(), self.config.repeats.into()),
            row("messages.count", messages.into(), self.config.messages.count.into()),
        ]
    }

    /// What a session has lost by `counters` and at `open_result`, if it is so much that there are no more entries.
    #[must_use]
    pub fn lost_all(&self, counters: &Counters, open_result: Decimal) -> Option<Decimal> {
        Some(counters.lost(open_result)).filter(|lost| *lost >= self.config.loss)
    }

    fn judge_size(&self, order: &OrderRequest, breaches: &mut Vec<Breach>) {
        let limit = self.config.order_quantity;
        for leg in order.legs() {
            let asked = leg.quantity.get();
            if asked > limit {
                breaches.push(Breach::OrderQuantity { symbol: leg.symbol.clone(), asked, limit });
            }
        }
    }

    /// Value and price of the order itself; returns its value, if it has one.
    fn judge_prices(&self, order: &OrderRequest, look: Look<'_>, breaches: &mut Vec<Breach>) -> Option<Decimal> {
        let config = &self.config;
        let judged = notional(order, look.references).and_then(|notional| {
            let compared = compared(order, look.references)?;
            Ok((notional, compared))
        });
        let (notional, compared) = match judged {
            Ok(judged) => judged,
            Err(Unjudged::NoReference { symbol }) => {
                breaches.push(Breach::NoReference { symbol });
                return None;
            }
            Err(Unjudged::Uncountable) => {
                breaches.push(Breach::Uncountable);
                return None;
            }
        };
        if notional > config.order_notional {
            breaches.push(Breach::OrderNotional { notional, limit: config.order_notional });
        }
        for found in compared {
            let share = found.middle.abs().checked_mul(Decimal::new(config.collar.bps.into(), 4));
            let away = found.price.checked_sub(found.middle).map(|away| away.abs());
            match (share, away) {
                (Some(share), Some(away)) => {
                    let limit = share.max(config.collar.least).normalize();
                    if away > limit {
                        breaches.push(Breach::Collar { price: found.price, middle: found.middle, away, limit });
                    }
                }
                _ => breaches.push(Breach::Uncountable),
            }
        }
        Some(notional)
    }

    /// The order on top of what is open or may become so.
    fn judge_exposure(&self, order: &OrderRequest, look: Look<'_>, breaches: &mut Vec<Breach>) {
        let (config, exposure) = (&self.config, look.exposure);
        if !config.underlyings.contains(order.underlying()) {
            breaches.push(Breach::NotAllowed { underlying: order.underlying().clone() });
        }
        for leg in order.legs().iter().filter(|leg| !is_of(&leg.symbol, order.underlying())) {
            let (symbol, underlying) = (leg.symbol.clone(), order.underlying().clone());
            breaches.push(Breach::OtherUnderlying { symbol, underlying });
        }
        let open = exposure.positions();
        if reaches(open, config.positions) {
            breaches.push(Breach::Positions { open, limit: config.positions });
        }
        let (open, limit) = (exposure.positions_on(order.underlying()), config.positions_per_underlying);
        if reaches(open, limit) {
            breaches.push(Breach::PositionsPerUnderlying { underlying: order.underlying().clone(), open, limit });
        }
        let sides = exposure.sides();
        for leg in order.legs() {
            if sides.contains(&(&leg.symbol, leg.side.opposite())) {
                breaches.push(Breach::Opposite { symbol: leg.symbol.clone() });
            }
        }
    }

    /// Its value on top of all that.
    fn judge_value(&self, look: Look<'_>, notional: Decimal, breaches: &mut Vec<Breach>) {
        let limit = self.config.gross_notional;
        match look.exposure.notional().and_then(|open| open.checked_add(notional)) {
            Some(notional) if notional > limit => breaches.push(Breach::GrossNotional { notional, limit }),
            Some(_) => {}
            None => breaches.push(Breach::Uncountable),
        }
    }

    /// How often, how fast, and at what loss.
    fn judge_counts(&self, order: &OrderRequest, kind: &Kind, look: Look<'_>, breaches: &mut Vec<Breach>) {
        let (config, counters) = (&self.config, look.counters);
        let entries = counters.entries();
        if entries >= config.entries {
            breaches.push(Breach::Entries { entries, limit: config.entries });
        }
        if let Err(symbol) = look.open_result {
            breaches.push(Breach::NoMark { symbol: symbol.clone() });
        }
        if let Some(lost) = self.lost_all(counters, look.open_result.unwrap_or_default()) {
            breaches.push(Breach::Loss { lost, limit: config.loss });
        }
        let executed = counters.repeated(kind);
        if executed >= config.repeats {
            breaches.push(Breach::Repeats { kind: kind.clone(), executed, limit: config.repeats });
        }
        let (limit, seconds) = (config.look_alikes.count, config.look_alikes.seconds);
        let sent = counters.look_alikes(order, seconds, look.now);
        if sent >= limit {
            breaches.push(Breach::LookAlikes { sent, limit, seconds });
        }
        let (limit, seconds) = (config.messages.count, config.messages.seconds);
        let sent = counters.recent_messages(seconds, look.now);
        if sent >= limit {
            breaches.push(Breach::Messages { sent, limit, seconds });
        }
    }
}

/// Whether a leg can be of an order about `underlying`: what an order says it is about is what the limits go by. Options have
/// its name as their root, or that with one more letter for their settlement (SPXW, NDXP) or a digit for an adjustment.
fn is_of(leg: &Symbol, underlying: &Symbol) -> bool {
    let Some(option) = leg.option() else { return leg == underlying };
    let name: String = underlying.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
    let more = option.root().strip_prefix(name.as_str()).map(|more| more.chars().collect::<Vec<_>>());
    matches!(more.as_deref(), Some([] | ['W' | 'P' | '1'..='9']))
}

fn reaches(count: usize, limit: u32) -> bool {
    usize::try_from(limit).is_ok_and(|limit| count >= limit)
}

#[cfg(test)]
pub(crate) mod tests;
