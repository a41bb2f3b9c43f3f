//! How the program ends when it does not end well.

use std::path::PathBuf;
use std::process::ExitCode;

use backstop::file_lock::AcquireError;
use backstop::{JournalError, OpenError};

/// Why the program cannot go on. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Lock(#[from] AcquireError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the simulator's account is damaged: {0}")]
    SimulatorState(String),
    #[error("cannot create the state directory {}: {source}; choose another with --state-dir", path.display())]
    StateDir { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Broker(String),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
    #[error("ended with something unresolved")]
    Unresolved,
}

impl Failure {
    /// The exit code, as `--help` documents it.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::Open(OpenError::OtherHome { .. } | OpenError::SettleTooShort { .. }) => 2,
            Self::Lock(AcquireError::Held { .. }) => 3,
            Self::Unresolved => 4,
            Self::Journal(JournalError::Damaged { .. } | JournalError::Newer { .. })
            | Self::Open(OpenError::Contradiction(_))
            | Self::SimulatorState(_) => 5,
            Self::Lock(_)
            | Self::Journal(_)
            | Self::Open(_)
            | Self::StateDir { .. }
            | Self::Broker(_)
            | Self::Output(_) => 1,
        })
    }
}
