//! What a quote must be to be traded on: every limit in one place, and none that contradicts another.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use rust_decimal::Decimal;

use crate::Symbol;
use crate::units::{NoUnits, nanos, units};

/// The limits, before they are checked by [`Policy::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    /// What is known of where the quotes come from.
    pub source: Source,
    /// For everything that is not an option.
    pub share: Limits,
    /// For options in the form of the OCC.
    pub option: Limits,
    /// For single symbols, in place of the two above.
    pub exceptions: BTreeMap<Symbol, Limits>,
    /// How many symbols are followed at once.
    pub max_symbols: NonZeroUsize,
    /// How old the word that the market is open may be.
    pub max_market_age: Duration,
    /// How far apart in time the legs of a spread may have been seen: by receipt, and with [`Stamps::AsOf`] by stamp.
    pub max_legs_apart: Duration,
    /// How far beyond what the quotes say a limit price may lie, in basis points of the sum of its legs' prices.
    pub limit_band_bps: u32,
    /// At what price an exit leaves when there is no quote to be trusted.
    pub unquoted_exit: UnquotedExit,
}

/// What is known of a source of quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What its stamps mean.
    pub stamps: Stamps,
    /// What its stamps are rounded to: one second at Tradier. Ages by stamp come out too old by up to this much, never
    /// too young once a few messages came: see the crate's page.
    pub stamp_grain: Duration,
    /// How long nothing may come over the connection, of any symbol, heartbeats included.
    pub max_silence: Duration,
    /// How far a stamp may be ahead of our wall clock before it is a fault of one of the two clocks. Also how far wall
    /// clock and monotonic clock may move apart between receipt and use.
    pub max_ahead: Duration,
    /// How far the fastest message may be behind our wall clock: transit, and the error of both clocks.
    pub max_offset: Duration,
}

/// What a source's stamps mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new meaning must be looked at wherever stamps are")]
pub enum Stamps {
    /// The quote was so at that time. The older side counts.
    AsOf {
        /// How late a message may be, above the fastest ones. Catches a backlog, in which messages follow each other on
        /// time.
        max_late: Duration,
    },
    /// A side last **changed** then (Tradier). The newer side shows that the symbol is alive, the newest of all symbols that
    /// the feed is, and the older side has a wide limit of its own.
    LastChange {
        /// How old the newest stamp of all symbols may be.
        max_feed_quiet: Duration,
    },
}

/// What a quote of one symbol must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The greatest age since receipt; with [`Stamps::AsOf`] also by the older stamp.
    pub max_age: Duration,
    /// With [`Stamps::LastChange`]: the greatest age of the newer stamp.
    pub max_quiet: Duration,
    /// With [`Stamps::LastChange`]: the greatest age of the older stamp.
    pub max_side_quiet: Duration,
    /// The smallest step of its price.
    pub tick: Decimal,
    /// The widest spread: so many basis points of the mid price, and on top of it
    pub max_spread_bps: u32,
    /// so many ticks.
    pub max_spread_ticks: u32,
    /// How far it may move from one quote to the next. Off for options, whose single tick may be five percent.
    pub collar: Option<Collar>,
    /// The least size on the side that is needed, in the source's unit. Zero asks for none.
    pub min_size: Decimal,
    /// The highest price that is one.
    pub max_price: Decimal,
    /// How often the same values may come with the same stamps before they count as frozen. Off where the source repeats
    /// itself.
    pub frozen_after: Option<NonZeroU32>,
}

/// How far a price may move at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collar {
    /// In basis points of the mid price of the last accepted quote; where one of the two has only one side, of that side.
    pub max_bps: u32,
    /// For how long after the last accepted quote. A price that stays where it jumped to is accepted after this time:
    /// otherwise one true jump would shut the symbol for ever.
    pub memory: Duration,
}

/// At what price an exit leaves when there is no quote to be trusted. It always leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition; whoever trades matches both")]
pub enum UnquotedExit {
    /// As a market order.
    Market,
    /// At a limit so many basis points worse than the last accepted prices of its legs, however old; as a market order
    /// where there are none.
    LimitAtWorst {
        /// Of each leg's price.
        band_bps: u32,
    },
}

impl PolicyConfig {
    /// For Tradier's REST quotes, polled: stamps of the last change in whole seconds. The figures behind each value are on
    /// the crate's page.
    pub fn tradier() -> Self {
        let source = Source {
            stamps: Stamps::LastChange { max_feed_quiet: Duration::from_secs(6) },
            stamp_grain: Duration::from_secs(1),
            max_silence: Duration::from_secs(5),
            max_ahead: Duration::from_millis(1_250),
            max_offset: Duration::from_millis(500),
        };
        Self { source, ..Self::stream() }
    }

    /// Declares that the source is delayed by `by`, as Tradier's sandbox is by 15 minutes: its prices, and with them its
    /// stamps, are that old. Only for paper: on such a quote nobody trades. A tenth more is let pass, because delays wander
    /// (976 s were measured where 900 s are documented). What stands still is still told by how much longer ago its stamp is
    /// than the youngest was.
    #[must_use]
    pub fn with_delay(mut self, by: Duration) -> Self {
        let delay = by.saturating_add(by / 10);
        self.source.max_offset = self.source.max_offset.saturating_add(delay);
        self
    }

    /// For a stream whose stamps say *as of*, in milliseconds or finer.
    pub fn stream() -> Self {
        Self {
            source: Source {
                stamps: Stamps::AsOf { max_late: Duration::from_secs(1) },
                stamp_grain: Duration::from_millis(1),
                max_silence: Duration::from_secs(5),
                max_ahead: Duration::from_millis(250),
                max_offset: Duration::from_millis(500),
            },
            share: Limits::share(),
            option: Limits::option(),
            exceptions: BTreeMap::new(),
            max_symbols: NonZeroUsize::MIN.saturating_add(4_095),
            max_market_age: Duration::from_mins(1),
            max_legs_apart: Duration::from_secs(2),
            limit_band_bps: 100,
            unquoted_exit: UnquotedExit::Market,
        }
    }
}

impl Limits {
    /// For a share: of a single company; an index fund or future can have a `max_age` of 5 s.
    pub fn share() -> Self {
        Self {
            max_age: Duration::from_secs(15),
            max_quiet: Duration::from_secs(15),
            max_side_quiet: Duration::from_mins(5),
            tick: Decimal::new(1, 2),
            max_spread_bps: 100,
            max_spread_ticks: 2,
            collar: Some(Collar { max_bps: 100, memory: Duration::from_secs(30) }),
            min_size: Decimal::ZERO,
            max_price: Decimal::from(10_000_000),
            frozen_after: None,
        }
    }

    /// For an option: it may stand for 90 s with nothing wrong, is wide, and jumps by a tick.
    pub fn option() -> Self {
        Self {
            max_age: Duration::from_secs(30),
            max_quiet: Duration::from_secs(90),
            max_side_quiet: Duration::from_mins(20),
            tick: Decimal::new(5, 2),
            max_spread_bps: 1_000,
            max_spread_ticks: 6,
            collar: None,
            max_price: Decimal::from(100_000),
            ..Self::share()
        }
    }
}

/// Limits that were checked. Cheap to read, and cannot be wrong.
#[derive(Debug, Clone)]
pub struct Policy {
    config: PolicyConfig,
    share: Rules,
    option: Rules,
    exceptions: BTreeMap<Symbol, Rules>,
}

impl Policy {
    /// Checks and keeps `config`.
    ///
    /// # Errors
    /// [`Contradiction`] names the first limit that cannot be meant.
    pub fn new(config: PolicyConfig) -> Result<Self, Contradiction> {
        let PolicyConfig { source, max_market_age, max_legs_apart, limit_band_bps, unquoted_exit, .. } = &config;
        source.check()?;
        positive("max_market_age", *max_market_age)?;
        positive("max_legs_apart", *max_legs_apart)?;
        share_of("limit_band_bps", *limit_band_bps)?;
        if let UnquotedExit::LimitAtWorst { band_bps } = unquoted_exit {
            share_of("unquoted_exit.band_bps", *band_bps)?;
        }
        let share = Rules::new(&config.share, source)?;
        let option = Rules::new(&config.option, source)?;
        let exceptions = config.exceptions.iter().map(|(symbol, limits)| {
            let rules = Rules::new(limits, source);
            rules.map(|rules| (symbol.clone(), rules)).map_err(|contradiction| Contradiction::Of {
                symbol: symbol.clone(),
                contradiction: Box::new(contradiction),
            })
        });
        let exceptions = exceptions.collect::<Result<_, _>>()?;
        Ok(Self { config, share, option, exceptions })
    }

    /// What was checked.
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    pub(crate) fn rules(&self, symbol: &Symbol) -> Rules {
        let general = || if symbol.option().is_some() { self.option } else { self.share };
        self.exceptions.get(symbol).copied().unwrap_or_else(general)
    }
}

/// The limits of one symbol, in nanoseconds and units of price.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    pub(crate) max_age: i64,
    pub(crate) max_quiet: i64,
    pub(crate) max_side_quiet: i64,
    /// The fixed part of the widest spread.
    pub(crate) spread: i128,
    pub(crate) max_price: i128,
    pub(crate) collar_memory: i64,
}

/// No limit on time is longer.
const LONGEST: Duration = Duration::from_hours(24);
/// No price is higher, in whole units of currency: sums of prices and their products with basis points stay exact.
const HIGHEST: i64 = 1_000_000_000;
/// All of it.
const WHOLE_BPS: u32 = 10_000;

impl Rules {
    fn new(limits: &Limits, source: &Source) -> Result<Self, Contradiction> {
        positive("max_age", limits.max_age)?;
        positive("max_quiet", limits.max_quiet)?;
        positive("max_side_quiet", limits.max_side_quiet)?;
        let tick = price("tick", limits.tick)?;
        let max_price = price("max_price", limits.max_price)?;
        if limits.tick > limits.max_price {
            return Err(Contradiction::Apart { small: "tick", large: "max_price" });
        }
        if limits.max_spread_bps == 0 && limits.max_spread_ticks == 0 {
            return Err(Contradiction::Never { name: "max_spread_bps and max_spread_ticks" });
        }
        // At 20,000 basis points of the mid the bid may be zero.
        if limits.max_spread_bps >= 2 * WHOLE_BPS {
            return Err(Contradiction::NoLimit { name: "max_spread_bps" });
        }
        if let Some(collar) = limits.collar {
            share_of("collar.max_bps", collar.max_bps)?;
            positive("collar.memory", collar.memory)?;
        }
        if limits.min_size < Decimal::ZERO {
            return Err(Contradiction::Negative { name: "min_size" });
        }
        match source.stamps {
            Stamps::AsOf { max_late } if max_late > limits.max_age => {
                return Err(Contradiction::Apart { small: "max_late", large: "max_age" });
            }
            Stamps::LastChange { .. } if limits.frozen_after.is_some() => return Err(Contradiction::FrozenByDesign),
            Stamps::LastChange { .. } if limits.max_quiet > limits.max_side_quiet => {
                return Err(Contradiction::Apart { small: "max_quiet", large: "max_side_quiet" });
            }
            Stamps::LastChange { .. } if source.stamp_grain > limits.max_quiet => {
                return Err(Contradiction::Apart { small: "stamp_grain", large: "max_quiet" });
            }
            Stamps::AsOf { .. } | Stamps::LastChange { .. } => {}
        }
        Ok(Self {
            limits: *limits,
            max_age: nanos(limits.max_age),
            max_quiet: nanos(limits.max_quiet),
            max_side_quiet: nanos(limits.max_side_quiet),
            spread: tick.saturating_mul(i128::from(limits.max_spread_ticks)),
            max_price,
            collar_memory: limits.collar.map_or(0, |collar| nanos(collar.memory)),
        })
    }
}

impl Source {
    fn check(&self) -> Result<(), Contradiction> {
        positive("max_silence", self.max_silence)?;
        positive("max_offset", self.max_offset)?;
        positive("max_ahead", self.max_ahead)?;
        // A source that rounds up is ahead by up to a grain with nothing wrong.
        if self.stamp_grain > self.max_ahead {
            return Err(Contradiction::Apart { small: "stamp_grain", large: "max_ahead" });
        }
        let (name, limit) = match self.stamps {
            Stamps::AsOf { max_late } => ("max_late", max_late),
            Stamps::LastChange { max_feed_quiet } => ("max_feed_quiet", max_feed_quiet),
        };
        positive(name, limit)?;
        if self.stamp_grain > limit {
            return Err(Contradiction::Apart { small: "stamp_grain", large: name });
        }
        Ok(())
    }
}

fn positive(name: &'static str, limit: Duration) -> Result<(), Contradiction> {
    if limit.is_zero() {
        Err(Contradiction::Never { name })
    } else if limit > LONGEST {
        Err(Contradiction::NoLimit { name })
    } else {
        Ok(())
    }
}

fn price(name: &'static str, price: Decimal) -> Result<i128, Contradiction> {
    if price.is_zero() {
        return Err(Contradiction::Never { name });
    }
    if price < Decimal::ZERO {
        return Err(Contradiction::Negative { name });
    }
    match units(price) {
        Ok(_) if price > Decimal::from(HIGHEST) => Err(Contradiction::NoLimit { name }),
        Ok(units) => Ok(units),
        Err(NoUnits::TooLarge) => Err(Contradiction::NoLimit { name }),
        Err(NoUnits::TooFine) => Err(Contradiction::TooFine { name }),
    }
}

fn share_of(name: &'static str, bps: u32) -> Result<(), Contradiction> {
    match bps {
        0 => Err(Contradiction::Never { name }),
        1..WHOLE_BPS => Ok(()),
        _ => Err(Contradiction::NoLimit { name }),
    }
}

/// A limit that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// Nothing could ever pass.
    #[error("{name} is zero: nothing would ever pass")]
    Never {
        /// Which.
        name: &'static str,
    },
    /// Everything would pass.
    #[error("{name} is so large that it limits nothing")]
    NoLimit {
        /// Which.
        name: &'static str,
    },
    /// Below zero.
    #[error("{name} is below zero")]
    Negative {
        /// Which.
        name: &'static str,
    },
    /// More than 12 decimals.
    #[error("{name} has more than 12 decimals")]
    TooFine {
        /// Which.
        name: &'static str,
    },
    /// One limit undoes another.
    #[error("{small} must not be greater than {large}")]
    Apart {
        /// What must not be the greater one.
        small: &'static str,
        /// What must not be the smaller one.
        large: &'static str,
    },
    /// A quiet side stands still by the very meaning of its stamps.
    #[error("frozen_after cannot go with stamps of the last change, which stand still when nothing is wrong")]
    FrozenByDesign,
    /// In the exception for one symbol.
    #[error("in the exception for {symbol}: {contradiction}")]
    Of {
        /// Which symbol.
        symbol: Symbol,
        /// What is wrong with it.
        contradiction: Box<Contradiction>,
    },
}

#[cfg(test)]
mod tests;
