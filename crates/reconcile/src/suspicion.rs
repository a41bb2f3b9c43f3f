//! A difference that lasts: how often it was seen, and with which witnesses.

use backstop_broker::Decimal;

use crate::compare::Difference;
use crate::config::Repeat;
use crate::moment::Moment;
use crate::tally::{Count, Witness};

/// One symbol that differs, over several looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspicion {
    tracked: Decimal,
    broker: Decimal,
    revision: u64,
    /// The change of the book up to which the symbol was last seen to agree; `None`: it never was.
    agreed_at: Option<u64>,
    /// Reads that showed the same.
    stable: Option<Count>,
    /// Those of them that a witness agreed with.
    witnessed: Option<Count>,
}

impl Suspicion {
    /// `agreed_at` is the change of the book at the last look, if the symbol agreed then.
    pub(crate) fn new(difference: &Difference<'_>, agreed_at: Option<u64>) -> Self {
        Self {
            tracked: difference.tracked,
            broker: difference.broker,
            revision: difference.revision(),
            agreed_at: agreed_at.filter(|at| *at >= difference.revision()),
            stable: None,
            witnessed: None,
        }
    }

    /// Whether `difference` is the one that this counts.
    pub(crate) fn is_of(&self, difference: &Difference<'_>) -> bool {
        (self.tracked, self.broker, self.revision) == (difference.tracked, difference.broker, difference.revision())
    }

    /// The same symbol with another difference: the count begins anew.
    pub(crate) fn changed(&self, difference: &Difference<'_>) -> Self {
        Self::new(difference, self.agreed_at)
    }

    pub(crate) fn count(&mut self, asked: Moment, repeat: Repeat, witness: Option<Witness>) {
        if witness.is_some() {
            Count::add(&mut self.witnessed, asked, repeat, witness);
        }
        Count::add(&mut self.stable, asked, repeat, None);
    }

    /// Whether the broker has none of it at all.
    pub(crate) fn is_gone(&self) -> bool {
        self.broker.is_zero() && !self.tracked.is_zero()
    }

    pub(crate) fn agreed_at(&self) -> Option<u64> {
        self.agreed_at
    }

    pub(crate) fn stable(&self) -> Option<&Count> {
        self.stable.as_ref()
    }

    pub(crate) fn witnessed(&self) -> Option<&Count> {
        self.witnessed.as_ref()
    }
}
