//! At what price an exit leaves, with quotes and without: it always leaves.

use rust_decimal::Decimal;

use crate::{Fresh, Refusal, Spread};

/// At what price an exit may leave. There is always one: waiting for a better quote is how losses grow unwatched.
#[derive(Debug)]
#[must_use = "an exit that is not sent leaves a position open"]
#[expect(clippy::exhaustive_enums, reason = "complete by definition; an exit has to match all three")]
pub enum ExitPrice {
    /// At a limit, by quotes that are fresh.
    Quoted {
        /// What they say.
        spread: Fresh<Spread>,
        /// The net price for one spread, per share: paid is positive, received negative. Beyond what the quotes ask by the
        /// policy's band, and by a tick of each leg at least, so that a small move does not leave the order behind.
        net: Decimal,
    },
    /// At a limit, by the prices that were accepted last.
    Limit {
        /// The net price for one spread, per share: paid is positive, received negative. On the ticks of its legs.
        net: Decimal,
        /// Why there is no quote.
        because: Refusal,
    },
    /// As a market order.
    Market {
        /// Why there is no quote.
        because: Refusal,
    },
}
