//! What the bot tells, a JSON object a line.

use std::io::Write;

use backstop::broker::Leg;
use serde_json::{Value, json};

use super::book::HeldLeg;

/// Something happened.
pub(super) fn say(text: &str) {
    print(&json!({ "type": "say", "text": text }));
}

/// From here on the bot looks at this order. Told before it is sent.
pub(super) fn follow(tag: &str, legs: &[Leg]) {
    let legs: Vec<HeldLeg> = legs.iter().map(HeldLeg::from).collect();
    print(&json!({ "type": "follow", "order": tag, "legs": legs }));
}

/// From here on it does not. What it made of the order is in the file.
pub(super) fn unfollow(tag: &str) {
    print(&json!({ "type": "unfollow", "order": tag }));
}

fn print(line: &Value) {
    // A bot that ignores Ctrl-C must not outlive whoever started it.
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(1);
    }
}
