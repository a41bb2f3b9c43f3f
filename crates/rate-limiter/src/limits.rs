//! All limits of one token: windows in classes, inside a shared total.

use std::time::Duration;

use crate::window::Window;

/// More budgets than any server counts apart.
const MOST_CLASSES: usize = 32;

/// The limits of one token, checked once.
///
/// A request is of one class, and is charged in all windows of its class and in all of the total, or in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub(crate) total: Vec<Window>,
    pub(crate) classes: Vec<Vec<Window>>,
}

/// Why windows are no limits together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimits {
    /// Nothing limits a class.
    #[error("class {class} has no window, and neither has the total; give it one")]
    NoWindow {
        /// Which one.
        class: usize,
    },
    /// Of two windows the shorter could never bind: one of them is a mistake.
    #[error("{} in {:?} leave nothing to limit for {} in {:?}; take the wrong one out", longer.0, longer.1, shorter.0, shorter.1)]
    Contradiction {
        /// Units and length of the one that is not shorter.
        longer: (u32, Duration),
        /// Units and length of the other.
        shorter: (u32, Duration),
    },
    /// More classes than there can be.
    #[error("{classes} classes are more than {MOST_CLASSES}; limit only what the server counts apart")]
    TooManyClasses {
        /// How many.
        classes: usize,
    },
}

impl Limits {
    /// One class with `windows`.
    ///
    /// # Errors
    /// [`InvalidLimits`] when there are none, or when they contradict each other: two of one length, or a longer one that
    /// allows no more than a shorter one.
    pub fn new(windows: &[Window]) -> Result<Self, InvalidLimits> {
        Self::with_classes(&[], &[windows])
    }

    /// Classes with windows of their own, inside a `total` that they share. Either may be empty where the other is not.
    ///
    /// # Errors
    /// [`InvalidLimits`], also for more than 32 classes.
    pub fn with_classes(total: &[Window], classes: &[&[Window]]) -> Result<Self, InvalidLimits> {
        if classes.len() > MOST_CLASSES {
            return Err(InvalidLimits::TooManyClasses { classes: classes.len() });
        }
        if classes.is_empty() {
            return Err(InvalidLimits::NoWindow { class: 0 });
        }
        for (class, windows) in classes.iter().enumerate() {
            if windows.is_empty() && total.is_empty() {
                return Err(InvalidLimits::NoWindow { class });
            }
            check(windows)?;
        }
        check(total)?;
        Ok(Self { total: total.to_vec(), classes: classes.iter().map(|windows| windows.to_vec()).collect() })
    }

    /// The same for the same windows in the same classes, and hardly ever for others. Reserves are not in it: who shares a
    /// token may keep different shares for what it does.
    #[cfg(unix)]
    pub(crate) fn fingerprint(&self) -> u64 {
        let windows = |windows: &[Window]| {
            let of = |window: &Window| {
                [u64::from(window.max()), u64::try_from(window.length().as_nanos()).unwrap_or(u64::MAX)]
            };
            let all: Vec<u64> = windows.iter().flat_map(of).collect();
            std::iter::once(windows.len() as u64).chain(all)
        };
        let words = windows(&self.total).chain(self.classes.iter().flat_map(|class| windows(class)));
        // FNV-1a, by words.
        words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
    }

    /// The longest stretch of time that any window covers: what was used before it is over for all of them.
    pub fn longest(&self) -> Duration {
        self.total.iter().chain(self.classes.iter().flatten()).map(Window::length).max().unwrap_or_default()
    }
}

fn check(windows: &[Window]) -> Result<(), InvalidLimits> {
    for (at, a) in windows.iter().enumerate() {
        for b in windows.iter().skip(at + 1) {
            let (longer, shorter) = if a.length() >= b.length() { (a, b) } else { (b, a) };
            if longer.length() == shorter.length() || longer.max() <= shorter.max() {
                let named = |window: &Window| (window.max(), window.per());
                return Err(InvalidLimits::Contradiction { longer: named(longer), shorter: named(shorter) });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
