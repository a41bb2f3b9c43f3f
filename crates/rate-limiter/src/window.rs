//! One limit: so many in every stretch of time that is so long.

use std::time::Duration;

use crate::request::Priority;

/// More than a broker allows, and 8 MB of grants to remember.
const MOST: u32 = 1_000_000;
/// Longer, and the unit was misread.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// At most [`max`](Window::max) units in any stretch of time of length [`per`](Window::per), wherever it begins (RATE-1).
///
/// The stretch is half open: what was granted at `t` has left it at `t + per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    max: u32,
    per: Duration,
    margin: Duration,
    /// How many each priority may not touch.
    kept: [u32; Priority::COUNT],
}

/// Why a window is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWindow {
    /// It would grant nothing.
    #[error("a window of 0 units grants nothing; give at least 1")]
    Nothing,
    /// More than can be remembered.
    #[error("a window of {max} units is more than {MOST}; check the unit")]
    TooMany {
        /// What was asked for.
        max: u32,
    },
    /// It has no length.
    #[error("a window of no length limits nothing; give at least 1 ns")]
    NoLength,
    /// It is longer than a year.
    #[error("a window of {per:?}, with its margin, is longer than 366 days; check the unit")]
    TooLong {
        /// Its length with its margin.
        per: Duration,
    },
    /// Polling would never pass.
    #[error("{kept} of {max} units are kept from polling, which leaves it none; keep fewer")]
    AllKept {
        /// For exits and entries together.
        kept: u64,
        /// Of so many.
        max: u32,
    },
}

impl Window {
    /// `max` units in any `per`.
    ///
    /// # Errors
    /// [`InvalidWindow`] when either is zero or absurd: more than 1,000,000 units, longer than 366 days.
    pub const fn new(max: u32, per: Duration) -> Result<Self, InvalidWindow> {
        if max == 0 {
            return Err(InvalidWindow::Nothing);
        }
        if max > MOST {
            return Err(InvalidWindow::TooMany { max });
        }
        if per.is_zero() {
            return Err(InvalidWindow::NoLength);
        }
        if per.as_nanos() > LONGEST.as_nanos() {
            return Err(InvalidWindow::TooLong { per });
        }
        Ok(Self { max, per, margin: Duration::ZERO, kept: [0; Priority::COUNT] })
    }

    /// The same, where requests may take up to `margin` longer on their way than others: the window is made so much
    /// longer here, and holds at the server too (see the crate's documentation).
    ///
    /// # Errors
    /// [`InvalidWindow::TooLong`] when both together are longer than 366 days.
    pub fn with_margin(self, margin: Duration) -> Result<Self, InvalidWindow> {
        let per = self.per.saturating_add(margin);
        if per > LONGEST { Err(InvalidWindow::TooLong { per }) } else { Ok(Self { margin, ..self }) }
    }

    /// The same with a reserve (RATE-3): `for_exits` units that neither entries nor polling get, and `for_entries` more
    /// that polling does not get.
    ///
    /// # Errors
    /// [`InvalidWindow::AllKept`] when nothing is left for polling.
    pub fn with_reserve(self, for_exits: u32, for_entries: u32) -> Result<Self, InvalidWindow> {
        let kept = u64::from(for_exits) + u64::from(for_entries);
        match u32::try_from(kept) {
            Ok(both) if both < self.max => Ok(Self { kept: [0, for_exits, both], ..self }),
            _ => Err(InvalidWindow::AllKept { kept, max: self.max }),
        }
    }

    /// How many units.
    pub const fn max(&self) -> u32 {
        self.max
    }

    /// In which time.
    pub const fn per(&self) -> Duration {
        self.per
    }

    /// Its length here, with the margin.
    pub(crate) fn length(&self) -> Duration {
        self.per.saturating_add(self.margin)
    }

    /// How many of its units `priority` may use, those that others used included.
    pub(crate) fn most_for(&self, priority: Priority) -> u32 {
        self.max - priority.of(&self.kept)
    }
}
