//! What the broker was asked, when, and what it said: the evidence, as it came.

use backstop_broker::{Balances, ClosedLot, Decimal, OrderList, Position, ReadError, Symbol};
use jiff::civil::Date;

use crate::moment::Moment;

/// One read. What failed is an error and says nothing (REC-2): least of all that there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller, from an answer")]
pub struct Read<T> {
    /// When it was asked for, not when it came: what happened in between may be missing in it.
    pub asked: Moment,
    /// What came.
    pub answer: Result<T, ReadError>,
}

/// The reads of one run: one request for each source. All are to be asked for after the intents that they are judged with
/// were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is left out is not judged; Run::needs names what is wanted")]
pub struct Reads {
    /// Every position of the account.
    pub positions: Read<Vec<Position>>,
    /// Every order of the broker's day.
    pub orders: Read<OrderList>,
    /// The account's money, where it was asked for.
    pub balances: Option<Read<Balances>>,
    /// What the clearing firm has as closed, where it was asked for.
    pub closed: Option<Read<Vec<ClosedLot>>>,
    /// Settlement values of underlyings, where they are known.
    pub settlements: Vec<Settlement>,
}

/// What an underlying was worth when its options expired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller")]
pub struct Settlement {
    /// The underlying, as positions name it.
    pub underlying: Symbol,
    /// The day of expiration.
    pub on: Date,
    /// Its value, per share or of the index, as strikes are given.
    pub price: Decimal,
}

impl<T> Read<T> {
    /// A read that was asked for at `asked`.
    pub fn new(asked: Moment, answer: Result<T, ReadError>) -> Self {
        Self { asked, answer }
    }

    pub(crate) fn value(&self) -> Option<&T> {
        self.answer.as_ref().ok()
    }
}
