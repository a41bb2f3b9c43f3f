//! Whether an entry may be priced from what was seen of the market: the desk's side of the quote policy.

use std::num::NonZeroU32;

use backstop_broker::{Decimal, Leg, MarketClock, OrderKind, OrderRequest, Quotes, Side, Symbol};
use backstop_clock::{Clock, Mono};
use backstop_quote::{
    Feed, Fresh, LimitAstray, Market, Need, NotFresh, Now, Quote, QuotedLeg, Reason, Refusal, Spread, SpreadPrices,
};

/// What was seen of the market in one look. Only [`Desk::look`](crate::Desk::look) makes one, so a strategy that is wrong
/// cannot make a stale quote fresh.
#[derive(Debug, Clone)]
pub struct MarketView {
    asked: Mono,
    clock: MarketClock,
    quotes: Quotes,
    refused: Vec<Refusal>,
}

impl MarketView {
    /// What came of a look that began at `asked`, and which of its quotes may not be traded on.
    pub(crate) fn new(asked: Mono, clock: MarketClock, quotes: Quotes, refused: Vec<Refusal>) -> Self {
        Self { asked, clock, quotes, refused }
    }

    /// The broker's word on day and hour.
    pub fn clock(&self) -> &MarketClock {
        &self.clock
    }

    /// The quotes.
    pub fn quotes(&self) -> &Quotes {
        &self.quotes
    }

    /// Whether it has a quote of `symbol` that was in order when it came.
    fn came(&self, symbol: &Symbol) -> Result<(), Refusal> {
        if self.quotes.get(symbol).is_none() {
            return Err(Refusal { symbol: symbol.clone(), reason: Reason::NoQuote });
        }
        self.refused.iter().find(|refusal| refusal.symbol == *symbol).map_or(Ok(()), |refusal| Err(refusal.clone()))
    }

    fn market(&self) -> Market {
        Market { state: self.clock.state.clone(), asked: self.asked }
    }

    /// Those of its quotes that may not be traded on by whoever, and why.
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }
}

/// Takes in what came for `symbols`. Returns what may not be traded on.
pub(crate) fn receive(feed: &mut Feed, symbols: &[Symbol], quotes: &Quotes, clock: &dyn Clock) -> Vec<Refusal> {
    let now = clock.mono();
    for symbol in symbols {
        if let Err(full) = feed.follow(symbol, now) {
            // Its quotes will be refused as not followed.
            tracing::warn!(%full, "a quote that cannot be judged");
        }
    }
    let mut refused = Vec::new();
    for quote in &quotes.quotes {
        let ahead = quote.received.mono.since(now);
        let received = if ahead.is_zero() {
            feed.receive(quote)
        } else {
            // By another clock than the desk's. What it says of time would count for other symbols, too.
            Err(Refusal { symbol: quote.symbol.clone(), reason: Reason::ReceivedAhead { ahead } })
        };
        if let Err(refusal) = received {
            tracing::debug!(%refusal, "quote");
            refused.push(refusal);
        }
    }
    refused
}

/// Proof that the legs of `order` may be priced from `view` (QUOTE-1): its quotes came, were in order when they came, and the
/// newest that is known of each leg passes every check now.
///
/// # Errors
/// [`NotFresh`].
pub(crate) fn judge(
    feed: &Feed,
    view: &MarketView,
    order: &OrderRequest,
    clock: &dyn Clock,
) -> Result<Fresh<Spread>, NotFresh> {
    for Leg { symbol, .. } in order.legs() {
        view.came(symbol)?;
    }
    feed.fresh_legs(&one_of(order.legs()), &view.market(), Now::of(clock))
}

/// The same for one symbol, and what is needed of it.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn judge_one(
    feed: &Feed,
    view: &MarketView,
    symbol: &Symbol,
    need: Need,
    clock: &dyn Clock,
) -> Result<Fresh<Quote>, Refusal> {
    view.came(symbol)?;
    feed.fresh(symbol, need, &view.market(), Now::of(clock))
}

/// The legs of one spread: the order asks for so many of it as its quantities have in common.
pub(super) fn one_of(legs: &[Leg]) -> Vec<QuotedLeg> {
    let units = units_of(legs);
    let leg = |leg: &Leg| {
        let ratio = NonZeroU32::new(leg.quantity.get() / units).unwrap_or(NonZeroU32::MIN);
        QuotedLeg { symbol: leg.symbol.clone(), side: leg.side, ratio }
    };
    legs.iter().map(leg).collect()
}

/// How many spreads `legs` are.
pub(super) fn units_of(legs: &[Leg]) -> u32 {
    let common = |a: u32, b: u32| {
        let (mut a, mut b) = (a, b);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    legs.iter().map(|leg| leg.quantity.get()).fold(0, common).max(1)
}

/// Whether the limit price of `order`, if it has one, gives no more away than the quotes ask for, and the policy's band.
///
/// A limit that asks too much is let through: it may wait, and costs nothing.
///
/// # Errors
/// [`LimitAstray`].
pub(crate) fn check_limit(prices: SpreadPrices, order: &OrderRequest) -> Result<(), LimitAstray> {
    let net = match order.kind() {
        OrderKind::Limit { price } if order.legs().iter().all(|leg| leg.side == Side::Sell) => -price,
        OrderKind::Limit { price } | OrderKind::Debit { price } => price,
        OrderKind::Credit { price } => -price,
        OrderKind::Even => Decimal::ZERO,
        // Without a limit at the market of today.
        OrderKind::Market | OrderKind::Stop { .. } | OrderKind::StopLimit { .. } => return Ok(()),
    };
    match prices.check_limit(net) {
        Ok(()) | Err(LimitAstray::AsksTooMuch { .. }) => Ok(()),
        Err(astray) => Err(astray),
    }
}

#[cfg(test)]
mod tests;
