//! The life of an operation: which moves there are. Used by live code and by recovery alike.

use serde::{Deserialize, Serialize};

/// Where an operation is in its life.
///
/// ```text
/// pending → in progress → completed
///                       → failed → rolled back
///                       → rolled back
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: a new state changes what recovery must do")]
pub enum State {
    /// The intent is on disk, and nothing of it has happened.
    Pending,
    /// It may have happened.
    InProgress,
    /// It has happened.
    Completed,
    /// It has not happened, or not as intended.
    Failed,
    /// What it did has been undone.
    RolledBack,
}

impl State {
    /// Whether recovery leaves it alone.
    pub fn is_at_rest(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::RolledBack)
    }

    /// The state after a move to `to`; `None` for a move that there is not (WAL-7).
    #[must_use]
    pub fn next(self, to: Self) -> Option<Self> {
        let allowed = matches!(
            (self, to),
            (Self::Pending, Self::InProgress)
                | (Self::InProgress, Self::Completed | Self::Failed | Self::RolledBack)
                | (Self::Failed, Self::RolledBack)
        );
        allowed.then_some(to)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::State::{self, Completed, Failed, InProgress, Pending, RolledBack};

    // proves: WAL-7
    #[test]
    fn of_all_moves_only_five_are_allowed() {
        let all = [Pending, InProgress, Completed, Failed, RolledBack];
        let allowed: Vec<(State, State)> = all
            .iter()
            .flat_map(|from| all.map(|to| (*from, to)))
            .filter(|(from, to)| from.next(*to).is_some())
            .collect();
        let five = [
            (Pending, InProgress),
            (InProgress, Completed),
            (InProgress, Failed),
            (InProgress, RolledBack),
            (Failed, RolledBack),
        ];
        assert_eq!(allowed, five);
    }
}
