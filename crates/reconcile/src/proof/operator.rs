//! A close on a person's word.

use backstop_broker::{Decimal, Position as BrokerPosition, Symbol};
use jiff::Timestamp;

use super::{Evidence, SeenLeg, VerifiedClosed};
use crate::book::Book;
use crate::config::Others;
use crate::id::PositionId;
use crate::intents::{Intents, Stage};
use crate::reads::Read;
use crate::rows::Rows;

/// A person who answers for it that a position is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Override {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Whether it holds although the broker's positions do not agree, or could not be read.
    pub despite_the_broker: bool,
}

/// Why a person's word was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverrideRefused {
    /// Nobody answers for it.
    #[error("an override needs a name and a reason")]
    Nobody,
    /// There is no such position.
    #[error("position {position} is not in the book")]
    NotHeld {
        /// Its name.
        position: PositionId,
    },
    /// An order of it may still fill.
    #[error("order {order} of it is not at rest: settle that first")]
    InFlight {
        /// Our name for it.
        order: String,
    },
    /// The broker does not agree.
    #[error(
        "without it {expected} {symbol} would be held, and the broker shows {broker}; say `despite` if it is so all the same"
    )]
    Differs {
        /// The symbol.
        symbol: Symbol,
        /// What the broker has.
        broker: Decimal,
        /// What the rest of the book says.
        expected: Decimal,
    },
    /// The broker did not answer.
    #[error("the broker's positions could not be read ({error}); say `despite` if it is so all the same")]
    NotRead {
        /// What it said.
        error: String,
    },
}

impl VerifiedClosed {
    /// On the word of `person`, with what the broker shows beside it.
    ///
    /// # Errors
    /// [`OverrideRefused`].
    pub fn by_operator(
        book: &Book,
        intents: &Intents,
        positions: &Read<Vec<BrokerPosition>>,
        others: &Others,
        id: &PositionId,
        person: Override,
    ) -> Result<Self, OverrideRefused> {
        let Override { by, reason, at, despite_the_broker } = person;
        if by.trim().is_empty() || reason.trim().is_empty() {
            return Err(OverrideRefused::Nobody);
        }
        let position = book.get(id).ok_or_else(|| OverrideRefused::NotHeld { position: id.clone() })?;
        let open = |stage: &Stage| matches!(stage, Stage::InFlight { .. } | Stage::InDoubt { .. });
        if let Some((order, _)) = intents.iter().find(|(_, intent)| intent.position == *id && open(&intent.stage)) {
            return Err(OverrideRefused::InFlight { order: order.to_string() });
        }
        let mut seen = Vec::new();
        match &positions.answer {
            Ok(rows) => {
                let rows = Rows::new(rows);
                for leg in &position.legs {
                    let (symbol, broker) = (leg.symbol.clone(), rows.quantity(&leg.symbol));
                    let rest = book.net(&symbol) - leg.left;
                    if others.ours(&symbol, rest, broker) != rest && !despite_the_broker {
                        let expected = others.expected(&symbol, rest);
                        return Err(OverrideRefused::Differs { symbol, broker, expected });
                    }
                    seen.push(SeenLeg { symbol, broker });
                }
            }
            Err(error) if !despite_the_broker => return Err(OverrideRefused::NotRead { error: error.to_string() }),
            Err(_) => {}
        }
        let evidence = Evidence::Operator { by, reason, at, seen };
        Ok(Self { position: id.clone(), revision: position.revision, evidence })
    }
}
