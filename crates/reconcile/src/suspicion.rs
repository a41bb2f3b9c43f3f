//! A difference that lasts: since when it was seen, how often, and with which witnesses.

use backstop_broker::Decimal;
use backstop_clock::Mono;

use crate::compare::Difference;
use crate::config::Repeat;
use crate::moment::Moment;
use crate::tally::{Count, Witness};

/// One symbol that differs, over several looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspicion {
    tracked: Decimal,
    broker: Decimal,
    delta: Decimal,
    revision: u64,
    before: Before,
    began: Mono,
    seen: Mono,
    /// Whether orders of somebody else explain it.
    explained: bool,
    /// Reads that showed the same.
    stable: Option<Count>,
    /// Those of them that a witness agreed with.
    witnessed: Option<Count>,
}

/// What was known of a symbol before it differed as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Before {
    /// The last look at which it was as it should be, if the book has not changed since.
    pub(crate) agreed: Option<Agreed>,
    /// How much it differed at the last look, and when that was asked for. `None`: it was not seen.
    pub(crate) last: Option<(Decimal, Mono)>,
}

impl Before {
    /// As far as it speaks of a symbol that change number `revision` touched last.
    pub(crate) fn of(self, revision: u64) -> Self {
        Self { agreed: self.agreed.filter(|agreed| agreed.revision >= revision), ..self }
    }
}

/// A look at which a symbol agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The change of the book that the list had to show.
    pub(crate) revision: u64,
    /// When it was asked for.
    pub(crate) asked: Moment,
}

impl Suspicion {
    pub(crate) fn new(difference: &Difference<'_>, before: Before, asked: Moment) -> Self {
        Self {
            tracked: difference.tracked,
            broker: difference.broker,
            delta: difference.delta(),
            revision: difference.revision(),
            before,
            began: asked.mono,
            seen: asked.mono,
            explained: false,
            stable: None,
            witnessed: None,
        }
    }

    /// Whether `difference` is the one that this counts.
    pub(crate) fn is_of(&self, difference: &Difference<'_>) -> bool {
        (self.tracked, self.broker, self.revision) == (difference.tracked, difference.broker, difference.revision())
    }

    /// What was known before it.
    pub(crate) fn before(&self) -> Before {
        self.before
    }

    /// What is known by it.
    pub(crate) fn now(&self) -> Before {
        Before { last: Some((self.delta, self.seen)), ..self.before }
    }

    /// What was known before it, for when the symbol differs again: a list that is old for once has not answered for the orders
    /// that explain it.
    pub(crate) fn before_explained(&self) -> Option<Before> {
        self.explained.then_some(self.before)
    }

    pub(crate) fn count(&mut self, asked: Moment, repeat: Repeat, witness: Option<Witness>) {
        if witness.is_some() {
            Count::add(&mut self.witnessed, asked, repeat, witness);
        }
        Count::add(&mut self.stable, asked, repeat, None);
    }

    /// Notes that it was seen, counted or not, and whether orders of somebody else explain it.
    pub(crate) fn see(&mut self, asked: Moment, explained: bool) {
        self.seen = self.seen.max(asked.mono);
        self.explained = explained;
    }

    /// Whether the broker has none of it at all.
    pub(crate) fn is_gone(&self) -> bool {
        self.broker.is_zero() && !self.tracked.is_zero()
    }

    /// When it was first seen so.
    pub(crate) fn began(&self) -> Mono {
        self.began
    }

    pub(crate) fn stable(&self) -> Option<&Count> {
        self.stable.as_ref()
    }

    pub(crate) fn witnessed(&self) -> Option<&Count> {
        self.witnessed.as_ref()
    }
}
