//! What came of a run: every check by name, and whether the broker passed it.

use std::fmt;

/// The result of a run. Prints as a table.
#[must_use = "an unread report proves nothing"]
#[derive(Debug, Clone, Default)]
pub struct Report(Vec<Check>);

/// One check of the suite.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was checked, as a property; the same in every run.
    pub name: String,
    /// The invariant it stands for: `BRK-1`, `BRK-2`, or `trait` for the rest of the contract.
    pub proves: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The property held.
    Passed,
    /// It did not: what was seen instead.
    Failed(String),
    /// Nothing is known: what the rig lacks.
    Skipped(String),
}

impl Report {
    pub(super) fn push(&mut self, check: Check) {
        self.0.push(check);
    }

    /// Every check, in the order it was made.
    pub fn checks(&self) -> &[Check] {
        &self.0
    }

    /// The checks that the broker did not pass.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().filter(|check| matches!(check.verdict, Verdict::Failed(_)))
    }

    /// The checks that the rig could not make. They prove nothing.
    pub fn skipped(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().filter(|check| matches!(check.verdict, Verdict::Skipped(_)))
    }

    /// Whether no check failed and at least one was made.
    pub fn conforms(&self) -> bool {
        self.failed().next().is_none() && self.0.iter().any(|check| check.verdict == Verdict::Passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.0 {
            let (word, why) = match &check.verdict {
                Verdict::Passed => ("passed", ""),
                Verdict::Failed(why) => ("FAILED", why.as_str()),
                Verdict::Skipped(why) => ("SKIPPED", why.as_str()),
            };
            write!(f, "{word:<8} {:<6} {}", check.proves, check.name)?;
            if !why.is_empty() {
                write!(f, ": {why}")?;
            }
            writeln!(f)?;
        }
        let (failed, skipped) = (self.failed().count(), self.skipped().count());
        write!(f, "{} passed, {failed} failed, {skipped} skipped", self.0.len() - failed - skipped)
    }
}
