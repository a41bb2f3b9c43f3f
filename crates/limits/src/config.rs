//! What a person allows. No default, and no word for "unlimited" (LIMIT-1).

use std::collections::BTreeSet;

use backstop_broker::{Decimal, Symbol};
use serde::{Deserialize, Serialize};

/// What a bot may do at most. Amounts are in the account's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "LIMIT-1: whoever makes one says all of it, and a new limit breaks the build"
)]
pub struct Config {
    /// Shares or contracts of any leg of one order.
    pub order_quantity: u32,
    /// The value of one order: the sum over its legs of quantity, multiplier and price, whether bought or sold; the price is
    /// the order's own or the market's worse side, whichever is more.
    pub order_notional: Decimal,
    /// The value of all that is open or may become so, this order included.
    pub gross_notional: Decimal,
    /// How far from the middle of the market a price may be.
    pub collar: Collar,
    /// Positions at once, orders that may still become one included.
    pub positions: u32,
    /// The same on one underlying.
    pub positions_per_underlying: u32,
    /// Entries of a session, however they ended.
    pub entries: u32,
    /// What a session may lose. From there on there are no entries.
    pub loss: Decimal,
    /// Executions of one kind, over all sessions, until a person allows as many again. Entries that may still be filled count
    /// as executions, where whoever judges has counted them so.
    pub repeats: u32,
    /// Orders with the same legs.
    pub look_alikes: Rate,
    /// Messages to the broker: orders, changes, cancels.
    pub messages: Rate,
    /// What may be traded: the symbols that orders are about.
    pub underlyings: BTreeSet<Symbol>,
}

/// How far from the middle of the market a price may be: the greater of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Collar {
    /// In basis points (0.01 %) of the middle.
    pub bps: u32,
    /// In currency per share. Basis points of an option that costs five cents are less than a tick.
    pub least: Decimal,
}

/// So many in any span of so many seconds, wherever it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// Why a configuration is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit that lets nothing pass, or is below zero. To stop trading there is the kill switch.
    #[error(
        "the limit `{name}` is {value}, with which nothing could be traded; give it a positive value, or halt instead"
    )]
    NotPositive {
        /// The field.
        name: &'static str,
        /// What it is set to.
        value: Decimal,
    },
    /// A limit so wide that it is none.
    #[error("the limit `{name}` is {value}, which is no limit; the most is {most}")]
    NoLimit {
        /// The field.
        name: &'static str,
        /// What it is set to.
        value: Decimal,
        /// The most that makes sense.
        most: Decimal,
    },
    /// Two limits of which one can never be reached: one of them is not what was meant.
    #[error(
        "the limit `{inner}` is {value}, and can never be reached while `{outer}` is {bound}; lower the one or raise the other"
    )]
    Contradiction {
        /// The field that is too large.
        inner: &'static str,
        /// What it is set to.
        value: Decimal,
        /// The field that keeps it from being reached.
        outer: &'static str,
        /// What that is set to.
        bound: Decimal,
    },
    /// Nothing may be traded.
    #[error("the limit `underlyings` names no symbol; list what may be traded")]
    NoUnderlyings,
}

/// A price may be away from the middle by its half at most: beyond that it is another instrument's.
const WIDEST_COLLAR_BPS: u32 = 5_000;

impl Config {
    /// Whether it can be meant.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (name, value) in self.figures() {
            if value <= Decimal::ZERO {
                return Err(ConfigError::NotPositive { name, value });
            }
        }
        let (bps, most) = (Decimal::from(self.collar.bps), Decimal::from(WIDEST_COLLAR_BPS));
        if bps > most {
            return Err(ConfigError::NoLimit { name: "collar.bps", value: bps, most });
        }
        let (alike, messages) = (Decimal::from(self.look_alikes.count), Decimal::from(self.entries));
        for (inner, value, outer, bound) in [
            ("order_notional", self.order_notional, "gross_notional", self.gross_notional),
            (
                "positions_per_underlying",
                Decimal::from(self.positions_per_underlying),
                "positions",
                Decimal::from(self.positions),
            ),
            ("look_alikes.count", alike, "entries", messages),
        ] {
            if value > bound {
                return Err(ConfigError::Contradiction { inner, value, outer, bound });
            }
        }
        if self.underlyings.is_empty() { Err(ConfigError::NoUnderlyings) } else { Ok(()) }
    }

    /// Every limit that is a number, by its name. Of each the smaller is the tighter, but for the seconds.
    pub(crate) fn figures(&self) -> [(&'static str, Decimal); 14] {
        [
            ("order_quantity", self.order_quantity.into()),
            ("order_notional", self.order_notional),
            ("gross_notional", self.gross_notional),
            ("collar.bps", self.collar.bps.into()),
            ("collar.least", self.collar.least),
            ("positions", self.positions.into()),
            ("positions_per_underlying", self.positions_per_underlying.into()),
            ("entries", self.entries.into()),
            ("loss", self.loss),
            ("repeats", self.repeats.into()),
            ("look_alikes.count", self.look_alikes.count.into()),
            ("look_alikes.seconds", self.look_alikes.seconds.into()),
            ("messages.count", self.messages.count.into()),
            ("messages.seconds", self.messages.seconds.into()),
        ]
    }
}
