//! `log`: what happened, oldest first, as far back as the journal reaches. Takes no lock, writes nothing.

use std::io::{self, Write};

use backstop::clock::{Clock, SystemClock, Timestamp};
use backstop::{Batch, LogJournal, Past, Record, SlotId};
use serde_json::Value;

use crate::cli::LogArgs;
use crate::duration;
use crate::failure::Failure;
use crate::render;
use crate::state_dir::StateDir;

/// Prints what happened, of what was asked for.
pub(crate) fn log(dir: &StateDir, args: &LogArgs, json: bool) -> Result<(), Failure> {
    let wanted = Wanted::of(args)?;
    dir.is_used()?;
    let mut out = io::stdout().lock();
    let mut printed = Ok(());
    LogJournal::read_history(&dir.journal(), |past| {
        if printed.is_ok() {
            printed = print_past(&mut out, &past, &wanted, json);
        }
    })?;
    Ok(printed?)
}

/// What of it is asked for.
struct Wanted {
    id: Option<String>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn of(args: &LogArgs) -> Result<Self, Failure> {
        let since = args.since.as_deref().map(moment).transpose()?;
        if let Some(id) = &args.id
            && SlotId::of_label(id).is_none()
            && id.parse::<SlotId>().is_err()
        {
            let text = format!(
                "--id {id} names neither an order nor a position; write one as `status` shows it, such as equity-20261120-1-3 \
                 or bs-equity-20261120-1-3-open-7"
            );
            return Err(Failure::Usage(text));
        }
        Ok(Self { id: args.id.clone(), since })
    }

    fn batch(&self, batch: &Batch) -> bool {
        self.since.is_none_or(|since| batch.at >= since)
    }

    fn record(&self, record: &Record) -> bool {
        let Some(id) = &self.id else { return true };
        serde_json::to_value(record).is_ok_and(|record| names(&record, id))
    }
}

/// Whether any part of a record is this name, or the name of an order of this position.
fn names(part: &Value, id: &str) -> bool {
    match part {
        Value::String(text) => text == id || SlotId::of_label(text).is_some_and(|slot| slot.to_string() == id),
        Value::Array(parts) => parts.iter().any(|part| names(part, id)),
        Value::Object(fields) => fields.iter().any(|(name, part)| name == id || names(part, id)),
        _ => false,
    }
}

/// So long ago, or then.
fn moment(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(ago) = duration::parse(text) {
        let now = SystemClock::new().wall();
        return Ok(now.checked_sub(ago).unwrap_or(Timestamp::MIN));
    }
    text.parse::<Timestamp>().map_err(|_| {
        Failure::Usage(format!(
            "--since {text}: write 30m for the last half hour, or a time such as 2026-11-20T14:30:00Z"
        ))
    })
}

fn print_past(out: &mut impl Write, past: &Past, wanted: &Wanted, json: bool) -> io::Result<()> {
    // Not among the lines of what happened, which programs read.
    let aside = |text: &str| writeln!(io::stderr().lock(), "{text}");
    match past {
        Past::Removed { batches } => {
            aside(&format!("older history is not kept any more: {batches} batches were removed"))
        }
        Past::Lost { batches: Some(batches) } => {
            aside(&format!("{batches} batches are missing here: the journal was salvaged"))
        }
        Past::Lost { batches: None } => {
            aside("nobody knows how many batches are missing here: the journal was salvaged")
        }
        Past::Batch(batch) if !wanted.batch(batch) => Ok(()),
        Past::Batch(batch) => {
            let mut records = batch.records.iter().filter(|record| wanted.record(record));
            records.try_for_each(|record| {
                if json {
                    return writeln!(out, "{}", render::json_line(batch, record));
                }
                match render::line(record) {
                    Some(line) => writeln!(out, "{}  {line}", render::instant(batch.at)),
                    None => Ok(()),
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_an_order_and_of_the_position_that_the_order_belongs_to_and_of_no_other() {
        let record = serde_json::json!({ "type": "accepted", "client_order_id": "bs-equity-20261120-1-1-open-7" });
        for (id, is_named) in [
            ("bs-equity-20261120-1-1-open-7", true),
            ("equity-20261120-1-1", true),
            ("equity-20261120-1-11", false),
            ("bs-equity-20261120-1-1-open-77", false),
        ] {
            assert_eq!(names(&record, id), is_named, "{id}");
        }
    }

    #[test]
    fn since_is_an_age_or_a_time() {
        assert!(moment("30m").unwrap() < SystemClock::new().wall());
        assert_eq!(moment("2026-11-20T14:30:00Z").unwrap().as_second(), 1_795_185_000);
        assert!(matches!(moment("yesterday"), Err(Failure::Usage(text)) if text.contains("30m")));
    }
}
