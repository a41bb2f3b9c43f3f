//! A difference that lasts: how often it was seen, and with which witnesses.

use backstop_broker::Decimal;
use jiff::Timestamp;

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
    /// `None`: it was never seen to agree as it is.
    agreed: Option<Agreed>,
    /// Reads that showed the same.
    stable: Option<Count>,
    /// Those of them that a witness agreed with.
    witnessed: Option<Count>,
}

/// A look at which a symbol agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The change of the book that the list had to show.
    pub(crate) revision: u64,
    /// When it was asked for.
    pub(crate) asked: Timestamp,
}

impl Suspicion {
    /// `agreed` is the last look, if the symbol agreed then.
    pub(crate) fn new(difference: &Difference<'_>, agreed: Option<Agreed>) -> Self {
        Self {
            tracked: difference.tracked,
            broker: difference.broker,
            revision: difference.revision(),
            agreed: agreed.filter(|at| at.revision >= difference.revision()),
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
        Self::new(difference, self.agreed)
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

    pub(crate) fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    pub(crate) fn stable(&self) -> Option<&Count> {
        self.stable.as_ref()
    }

    pub(crate) fn witnessed(&self) -> Option<&Count> {
        self.witnessed.as_ref()
    }
}
