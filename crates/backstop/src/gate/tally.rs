//! How many quotes came, and how many of them could not be used, by reason: what a policy is chosen by.

use std::collections::BTreeMap;

use backstop_broker::{Quotes, Symbol};
use backstop_quote::{NotFresh, Reason, Refusal as QuoteRefusal};

use crate::Refusal;

/// What became of the quotes that a desk has seen since it was opened. Reasons go by [`Reason::name`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuoteTally {
    /// How many came.
    pub received: u64,
    /// How many of these were refused as they came, and how many were asked for and did not come (`no quote`).
    pub refused: BTreeMap<&'static str, u64>,
    /// How often an entry was not made, or turned away, for want of a fresh quote.
    pub entries: BTreeMap<&'static str, u64>,
    /// How many exits left without a fresh quote, at what the policy allows then.
    pub exits: BTreeMap<&'static str, u64>,
}

impl QuoteTally {
    pub(crate) fn came(&mut self, asked: &[Symbol], quotes: &Quotes, refused: &[QuoteRefusal]) {
        let count = u64::try_from(quotes.quotes.len()).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(count);
        for refusal in refused {
            add(&mut self.refused, refusal.reason.name());
        }
        for _missing in asked.iter().filter(|symbol| quotes.get(symbol).is_none()) {
            add(&mut self.refused, Reason::NoQuote.name());
        }
    }

    /// Counts a refusal of the entry's gates, if it is one for its quotes.
    pub(crate) fn entry_refused(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::Quote(not_fresh) => add(&mut self.entries, name(not_fresh)),
            Refusal::QuoteExpired(_) => add(&mut self.entries, EXPIRED),
            Refusal::LimitPrice(_) => add(&mut self.entries, "limit price"),
            _ => {}
        }
    }

    pub(crate) fn exit_unquoted(&mut self, not_fresh: &NotFresh) {
        add(&mut self.exits, name(not_fresh));
    }
}

/// Fresh, and too old when the order was to leave.
const EXPIRED: &str = "expired";

fn name(not_fresh: &NotFresh) -> &'static str {
    match not_fresh {
        NotFresh::Refused(refusal) => refusal.reason.name(),
        NotFresh::Expired(_) => EXPIRED,
        _ => "uncountable",
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, name: &'static str) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(1);
}
