//! How long, how often, whose, and what may be done: everything a person decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backstop_broker::{Decimal, Symbol};
use jiff::{SignedDuration, Timestamp};

use crate::compare;

/// What is judged how. [`Config::new`] has figures for Tradier, which documents none of its lags.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How far the broker's list of positions may be behind its fills. What changed more recently is not judged (REC-3).
    pub lag: Duration,
    /// How often the broker's list has to agree that a position is gone whose fills have closed it.
    pub confirm: Repeat,
    /// How often a position has to be missed, each time with a witness, before its absence counts (REC-5).
    pub absence: Repeat,
    /// When so much is missing at once that the answer is in doubt, and not the book (REC-5).
    pub glitch: Portion,
    /// How long to wait before the next look at a close that could not be verified.
    pub pauses: Pauses,
    /// How long after the close of its last day an option counts as expired: some trade 15 minutes longer than shares.
    pub expiry_margin: Duration,
    /// Roots of options that settle in cash. What is not among them leaves shares.
    pub cash_settled: BTreeSet<String>,
    /// What our orders are called.
    pub names: Names,
    /// What is at the broker and not ours.
    pub others: Others,
    /// What to do with what is nobody's.
    pub orphans: Orphans,
    /// What to do where quantities differ and the evidence says why.
    pub sizes: Sizes,
}

/// So many reads, each so long after the one before, and all of them over so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Repeat {
    /// How many.
    pub reads: u32,
    /// A read that comes sooner after the last one that counted does not count.
    pub spacing: Duration,
    /// From the first to the last, at least.
    pub over: Duration,
}

/// A share of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Portion {
    /// Fewer positions than this are no glitch.
    pub positions: usize,
    /// Of a hundred that are open.
    pub percent: u8,
}

/// Pauses that double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Pauses {
    /// The first.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
    /// How long after the first look somebody is told.
    pub alert_after: Duration,
}

/// What our orders are called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Names {
    /// What the label of each begins with, and of nobody else's.
    pub prefix: String,
    /// Since when every name is among the intents. An order at rest that is older is not judged.
    pub since: Option<Timestamp>,
    /// How far the broker's clock may differ from ours.
    pub clock_tolerance: SignedDuration,
}

/// What is at the broker and not ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Others {
    /// So much of a symbol, signed. The rest of its row is compared.
    pub quantities: BTreeMap<Symbol, Decimal>,
    /// Whatever there is of a symbol. Where the book holds it too, nothing can be concluded from its row.
    pub symbols: BTreeSet<Symbol>,
    /// What the labels of their orders begin with.
    pub prefixes: BTreeSet<String>,
}

impl Others {
    /// What of the `broker`'s signed quantity of a symbol is ours, where the book has `tracked` of it.
    pub fn ours(&self, symbol: &Symbol, tracked: Decimal, broker: Decimal) -> Decimal {
        compare::ours(tracked, broker, self.quantity(symbol))
    }

    /// What the broker should have of a symbol, signed, where the book has `tracked` of it.
    pub fn expected(&self, symbol: &Symbol, tracked: Decimal) -> Decimal {
        tracked.saturating_add(self.quantity(symbol))
    }

    /// How much of a symbol was declared, signed.
    pub(crate) fn quantity(&self, symbol: &Symbol) -> Decimal {
        self.quantities.get(symbol).copied().unwrap_or_default()
    }
}

/// What to do with what is at the broker and nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Orphans {
    /// Tell somebody.
    Leave,
    /// Tell somebody, and watch it with a stop.
    Adopt {
        /// The share of the price that it may lose: more than 0, at most 1.
        stop: Decimal,
    },
}

/// What to do where quantities differ and the evidence says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sizes {
    /// Tell somebody.
    Report,
    /// Tell somebody, and set the book by it.
    Correct,
}

/// What cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: it has to be {wanted}")]
pub struct ConfigError {
    /// The field of [`Config`].
    pub field: &'static str,
    /// What it is.
    pub value: String,
    /// What it may be.
    pub wanted: &'static str,
}

impl Config {
    /// The figures for Tradier, for orders whose labels begin with `prefix`. Orphans and differences are told, not touched.
    pub fn new(prefix: &str) -> Self {
        let roots =
            ["DJX", "MRUT", "NDX", "NDXP", "OEX", "RUT", "RUTW", "SPX", "SPXW", "VIX", "VIXW", "XEO", "XND", "XSP"];
        Self {
            lag: Duration::from_secs(10),
            confirm: Repeat { reads: 2, spacing: Duration::from_secs(1), over: Duration::from_secs(1) },
            absence: Repeat { reads: 3, spacing: Duration::from_secs(30), over: Duration::from_mins(5) },
            glitch: Portion { positions: 2, percent: 50 },
            pauses: Pauses {
                first: Duration::from_secs(1),
                most: Duration::from_mins(5),
                alert_after: Duration::from_mins(2),
            },
            expiry_margin: Duration::from_hours(1),
            cash_settled: roots.into_iter().map(str::to_owned).collect(),
            names: Names { prefix: prefix.to_owned(), since: None, clock_tolerance: SignedDuration::from_secs(60) },
            others: Others::default(),
            orphans: Orphans::Leave,
            sizes: Sizes::Report,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let error = |field, value: String, wanted| Err(ConfigError { field, value, wanted });
        if self.names.prefix.is_empty() {
            return error("names.prefix", "empty".to_owned(), "what begins our labels and no other");
        }
        if self.confirm.reads < 2 || self.confirm.spacing.is_zero() {
            return error("confirm", format!("{:?}", self.confirm), "two reads or more, with time between them");
        }
        if self.absence.reads < 2 || self.absence.spacing.is_zero() || self.absence.over < self.lag {
            let wanted = "two reads or more, with time between them, over the broker's lag or longer";
            return error("absence", format!("{:?}", self.absence), wanted);
        }
        if self.glitch.positions == 0 || !(1..=100).contains(&self.glitch.percent) {
            return error("glitch", format!("{:?}", self.glitch), "one position or more, and 1 to 100 percent");
        }
        if self.pauses.first.is_zero() || self.pauses.most < self.pauses.first {
            return error(
                "pauses",
                format!("{:?}", self.pauses),
                "more than zero, and the longest not below the first",
            );
        }
        if let Orphans::Adopt { stop } = self.orphans
            && (stop <= Decimal::ZERO || stop > Decimal::ONE)
        {
            return error("orphans.stop", stop.to_string(), "more than 0 and at most 1");
        }
        Ok(())
    }
}

impl Names {
    /// Whether a label is of the kind that we give.
    pub(crate) fn are_ours(&self, label: Option<&str>) -> bool {
        label.is_some_and(|label| label.starts_with(&self.prefix))
    }
}

impl Others {
    /// Whether the label is of somebody who was declared.
    pub(crate) fn bear(&self, label: Option<&str>) -> bool {
        label.is_some_and(|label| self.prefixes.iter().any(|prefix| label.starts_with(prefix)))
    }
}

#[cfg(test)]
mod tests;
