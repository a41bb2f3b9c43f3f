//! The state of a desk: the fold of its records, and nothing else.
//!
//! The live desk and a reader of the journal run the same [`State::apply`]; so what a restart sees is what the desk saw. A
//! checkpoint of the journal holds the whole of it: a field that this version does not know is an error, not dropped.

use std::collections::{BTreeMap, BTreeSet};

use backstop_broker::{ClientOrderId, Decimal, Symbol};
use backstop_limits::{Counters, Limits};
use backstop_reconcile::{Book, Drift, Finding, Position};
use backstop_rollback::LedgerError;
use backstop_trade_guard::Claims;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::record::{Batch, Purpose, Record};
use crate::switch::{Pull, PullId, strongest};
use crate::{SessionId, SlotId};

mod account;
mod book;
mod late;
mod limits;
mod orders;
mod slots;
mod untold;

pub use account::Account;
pub(crate) use account::hold_of;
pub(crate) use limits::kind_of;
pub use orders::{Issued, Operation, Placed, SlotState, Stage};
pub use slots::{SlotRow, SlotStanding};
pub use untold::Untold;
pub(crate) use untold::{OTHERS, room_for};

/// The subject of alerts about the account's cash.
pub const CASH: &str = "cash";
/// The subject of the alert about a kill switch that stands pulled.
pub const HALT: &str = "halt";
/// The subject of the alert about what book and broker differ in.
pub const DRIFT: &str = "drift";

/// The subject of the alert that so much is missing at the broker that nothing was concluded from it.
pub const GLITCH: &str = "glitch";

/// The subject of alerts about a position that nobody has checked: its own is about its order and its close.
pub(crate) fn watched(slot: &SlotId) -> String {
    format!("unwatched {slot}")
}

/// What a desk knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The environment and account that the state directory belongs to.
    pub home: Option<String>,
    /// The newest fence number.
    pub fence: u64,
    /// The newest session.
    pub session: Option<Session>,
    /// Orders that are not at rest, by their client order id.
    pub operations: BTreeMap<ClientOrderId, Operation>,
    /// The book: open positions, and those whose close is not verified yet. Each goes by the name of its slot.
    pub book: Book,
    /// When the book last changed: the broker's lists lag behind it.
    pub book_changed: Option<Timestamp>,
    /// How many exits of each position were attempted.
    pub exits: BTreeMap<SlotId, u32>,
    /// What became of each slot of the newest session that had an intent.
    pub slots: BTreeMap<SlotId, SlotState>,
    /// What the entry guard has written down; nothing in a checkpoint of a version whose guard had no store.
    #[serde(default)]
    pub claims: Claims,
    /// The limits in use, or last in use; none before anybody set any.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// What the limits count. Empty in a checkpoint of a version without them: what was done before it counts for nothing
    /// here; the session's entries are bounded by the guard all the same.
    #[serde(default)]
    pub counters: Counters,
    /// Entries of the newest session's day, over all its sessions.
    pub entries_of_day: u32,
    /// Every client order id of the two newest days that had a session, and of what is not at rest.
    pub issued: BTreeMap<ClientOrderId, Issued>,
    /// The orders behind those of them that were settled as having filled nothing: one may turn up late.
    pub absent: BTreeMap<ClientOrderId, Operation>,
    /// What is known of those of them that came to rest at the broker: it may have made another order of the same request.
    #[serde(default)]
    pub placed: BTreeMap<ClientOrderId, Placed>,
    /// The older of these two days. An order with a label of an earlier day is not judged.
    pub issued_from: Option<Date>,
    /// Every symbol that an order of the newest session's day was about.
    pub traded: BTreeSet<Symbol>,
    /// How often anything happened that moves cash or may move it: intents and ends.
    pub turnover: u64,
    /// The account's cash, and what is set aside of it.
    pub account: Account,
    /// Pulls of the kill switch that were seen to stand when it was last asked. The switch itself may say more by now.
    pub halts: BTreeMap<PullId, Pull>,
    /// The number of the newest record of the kill switch that was seen.
    pub switch_newest: u64,
    /// The newest comparison with the broker.
    pub reconciled: Option<Reconciled>,
    /// When each position was last checked, as far as it was written down (WATCH-1).
    #[serde(default)]
    pub checks: BTreeMap<SlotId, Timestamp>,
    /// What was last said about each subject that somebody should look at.
    pub alerts: BTreeMap<String, Alert>,
    /// Alerts that no sink has taken, of earlier processes too.
    #[serde(default)]
    pub untold: BTreeMap<String, Untold>,
}

/// A session, so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// The most entries that it may have.
    pub limit: u32,
    /// Entries of which anything was filled.
    pub executed: u32,
    /// Entries that were turned away before anything was sent.
    pub refused: u32,
}

/// A comparison with the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciled {
    /// When.
    pub at: Timestamp,
    /// Every symbol that differs.
    pub drift: Vec<Drift>,
    /// What else was found.
    #[serde(default)]
    pub kept: Vec<Finding>,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Since when.
    pub since: Timestamp,
    /// What happened, and what to do.
    pub text: String,
}

/// Records that cannot have been written in this order by this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of {what} contradicts what was written before")]
pub struct Contradiction {
    /// Which record, and of what.
    pub what: String,
}

impl State {
    /// The state after `batches`.
    ///
    /// # Errors
    /// [`Contradiction`] at the first record that makes an illegal move (WAL-7).
    pub fn replay<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Result<Self, Contradiction> {
        let mut state = Self::default();
        for batch in batches {
            state.apply(batch)?;
        }
        Ok(state)
    }

    /// Takes in one batch.
    ///
    /// # Errors
    /// [`Contradiction`] when a record makes an illegal move. What came before it in the batch has been taken in; the
    /// state must not be used any more, so apply to a copy.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), Contradiction> {
        batch.records.iter().try_for_each(|record| self.apply_one(record, batch.at))
    }

    fn apply_one(&mut self, record: &Record, at: Timestamp) -> Result<(), Contradiction> {
        match record {
            Record::Opened { home, fence } => {
                self.home = Some(home.clone());
                self.fence = *fence;
                // Alerts and comparisons of an earlier process are its own; what caused them is looked at anew. A halt is
                // not: it ends when somebody resumes (HALT-2).
                self.alerts.clear();
                self.reconciled = None;
            }
            Record::CashRead { total } => {
                self.account.read(*total, at).map_err(|error| uncountable(&error, &"the balance"))?;
                if self.account.overdrawn().is_none() {
                    self.alerts.remove(CASH);
                }
            }
            Record::CashUnread { reason, debt } => self.account.unread(reason, *debt, at),
            Record::SessionBegun { session, limit } => self.begin(*session, *limit),
            Record::Refused { slot, .. } => {
                if let Some(session) = self.session.as_mut().filter(|session| session.id == slot.session) {
                    session.refused = session.refused.saturating_add(1);
                }
            }
            Record::Attempt { of } => self.claims.apply(of),
            Record::LimitsSet { limits, .. } => self.limits = Some(limits.clone()),
            Record::RepeatsAllowed { kind, .. } => self.counters.allow_repeats(kind),
            Record::Intent { slot, purpose, order, reserve, margin, notional } => {
                self.intend(slot, *purpose, order, (*reserve, *margin, *notional), at)?;
            }
            Record::Canceling { .. } => self.count_message(at),
            Record::Accepted { client_order_id, broker_order_id } => {
                let operation = self.operation(client_order_id)?;
                if operation.broker_order_id.as_ref().is_some_and(|known| known != broker_order_id) {
                    return Err(contradiction("a second broker order for", client_order_id));
                }
                operation.broker_order_id = Some(broker_order_id.clone());
                operation.stage = Stage::Working;
            }
            Record::Doubted { client_order_id, reason } => {
                let operation = self.operation(client_order_id)?;
                if operation.stage == Stage::Working {
                    return Err(contradiction("doubt about the accepted order", client_order_id));
                }
                operation.stage = Stage::Unknown { reason: reason.clone() };
            }
            Record::Finished { client_order_id, end, fills } => self.finish(client_order_id, end, fills, at)?,
            Record::Adopted { client_order_id, broker_order_id, fills } => {
                self.adopt(client_order_id, broker_order_id, fills, at)?;
            }
            Record::Book { change } => self.change(change, at)?,
            Record::Reconciled { drift, kept } => {
                self.reconciled = Some(Reconciled { at, drift: drift.clone(), kept: kept.clone() });
            }
            Record::Halted { id, level, by, reason, since, newest } => {
                let pull = Pull { level: *level, by: by.clone(), reason: reason.clone(), since: since.or(Some(at)) };
                self.halts.insert(id.clone(), pull);
                self.switch_newest = self.switch_newest.max(*newest);
            }
            Record::Resumed { lifts, newest, .. } => {
                self.halts.retain(|id, _| !lifts.contains(id));
                self.switch_newest = self.switch_newest.max(*newest);
            }
            Record::Alert { subject, text } => {
                let since = self.alerts.get(subject).map_or(at, |alert| alert.since);
                self.alerts.insert(subject.clone(), Alert { since, text: text.clone() });
                self.keep_untold(subject, text, at);
            }
            Record::AlertOver { subject } => {
                self.alerts.remove(subject);
            }
            Record::Told { subject } => {
                self.untold.remove(subject);
            }
            Record::Checked { checks } => {
                let held = checks.iter().filter(|(slot, _)| self.held(slot).is_some());
                self.checks = held.map(|(slot, at)| (slot.clone(), *at)).collect();
            }
            Record::Stopped { .. } => {}
        }
        Ok(())
    }

    fn begin(&mut self, id: SessionId, limit: u32) {
        match &mut self.session {
            Some(session) if session.id == id => session.limit = limit,
            newest => {
                if let Some(before) = newest.as_ref().map(|session| session.id.day).filter(|day| *day != id.day) {
                    self.entries_of_day = 0;
                    self.issued_from = Some(before);
                    let of_before = |name: &ClientOrderId| {
                        SlotId::of_label(name.as_str()).is_some_and(|slot| slot.session.day >= before)
                    };
                    self.issued.retain(|name, became| *became == Issued::InFlight || of_before(name));
                    self.absent.retain(|name, _| of_before(name));
                    self.placed.retain(|name, _| of_before(name));
                    let held = self.book.positions().values().flat_map(Position::legs).map(|leg| &leg.symbol);
                    let working = self.operations.values().flat_map(|operation| operation.order.legs());
                    self.traded = held.chain(working.map(|leg| &leg.symbol)).cloned().collect();
                }
                self.slots.retain(|_, state| *state == SlotState::InFlight);
                self.counters.begin_session(&id.to_string());
                *newest = Some(Session { id, limit, executed: 0, refused: 0 });
            }
        }
    }

    fn operation(&mut self, id: &ClientOrderId) -> Result<&mut Operation, Contradiction> {
        self.operations.get_mut(id).ok_or_else(|| contradiction("progress of", id))
    }

    fn position(&self, slot: &SlotId) -> Result<&Position, Contradiction> {
        self.held(slot).ok_or_else(|| contradiction("a change of the position", slot))
    }

    /// The position of a slot, while it is in the book.
    pub fn held(&self, slot: &SlotId) -> Option<&Position> {
        self.book.get(&slot.position().ok()?)
    }

    /// Every position in the book, with its slot.
    pub fn positions(&self) -> impl Iterator<Item = (SlotId, &Position)> {
        // Every name in the book is a slot's: a change of any other is refused.
        self.book.positions().iter().filter_map(|(id, position)| Some((SlotId::of_position(id)?, position)))
    }

    /// The signed net quantity of every symbol in the book.
    pub fn net(&self) -> BTreeMap<Symbol, Decimal> {
        let legs = self.book.positions().values().flat_map(Position::legs);
        let mut net: BTreeMap<Symbol, Decimal> =
            legs.map(|leg| (leg.symbol.clone(), self.book.net(&leg.symbol))).collect();
        net.retain(|_, quantity| !quantity.is_zero());
        net
    }

    /// Entries of a day, over all its sessions, possible ones included.
    pub(crate) fn entries_on(&self, day: Date) -> u32 {
        let executed = self.session.as_ref().filter(|session| session.id.day == day).map_or(0, |_| self.entries_of_day);
        executed.saturating_add(self.possible(|session| session.day == day))
    }

    /// Entries of a session, possible ones included.
    pub(crate) fn entries_in(&self, id: SessionId) -> u32 {
        let executed = self.session.as_ref().filter(|session| session.id == id).map_or(0, |session| session.executed);
        executed.saturating_add(self.possible(|session| *session == id))
    }

    /// Entries that are not at rest.
    fn possible(&self, of: impl Fn(&SessionId) -> bool) -> u32 {
        let open = self.operations.values().filter(|operation| operation.purpose == Purpose::Open);
        u32::try_from(open.filter(|operation| of(&operation.slot.session)).count()).unwrap_or(u32::MAX)
    }

    /// The pull of the kill switch that shuts most, if one was seen to stand.
    pub fn halted(&self) -> Option<&Pull> {
        strongest(self.halts.values())
    }

    /// The order that is closing a position, if one is not at rest.
    pub fn closing(&self, slot: &SlotId) -> Option<&ClientOrderId> {
        let mut closing = self.operations.iter().filter(|(_, operation)| operation.slot == *slot);
        closing.find(|(_, operation)| matches!(operation.purpose, Purpose::Close { .. })).map(|(id, _)| id)
    }
}

fn uncountable(error: &LedgerError, of: &dyn std::fmt::Display) -> Contradiction {
    Contradiction { what: format!("what the ledger cannot take in ({error}) of {of}") }
}

fn contradiction(what: &str, of: &dyn std::fmt::Display) -> Contradiction {
    Contradiction { what: format!("{what} {of}") }
}

#[cfg(test)]
mod tests;
