//! What a strategy sees of the market: the broker's clock, quotes, and which of them may be traded on.

use std::time::Duration;

use backstop_broker::{MarketClock, Quotes, ReadError, Symbol};
use backstop_quote::{Fresh, Market, Need, Quote, Refusal as QuoteRefusal};

use super::{Desk, Inner};
use crate::gate::{self, MarketView, QuoteTally};

impl Desk {
    /// The broker's word on day and hour.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        self.inner.market_clock().await
    }

    /// Looks at the market: the broker's clock and quotes for `symbols`.
    ///
    /// # Errors
    /// [`ReadError`] of either.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn look(&self, symbols: &[Symbol]) -> Result<MarketView, ReadError> {
        let asked = self.inner.clock.mono();
        let clock = self.market_clock().await?;
        let quotes = self.inner.broker.quotes(symbols).await?;
        let refused = self.inner.receive(symbols, &quotes);
        self.inner.halt_for_loss().await;
        Ok(MarketView::new(asked, clock, quotes, refused))
    }

    /// The newest quote of `symbol`, if it came with `view` and may be traded on now: what a strategy plans by.
    ///
    /// # Errors
    /// [`QuoteRefusal`] with the first reason. Where no entry is tried for it, tell [`no_entry`](Desk::no_entry).
    pub fn fresh(&self, view: &MarketView, symbol: &Symbol, need: Need) -> Result<Fresh<Quote>, QuoteRefusal> {
        gate::judge_one(&self.inner.feed.lock(), view, symbol, need, &*self.inner.clock)
    }

    /// What became of the quotes so far.
    pub fn quote_tally(&self) -> QuoteTally {
        self.inner.tally.lock().clone()
    }

    /// How far the source of the quotes is behind, where it looks like delayed data: what trades on paper may declare it
    /// ([`PolicyConfig::with_delay`](backstop_quote::PolicyConfig::with_delay)); undeclared, its quotes are refused as old.
    pub fn delayed_quotes(&self) -> Option<Duration> {
        self.inner.feed.lock().delayed()
    }

    /// Quotes for `symbols`, without a judgement.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        let quotes = self.inner.broker.quotes(symbols).await?;
        // They show that the feed is alive, and are what an entry is held against.
        let _told = self.inner.receive(symbols, &quotes);
        self.inner.halt_for_loss().await;
        Ok(quotes)
    }
}

impl Inner {
    pub(super) async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        let asked = self.clock.mono();
        let clock = self.broker.market_clock().await?;
        let mut newest = self.market.lock();
        if newest.as_ref().is_none_or(|newest| newest.asked <= asked) {
            *newest = Some(Market { state: clock.state.clone(), asked });
        }
        drop(newest);
        Ok(clock)
    }

    /// Takes in what came for `symbols`, and says what of it may not be traded on.
    pub(super) fn receive(&self, symbols: &[Symbol], quotes: &Quotes) -> Vec<QuoteRefusal> {
        let refused = gate::receive(&mut self.feed.lock(), symbols, quotes, &*self.clock);
        self.tally.lock().came(symbols, quotes, &refused);
        self.marks.lock().take(quotes, &refused, self.clock.mono());
        refused
    }
}
