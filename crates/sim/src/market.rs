//! Prices: a seeded walk of the underlyings, and options priced from them.

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_broker::{Decimal, OptionRight, OptionSymbol, Symbol};
use backstop_clock::Timestamp;
use rust_decimal::RoundingStrategy;
use serde::{Deserialize, Serialize};

use crate::book::{BookQuote, BookSide, HIGHEST_PRICE};
use crate::calendar::{self, later};
use crate::dice::{Dice, mix};
use crate::replay::{Playback, Replay};

/// Prices move once in this time.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// Options are quoted in nickels.
const OPTION_TICK: Decimal = Decimal::from_parts(5, 0, 0, false, 2);
/// Shares below a dollar move by a hundredth of a cent, coins by less. Any price is a whole number of these.
const SMALLEST_TICK: Decimal = Decimal::from_parts(1, 0, 0, false, 8);
const SECONDS_OF_A_DAY: u32 = 86_400;

/// What kind of instrument an [`Underlying`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnderlyingKind {
    /// Can be quoted and have options, but not be bought.
    Index,
    /// A fund's share.
    Etf,
    /// A company's share.
    Stock,
}

/// Something that is quoted, walks at random, and has options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Underlying {
    /// Its symbol; options belong to it by their root (`SPXW` to `SPX`).
    pub symbol: Symbol,
    /// Whether it can be bought.
    pub kind: UnderlyingKind,
    /// Where it starts. Positive, at most a thousand million.
    pub price: Decimal,
    /// From bid to ask. Not negative, at most the price.
    pub spread: Decimal,
    /// The smallest difference of two prices. From a hundred-millionth to the price.
    pub tick: Decimal,
    /// The most that it moves in a quarter of a second, in ticks.
    pub step: u32,
}

impl Underlying {
    /// One at `price`, in cents, that moves a few of them at a time.
    pub fn new(symbol: Symbol, kind: UnderlyingKind, price: Decimal) -> Self {
        let cent = Decimal::new(1, 2);
        Self { symbol, kind, price, spread: cent, tick: cent, step: 2 }
    }

    /// Whether its numbers can be reckoned with; if not, what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { symbol, price, spread, tick, .. } = self;
        if !is_price(*price) {
            return Err(format!("{symbol} cannot cost {price}; a price is positive and at most {HIGHEST_PRICE}"));
        }
        if !(Decimal::ZERO..=*price).contains(spread) {
            return Err(format!("{symbol} cannot have a spread of {spread}; choose one from 0 to its price"));
        }
        if !(SMALLEST_TICK..=*price).contains(tick) {
            return Err(format!("{symbol} cannot move by {tick}; choose a tick from {SMALLEST_TICK} to its price"));
        }
        Ok(())
    }

    /// The S&P 500 index and its largest fund.
    pub fn defaults() -> Vec<Self> {
        let named = |text: &str, kind, price| Symbol::new(text).ok().map(|symbol| Self::new(symbol, kind, price));
        let spx = named("SPX", UnderlyingKind::Index, Decimal::from(5_900)).map(|spx| Self {
            spread: Decimal::new(40, 2),
            step: 20,
            ..spx
        });
        let spy = named("SPY", UnderlyingKind::Etf, Decimal::from(560));
        spx.into_iter().chain(spy).collect()
    }
}

fn is_price(price: Decimal) -> bool {
    price > Decimal::ZERO && price <= HIGHEST_PRICE
}

/// The symbol that options of `root` are about.
pub(crate) fn underlying_of(root: &str) -> &str {
    match root {
        "SPXW" => "SPX",
        "RUTW" => "RUT",
        "NDXP" => "NDX",
        "XSPW" => "XSP",
        "VIXW" => "VIX",
        root => root,
    }
}

/// All prices, as they truly are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Market {
    start: Timestamp,
    ticked: Timestamp,
    walks: BTreeMap<Symbol, Walk>,
    seen: BTreeMap<Symbol, Seen>,
    #[serde(skip)]
    playback: Option<Playback>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    underlying: Underlying,
    price: Decimal,
    dice: Dice,
}

/// When a symbol's prices were last seen to differ.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    bid: Option<Decimal>,
    bid_at: Timestamp,
    ask: Option<Decimal>,
    ask_at: Timestamp,
}

impl Market {
    pub(crate) fn new(underlyings: &[Underlying], seed: u64, start: Timestamp) -> Self {
        let mut market = Self { start, ticked: start, walks: BTreeMap::new(), seen: BTreeMap::new(), playback: None };
        market.add(underlyings, seed);
        market
    }

    /// Adds what is not there yet.
    pub(crate) fn add(&mut self, underlyings: &[Underlying], seed: u64) {
        for underlying in underlyings {
            self.walks.entry(underlying.symbol.clone()).or_insert_with(|| Walk {
                underlying: underlying.clone(),
                price: underlying.price,
                dice: Dice::new(seed, underlying.symbol.as_str()),
            });
        }
    }

    /// Plays a recording from the market's start. Its symbols go before walks of the same name.
    pub(crate) fn play(&mut self, replay: Replay) {
        self.playback = Some(Playback::new(replay, self.start));
    }

    pub(crate) fn next_tick(&self) -> Timestamp {
        later(self.ticked, TICK)
    }

    /// Leaves out the steps up to `at`: time passed in which nobody looked.
    pub(crate) fn skip_to(&mut self, at: Timestamp) {
        self.ticked = self.ticked.max(at);
    }

    pub(crate) fn step(&mut self, at: Timestamp) {
        self.ticked = at;
        for walk in self.walks.values_mut() {
            let step = i64::from(walk.underlying.step);
            let ticks = walk.dice.roll().i64(-step..=step);
            let price = walk.price + walk.underlying.tick * Decimal::from(ticks);
            // A walk that strays by a fifth turns back: prices stay plausible however long the simulation runs.
            let stray = walk.underlying.price / Decimal::from(5);
            if (price - walk.underlying.price).abs() <= stray && price > Decimal::ZERO {
                walk.price = price;
            }
        }
        if let Some(playback) = &mut self.playback {
            playback.advance(at);
        }
    }

    /// Sets the price of an underlying. `false`: it is not one that walks, or cannot cost that.
    pub(crate) fn mark(&mut self, symbol: &Symbol, price: Decimal) -> bool {
        let Some(walk) = self.walks.get_mut(symbol).filter(|_| is_price(price)) else { return false };
        walk.price = price;
        walk.underlying.price = price;
        true
    }

    pub(crate) fn kind(&self, symbol: &Symbol) -> Option<UnderlyingKind> {
        let replayed = self.playback.as_ref().and_then(|playback| playback.quote(symbol));
        let walk = self.walks.get(symbol).map(|walk| walk.underlying.kind);
        walk.or(replayed.map(|_| UnderlyingKind::Stock))
    }

    /// A symbol that can be bought as it is, for somebody who has no plan.
    pub(crate) fn any_share(&self) -> Option<Symbol> {
        self.walks
            .values()
            .find(|walk| walk.underlying.kind != UnderlyingKind::Index)
            .map(|w| w.underlying.symbol.clone())
    }

    /// The price of an underlying, by which its options are priced and settled.
    pub(crate) fn price(&self, symbol: &str) -> Option<Decimal> {
        let symbol = Symbol::new(symbol).ok()?;
        let replayed = self.playback.as_ref().and_then(|playback| playback.quote(&symbol)).and_then(BookQuote::mid);
        replayed.or_else(|| self.walks.get(&symbol).map(|walk| walk.price))
    }

    /// The true prices of `symbol`, without stamps. `None`: nobody has heard of it. Whether an option has expired is
    /// for the caller to say.
    pub(crate) fn quote(&self, symbol: &Symbol, now: Timestamp) -> Option<BookQuote> {
        if let Some(quote) = self.playback.as_ref().and_then(|playback| playback.quote(symbol)) {
            return Some(quote.clone());
        }
        match (symbol.option(), self.walks.get(symbol)) {
            (Some(option), _) => self.option_quote(symbol, &option, now),
            (None, Some(walk)) => {
                let half = walk.underlying.spread / Decimal::TWO;
                let tick = walk.underlying.tick;
                let bid = to_tick(walk.price - half, tick, RoundingStrategy::ToNegativeInfinity);
                let ask = to_tick(walk.price + half, tick, RoundingStrategy::ToPositiveInfinity).max(bid + tick);
                Some(self.dressed(symbol, bid.max(tick), ask, 9))
            }
            (None, None) => None,
        }
    }

    fn option_quote(&self, symbol: &Symbol, option: &OptionSymbol, now: Timestamp) -> Option<BookQuote> {
        let name = underlying_of(option.root());
        let price = self.price(name)?;
        let walk = Symbol::new(name).ok().and_then(|name| self.walks.get(&name).map(|walk| walk.underlying.price));
        let fair = fair_price(option, price, walk.unwrap_or(price), now);
        let half = Decimal::new(25, 3) + fair / Decimal::ONE_HUNDRED;
        let bid = to_tick(fair - half, OPTION_TICK, RoundingStrategy::ToNegativeInfinity).max(Decimal::ZERO);
        let ask = to_tick(fair + half, OPTION_TICK, RoundingStrategy::ToPositiveInfinity).max(bid + OPTION_TICK);
        Some(self.dressed(symbol, bid, ask, 50))
    }

    fn dressed(&self, symbol: &Symbol, bid: Decimal, ask: Decimal, most: u64) -> BookQuote {
        let last = to_tick((bid + ask) / Decimal::TWO, Decimal::new(1, 2), RoundingStrategy::MidpointNearestEven);
        let trade_every = 97 + name_hash(symbol) % 60;
        let (_, traded) = self.epoch(symbol, trade_every);
        let side = |price: Decimal, salt: u64| {
            let (epoch, _) = self.epoch(symbol, refresh_secs(symbol, salt));
            let size = if price.is_zero() { 0 } else { 1 + mix(name_hash(symbol) ^ epoch ^ salt) % most };
            BookSide { price: Some(price), size: Some(Decimal::from(size)), at: None }
        };
        BookQuote {
            symbol: symbol.clone(),
            bid: side(bid, 1),
            ask: side(ask, 2),
            last: Some(last),
            last_at: Some(calendar::earlier(traded, Duration::from_millis(1_000 + name_hash(symbol) % 600_000))),
        }
    }

    /// The number and the beginning of the stretch of `secs` in which the last tick lies.
    fn epoch(&self, symbol: &Symbol, secs: u64) -> (u64, Timestamp) {
        let offset = name_hash(symbol) % secs.max(1);
        let since = u64::try_from(self.ticked.duration_since(self.start).as_secs()).unwrap_or(0);
        let number = (since + offset) / secs.max(1);
        let began = (number * secs).saturating_sub(offset);
        (number, later(self.start, Duration::from_secs(began)))
    }

    /// The true quote with stamps: each side's says when it last changed, in whole seconds.
    pub(crate) fn stamped(&mut self, symbol: &Symbol, now: Timestamp) -> Option<BookQuote> {
        let mut quote = self.quote(symbol, now)?;
        if self.playback.as_ref().is_some_and(|playback| playback.quote(symbol).is_some()) {
            return Some(quote);
        }
        let (_, bid_refreshed) = self.epoch(symbol, refresh_secs(symbol, 1));
        let (_, ask_refreshed) = self.epoch(symbol, refresh_secs(symbol, 2));
        let (bid, ask, ticked) = (quote.bid.price, quote.ask.price, self.ticked);
        let first = || Seen { bid, bid_at: bid_refreshed, ask, ask_at: ask_refreshed };
        let seen = self.seen.entry(symbol.clone()).or_insert_with(first);
        let at = |same: bool, seen: Timestamp, refreshed| if same { seen.max(refreshed) } else { ticked };
        *seen = Seen {
            bid,
            bid_at: at(seen.bid == bid, seen.bid_at, bid_refreshed),
            ask,
            ask_at: at(seen.ask == ask, seen.ask_at, ask_refreshed),
        };
        quote.bid.at = Some(whole_second(seen.bid_at));
        quote.ask.at = Some(whole_second(seen.ask_at));
        Some(quote)
    }
}

/// Intrinsic value plus a time value that is largest at the money and leaves no arbitrage.
///
/// Time value `a w² / (w + d)²` with distance `d` from the money is convex away from it, and its slope at the money is
/// `2a / w`: with `a <= w / 4` prices fall with the strike of a call, never faster than the strike rises, and
/// butterflies cost something.
fn fair_price(option: &OptionSymbol, price: Decimal, reference: Decimal, now: Timestamp) -> Decimal {
    let midnight = option.expiration().tomorrow().map_or(Timestamp::MAX, |day| calendar::moment(day, 0, 0));
    let left = Decimal::from(midnight.duration_since(now).as_secs().max(0)) / Decimal::from(SECONDS_OF_A_DAY);
    let left = left.clamp(Decimal::new(25, 2), Decimal::new(125, 2));
    let width = (reference / Decimal::ONE_HUNDRED).max(Decimal::new(1, 2));
    let height = width / Decimal::from(5) * left;
    let far = width + (price - option.strike()).abs();
    let time_value = height * (width / far) * (width / far);
    intrinsic(option, price) + time_value
}

/// What the option is worth at its end, per share.
pub(crate) fn intrinsic(option: &OptionSymbol, price: Decimal) -> Decimal {
    let value = match option.right() {
        OptionRight::Call => price - option.strike(),
        OptionRight::Put => option.strike() - price,
    };
    value.max(Decimal::ZERO)
}

fn to_tick(price: Decimal, tick: Decimal, strategy: RoundingStrategy) -> Decimal {
    if tick <= Decimal::ZERO {
        return price;
    }
    (price / tick).round_dp_with_strategy(0, strategy) * tick
}

/// A quiet book is refreshed once in two to six seconds, each side in its own rhythm.
fn refresh_secs(symbol: &Symbol, salt: u64) -> u64 {
    2 + mix(name_hash(symbol) ^ salt) % 5
}

fn name_hash(symbol: &Symbol) -> u64 {
    symbol.as_str().bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
