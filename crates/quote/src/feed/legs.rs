//! Several legs at once, to enter and to leave.

use backstop_clock::Mono;
use rust_decimal::Decimal;

use super::{Accepted, Feed};
use crate::exit::ExitPrice;
use crate::legs::{QuotedLeg, Spread};
use crate::policy::{Stamps, UnquotedExit};
use crate::units::{duration, nanos, of_mono};
use crate::{Expired, Fresh, Market, Now, Quote, Reason, Refusal, Side, Symbol};

impl Feed {
    /// The newest quotes of all `legs`, if every check lets each be used at `now`, and they were seen close to each other
    /// (QUOTE-6). The stalest leg sets the deadline.
    ///
    /// Where stamps say *as of*, they are compared as well as the moments of receipt. Where they say when a side last
    /// changed, only the receipt shows when a leg was so: a quiet leg beside a lively one is in order.
    ///
    /// # Errors
    /// [`Refusal`] of the first leg that may not be used; none at all are refused too.
    pub fn fresh_legs(&self, legs: &[QuotedLeg], market: &Market, now: Now) -> Result<Fresh<Spread>, NotFresh> {
        self.legs(legs, Some(market), now)
    }

    /// At what price `legs` may be sold and bought to close a position. Neither the state of the market nor any quote holds it
    /// up: without fresh quotes the policy says what is allowed ([`UnquotedExit`]), and the answer says why.
    ///
    /// # Errors
    /// [`NotFresh::NoLegs`] and [`NotFresh::Uncountable`], and never for want of a quote.
    pub fn exit_price(&self, legs: &[QuotedLeg], now: Now) -> Result<ExitPrice, NotFresh> {
        let config = self.policy.config();
        let because = match self.legs(legs, None, now) {
            Ok(spread) => {
                let net = self.worst_accepted(legs, config.limit_band_bps, Decimal::ONE);
                return net.map(|net| ExitPrice::Quoted { spread, net }).ok_or(NotFresh::Uncountable);
            }
            Err(NotFresh::Refused(refusal)) => refusal,
            Err(other) => return Err(other),
        };
        let net = match config.unquoted_exit {
            UnquotedExit::Market => None,
            UnquotedExit::LimitAtWorst { band_bps } => self.worst_accepted(legs, band_bps, Decimal::ZERO),
        };
        Ok(match net {
            Some(net) => ExitPrice::Limit { net, because },
            None => ExitPrice::Market { because },
        })
    }

    fn legs(&self, legs: &[QuotedLeg], market: Option<&Market>, now: Now) -> Result<Fresh<Spread>, NotFresh> {
        let refused = |symbol: &Symbol, reason| NotFresh::Refused(Refusal { symbol: symbol.clone(), reason });
        let mut quotes: Vec<(QuotedLeg, Quote)> = Vec::with_capacity(legs.len());
        let (mut until, mut seen, mut stamped) = (None::<Mono>, Span::default(), Span::default());
        for leg in legs {
            let judged = self.judge(&leg.symbol, leg.side.into(), market, now);
            let judged = judged.map_err(|reason| refused(&leg.symbol, reason))?;
            seen.add(of_mono(judged.accepted.received.mono));
            stamped.add(judged.accepted.screened.older.stamp);
            until = Some(until.map_or(judged.until, |until| until.min(judged.until)));
            quotes.push((leg.clone(), judged.accepted.quote(&leg.symbol)));
        }
        let (Some(until), Some(last)) = (until, legs.last()) else { return Err(NotFresh::NoLegs) };
        let config = self.policy.config();
        let apart = match config.source.stamps {
            Stamps::AsOf { .. } => seen.length().max(stamped.length()),
            Stamps::LastChange { .. } => seen.length(),
        };
        let max = config.max_legs_apart;
        if apart > nanos(max) {
            return Err(refused(&last.symbol, Reason::LegsApart { apart: duration(apart), max }));
        }
        let spread = Spread::priced(quotes, config.limit_band_bps);
        let spread = spread.ok_or(NotFresh::Uncountable)?;
        Ok(self.proven(spread, until, now))
    }

    /// By the last accepted price of each leg, however old, and made worse by the band, or by so many ticks where that is
    /// more. `None` where a leg has none.
    fn worst_accepted(&self, legs: &[QuotedLeg], band_bps: u32, ticks: Decimal) -> Option<Decimal> {
        let band = Decimal::new(i64::from(band_bps), 4);
        legs.iter().try_fold(Decimal::ZERO, |sum, leg| {
            let followed = self.followed.get(&leg.symbol)?;
            let (accepted, tick): (&Accepted, _) = (followed.accepted.as_ref()?, followed.rules.limits.tick);
            let price = match leg.side {
                Side::Buy => accepted.ask.price,
                Side::Sell => accepted.bid.price,
            };
            let price = price.value().filter(|price| !price.is_zero())?;
            let worst = worst_of(leg.side, price, band, tick, ticks)?;
            sum.checked_add(leg.side.signed(worst.checked_mul(Decimal::from(leg.ratio.get()))?))
        })
    }
}

/// `price` made worse by `band`, to the tick that is within it, and by so many ticks at least.
fn worst_of(side: Side, price: Decimal, band: Decimal, tick: Decimal, ticks: Decimal) -> Option<Decimal> {
    let slack = tick.checked_mul(ticks)?;
    match side {
        Side::Buy => {
            let worst = price.checked_mul(Decimal::ONE.checked_add(band)?)?;
            Some(worst.checked_div(tick)?.floor().checked_mul(tick)?.max(price.checked_add(slack)?))
        }
        Side::Sell => {
            let worst = price.checked_mul(Decimal::ONE.checked_sub(band)?)?;
            let worst = worst.checked_div(tick)?.ceil().checked_mul(tick)?.min(price.checked_sub(slack)?);
            // What is sold for a tick, or for less, is not given away.
            Some(worst.max(tick.min(price)))
        }
    }
}

/// The first and the last of some moments.
#[derive(Debug, Clone, Copy, Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn add(&mut self, at: i64) {
        self.0 = Some(self.0.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    fn length(self) -> i64 {
        self.0.map_or(0, |(first, last)| last.saturating_sub(first))
    }
}

/// Why legs may not be traded on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFresh {
    /// One of them may not, or not beside the others.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// They were, and too much time has passed since.
    #[error(transparent)]
    Expired(#[from] Expired),
    /// There are none.
    #[error("there are no legs")]
    NoLegs,
    /// What they cost together.
    #[error("what the legs cost together is more than can be counted")]
    Uncountable,
}
