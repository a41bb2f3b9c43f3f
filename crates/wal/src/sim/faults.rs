//! Operations that fail on purpose.

use std::io;

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation, counted from 0 over all of them, reads included: [`SimStorage::operations`](super::SimStorage::operations).
    pub at: u64,
    /// What happens to it.
    pub kind: FaultKind,
    /// Whether it happens to every later operation too.
    pub lasting: bool,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// The operation fails with this error of the system and does nothing. A sync that fails so has lost what it was to
    /// make durable, and never says so again.
    Error(i32),
    /// A write writes half and then fails with this error; every other operation just fails.
    Torn(i32),
    /// A read or write does only a part of what was asked and says so; every other operation is as usual.
    Short,
    /// Before the operation, which is then as usual, the system drops from its memory what a failed sync left there, and
    /// shows what the disk has: of each sector whose number modulo 8 has a bit here.
    Evict(u8),
}

impl FaultKind {
    pub(super) fn error(self) -> Option<io::Error> {
        match self {
            Self::Error(code) | Self::Torn(code) => Some(io::Error::from_raw_os_error(code)),
            Self::Short | Self::Evict(_) => None,
        }
    }
}
