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
//! * **Reconcile** ([`Desk::reconcile`]): what nobody looks after is settled by evidence; book and broker are compared.
//! * **Halt** ([`Desk::halt`], [`Switch`]): no entry passes, in this process and every later one, until somebody resumes.
//! * **Stop** ([`Desk::stop`]): no new entries, what works is brought to rest.
//!
//! # What holds across a crash
//!
//! The state is the fold of the [`Record`]s in the journal ([`State::replay`]): what was acknowledged is there, and an
//! order that may have left has its intent there. [`LogJournal`] keeps it in a write-ahead log; [`Journal`] is the wall
//! behind which another store could stand.
//!
//! # When to take something else
//!
//! Each gate is, or will be, a crate of its own for bots that have their own flow. The desk is for those that have
//! none, or no reason to keep it.

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

pub use desk::{
    CashError, Claim, ClaimedFill, Comparison, Desk, DeskConfig, EntryEnd, EntryPlan, ExitEnd, ExitPlan, OpenError,
    Operator, RecordError, ResolveError, SessionError,
};
pub use gate::{LimitBreach, Limits, MarketView};
pub use ids::{InvalidName, SessionId, SlotId, StrategyName};
pub use journal::{Contents, Journal, JournalError, LogJournal, MemoryJournal, OpenJournalError, Past, Upkeep};
pub use record::{Batch, Drift, OrderEnd, Purpose, Record};
pub use refusal::{ExitRefusal, Malformed, Refusal};
pub use state::{
    Alert, Contradiction, HeldLeg, Issued, Operation, Pending, Placed, Position, Reconciled, Session, SlotRow,
    SlotStanding, SlotState, Stage, State,
};
pub use sweep::{Fate, Swept, cancel_entries};
pub use switch::{Level, Pull, PullId, Pulled, Resumed, Standing, Switch, SwitchError};
pub use told::told;

pub use backstop_broker as broker;
pub use backstop_clock as clock;
pub use backstop_file_lock as file_lock;
pub use backstop_quote as quote;
pub use backstop_trade_guard as trade_guard;
pub use backstop_wal as wal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
