//! How the program ends when it does not end well.

use std::path::PathBuf;
use std::process::ExitCode;

use backstop::file_lock::AcquireError;
use backstop::wal::{JournalError, OpenError as LogError, ReadError};
use backstop::{AllowError, OpenError, OpenJournalError, RecordError, ResolveError, SwitchError, told};

/// Why the program cannot go on. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Lock(#[from] AcquireError),
    #[error(transparent)]
    Journal(#[from] OpenJournalError),
    #[error("{}; add --loosen-limits --by NAME --reason TEXT if that is meant", told(.0))]
    Loosens(OpenError),
    #[error(transparent)]
    Allow(#[from] AllowError),
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Switch(#[from] SwitchError),
    #[error(
        "the switch is not pulled for good, so the bot may go on: stop it, `kill PID` with the pid that `status` shows"
    )]
    NotPulled(#[source] SwitchError),
    #[error("the simulator's account is damaged: {0}")]
    SimulatorState(String),
    #[error("cannot create the state directory {}; choose another with --state-dir", path.display())]
    StateDir { path: PathBuf, source: std::io::Error },
    #[error("there is no state directory {}: nothing has run there; see --state-dir", .0.display())]
    NoState(PathBuf),
    #[error("no bot has run in {}: see --state-dir", .0.display())]
    NothingTraded(PathBuf),
    #[error("{}", running(.0))]
    Running(AcquireError),
    #[error("not everything is known to be closed: the list above says what, and the command for each")]
    NotFlat,
    #[error("{}; {}", told(.0), next(.0))]
    Resolve(ResolveError),
    #[error("{0}")]
    Broker(String),
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
    #[error("ended with something unresolved")]
    Unresolved,
    #[error("the bot on Backstop was harmed: that is a defect, please report it with the seed")]
    Harmed,
    #[error(
        "the bot on Backstop left something unresolved, and says so: some answers prove nothing. What it wrote is kept; its \
         `status` has the command that settles it"
    )]
    LeftUnresolved,
    #[error("the switch is pulled, but not every entry is known to be at rest: look at the broker, or call it again")]
    Unconfirmed,
}

impl Failure {
    /// Whether somebody stopped reading, as `head` does: nothing is wrong.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// For a command that takes the place of a bot: what to do about one that runs.
    pub(crate) fn while_it_runs(self) -> Self {
        match self {
            Self::Lock(error @ AcquireError::Held { .. }) => Self::Running(error),
            other => other,
        }
    }

    /// The exit code, as `--help` documents it.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_)
            | Self::NoState(_)
            | Self::NothingTraded(_)
            | Self::Switch(SwitchError::Nameless)
            | Self::Resolve(ResolveError::NotItsFill { .. } | ResolveError::Nameless | ResolveError::NotOpen { .. })
            | Self::Lock(
                AcquireError::NotAFile { .. } | AcquireError::WritableByAll { .. } | AcquireError::NetworkFs { .. },
            )
            | Self::Loosens(_)
            | Self::Allow(AllowError::Nameless)
            | Self::Open(
                OpenError::OtherHome { .. }
                | OpenError::SettleTooShort { .. }
                | OpenError::NoPause
                | OpenError::Limits(_),
            ) => 2,
            Self::Lock(AcquireError::Held { .. })
            | Self::Running(_)
            | Self::Journal(OpenJournalError::Log(JournalError::Open(LogError::Locked(AcquireError::Held {
                ..
            })))) => 3,
            Self::Unresolved
            | Self::Harmed
            | Self::LeftUnresolved
            | Self::NotFlat
            | Self::Resolve(
                ResolveError::Attended { .. }
                | ResolveError::TooEarly { .. }
                | ResolveError::Shown { .. }
                | ResolveError::PositionsDiffer(_)
                | ResolveError::NotGone { .. },
            ) => 4,
            Self::Unconfirmed => 6,
            Self::Journal(error) if is_damage(error) => 5,
            Self::Open(OpenError::Record(RecordError::Contradiction(_))) | Self::SimulatorState(_) => 5,
            Self::Lock(_)
            | Self::Journal(_)
            | Self::Open(_)
            | Self::Allow(_)
            | Self::Switch(_)
            | Self::NotPulled(_)
            | Self::StateDir { .. }
            | Self::Resolve(_)
            | Self::Broker(_)
            | Self::Output(_) => 1,
        })
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        if matches!(error, OpenError::Loosens { .. }) { Self::Loosens(error) } else { Self::Open(error) }
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        Self::Resolve(error)
    }
}

/// How to stop whoever holds the lock.
fn running(error: &AcquireError) -> String {
    let pid = match error {
        AcquireError::Held { holder: Some(holder), .. } => holder.pid.to_string(),
        _ => "PID".to_owned(),
    };
    format!(
        "{}: `kill {pid}` asks it to stop; if it hangs, `paper-trader halt` cancels its entries and `kill -9 {pid}` ends it. Then \
         call this again",
        told(error)
    )
}

/// What to type after something was not settled.
fn next(error: &ResolveError) -> &'static str {
    match error {
        ResolveError::NotOpen { .. } => "`paper-trader resolve` lists what is open",
        ResolveError::Nameless => "add --by NAME and --reason TEXT",
        ResolveError::Attended { .. } | ResolveError::TooEarly { .. } => "call it again then",
        ResolveError::Broker(_) => "see that the broker can be reached, and call it again",
        ResolveError::Shown { .. } => "start the bot: `paper-trader run` follows it to its end",
        ResolveError::NotItsFill { .. } => {
            "write what the broker's statement says, once for each leg: --filled SYMBOL=QUANTITY@PRICE"
        }
        ResolveError::PositionsDiffer(_) | ResolveError::NotGone { .. } => {
            "look once more; if something else explains the broker's positions, add --despite-positions and say in --reason \
             what"
        }
        ResolveError::Record(_) => "nothing is settled: see that the disk has room, and call it again",
        _ => "nothing is settled",
    }
}

/// Whether there are records that cannot be read, or not understood.
fn is_damage(error: &OpenJournalError) -> bool {
    match error {
        OpenJournalError::Log(JournalError::Open(LogError::Read(error)) | JournalError::Read(error)) => {
            !matches!(error, ReadError::Io { .. } | ReadError::Overtaken { .. })
        }
        OpenJournalError::Log(JournalError::Unreadable { .. } | JournalError::Move { .. })
        | OpenJournalError::Contradiction(_) => true,
        _ => false,
    }
}
