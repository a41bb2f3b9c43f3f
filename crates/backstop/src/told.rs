//! An error with its causes, in one line, for records and people.

use std::error::Error;

/// What happened, and what that was caused by, down to what the system said.
pub fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
