//! The safety layer between a trading bot and its broker.
//!
//! A [`Desk`] stands between a strategy that is sometimes wrong and a broker that is sometimes silent. A strategy says
//! what it wants to open or close; the desk passes it through every gate, writes down the intent before the first byte
//! leaves, submits once, follows the order to its end, and closes every doubt by staying safe.
//!
//! # The flows
//!
//! * **Open**: take the lock, read the journal, settle with the broker what an earlier process left in the air
//!   ([`Desk::recover`]); only then may entries pass.
//! * **Entry** ([`Desk::enter`]): halt, limits, guard, fresh quotes, reserved cash, intent on disk, request budget, and
//!   once more quotes, lock and halt; submit; follow. A lost answer is looked up by client order id, never repeated.
//! * **Exit** ([`Desk::exit`]): intent on disk, submit, follow, verify at the broker. No entry gate stands in its way.
//! * **Reconcile** ([`Desk::reconcile`]): what nobody looks after is settled by evidence; book and broker are compared, on a
//!   schedule with [`Desk::keep_reconciled`].
//! * **Halt** ([`Desk::halt`], [`Switch`]): no entry passes, in this process and every later one, until somebody resumes.
//! * **Alerts** ([`Desk::tell`]): what somebody should look at is offered to every [`AlertSink`] until one takes it.
//! * **Watch** ([`Desk::watch`]): a position that nobody checks is told of, and closed or halted for past twice its time.
//! * **Stop** ([`Desk::stop`]): no new entries, what works is brought to rest.
//!
//! # What holds across a crash
//!
//! The state is the fold of the [`Record`]s in the journal ([`State::replay`]): what was acknowledged is there, and an
//! order that may have left has its intent there. [`LogJournal`] keeps it in a write-ahead log; [`Journal`] is the wall
//! behind which another store could stand.
//!
//! # Cash
//!
//! The cash is part of the state ([`Account`]): what an entry may cost is set aside before its intent, for as long as its order may
//! live (TXN-6), and settled by its fills in the batch that ends it. A start compares with the account's balance
//! ([`Desk::read_cash`]).
//!
//! A journal of a version before the book of the crate [`reconcile`] is refused, with nothing changed, and so is a checkpoint of
//! one that kept its cash otherwise: close what is open with that version, and begin a new state directory.
//!
//! # Limits
//!
//! What may be done at most is said in [`DeskConfig::limits`], all of it, and judged by the crate [`limits`]. Fills, intents and
//! closes move the counters, which are part of the state. What is held has to be looked at once a minute ([`Desk::look`],
//! [`Desk::quotes`]): without a price of it nobody knows what the session has lost, and entries are refused. A session that
//! has lost its limit is halted. Cancels of [`cancel_entries`], which another process asks for, do not count as messages.
//!
//! # What is not covered
//!
//! * **An exit whose request was lost while nobody orders anything after it.** It is not sent again before a later order in the
//!   broker's list shows that it never arrived (DESK-7), since two exits may open the opposite. Where no later order comes it stays in
//!   doubt and alerted, and the position open, until a person settles it ([`Desk::resolve`]).
//! * **Somebody else's order that works on a symbol.** A close there is not verified until it is at rest, unless whose it is was
//!   declared ([`reconcile::Others`]): it may sell what the lists still show.
//! * **A spread whose written leg somebody has closed.** What was written is bought back whatever else is missing, but the
//!   bought leg stays while the written one is only missing in lists: if they are wrong, selling it would leave that one alone. Close
//!   it by hand, or let sizes be corrected ([`reconcile::Sizes`]).
//! * **Two state directories that trade one account under one strategy's name.** The names of orders are unique within a
//!   state directory only. It is found out and halts (REC-7), and an order that is older than the intent is never taken for
//!   its own; but one of the other's that came after the intent, under the same name, cannot be told from it: where our own
//!   answer was lost it is taken for ours, and beside our own it is adopted as a second order of one request.
//! * **A journal that was put back from an earlier copy.** The session that the broker knows more of than the records is not
//!   gone on with, so no slot is entered twice. But an order of the lost records that the broker does not list yet is not
//!   known of, and the new session's bound counts from zero: what the broker lists of the day counts only where
//!   [`Desk::begin_session`] is given a bound for the day.
//! * **Clocks.** That a later order is later is judged by our clock within [`DeskConfig::clock_tolerance`], by the broker's
//!   own where it tells it, and by which orders were known before. An order of somebody else's that was made before a submit,
//!   that no list had shown by then, and that its broker stamps later than its own clock by more than the tolerance, would
//!   count as a later one.
//! * **Fees.** No broker's report names them. They belong into the worst case that an entry sets aside, and leave the book's
//!   cash with the next balance that is read while nothing is in flight.
//! * **What short calls and short shares can cost**, which has no bound. Their margin is the strategy's word.
//! * **A working entry that is not in the records.** It halts, is alerted and named by [`cancel_entries`]; it is canceled by
//!   nobody, because it may be another bot's.
//!
//! # When to take something else
//!
//! Each gate is a crate of its own for bots that have their own flow. The desk is for those that have
//! none, or no reason to keep it.

mod alert;
mod desk;
mod gate;
mod ids;
mod journal;
mod record;
mod refusal;
mod state;
mod sweep;
mod switch;
mod told;

pub use alert::{AlertPolicy, AlertSink, AlertTally, CommandSink, NotTaken, Notice, Urgency};
pub use desk::{
    AllowError, CashError, Claim, ClaimedFill, Comparison, Desk, DeskConfig, Differs, EntryEnd, EntryPlan, ExitAt,
    ExitEnd, ExitPlan, Fallback, Loosening, OpenError, Operator, RecordError, ResolveError, SessionError, TightenError,
    WatchPolicy, WatchTally,
};
pub use gate::{MarketView, QuoteTally};
pub use ids::{InvalidName, SessionId, SlotId, StrategyName};
pub use journal::{Contents, Journal, JournalError, LogJournal, MemoryJournal, OpenJournalError, Past, Upkeep};
pub use record::{Batch, OrderEnd, Purpose, Record};
pub use refusal::{ExitRefusal, Malformed, Refusal};
pub use state::{
    Account, Alert, CASH, Contradiction, DRIFT, GLITCH, HALT, Issued, Operation, Placed, Reconciled, Session, SlotRow,
    SlotStanding, SlotState, Stage, State, Untold,
};
pub use sweep::{Fate, Swept, cancel_entries};
pub use switch::{Level, Pull, PullId, Pulled, Resumed, Standing, Switch, SwitchError};
pub use told::told;

pub use backstop_broker as broker;
pub use backstop_clock as clock;
pub use backstop_file_lock as file_lock;
pub use backstop_limits as limits;
pub use backstop_quote as quote;
pub use backstop_reconcile as reconcile;
pub use backstop_rollback as rollback;
pub use backstop_trade_guard as trade_guard;
pub use backstop_wal as wal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
