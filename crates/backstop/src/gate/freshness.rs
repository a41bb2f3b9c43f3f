//! Whether an entry may be priced from what was seen of the market.
//!
//! A stand-in of the quote policy, strict and short: every doubt is a refusal with its own reason, and no field is
//! replaced by another.

use std::time::Duration;

use backstop_broker::{Decimal, Leg, MarketClock, MarketState, Quote, QuoteSide, Quotes, Side, Symbol};
use backstop_clock::Mono;
use jiff::{SignedDuration, Timestamp};

/// What was seen of the market in one look. Only [`Desk::look`](crate::Desk::look) makes one, so a strategy that is wrong
/// cannot make a stale quote fresh.
#[derive(Debug, Clone)]
pub struct MarketView {
    asked: Mono,
    clock: MarketClock,
    quotes: Quotes,
}

impl MarketView {
    /// What came of a look that began at `asked`.
    pub(crate) fn new(asked: Mono, clock: MarketClock, quotes: Quotes) -> Self {
        Self { asked, clock, quotes }
    }

    /// The broker's word on day and hour.
    pub fn clock(&self) -> &MarketClock {
        &self.clock
    }

    /// The quotes.
    pub fn quotes(&self) -> &Quotes {
        &self.quotes
    }
}

/// How old and how wide a quote may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The greatest age, counted from receipt; and on the source's clock for the newest stamp of the whole answer,
    /// which shows that the feed is alive.
    pub max_age: Duration,
    /// The greatest age of an option's own stamp while the feed is alive. A quiet option stands still for 90 s with
    /// nothing wrong, because the stamps say when a side last changed.
    pub max_option_age: Duration,
    /// The widest spread, in hundredths of a percent of the mid price, on top of a fixed part: two cents for a share,
    /// thirty for an option.
    pub max_spread_bps: u32,
}

/// How far the source's clock may run ahead of ours.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// Tradier stamps the sides in whole seconds, so a stamp may be this much older than the change.
const STAMP_GRAIN: Duration = Duration::from_secs(1);

/// Proof that quotes passed every check of [`Freshness`], and until when they may be used (QUOTE-1, QUOTE-5).
///
/// Not `Clone` and without a public constructor: only the check makes one.
#[must_use = "a proof of freshness that nobody asks for its deadline proves nothing at the moment of the submit"]
#[derive(Debug)]
pub(crate) struct Fresh {
    until: Mono,
}

impl Fresh {
    /// Whether the quotes may still be used at `now`.
    pub(crate) fn is_valid(&self, now: Mono) -> bool {
        now < self.until
    }
}

/// Why quotes may not be traded on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuoteRefusal {
    /// The market is not open.
    #[error("the market is not open ({state:?})")]
    MarketNotOpen {
        /// What the broker said.
        state: MarketState,
    },
    /// No quote came.
    #[error("no quote for {symbol}")]
    NoQuote {
        /// For which symbol.
        symbol: Symbol,
    },
    /// The side that the order needs is missing, unreadable, zero or negative.
    #[error("{symbol} has no usable {side} ({found})")]
    NoSide {
        /// Which symbol.
        symbol: Symbol,
        /// `bid` or `ask`.
        side: &'static str,
        /// What there was instead.
        found: String,
    },
    /// Bid above ask.
    #[error("{symbol} is crossed: bid {bid}, ask {ask}")]
    Crossed {
        /// Which symbol.
        symbol: Symbol,
        /// The bid.
        bid: Decimal,
        /// The ask.
        ask: Decimal,
    },
    /// Bid and ask too far apart.
    #[error("{symbol} is too wide: bid {bid}, ask {ask}, at most {widest} apart")]
    TooWide {
        /// Which symbol.
        symbol: Symbol,
        /// The bid.
        bid: Decimal,
        /// The ask.
        ask: Decimal,
        /// The bound.
        widest: Decimal,
    },
    /// No side has a readable time stamp.
    #[error("{symbol} has no time stamp")]
    NoStamp {
        /// Which symbol.
        symbol: Symbol,
    },
    /// Too old.
    #[error("{what} is {age:?} old, at most {max:?} is allowed{hint}")]
    Stale {
        /// What is too old.
        what: String,
        /// Its age.
        age: Duration,
        /// The bound.
        max: Duration,
        /// What to make of it.
        hint: &'static str,
    },
    /// Stamped in the future, or received in it: then the broker was given another clock than the desk.
    #[error("{symbol} is stamped {ahead:?} in the future: one of the two clocks is wrong")]
    ClockFault {
        /// Which symbol.
        symbol: Symbol,
        /// By how much.
        ahead: Duration,
    },
}

impl Freshness {
    /// Judges what was seen for an order of these legs.
    ///
    /// # Errors
    /// The first [`QuoteRefusal`] that applies.
    pub(crate) fn check(&self, view: &MarketView, legs: &[Leg], now: Mono) -> Result<Fresh, QuoteRefusal> {
        if view.clock.state != MarketState::Open {
            // QUOTE-7: a state that we do not know is not open.
            return Err(QuoteRefusal::MarketNotOpen { state: view.clock.state.clone() });
        }
        stale(|| "the broker's word that the market is open".to_owned(), now.since(view.asked), self.max_age)?;
        let mut until = None::<Mono>;
        for leg in legs {
            let symbol = || leg.symbol.clone();
            let quote = view.quotes.get(&leg.symbol).ok_or_else(|| QuoteRefusal::NoQuote { symbol: symbol() })?;
            self.check_prices(quote, leg.side)?;
            self.check_age(quote, now)?;
            let end = quote.received.mono.plus(self.max_age);
            until = Some(until.map_or(end, |until| until.min(end)));
        }
        self.check_feed(&view.quotes)?;
        Ok(Fresh { until: until.unwrap_or_default() })
    }

    fn check_prices(&self, quote: &Quote, side: Side) -> Result<(), QuoteRefusal> {
        let (name, needed) = match side {
            Side::Buy => ("ask", &quote.ask),
            Side::Sell => ("bid", &quote.bid),
        };
        if needed.price.value().is_none_or(|price| price <= Decimal::ZERO) {
            let found = format!("{:?}", needed.price);
            return Err(QuoteRefusal::NoSide { symbol: quote.symbol.clone(), side: name, found });
        }
        let (Some(bid), Some(ask)) = (quote.bid.price.value(), quote.ask.price.value()) else { return Ok(()) };
        let symbol = quote.symbol.clone();
        if bid > ask {
            return Err(QuoteRefusal::Crossed { symbol, bid, ask });
        }
        let fixed = if quote.symbol.option().is_some() { Decimal::new(30, 2) } else { Decimal::new(2, 2) };
        let mid = (ask.saturating_sub(bid) / Decimal::TWO).saturating_add(bid);
        let share = Decimal::new(i64::from(self.max_spread_bps), 4);
        let widest = fixed.saturating_add(mid.saturating_mul(share));
        if ask.saturating_sub(bid) > widest {
            return Err(QuoteRefusal::TooWide { symbol, bid, ask, widest });
        }
        Ok(())
    }

    fn check_age(&self, quote: &Quote, now: Mono) -> Result<(), QuoteRefusal> {
        let ahead = quote.received.mono.since(now);
        if !ahead.is_zero() {
            return Err(QuoteRefusal::ClockFault { symbol: quote.symbol.clone(), ahead });
        }
        let held = now.since(quote.received.mono);
        stale(|| format!("the quote of {}", quote.symbol), held, self.max_age)?;
        let stamp = newest_stamp(quote).ok_or_else(|| QuoteRefusal::NoStamp { symbol: quote.symbol.clone() })?;
        let lead = stamp.duration_since(quote.received.wall);
        if lead > CLOCK_TOLERANCE {
            return Err(QuoteRefusal::ClockFault { symbol: quote.symbol.clone(), ahead: lead.unsigned_abs() });
        }
        let max = if quote.symbol.option().is_some() { self.max_option_age } else { self.max_age };
        stale(
            || format!("the last change of {}", quote.symbol),
            age_at_receipt(quote, stamp),
            max.saturating_add(STAMP_GRAIN),
        )
    }

    /// The newest stamp of the whole answer shows whether the feed is alive (QUOTE-4).
    fn check_feed(&self, quotes: &Quotes) -> Result<(), QuoteRefusal> {
        let stamps = quotes.quotes.iter().filter_map(|quote| Some((quote, newest_stamp(quote)?)));
        // A stamp in the future shows a wrong clock, not a feed that is alive.
        let sane = stamps.filter(|(quote, stamp)| stamp.duration_since(quote.received.wall) <= CLOCK_TOLERANCE);
        let ages = sane.map(|(quote, stamp)| age_at_receipt(quote, stamp));
        match ages.min() {
            Some(age) => stale(
                || "the newest quote of the whole answer".to_owned(),
                age,
                self.max_age.saturating_add(STAMP_GRAIN),
            ),
            None => Ok(()),
        }
    }
}

fn newest_stamp(quote: &Quote) -> Option<Timestamp> {
    let at = |side: &QuoteSide| side.at.value();
    at(&quote.bid).max(at(&quote.ask))
}

fn age_at_receipt(quote: &Quote, stamp: Timestamp) -> Duration {
    Duration::try_from(quote.received.wall.duration_since(stamp)).unwrap_or(Duration::ZERO)
}

fn stale(what: impl FnOnce() -> String, age: Duration, max: Duration) -> Result<(), QuoteRefusal> {
    if age <= max {
        return Ok(());
    }
    // Tradier's sandbox is 15 minutes behind; 901 s and 976 s were measured.
    let delayed = (Duration::from_mins(14)..Duration::from_mins(18)).contains(&age);
    let hint = if delayed { "; this looks like a 15-minute delayed feed, as the sandbox has" } else { "" };
    Err(QuoteRefusal::Stale { what: what(), age, max, hint })
}

#[cfg(test)]
mod tests;
