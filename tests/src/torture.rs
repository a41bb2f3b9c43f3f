//! The real paper trader, killed again and again over a simulator that outlives it, and judged by the simulator's ledger.
//!
//! [`run`] starts, for each bot, a simulator as a process of its own and `paper-trader run --broker tradier` against it over
//! loopback, with faults on. It ends each life with a signal: SIGKILL, SIGTERM, SIGSTOP for a while; at instants that are
//! drawn from a seed, many of them right after a record of the journal or a request at the broker. After each death the
//! ledger is looked at for what must never be; from time to time, and at the end, the faults are switched off, the bot runs to
//! its end, and book, cash, log and broker are compared.
//!
//! A seed fixes the schedule and the simulators' dice. It does not fix how threads interleave and how long the machine takes:
//! the same schedule is replayed, not the same run. A failure that does not come again at once comes again more often with
//! the same schedule than with others.

mod bot;
mod inspection;
mod judge;
mod life;
mod report;
mod samples;
mod schedule;
mod torment;
mod watch;
mod world;

use std::io;

pub use judge::Violation;
pub use report::{Figures, Floor, Report};
pub use schedule::{Blow, Life, Moment, Plan, Strike, read, written};
pub use torment::{Place, Progress, run};

/// Why a torture could not be done, which says nothing about the bot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Something that was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The machine refused something.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// Something that was to be JSON is not.
    #[error("{what} is not the JSON that was expected")]
    Json {
        /// Which.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The simulator does not do what it is there for.
    #[error("the simulator {0}")]
    Simulator(String),
}

impl Trouble {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| Self::Json { what, source }
    }
}
