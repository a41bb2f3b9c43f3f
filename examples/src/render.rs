//! Records as lines: for people and for machines.

use std::time::Duration;

use backstop::broker::{Decimal, Fill, OrderKind, OrderRequest, Side};
use backstop::clock::Timestamp;
use backstop::reconcile::{Change, Evidence, GoneLeg};
use backstop::trade_guard::Event;
use backstop::{Batch, Level, OrderEnd, Purpose, Record};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A decimal as a JSON number, digit for digit: a binary fraction could not hold it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Num(pub(crate) Decimal);

impl Serialize for Num {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.normalize().to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// One JSON object for a record, with its time and the order that it is about.
pub(crate) fn json_line(batch: &Batch, record: &Record) -> Value {
    let mut line = serde_json::to_value(record).unwrap_or_else(|error| Value::from(error.to_string()));
    if let Some(fields) = line.as_object_mut() {
        fields.insert("at".to_owned(), Value::from(batch.at.to_string()));
        if let Record::Intent { order, .. } = record {
            fields.insert("client_order_id".to_owned(), Value::from(order.client_order_id().as_str()));
        }
    }
    line
}

/// One line a record, without its time. `None` for what only machines read.
pub(crate) fn line(record: &Record) -> Option<String> {
    Some(match record {
        Record::Opened { home, fence } => format!("opened      {home}, fence {fence}"),
        Record::CashRead { total } => format!("cash        {total} at the broker"),
        Record::CashUnread { reason, .. } => format!("cash        unknown: {reason}"),
        Record::SessionBegun { session, limit } => format!("session     {session} with {limit} slot(s)"),
        Record::LimitsSet { loosened, by, reason, .. } => {
            let by = by.as_deref().unwrap_or("the start");
            let why = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            if loosened.is_empty() {
                format!("limits      set by {by}{why}")
            } else {
                format!("LIMITS      loosened by {by}{why} ({})", loosened.join(", "))
            }
        }
        Record::RepeatsAllowed { kind, by, reason } => format!("allowed     more of {kind} by {by}: {reason}"),
        Record::Refused { slot, gate, reason } => {
            format!("refused     {slot} by {gate}: {}", without_prefix(gate, reason))
        }
        // A claim is followed by the intent or the refusal, its end by the end of the order.
        Record::Attempt { of } => match &of.event {
            Event::Resolved { grounds, .. } => format!("settled     {}: {grounds}", of.key),
            Event::Claimed { .. } | Event::Executed | Event::NotExecuted { .. } => return None,
        },
        Record::Intent { slot, purpose, order, .. } => {
            let verb = match purpose {
                Purpose::Open => "enter",
                Purpose::Close { .. } => "leave",
            };
            format!("{verb}       {slot}: {}", describe(order))
        }
        Record::Accepted { client_order_id, broker_order_id } => {
            format!("accepted    {client_order_id} is order {broker_order_id}")
        }
        // What comes of a cancel shows in the order's end; the others are nothing new to a person.
        Record::Canceling { .. } | Record::Told { .. } | Record::AlertOver { .. } | Record::Checked { .. } => {
            return None;
        }
        Record::Doubted { client_order_id, reason } => format!("UNKNOWN     {client_order_id}: {reason}"),
        Record::Finished { client_order_id, end, fills } => {
            format!("at rest     {client_order_id}: {}", finished(end, fills))
        }
        Record::Adopted { client_order_id, broker_order_id, fills } => {
            let rows = fills.iter().map(|fill| format!("{} {}", fill.signed_quantity(), fill.symbol));
            format!("ADOPTED     {client_order_id} is order {broker_order_id}: {}", rows.collect::<Vec<_>>().join(", "))
        }
        Record::Book { change } => changed(change),
        Record::Reconciled { drift, .. } if drift.is_empty() => return None,
        Record::Reconciled { drift, .. } => {
            format!("DRIFT       {}", drift.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        Record::Halted { level, by, reason, .. } => {
            let word = if *level == Level::Freeze { "FROZEN" } else { "HALTED" };
            format!("{word}      by {by}: {reason}")
        }
        Record::Resumed { lifts, by, reason, .. } => {
            format!("RESUMED     by {by}: {reason} ({} pull(s) taken back)", lifts.len())
        }
        Record::Alert { subject, text } => format!("ALERT       {subject}: {text}"),
        Record::Stopped { halted: None } => "stopped     in good order".to_owned(),
        Record::Stopped { halted: Some(why) } => format!("stopped     {why}"),
        other => format!("{other:?}"),
    })
}

fn without_prefix<'a>(gate: &str, reason: &'a str) -> &'a str {
    reason.strip_prefix(gate).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(reason)
}

/// What was done to the book, in one line, with its evidence.
fn changed(change: &Change) -> String {
    match change {
        Change::Pending { position, reason, .. } => format!("still open  {position}: {reason}"),
        Change::Removed { position, evidence, .. } => format!("closed      {position}: {}", proven(evidence)),
        Change::Adopted { position, symbol, quantity, stop, reads, .. } => {
            format!("ADOPTED     {quantity} {symbol} as {position} with a stop of {stop}: in {} reads", reads.reads)
        }
        Change::Corrected { position, legs, causes, reads, .. } => {
            let legs = legs.iter().map(|leg| format!("{} {} and not {}", leg.to, leg.symbol, leg.from));
            let causes = causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let legs = legs.collect::<Vec<_>>().join(", ");
            format!("CORRECTED   {position}: {legs}, in {} reads: {causes}", reads.reads)
        }
        other => format!("book        {}", other.position()),
    }
}

/// What showed that a position is closed.
pub(crate) fn proven(evidence: &Evidence) -> String {
    let gone = |legs: &[GoneLeg]| {
        let legs = legs.iter().map(|leg| format!("{} {} in {} reads", leg.left, leg.symbol, leg.reads.reads));
        legs.collect::<Vec<_>>().join(", ")
    };
    match evidence {
        Evidence::Fills { orders, reads } => {
            let orders = orders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("filled by {orders}; nothing works, and the broker is without it in {} reads", reads.reads)
        }
        Evidence::Expiry { legs } => format!("expired, and gone: {}", gone(legs)),
        Evidence::Absence { legs } => format!("gone at the broker, and not by its positions alone: {}", gone(legs)),
        Evidence::Operator { by, reason, .. } => format!("settled by {by}: {reason}"),
        other => format!("{other:?}"),
    }
}

/// An order in one line.
pub(crate) fn describe(order: &OrderRequest) -> String {
    let legs = order.legs().iter().map(|leg| {
        let verb = match leg.side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        format!("{verb} {} {}", leg.quantity, leg.symbol)
    });
    let price = match order.kind() {
        OrderKind::Market => "at the market".to_owned(),
        OrderKind::Even => "for nothing".to_owned(),
        OrderKind::Limit { price: limit } => format!("at {}", price(limit)),
        OrderKind::Debit { price: debit } => format!("for a debit of {}", price(debit)),
        OrderKind::Credit { price: credit } => format!("for a credit of {}", price(credit)),
        OrderKind::Stop { stop } => format!("stop {}", price(stop)),
        OrderKind::StopLimit { stop, price: limit } => format!("stop {}, limit {}", price(stop), price(limit)),
    };
    format!("{} {price}", legs.collect::<Vec<_>>().join(", "))
}

/// How an order came to rest, in one line.
pub(crate) fn finished(end: &OrderEnd, fills: &[Fill]) -> String {
    let end = match end {
        OrderEnd::Terminal { status } => status.clone(),
        OrderEnd::Rejected { reason } => reason.clone(),
        OrderEnd::NotSent { reason } => format!("not sent: {reason}"),
        OrderEnd::NotPlaced { witness } => {
            format!("never placed; the broker's list reaches past it, to order {witness}")
        }
        OrderEnd::Resolved { by, reason } => format!("settled by {by}: {reason}"),
    };
    if fills.is_empty() {
        return format!("{end}, nothing filled");
    }
    let fills = fills.iter().map(|fill| format!("{} {} at {}", fill.signed_quantity(), fill.symbol, price(fill.price)));
    format!("{end}, {}", fills.collect::<Vec<_>>().join(", "))
}

/// A price with at least two decimals.
pub(crate) fn price(price: Decimal) -> String {
    let price = price.normalize();
    if price.scale() < 2 { format!("{price:.2}") } else { price.to_string() }
}

/// The time of day, for people.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

/// A moment in full, to the millisecond: nobody reads more.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%F %T%.3fZ").to_string()
}

/// How long, in the two largest units: `12s`, `3m05s`, `2h10m`, `4d03h`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// Money with two decimals and separators for thousands.
pub(crate) fn money(amount: Decimal) -> String {
    let rounded = amount.round_dp(2);
    let text = format!("{:.2}", rounded.abs());
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if rounded.is_sign_negative() && !rounded.is_zero() { "-" } else { "" };
    format!("{sign}{grouped}.{cents}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped_and_keeps_its_sign() {
        for (amount, text) in
            [("0", "0.00"), ("-0.001", "0.00"), ("1234567.5", "1,234,567.50"), ("-999.999", "-1,000.00")]
        {
            assert_eq!(money(amount.parse().unwrap()), text);
        }
    }

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (185, "3m05s"), (7_800, "2h10m"), (356_400, "4d03h")] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_decimal_becomes_a_number_digit_for_digit() {
        let exact = "12345678901234567890.123456789";
        assert_eq!(serde_json::to_string(&Num(exact.parse().unwrap())).unwrap(), exact);
        assert_eq!(serde_json::to_string(&Num("2.00".parse().unwrap())).unwrap(), "2");
    }
}
