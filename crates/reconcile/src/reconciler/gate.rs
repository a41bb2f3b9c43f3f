//! Which symbols are shut for entries (REC-9).

use std::collections::BTreeSet;

use backstop_broker::Symbol;
use jiff::Timestamp;

use super::Reconciler;
use crate::look::Look;
use crate::run::{Run, Unjudged};

/// Whether entries in a symbol may pass (REC-9). Exits always may.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Gate {
    /// The last judged comparison found it as it should be.
    Open,
    /// It was not.
    Shut {
        /// Since when.
        since: Timestamp,
        /// Why, for people.
        because: String,
    },
}

impl Reconciler {
    /// Whether entries in `symbol` may pass.
    pub fn gate(&self, symbol: &Symbol) -> Gate {
        if !self.has_compared() {
            let because = "the book was not compared with the broker yet".to_owned();
            return Gate::Shut { since: self.began, because };
        }
        match self.shut.get(symbol) {
            None => Gate::Open,
            Some((since, because)) => Gate::Shut { since: *since, because: because.clone() },
        }
    }

    /// REC-9: what differs is shut; what was judged and agrees is open again. What was not judged stays as it was, and is shut
    /// where nothing is known of before: it may have differed all the time.
    pub(super) fn shut(&mut self, look: &Look<'_>, run: &Run) {
        let index = look.book.index();
        let differs: BTreeSet<&Symbol> = run.drift.iter().map(|drift| &drift.symbol).collect();
        let is_judged = |symbol: &Symbol| {
            let revision = index.of(symbol).map_or(0, |net| net.revision);
            run.is_complete && look.judge(symbol, revision).is_ok()
        };
        self.shut.retain(|symbol, _| differs.contains(symbol) || !is_judged(symbol));
        for drift in &run.drift {
            let since = self.shut.get(&drift.symbol).map_or(look.now.wall, |(since, _)| *since);
            self.shut.insert(drift.symbol.clone(), (since, drift.to_string()));
        }
        if run.is_complete && self.compared.is_none() {
            for Unjudged { symbol, because } in &run.unjudged {
                let because = format!("it differs from the book, and why is not judged yet: {because}");
                self.shut.entry(symbol.clone()).or_insert((look.now.wall, because));
            }
        }
    }
}
