//! What one run found, as values: proofs and tokens to spend, findings to tell, records to write.

use std::collections::BTreeSet;

use backstop_broker::{BrokerOrderId, ClientOrderId, Symbol};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::drift::{Adoption, Correction, Drift};
use crate::id::PositionId;
use crate::intents::Violation;
use crate::moment::Moment;
use crate::proof::VerifiedClosed;
use crate::verdict::{Doubt, PendingClose, Source, Verdict};

/// One comparison of the book with the broker.
#[must_use = "proofs that are not spent leave positions in the book, and findings that nobody reads were for nothing"]
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// When it was made.
    pub at: Moment,
    /// Whether every symbol could be compared: both lists were read, and the broker's lag is over since this process came.
    pub is_complete: bool,
    /// Positions that are closed.
    pub closed: Vec<VerifiedClosed>,
    /// What is to be taken into the book, by policy.
    pub adoptions: Vec<Adoption>,
    /// What is to be set in the book, by policy.
    pub corrections: Vec<Correction>,
    /// Every symbol that differs, in the order of their names (REC-4).
    pub drift: Vec<Drift>,
    /// Symbols that differ and were not judged, with the reason (REC-3).
    pub unjudged: Vec<Unjudged>,
    /// Positions whose close is not verified.
    pub pending: Vec<PendingClose>,
    /// What is said of positions that are not pending and are not as they should be.
    pub verdicts: Vec<(PositionId, Verdict)>,
    /// Orders on which broker and records disagree: each is a reason to halt (REC-7).
    pub violations: BTreeSet<Violation>,
    /// So much is missing at once that nothing was concluded from it (REC-5).
    pub glitch: Option<Glitch>,
    /// What could not be read.
    pub unread: Vec<Doubt>,
    /// What to read for the next run.
    pub needs: BTreeSet<Need>,
}

/// A symbol that differs and was not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Unjudged {
    /// The symbol.
    pub symbol: Symbol,
    /// Why.
    pub because: Doubt,
}

/// Too much is missing at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Glitch {
    /// How many positions are missing, without anything that explains it.
    pub missing: usize,
    /// How many are open.
    pub open: usize,
}

/// A read that would tell more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "need", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Need {
    /// Again what failed.
    Again {
        /// Which list.
        source: Source,
    },
    /// One order by its number: the list of the day does not reach back to it.
    Order {
        /// The broker's name for it.
        order: BrokerOrderId,
        /// Ours.
        client_order_id: ClientOrderId,
    },
    /// The orders of an earlier day: what was sent then is in no list of today.
    OrdersOf {
        /// The day, in New York.
        day: Date,
        /// Which of them is looked for.
        client_order_id: ClientOrderId,
    },
    /// The balances: they may say what the list of positions does not.
    Balances,
    /// What the clearing firm has as closed since a day.
    ClosedLots {
        /// The day.
        since: Date,
    },
    /// What an underlying was worth when its options expired.
    Settlement {
        /// The underlying.
        underlying: Symbol,
        /// The day.
        on: Date,
    },
}

/// One finding for the record, beside the [`Change`](crate::Change)s of the book (REC-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Finding {
    /// A symbol differs.
    Drift(Drift),
    /// A symbol differs and was not judged.
    Unjudged(Unjudged),
    /// A position was not removed.
    Kept {
        /// Which.
        position: PositionId,
        /// Since when it is looked at, where it is pending.
        since: Option<Timestamp>,
        /// What the evidence says.
        verdict: Verdict,
    },
    /// An order is not as recorded.
    Order {
        /// How.
        violation: Violation,
    },
    /// Nothing was concluded from what is missing.
    Glitch(Glitch),
    /// A list could not be read.
    NotRead {
        /// Which, and why.
        because: Doubt,
    },
}

impl Run {
    pub(crate) fn new(at: Moment) -> Self {
        Self {
            at,
            is_complete: false,
            closed: Vec::new(),
            adoptions: Vec::new(),
            corrections: Vec::new(),
            drift: Vec::new(),
            unjudged: Vec::new(),
            pending: Vec::new(),
            verdicts: Vec::new(),
            violations: BTreeSet::new(),
            glitch: None,
            unread: Vec::new(),
            needs: BTreeSet::new(),
        }
    }

    /// Everything that was found and refused, for the record. What is spent makes a record of its own.
    pub fn findings(&self) -> Vec<Finding> {
        let mut all: Vec<Finding> = Vec::new();
        all.extend(self.unread.iter().cloned().map(|because| Finding::NotRead { because }));
        all.extend(self.glitch.map(Finding::Glitch));
        all.extend(self.violations.iter().cloned().map(|violation| Finding::Order { violation }));
        all.extend(self.drift.iter().cloned().map(Finding::Drift));
        all.extend(self.unjudged.iter().cloned().map(Finding::Unjudged));
        all.extend(self.pending.iter().map(|pending| {
            let (position, since, verdict) = (pending.position.clone(), Some(pending.since), pending.verdict.clone());
            Finding::Kept { position, since, verdict }
        }));
        all.extend(self.verdicts.iter().cloned().map(|(position, verdict)| {
            let since = None;
            Finding::Kept { position, since, verdict }
        }));
        all
    }

    /// What is said of a position that is not as it should be.
    pub fn verdict_of(&self, position: &PositionId) -> Option<&Verdict> {
        if self.closed.iter().any(|proof| proof.position() == position) {
            return Some(&Verdict::Closed);
        }
        let pending = self.pending.iter().find(|pending| pending.position == *position);
        let pending = pending.map(|pending| &pending.verdict);
        pending.or_else(|| self.verdicts.iter().find(|(id, _)| id == position).map(|(_, verdict)| verdict))
    }
}
