//! A spread: several legs that are fresh together, what they cost, and whether a limit price makes sense beside that.

use std::num::NonZeroU32;

use rust_decimal::Decimal;

use crate::{Quote, Side, Symbol};

/// A leg to be priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedLeg {
    /// What.
    pub symbol: Symbol,
    /// Bought or sold.
    pub side: Side,
    /// How many of it in one spread.
    pub ratio: NonZeroU32,
}

/// The quotes of all legs, judged at one moment. What it costs is counted for one spread and per share: positive is paid,
/// negative is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    legs: Vec<(QuotedLeg, Quote)>,
    prices: SpreadPrices,
}

/// What a spread costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpreadPrices {
    /// Buying at the ask and selling at the bid: what is filled at once.
    pub natural: Decimal,
    /// Half way. `None` when a leg has no other side.
    pub mid: Option<Decimal>,
    /// Buying at the bid and selling at the ask: what waits for somebody to come. `None` when a leg has no other side.
    pub passive: Option<Decimal>,
    /// The most that a limit price may give: the natural price and the policy's band.
    pub worst: Decimal,
    /// The band: so many basis points of the sum of the legs' prices, which does not vanish where they cancel out.
    pub band: Decimal,
}

impl Spread {
    /// What it costs, or `None` when that is more than can be counted.
    pub(crate) fn priced(legs: Vec<(QuotedLeg, Quote)>, band_bps: u32) -> Option<Self> {
        let prices = SpreadPrices::of(&legs, band_bps)?;
        Some(Self { legs, prices })
    }

    /// The legs with their quotes, in the order in which they were asked for.
    pub fn legs(&self) -> &[(QuotedLeg, Quote)] {
        &self.legs
    }

    /// What it costs.
    pub fn prices(&self) -> SpreadPrices {
        self.prices
    }

    /// The quote of a leg.
    pub fn quote(&self, symbol: &Symbol) -> Option<&Quote> {
        self.legs.iter().find(|(leg, _)| leg.symbol == *symbol).map(|(_, quote)| quote)
    }
}

impl SpreadPrices {
    fn of(legs: &[(QuotedLeg, Quote)], band_bps: u32) -> Option<Self> {
        let (mut natural, mut gross) = (Decimal::ZERO, Decimal::ZERO);
        let mut passive = Some(Decimal::ZERO);
        for (QuotedLeg { side, ratio, .. }, quote) in legs {
            let ratio = Decimal::from(ratio.get());
            let (taken, left) = match side {
                Side::Buy => (&quote.ask, &quote.bid),
                Side::Sell => (&quote.bid, &quote.ask),
            };
            let price = taken.price.value()?.checked_mul(ratio)?;
            natural = natural.checked_add(side.signed(price))?;
            gross = gross.checked_add(price)?;
            // A true bid of zero is no price to wait at.
            let other = left.price.value().filter(|price| !price.is_zero());
            passive =
                passive.zip(other).and_then(|(sum, price)| sum.checked_add(side.signed(price.checked_mul(ratio)?)));
        }
        let band = gross.checked_mul(Decimal::new(i64::from(band_bps), 4))?;
        let mid = passive.and_then(|passive| natural.checked_add(passive)?.checked_div(Decimal::TWO));
        Some(Self { natural, mid, passive, worst: natural.checked_add(band)?, band })
    }

    /// Whether a limit price makes sense beside the quotes: no worse than the natural price by more than the band, and no
    /// better than the passive one by more than it, where there is one. A slipped digit does not pass.
    ///
    /// # Errors
    /// [`LimitAstray`] with the bound.
    pub fn check_limit(&self, limit: Decimal) -> Result<(), LimitAstray> {
        let Self { natural, worst, band, .. } = *self;
        if limit > worst {
            return Err(LimitAstray::GivesTooMuch { limit, natural, worst });
        }
        if let Some(passive) = self.passive {
            let best = passive.saturating_sub(band);
            if limit < best {
                return Err(LimitAstray::AsksTooMuch { limit, passive, best });
            }
        }
        Ok(())
    }
}

/// A limit price that makes no sense beside the quotes. Paid is positive, received negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitAstray {
    /// It would give away more than the quotes ask for.
    #[error(
        "a limit of {limit} gives too much away: the quotes ask {natural}, and {worst} is the most (paid is positive)"
    )]
    GivesTooMuch {
        /// The limit price.
        limit: Decimal,
        /// The natural price.
        natural: Decimal,
        /// The bound.
        worst: Decimal,
    },
    /// Nobody would take it.
    #[error(
        "a limit of {limit} asks too much: the quotes would wait at {passive}, and {best} is the least (paid is positive)"
    )]
    AsksTooMuch {
        /// The limit price.
        limit: Decimal,
        /// The passive price.
        passive: Decimal,
        /// The bound.
        best: Decimal,
    },
}
