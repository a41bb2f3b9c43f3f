//! The trait between a bot and its broker.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;

use crate::{
    Balances, BrokerOrderId, ClientOrderId, ClosedLot, Lookup, MarketClock, Order, OrderList, OrderRequest, Outcome,
    Position, Quotes, ReadError, Symbol,
};

/// A broker account. Object-safe: hold it as `Arc<dyn Broker>`.
///
/// # What an implementor must guarantee
///
/// * Each call ends within [`call_timeout`](Broker::call_timeout), whatever the other side does (BRK-1).
/// * A submit or a cancel is put on the wire at most once per call, by this layer and all below it (BRK-1).
/// * [`Outcome::NotSent`] and [`Outcome::Rejected`] are certain; whatever is not, is [`Outcome::Unknown`].
/// * A read returns the whole answer or an error (BRK-2).
///
/// [`conformance`](crate::conformance) (feature of the same name) checks it.
///
/// # Cancel safety
/// Reads can be dropped at any time. A dropped `submit` or `cancel` may have been done: treat it as
/// [`Outcome::Unknown`].
#[async_trait]
pub trait Broker: Send + Sync + fmt::Debug {
    /// The longest that any call takes, from first poll to result, waiting for its own budget excepted. Callers choose
    /// a longer settling time.
    fn call_timeout(&self) -> Duration;

    /// Waits until one submit may be made within the broker's request budget, at most for `within`.
    ///
    /// The wait has its own call so that a caller can look once more, after it, whether the order should still go out.
    /// The default is for brokers without a budget.
    ///
    /// # Errors
    /// [`NotGranted`] at once, with the time it would take, when `within` is too short.
    ///
    /// # Cancel safety
    /// A dropped wait costs nothing.
    async fn grant(&self, priority: Priority, within: Duration) -> Result<Grant, NotGranted> {
        let (_, _) = (priority, within);
        Ok(Grant::unmetered())
    }

    /// Places an order: once, or not at all. Not idempotent; on [`Outcome::Unknown`] look it up by its client order id.
    async fn submit(&self, order: &OrderRequest, grant: Grant) -> Outcome<BrokerOrderId>;

    /// Asks for an order to be canceled. Accepted means that the request was taken; a fill can still win. A rejection
    /// mostly means that the order is finished already. Waits for its own budget, at exit priority.
    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()>;

    /// One order by the broker's name for it, of this session or an earlier one.
    ///
    /// # Errors
    /// [`ReadError`]; for an id that the broker does not know, whatever the broker answers
    /// ([`Unauthorized`](ReadError::Unauthorized) at Tradier).
    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError>;

    /// Looks for an order of this session by our name for it.
    ///
    /// # Errors
    /// [`ReadError`] when the list could not be read whole.
    async fn order_by_client_id(&self, id: &ClientOrderId) -> Result<Lookup, ReadError> {
        Ok(self.orders().await?.find(id))
    }

    /// All orders of this session, finished ones too, every page.
    ///
    /// # Errors
    /// [`ReadError`] when any page failed.
    async fn orders(&self) -> Result<OrderList, ReadError>;

    /// All open positions.
    ///
    /// # Errors
    /// [`ReadError`]. An empty list is what the broker said, and may still be a glitch.
    async fn positions(&self) -> Result<Vec<Position>, ReadError>;

    /// Quotes for `symbols`.
    ///
    /// # Errors
    /// [`ReadError`]; a symbol without a quote is no error but absent from the answer.
    async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError>;

    /// The account's money.
    ///
    /// # Errors
    /// [`ReadError`]; an amount that is missing or unreadable is an error, never zero.
    async fn balances(&self) -> Result<Balances, ReadError>;

    /// What the clearing firm has as closed from `since` on, in its nightly report; `None` where the broker has no such report, as
    /// by default. It never confirms a close of the same day, and an empty one says nothing about today.
    ///
    /// # Errors
    /// [`ReadError`] when any page failed.
    async fn closed_lots(&self, since: Date) -> Result<Option<Vec<ClosedLot>>, ReadError> {
        let _ = since;
        Ok(None)
    }

    /// The broker's word on day and hour.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn market_clock(&self) -> Result<MarketClock, ReadError>;
}

/// Who goes first when requests are scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Leaving a position. Goes before everything.
    Exit,
    /// Opening one.
    Entry,
    /// Everything else.
    Polling,
}

/// Leave to make one submit, spent by making it.
#[must_use = "a grant that is not spent was budget for nothing"]
#[derive(Debug)]
pub struct Grant(Option<u64>);

impl Grant {
    /// For adapters: leave that cost nothing, because nobody counts.
    pub fn unmetered() -> Self {
        Self(None)
    }

    /// For adapters: leave that its maker knows by this number.
    pub fn numbered(number: u64) -> Self {
        Self(Some(number))
    }

    /// By which number its maker knows it; `None` if nobody counted it.
    pub fn number(&self) -> Option<u64> {
        self.0
    }
}

/// Why there is no leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request budget allows it in {after:?} at the earliest")]
pub struct NotGranted {
    /// How long it would take.
    pub after: Duration,
}
