//! What was measured, as a table for people and as one JSON object for machines.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use backstop::broker::Decimal;
use serde_json::{Map, Value, json};

use super::bots::Kind;
use super::measures::{Cash, Cause, Harm, Measures};
use super::race::Raced;
use super::samples::Net;
use super::side::{End, Finished, Second};
use super::world::Plan;
use crate::failure::Failure;
use crate::render::{Num, money};

impl Finished {
    /// Whether the bot came to rest by itself, with nothing left that somebody has to settle.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.end, End::Exited { code: Some(0), .. })
    }
}

/// Writes the table, and one line for each bot.
pub(crate) fn write(out: &mut impl Write, raced: &Raced, entries: u32) -> io::Result<()> {
    let sides = [&raced.naive, &raced.backstop];
    let [naive, backstop] = sides.map(|side| &side.measures);
    let mut row = |what: &str, figure: &dyn Fn(&Measures) -> String| {
        writeln!(out, "{what:<40} {:>17} {:>17}", figure(naive), figure(backstop))
    };
    row("", &|m| if std::ptr::eq(m, naive) { "naive bot" } else { "on Backstop" }.to_owned())?;
    row("orders sent to open, slots", &|m| format!("{} for {}", m.opening_orders, m.slots))?;
    row("  most for one slot", &|m| m.most_orders_a_slot.to_string())?;
    row("slots entered, of all", &|m| format!("{} of {entries}", m.entered))?;
    row("duplicates: slots entered again", &|m| m.duplicate_entries.len().to_string())?;
    row("duplicates: closed more than was open", &|m| m.duplicate_exits.len().to_string())?;
    row("unwatched: symbols that it did not know", &|m| m.unwatched.count.to_string())?;
    row("  longest, while it ran", &|m| {
        if m.unwatched.count == 0 { "-".to_owned() } else { seconds(m.unwatched.longest) }
    })?;
    row("orphans at the end", &|m| size(&m.orphans))?;
    row("believed in at the end, and not there", &|m| size(&m.phantoms))?;
    row("left open at the end, and known", &|m| m.left_open.normalize().to_string())?;
    row("cash it believes in, less cash it has", &|m| match m.cash {
        Cash::Off(drift) => money(drift),
        Cash::Unknown => "unknown".to_owned(),
        Cash::InFlight => "orders in flight".to_owned(),
    })?;
    row("requests refused: too many a minute", &|m| m.refused_requests.to_string())?;
    row("entries on bad quotes (old, crossed, …)", &|m| m.bad_quote_entries.len().to_string())?;
    for (cause, _, what) in CAUSES {
        row(what, &|m| money(m.money.made(cause)))?;
    }
    row("result, closing what is left", &|m| money(m.money.result))?;
    row("ways in which it was harmed", &|m| m.harms().len().to_string())?;
    writeln!(out)?;
    sides.into_iter().try_for_each(|side| writeln!(out, "{}", in_one_line(side)))
}

/// The causes, for machines and for people.
const CAUSES: [(Cause, &str, &str); 4] = [
    (Cause::DuplicateEntries, "duplicate_entries", "made by slots entered again"),
    (Cause::DuplicateExits, "duplicate_exits", "made by closing more than was open"),
    (Cause::BadQuotes, "bad_quotes", "made by entries on such quotes"),
    (Cause::Meant, "meant", "made by all other orders"),
];

/// How many contracts or shares, and of how many symbols.
fn size(net: &Net) -> String {
    let contracts: Decimal = net.values().sum();
    if contracts.is_zero() { "none".to_owned() } else { format!("{contracts} in {} symbols", net.len()) }
}

/// What became of a bot.
fn in_one_line(side: &Finished) -> String {
    let name = match side.kind {
        Kind::Naive => "naive bot:  ",
        Kind::Backstop => "on Backstop:",
    };
    let harms: Vec<&str> = side.measures.harms().into_iter().map(word).collect();
    let harms = if harms.is_empty() { "no harm".to_owned() } else { harms.join(", ") };
    let second = match side.second {
        Second::NotStarted => String::new(),
        Second::Refused { code: Some(code) } => {
            format!("\n             a second instance was refused with exit code {code}")
        }
        Second::Refused { code: None } => "\n             a second instance was ended by a signal".to_owned(),
        Second::GotIn => "\n             a second instance traded beside it".to_owned(),
    };
    let end = match &side.end {
        End::Exited { code: Some(0), .. } => String::new(),
        End::Exited { code, complaint } => {
            let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            format!(
                "\n             ended with {code}{}",
                complaint.as_ref().map_or(String::new(), |text| format!(": {text}"))
            )
        }
        End::Stopped => "\n             was ended before it was through".to_owned(),
    };
    format!("{name} {harms}{second}{end}")
}

fn word(harm: Harm) -> &'static str {
    match harm {
        Harm::DuplicateEntries => "slots entered again",
        Harm::DuplicateExits => "closed more than was open",
        Harm::Unwatched => "unwatched",
        Harm::Orphans => "orphans",
        Harm::Phantoms => "positions that are not there",
        Harm::CashDrift => "wrong cash",
        Harm::RefusedRequests => "refused requests",
        Harm::BadQuotes => "entries on bad quotes",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
}

/// Everything, as one object.
pub(crate) fn as_json(raced: &Raced, plan: &Plan, kept: Option<&Path>) -> Result<Value, Failure> {
    let kills: Vec<Value> =
        raced.kills.iter().map(|kill| json!({ "at_ms": ms(kill.at), "down_ms": ms(kill.down) })).collect();
    Ok(json!({
        "type": "result",
        "seed": plan.seed,
        "strategy": plan.strategy(),
        "entries": plan.entries,
        "is_partial": raced.is_partial,
        "kept": kept,
        "took_ms": ms(raced.took),
        "kills": kills,
        "second_bot_at_ms": raced.second_bot.map(ms),
        "naive": side(&raced.naive)?,
        "backstop": side(&raced.backstop)?,
    }))
}

fn side(side: &Finished) -> Result<Value, Failure> {
    let json = |value: Result<Value, serde_json::Error>| value.map_err(|error| Failure::Output(error.into()));
    let exit_code = match side.end {
        End::Exited { code, .. } => code,
        End::Stopped => None,
    };
    let second = match side.second {
        Second::NotStarted => json!(null),
        Second::Refused { code } => json!({ "refused": true, "exit_code": code }),
        Second::GotIn => json!({ "refused": false }),
    };
    let samples = side.samples.iter().map(|sample| {
        let unwatched: Decimal = sample.unwatched().values().sum();
        json(serde_json::to_value(Sampled {
            at_ms: ms(sample.at),
            is_up: sample.is_up,
            held: Num(sample.size_held()),
            believed: Num(sample.size_tracked()),
            unwatched: Num(unwatched),
        }))
    });
    Ok(json!({
        "exit_code": exit_code,
        "second": second,
        "harms": json(serde_json::to_value(side.measures.harms()))?,
        "measures": measured(&side.measures)?,
        "faults": json(serde_json::to_value(&side.ledger.faults))?,
        "samples": samples.collect::<Result<Vec<_>, _>>()?,
    }))
}

fn measured(measures: &Measures) -> Result<Value, Failure> {
    let number = |amount: Decimal| serde_json::to_value(Num(amount)).map_err(|error| Failure::Output(error.into()));
    let each = |numbers: Vec<(String, Decimal)>| -> Result<Map<String, Value>, Failure> {
        numbers.into_iter().map(|(name, amount)| Ok((name, number(amount)?))).collect()
    };
    let net = |net: &Net| net.iter().map(|(symbol, quantity)| (symbol.to_string(), *quantity)).collect();
    let cash_drift = if let Cash::Off(drift) = measures.cash { Some(drift) } else { None };
    let made = CAUSES.into_iter().map(|(cause, name, _)| (name.to_owned(), measures.money.made(cause)));
    let settled = [("settled".to_owned(), measures.money.settled)];
    Ok(json!({
        "slots": measures.slots,
        "entered": measures.entered,
        "opening_orders": measures.opening_orders,
        "most_orders_a_slot": measures.most_orders_a_slot,
        "duplicate_entries": measures.duplicate_entries,
        "duplicate_exits": measures.duplicate_exits,
        "unwatched": {
            "count": measures.unwatched.count,
            "longest_ms": ms(measures.unwatched.longest),
            "of_it_down_ms": ms(measures.unwatched.of_it_down),
        },
        "orphans": each(net(&measures.orphans))?,
        "phantoms": each(net(&measures.phantoms))?,
        "left_open": number(measures.left_open)?,
        "cash_in_flight": measures.cash == Cash::InFlight,
        "cash_drift": cash_drift.map(number).transpose()?,
        "refused_requests": measures.refused_requests,
        "bad_quote_entries": measures.bad_quote_entries,
        "made": each(made.chain(settled).collect())?,
        "result": number(measures.money.result)?,
    }))
}

/// One sample in JSON: contracts or shares, long and short together.
#[derive(serde::Serialize)]
struct Sampled {
    at_ms: u64,
    is_up: bool,
    held: Num,
    believed: Num,
    unwatched: Num,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
