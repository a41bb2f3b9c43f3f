//! What a person sees while the demo runs: two columns in a terminal, plain lines elsewhere, JSON for machines.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};

use super::bots::Kind;
use super::samples::Sample;

/// Events shown of each bot at once, where there is room.
const ROWS: usize = 18;
/// What else stands in a terminal: the heads of the columns, and some room.
const OTHER_ROWS: usize = 5;
/// Without a terminal, how often it is said what is held and believed.
const EVERY: Duration = Duration::from_secs(5);

/// The output of a demo while it runs.
#[derive(Debug)]
pub(crate) enum Screen {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Plain {
        /// When it was last said what is held.
        said: RefCell<Duration>,
    },
    /// Two columns that are drawn over.
    Live(Box<Live>),
}

/// What stands in the columns.
#[derive(Debug)]
pub(crate) struct Live {
    bar: ProgressBar,
    columns: RefCell<Columns>,
}

#[derive(Debug, Default)]
struct Columns {
    elapsed: Duration,
    width: usize,
    rows: usize,
    heads: [String; 2],
    events: [VecDeque<String>; 2],
}

impl Screen {
    pub(crate) fn of(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if !std::io::stdout().is_terminal() {
            return Self::Plain { said: RefCell::default() };
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        // A column less: a terminal breaks a line that fills it.
        let (high, wide) = Term::stdout().size();
        let (width, rows) = ((usize::from(wide).clamp(60, 200) - 4) / 2, usize::from(high).saturating_sub(OTHER_ROWS));
        let columns = Columns { width, rows: rows.clamp(4, ROWS), ..Columns::default() };
        Self::Live(Box::new(Live { bar, columns: RefCell::new(columns) }))
    }

    /// Something that a bot did, or that was done to it.
    pub(crate) fn event(&self, kind: Kind, at: Duration, text: &str) {
        match self {
            Self::Json => {
                let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                let line = serde_json::json!({ "type": "event", "bot": kind, "at_ms": at_ms, "text": text });
                print(&line.to_string());
            }
            Self::Plain { .. } => print(&format!("{}  {:<9} {text}", seconds(at), kind.name())),
            Self::Live(live) => live.change(|columns| {
                columns.elapsed = at;
                let [naive, backstop] = &mut columns.events;
                let events = if kind == Kind::Naive { naive } else { backstop };
                events.push_back(format!("{} {text}", seconds(at)));
                keep_newest(events, columns.rows);
            }),
        }
    }

    /// What both sides look like now: the naive one first.
    pub(crate) fn samples(&self, at: Duration, samples: [&Sample; 2]) {
        match self {
            Self::Json => {}
            Self::Plain { said } => {
                let mut said = said.borrow_mut();
                if at.saturating_sub(*said) >= EVERY {
                    *said = at;
                    for (kind, sample) in Kind::BOTH.into_iter().zip(samples) {
                        print(&format!("{}  {:<9} {}", seconds(at), kind.name(), standing(sample)));
                    }
                }
            }
            Self::Live(live) => live.change(|columns| {
                columns.elapsed = at;
                columns.heads = samples.map(standing);
            }),
        }
    }

    /// Leaves what was shown last.
    pub(crate) fn finish(&self) {
        if let Self::Live(live) = self {
            live.bar.abandon();
            print("");
        }
    }
}

/// Drops the oldest of what is more than `most`.
fn keep_newest<T>(all: &mut VecDeque<T>, most: usize) {
    drop(all.drain(..all.len().saturating_sub(most)));
}

impl Live {
    fn change(&self, what: impl FnOnce(&mut Columns)) {
        let mut columns = self.columns.borrow_mut();
        what(&mut columns);
        self.bar.set_message(columns.drawn());
    }
}

impl Columns {
    fn drawn(&self) -> String {
        let [naive, backstop] = &self.events;
        let [head_naive, head_backstop] = &self.heads;
        let mut rows = vec![self.row("NAIVE BOT", &format!("ON BACKSTOP {:>12}", seconds(self.elapsed)))];
        rows.push(self.row(head_naive, head_backstop));
        rows.push(format!("{0}─┼─{0}", "─".repeat(self.width)));
        let empty = String::new();
        for index in 0..self.rows {
            rows.push(self.row(naive.get(index).unwrap_or(&empty), backstop.get(index).unwrap_or(&empty)));
        }
        rows.join("\n")
    }

    fn row(&self, left: &str, right: &str) -> String {
        let width = self.width;
        let row = format!("{:<width$} │ {}", cut(left, width), cut(right, width));
        row.trim_end().to_owned()
    }
}

/// The first `width` characters, the last of them a sign that there are more.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// What is held and what is believed, in words.
fn standing(sample: &Sample) -> String {
    let (held, believed) = (sample.size_held(), sample.size_tracked());
    let unwatched: backstop::broker::Decimal = sample.unwatched().values().sum();
    let alarm = if unwatched.is_zero() { String::new() } else { format!(", UNWATCHED {unwatched}") };
    let down = if sample.is_up { "" } else { " (down)" };
    format!("at the broker {held}, believed {believed}{alarm}{down}")
}

fn seconds(at: Duration) -> String {
    format!("{:>3}.{}s", at.as_secs(), at.subsec_millis() / 100)
}

fn print(line: &str) {
    // Nobody who reads: the demo goes on, and says so at its end.
    let _written = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_columns_are_as_wide_as_said_and_what_does_not_fit_is_cut_visibly() {
        let mut columns = Columns { width: 10, rows: 4, ..Columns::default() };
        columns.events[0].push_back("filled at 5870 for a credit".to_owned());
        columns.events[1].push_back("short".to_owned());
        let drawn = columns.drawn();
        let row = drawn.lines().find(|row| row.contains("filled")).unwrap();
        assert_eq!(row, "filled at… │ short");
        assert_eq!(drawn.lines().count(), 4 + 3, "the block keeps its height");
    }

    #[test]
    fn the_newest_events_stay() {
        let mut events: VecDeque<u32> = (0..30).collect();
        keep_newest(&mut events, 4);
        assert_eq!(events, [26, 27, 28, 29]);
    }
}
