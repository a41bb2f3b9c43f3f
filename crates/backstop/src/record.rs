//! What is written down: every intent, outcome, refusal and alarm, in the order in which it happened.
//!
//! The state of a desk is the fold of these records ([`State`](crate::State)), so what is not in a record did not
//! happen, and what is in one survives a crash.

use std::collections::BTreeMap;

use backstop_broker::{BrokerOrderId, ClientOrderId, Decimal, Fill, OrderRequest};
use backstop_limits::{Kind, Limits};
use backstop_reconcile::{Change, Drift, Finding};
use backstop_trade_guard as trade_guard;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::switch::{Level, PullId};
use crate::{SessionId, SlotId};

/// Records that are on disk together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// When it was written, by the wall clock.
    pub at: Timestamp,
    /// What happened.
    pub records: Vec<Record>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// A process took the state directory.
    Opened {
        /// The environment and account that the directory belongs to.
        home: String,
        /// The fence number of its lock.
        fence: u64,
    },
    /// The account's cash as the broker reported it while nothing was in flight: the books go by it from here on.
    CashRead {
        /// In the account's currency.
        total: Decimal,
    },
    /// The account's cash could not be read, or not be believed. The books stay as they are (TXN-7).
    CashUnread {
        /// Why, for people.
        reason: String,
        /// What it was, if that was below zero and stayed so: nothing is entered then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        debt: Option<Decimal>,
    },
    /// A session began, or a restarted process goes on with it.
    SessionBegun {
        /// Its name.
        session: SessionId,
        /// The most entries that it may have.
        limit: u32,
    },
    /// Limits were taken into use: when a bot started with other ones than before, or because somebody tightened them.
    LimitsSet {
        /// All of them.
        limits: Limits,
        /// What of it is wider than it was, for people; only a start widens anything (LIMIT-1).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        loosened: Vec<String>,
        /// Who answers for it; nobody for the first ones and for a start with tighter ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person has looked at what a strategy does again and again, and allows as many executions once more.
    RepeatsAllowed {
        /// Which kind: the strategy's name.
        kind: Kind,
        /// Who.
        by: String,
        /// Why, for people.
        reason: String,
    },
    /// An entry was turned away before anything was sent.
    Refused {
        /// The slot that it was for.
        slot: SlotId,
        /// Which gate turned it away.
        gate: String,
        /// Why, for people.
        reason: String,
    },
    /// The entry guard was entered, before anything else of an entry is written (GUARD-5), or told how that ended.
    Attempt {
        /// What it says.
        of: trade_guard::Record,
    },
    /// An order is about to be sent (law 2: this is on disk before the first byte leaves).
    Intent {
        /// The slot that it belongs to.
        slot: SlotId,
        /// Whether it is to open or to close.
        purpose: Purpose,
        /// The whole order.
        order: OrderRequest,
        /// Cash set aside while the order may live.
        reserve: Decimal,
        /// Cash set aside while the position is open, if all of it is filled.
        margin: Decimal,
        /// What the order is worth, as the limits judged it. Zero for an exit, and where a former version wrote it.
        #[serde(default)]
        notional: Decimal,
    },
    /// The broker took an order, or it was found at the broker.
    Accepted {
        /// Our name for it.
        client_order_id: ClientOrderId,
        /// The broker's.
        broker_order_id: BrokerOrderId,
    },
    /// A submit ended unknown.
    Doubted {
        /// Our name for the order.
        client_order_id: ClientOrderId,
        /// Why, for people.
        reason: String,
    },
    /// A cancel is about to be asked for.
    Canceling {
        /// Our name for the order.
        client_order_id: ClientOrderId,
        /// The broker's.
        broker_order_id: BrokerOrderId,
    },
    /// An order is at rest: nothing more will happen to it.
    Finished {
        /// Our name for it.
        client_order_id: ClientOrderId,
        /// How it ended.
        end: OrderEnd,
        /// What was filled; may be empty or a part, whatever the end.
        fills: Vec<Fill>,
    },
    /// An order turned up after its name had been settled: as having filled nothing, or with another order. What it filled is
    /// in the book from here on.
    Adopted {
        /// Our name for it.
        client_order_id: ClientOrderId,
        /// The broker's.
        broker_order_id: BrokerOrderId,
        /// What was filled.
        fills: Vec<Fill>,
    },
    /// Something was done to the book beside the fills of our own orders, with its evidence (REC-6): a close could not be
    /// verified, a position left, one was adopted or corrected.
    Book {
        /// What.
        change: Change,
    },
    /// Book and broker were compared.
    Reconciled {
        /// Every symbol that differs: how, since how many reads, whose it may be, and what to do.
        drift: Vec<Drift>,
        /// What else was found, and what was not removed, with what is in the way.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<Finding>,
    },
    /// The kill switch was seen pulled.
    Halted {
        /// The pull's name.
        id: PullId,
        /// How much it shuts.
        level: Level,
        /// Who pulled.
        by: String,
        /// Why, for people.
        reason: String,
        /// Since when; unknown where the switch itself is what is wrong.
        since: Option<Timestamp>,
        /// The number of the newest record of the switch at that moment.
        newest: u64,
    },
    /// Pulls of the kill switch were seen taken back.
    Resumed {
        /// Which.
        lifts: Vec<PullId>,
        /// Who.
        by: String,
        /// Why, for people.
        reason: String,
        /// The number of the newest record of the switch at that moment.
        newest: u64,
    },
    /// Somebody should look.
    Alert {
        /// What it is about: a client order id, a position, a symbol.
        subject: String,
        /// What happened, and what to do.
        text: String,
    },
    /// The cause of an alert is gone, where nothing else says so.
    AlertOver {
        /// What it was about.
        subject: String,
    },
    /// A sink took what was to be said about a subject.
    Told {
        /// What it was about.
        subject: String,
    },
    /// When positions were last checked: all of them, now and then, so that a restart and whoever looks from outside know how
    /// long each has gone unwatched (WATCH-1).
    Checked {
        /// By the wall clock.
        checks: BTreeMap<SlotId, Timestamp>,
    },
    /// The process left with every entry and exit that it was asked for at an end.
    Stopped {
        /// Why the kill switch stood pulled then, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        halted: Option<String>,
    },
}

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To open the slot's position.
    Open,
    /// To close it.
    Close {
        /// Which attempt, from 1.
        attempt: u32,
    },
}

/// How an order came to rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum OrderEnd {
    /// At the broker; `status` is the broker's last word.
    Terminal {
        /// `filled`, `canceled`, ...
        status: String,
    },
    /// The broker refused it on submission.
    Rejected {
        /// The broker's words.
        reason: String,
    },
    /// It never left.
    NotSent {
        /// Why.
        reason: String,
    },
    /// It left and never became an order; the list that proves it reaches as far as `witness`.
    NotPlaced {
        /// An order that the broker created later.
        witness: BrokerOrderId,
    },
    /// The broker does not show it, and an operator answers for what became of it.
    Resolved {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}
