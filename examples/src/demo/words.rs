//! What the bots say, in the few words for which a column has room.

use backstop::SlotId;
use backstop::broker::{OptionRight, Symbol};
use serde_json::Value;

use super::measures::slot_of;

/// What stands before each record of the bot on Backstop: the time of day, or as much room.
const TIME: usize = "12:34:56.789  ".len();

/// A line of the bot on Backstop. `None`: none that is about what happens.
pub(crate) fn of_backstop(line: &str) -> Option<String> {
    let (before, text) = line.split_at_checked(TIME)?;
    let is_record = before.trim().is_empty() || before.bytes().filter(|byte| *byte == b':').count() == 2;
    let is_told = is_record && before.ends_with("  ") && !text.starts_with(' ') && !text.trim().is_empty();
    // The simulator trades at any hour.
    let is_of_the_calendar = text.contains("by the calendar");
    (is_told && !is_of_the_calendar).then(|| shortened(text))
}

/// A line of the naive bot.
pub(crate) fn of_naive(line: &Value) -> Option<String> {
    let is_said = line.get("type").and_then(Value::as_str) == Some("say");
    line.get("text").filter(|_| is_said).and_then(Value::as_str).map(shortened)
}

/// Labels as slot and purpose, options as strike and right, and one space where there are many.
fn shortened(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(shortened_word).collect();
    words.join(" ")
}

fn shortened_word(word: &str) -> String {
    let end = word.trim_end_matches([',', ':', ';', '.', ')']);
    let (core, rest) = word.split_at_checked(end.len()).unwrap_or((word, ""));
    let short = short_label(core)
        .or_else(|| short_slot(core))
        .or_else(|| short_option(core))
        .unwrap_or_else(|| core.to_owned());
    format!("{short}{rest}")
}

fn short_label(word: &str) -> Option<String> {
    let is_label = word.starts_with("bs-") || word.starts_with("nv-");
    let (slot, opens) = slot_of(word).filter(|_| is_label)?;
    let number = slot.rsplit('-').next()?;
    Some(format!("#{number} {}", if opens { "entry" } else { "exit" }))
}

/// `spread-20261120-1-3` as `#3`.
fn short_slot(word: &str) -> Option<String> {
    Some(format!("#{}", word.parse::<SlotId>().ok()?.slot))
}

/// `SPXW261120P05870000` as `5870P`.
fn short_option(word: &str) -> Option<String> {
    let option = word.parse::<Symbol>().ok()?.option()?;
    let right = if option.right() == OptionRight::Put { "P" } else { "C" };
    Some(format!("{}{right}", option.strike().normalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_options_are_told_in_short() {
        let line = "12:34:56.789  enter       spread-20261120-1-3: sell 2 SPXW261120P05870000, for a credit of 1.20";
        assert_eq!(of_backstop(line).unwrap(), "enter #3: sell 2 5870P, for a credit of 1.20");
        assert_eq!(
            of_backstop("12:34:56.789  at rest     bs-spread-20261120-1-3-close1-2").unwrap(),
            "at rest #3 exit"
        );
        let note = format!("{:14}waiting for the broker", "");
        assert_eq!(of_backstop(&note).unwrap(), "waiting for the broker");
        for summary in ["", "slots           3 opened, 0 not executed", "                    250,000.00  at the broker"]
        {
            assert_eq!(of_backstop(summary), None, "{summary}");
        }
        let said = serde_json::json!({"type": "say", "text": "nv-spread-3-close-1 filled"});
        assert_eq!(of_naive(&said).unwrap(), "#3 exit filled");
        assert_eq!(of_naive(&serde_json::json!({"type": "other", "text": "x"})), None);
    }
}
