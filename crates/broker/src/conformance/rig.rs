//! What the suite needs from whoever tests an adapter: a broker, the truth about it, and ways to disturb it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Broker, BrokerOrderId, ClientOrderId, OrderRequest};

/// A broker under test, and the other side of its wire.
///
/// Whoever implements it tells the truth: the suite believes the rig and judges the broker by it.
///
/// # Cancel safety
/// None is asked for: the suite drops no call of a rig before its end.
#[async_trait]
pub trait Rig: Send + Sync {
    /// The broker under test, on a flat account in an open market, with a request budget so ample that no call waits.
    fn broker(&self) -> Arc<dyn Broker>;

    /// From now until [`calm`](Rig::calm), every exchange of such calls suffers this; those of other calls may too.
    /// Replaces what was before.
    ///
    /// Returns false when the rig cannot do it; the checks that need it are then reported as skipped.
    async fn disturb(&self, calls: Calls, disturbance: Disturbance) -> bool;

    /// Ends the disturbance. What it held back may still land.
    async fn calm(&self);

    /// Waits until nothing is under way any more: what was held back has landed, and all that the broker's lists show
    /// late is shown. In virtual time, advances it.
    async fn settle(&self);

    /// How many submits with this client order id have reached the other side, or the rig on the way there, in whole or
    /// in part.
    async fn arrivals(&self, id: &ClientOrderId) -> usize;

    /// How many orders with this client order id exist on the other side.
    async fn placed(&self, id: &ClientOrderId) -> usize;

    /// The same for cancels of this order.
    async fn cancel_arrivals(&self, id: &BrokerOrderId) -> usize;

    /// An order that is accepted and works without ever being filled, such as a bid far below the market.
    fn resting_order(&self, id: ClientOrderId) -> OrderRequest;

    /// An order that opens a position and is filled completely in a moment. `None`: there is no such order here.
    fn marketable_order(&self, id: ClientOrderId) -> Option<OrderRequest>;

    /// An order that is well formed and refused by the broker. `None`: there is no such order here.
    fn unacceptable_order(&self, id: ClientOrderId) -> Option<OrderRequest>;

    /// What all client order ids of this run begin with: letters, digits and `-`. An account that has seen a run
    /// before needs another one for the next.
    fn id_prefix(&self) -> String {
        "conformance".to_owned()
    }

    /// How many working orders it takes so that the broker's list has more than two pages.
    fn orders_for_three_pages(&self) -> usize {
        60
    }

    /// How much later than [`call_timeout`](Broker::call_timeout) a call may end before it counts as late: what the
    /// scheduler of a busy machine takes. Virtual time needs next to nothing.
    fn slack(&self) -> Duration {
        Duration::from_millis(500)
    }
}

/// The calls that a disturbance is for. A rig that sits on the wire need not tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// [`Broker::submit`].
    Submits,
    /// [`Broker::cancel`].
    Cancels,
    /// Everything else.
    Reads,
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Submits => "submits",
            Self::Cancels => "cancels",
            Self::Reads => "reads",
        })
    }
}

/// What can go wrong between an adapter and its broker.
///
/// *Done* and *not done* say what becomes of a submit or a cancel on the other side. The suite holds the rig to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disturbance {
    /// No connection comes about. Not one byte leaves.
    RefuseConnection,
    /// The request leaves and is never seen again; no answer comes. Not done.
    LoseRequest,
    /// The connection ends after `after` bytes of the request have arrived, at least one. A request that is shorter
    /// passes unharmed. Not done if it was cut.
    CutRequest {
        /// How many bytes arrive.
        after: usize,
    },
    /// The request is held up on its way and arrives after the caller's time-out. Done, late.
    LandLate,
    /// The connection ends without an answer. Done.
    LoseAnswer,
    /// The connection ends after `after` bytes of the answer. A shorter answer passes unharmed. Done.
    CutAnswer {
        /// How many bytes come back.
        after: usize,
    },
    /// The whole answer comes after the caller's time-out. Done.
    HoldAnswer,
    /// The answer begins in time and ends after the time-out: it trickles, byte by byte. Done.
    Trickle,
    /// The server fails (5xx) before it does anything. Not done.
    FailBefore,
    /// The server fails (5xx) after it did everything. Done.
    FailAfter,
    /// The server answers that there are too many requests (429). Not done, but the answer does not say so.
    Throttle,
    /// The server redirects (307) to itself. Not done.
    Redirect,
    /// The answer is another document with the status of success, such as a gateway's HTML page. Done.
    Garbage,
    /// The answer is cut in the middle, yet its length says that it is whole. Done.
    Truncate,
    /// The answer has the status of success and no body. Done.
    Empty,
    /// The answer has the status of success and says `null`, or the like in its protocol: no envelope around nothing.
    /// Done.
    Null,
    /// Every word for the state of an order or of the market is replaced by one that nobody knows.
    UnknownWord,
    /// The first exchange passes, every later one fails (5xx).
    FailLater,
}

/// What becomes of a disturbed submit or cancel on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Done,
    NotDone,
}

impl Disturbance {
    /// Those after which a submit or a cancel must be unknown.
    pub(super) const DOUBTS: [Self; 13] = [
        Self::LoseRequest,
        Self::LandLate,
        Self::LoseAnswer,
        Self::HoldAnswer,
        Self::Trickle,
        Self::FailBefore,
        Self::FailAfter,
        Self::Throttle,
        Self::Redirect,
        Self::Garbage,
        Self::Truncate,
        Self::Empty,
        Self::Null,
    ];

    /// Those under which no read can know anything. A read cannot tell landing late from being lost, nor a failure
    /// before from one after.
    pub(super) const BLINDING: [Self; 12] = [
        Self::RefuseConnection,
        Self::LoseRequest,
        Self::LoseAnswer,
        Self::HoldAnswer,
        Self::Trickle,
        Self::FailBefore,
        Self::Throttle,
        Self::Redirect,
        Self::Garbage,
        Self::Truncate,
        Self::Empty,
        Self::Null,
    ];

    pub(super) fn effect(self) -> Effect {
        match self {
            Self::RefuseConnection
            | Self::LoseRequest
            | Self::CutRequest { .. }
            | Self::FailBefore
            | Self::Throttle
            | Self::Redirect => Effect::NotDone,
            Self::LandLate
            | Self::LoseAnswer
            | Self::CutAnswer { .. }
            | Self::HoldAnswer
            | Self::Trickle
            | Self::FailAfter
            | Self::Garbage
            | Self::Truncate
            | Self::Empty
            | Self::Null
            | Self::UnknownWord
            | Self::FailLater => Effect::Done,
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RefuseConnection => f.write_str("refused connection"),
            Self::LoseRequest => f.write_str("lost request"),
            Self::CutRequest { after } => write!(f, "request cut after {after} byte(s)"),
            Self::LandLate => f.write_str("request landing late"),
            Self::LoseAnswer => f.write_str("lost answer"),
            Self::CutAnswer { after } => write!(f, "answer cut after {after} byte(s)"),
            Self::HoldAnswer => f.write_str("answer held back"),
            Self::Trickle => f.write_str("trickling answer"),
            Self::FailBefore => f.write_str("failure before"),
            Self::FailAfter => f.write_str("failure after"),
            Self::Throttle => f.write_str("throttling"),
            Self::Redirect => f.write_str("redirect"),
            Self::Garbage => f.write_str("garbage"),
            Self::Truncate => f.write_str("truncated answer"),
            Self::Empty => f.write_str("empty answer"),
            Self::Null => f.write_str("null answer"),
            Self::UnknownWord => f.write_str("unknown word"),
            Self::FailLater => f.write_str("later failure"),
        }
    }
}
