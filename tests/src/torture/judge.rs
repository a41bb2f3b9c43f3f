//! What must hold, judged by the simulator's ledger: pure functions over what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use backstop_broker::{Decimal, Fill, Symbol};
use backstop_sim::{FaultKind, Ledger, LedgerOrder, OrderState};
use jiff::SignedDuration;
use serde::Serialize;

use super::bot::{Book, Log};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// The invariant, by its id.
    pub id: &'static str,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.text)
    }
}

pub(super) fn violation(id: &'static str, text: String) -> Violation {
    Violation { id, text }
}

/// The clocks of bot and broker may differ by a second, and a call takes its time before it ends.
const CLEARLY_LATER: SignedDuration = SignedDuration::from_secs(4);

/// The slot that a label belongs to, and whether it opens.
fn slot_of(tag: &str) -> Option<(&str, bool)> {
    let rest = tag.strip_prefix("bs-")?;
    let (head, _fence) = rest.rsplit_once('-')?;
    let (slot, purpose) = head.rsplit_once('-')?;
    match purpose {
        "open" => Some((slot, true)),
        _ if purpose.starts_with("close") => Some((slot, false)),
        _ => None,
    }
}

fn tag(order: &LedgerOrder) -> Option<&str> {
    order.tag.as_deref().filter(|tag| tag.starts_with("bs-"))
}

/// What must hold at every instant, whether the bot lives or not.
pub(super) fn at_any_time(ledger: &Ledger) -> Vec<Violation> {
    let mut found = names_used_once(ledger);
    found.extend(slots_entered_once(ledger));
    found.extend(exits_within_what_was_opened(ledger));
    found
}

/// DESK-2: a client order id is sent once, and becomes one order unless the broker did it twice by itself.
fn names_used_once(ledger: &Ledger) -> Vec<Violation> {
    let mut sent: BTreeMap<&str, usize> = BTreeMap::new();
    let mut twice_by_itself = BTreeSet::new();
    for request in &ledger.requests {
        let Some(tag) = request.tag.as_deref().filter(|tag| tag.starts_with("bs-")) else { continue };
        *sent.entry(tag).or_default() += 1;
        if request.fault == Some(FaultKind::DuplicateProcessing) {
            twice_by_itself.insert(tag);
        }
    }
    let mut orders: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in ledger.orders.iter().filter_map(tag) {
        *orders.entry(tag).or_default() += 1;
    }
    let sent = sent.into_iter().filter(|(_, count)| *count > 1);
    let sent = sent.map(|(tag, count)| violation("DESK-2", format!("{tag} was sent {count} times")));
    let orders = orders.into_iter().filter(|(tag, count)| *count > 1 && !twice_by_itself.contains(tag));
    let orders = orders.map(|(tag, count)| violation("DESK-2", format!("{tag} became {count} orders")));
    sent.chain(orders).collect()
}

/// GUARD-2: of the orders that were to open a slot's position, at most one was not refused.
fn slots_entered_once(ledger: &Ledger) -> Vec<Violation> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for order in ledger.orders.iter().filter(|order| order.state != OrderState::Rejected) {
        if let Some((slot, true)) = tag(order).and_then(slot_of) {
            names.entry(slot).or_default().extend(order.tag.as_deref());
        }
    }
    let twice = names.into_iter().filter(|(_, names)| names.len() > 1);
    let text = |(slot, names)| format!("slot {slot} was entered by {names:?}");
    twice.map(|entry| violation("GUARD-2", text(entry))).collect()
}

/// EXIT-1, EXIT-2: working and filled closing quantity within what was opened, and one exit at a time.
fn exits_within_what_was_opened(ledger: &Ledger) -> Vec<Violation> {
    let mut opened: BTreeMap<(&str, &Symbol), Decimal> = BTreeMap::new();
    let mut closing: BTreeMap<(&str, &Symbol), Decimal> = BTreeMap::new();
    let mut at_work: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for order in &ledger.orders {
        let Some(name) = tag(order) else { continue };
        let Some((slot, opens)) = slot_of(name) else { continue };
        let sums = if opens { &mut opened } else { &mut closing };
        if !opens && order.state.is_working() {
            at_work.entry(slot).or_default().push(name);
            for leg in &order.legs {
                *sums.entry((slot, &leg.symbol)).or_default() += Decimal::from(leg.quantity);
            }
        } else {
            for fill in &order.fills {
                *sums.entry((slot, &fill.symbol)).or_default() += fill.quantity;
            }
        }
    }
    let mut found = Vec::new();
    for ((slot, symbol), quantity) in closing {
        let had = opened.get(&(slot, symbol)).copied().unwrap_or_default();
        if quantity > had {
            let text = format!("{quantity} {symbol} of {slot} are or may be closed, of {had} that were opened");
            found.push(violation("EXIT-1", text));
        }
    }
    for (slot, names) in at_work.into_iter().filter(|(_, names)| names.len() > 1) {
        found.push(violation("EXIT-2", format!("{slot} is being closed by {names:?} at once")));
    }
    found
}

/// What must hold between the bot's log and the broker, whenever the bot is dead.
pub(super) fn by_the_log(ledger: &Ledger, log: &Log) -> Vec<Violation> {
    let sent = ledger.requests.iter().filter_map(|request| request.tag.as_deref()).filter(|tag| tag.starts_with("bs-"));
    let sent: Vec<&str> = sent.collect();
    let mut found: Vec<Violation> = Vec::new();
    if sent.len() > log.intents.len() {
        let text = format!("{} requests at the wire, {} intents", sent.len(), log.intents.len());
        found.push(violation("LIMIT-3", text));
    }
    let unknown: BTreeSet<&str> = sent.into_iter().filter(|tag| !log.intents.contains(*tag)).collect();
    found.extend(unknown.into_iter().map(|tag| violation("DESK-2", format!("{tag} was sent, and has no intent"))));
    let explained = |text: &String| violation("TXN-3", format!("the bot found cash that it cannot explain: {text}"));
    found.extend(log.cash_alerts.iter().map(explained));
    // Nobody else trades here, so a book that has to be put right was wrong.
    let wrong = |change: &String| violation("DESK-3", format!("the bot had to put its book right: {change}"));
    found.extend(log.corrections.iter().map(wrong));
    let mut of_ledger: BTreeMap<&str, Money> = BTreeMap::new();
    for order in &ledger.orders {
        if let Some(tag) = tag(order) {
            of_ledger.entry(tag).or_default().add(&order.fills);
        }
    }
    for (id, fills) in &log.fills {
        let mut book = Money::default();
        book.add(fills);
        let truth = of_ledger.get(id.as_str()).cloned().unwrap_or_default();
        if book != truth {
            found.push(violation("DESK-3", format!("{id} filled {truth} in truth, and {book} by the log")));
        }
    }
    found
}

/// What fills did to quantities and cash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Money {
    quantities: BTreeMap<Symbol, Decimal>,
    cash: Decimal,
}

impl Money {
    fn add(&mut self, fills: &[Fill]) {
        for fill in fills {
            *self.quantities.entry(fill.symbol.clone()).or_default() += fill.signed_quantity();
            self.cash += fill.cash().unwrap_or_default();
        }
        self.quantities.retain(|_, quantity| !quantity.is_zero());
        self.cash = self.cash.round_dp(6).normalize();
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (symbol, quantity) in &self.quantities {
            write!(f, "{quantity} {symbol}, ")?;
        }
        write!(f, "cash {}", self.cash)
    }
}

/// How a calm run was to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With everything closed.
    Flat,
    /// With whatever it holds.
    Holding,
}

/// What must hold after a calm run: faults off, the settling time over, ended by itself with `code`.
pub(super) fn at_rest(ledger: &Ledger, book: &Book, end: End, code: Option<i32>) -> Vec<Violation> {
    let mut found = Vec::new();
    let undecidable = book.operations.iter().filter(|one| is_undecidable(ledger, one)).map(|one| one.id.as_str());
    // With its order in doubt a position cannot leave the book. But of that order nothing is at the broker, so it explains no
    // difference of quantities.
    let excused: BTreeSet<&str> =
        undecidable.flat_map(|id| [id].into_iter().chain(slot_of(id).map(|(slot, _)| slot))).collect();
    found.extend(positions(ledger, book));
    match book.cash.total() {
        Some(cash) if cash == ledger.cash => {}
        cash => {
            let book = cash.map_or("unknown".to_owned(), |cash| cash.to_string());
            found.push(violation("TXN-3", format!("cash is {} in truth, and {book} in the book", ledger.cash)));
        }
    }
    for one in book.operations.iter().filter(|one| !excused.contains(one.id.as_str())) {
        let text = format!("{} is {} although the broker can tell what became of it", one.id, one.state);
        found.push(violation("DESK-3", text));
    }
    for one in book.unresolved.iter().filter(|one| !excused.contains(one.subject.as_str())) {
        found.push(violation("DESK-3", format!("unresolved without need: {}: {}", one.subject, one.text)));
    }
    for order in ledger.working().filter_map(tag) {
        found.push(violation("DESK-6", format!("{order} still works at the broker")));
    }
    let ids = book.positions.iter().map(|position| position.id.as_str());
    let left: Vec<&str> = ids.filter(|id| !excused.contains(id)).collect();
    if end == End::Flat && !left.is_empty() {
        found.push(violation("DESK-3", format!("{left:?} are still in the book after everything was closed")));
    }
    match code {
        Some(0) if excused.is_empty() && book.unresolved.is_empty() && book.positions.is_empty() => {}
        // What stays open is left by nobody who says nothing.
        Some(4) if !excused.is_empty() || !book.positions.is_empty() => {}
        code => {
            let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            let text = format!("a calm run ended with {code}, and nobody can decide {excused:?}");
            found.push(violation("DESK-3", text));
        }
    }
    found
}

/// DESK-7: of an order that the broker does not have, only a later one can show that it never came; and only one that is later
/// whatever the two clocks differ by.
fn is_undecidable(ledger: &Ledger, operation: &super::bot::Operation) -> bool {
    let is_there = ledger.orders.iter().any(|order| order.tag.as_deref() == Some(operation.id.as_str()));
    let is_later = |order: &LedgerOrder| order.received_at.duration_since(operation.since) > CLEARLY_LATER;
    let has_witness = ledger.orders.iter().any(is_later);
    !is_there && !has_witness
}

/// REC-4: signed quantities, symbol by symbol.
fn positions(ledger: &Ledger, book: &Book) -> Vec<Violation> {
    let mut left: BTreeMap<String, Decimal> = BTreeMap::new();
    for leg in book.positions.iter().flat_map(|position| &position.legs) {
        *left.entry(leg.symbol.clone()).or_default() += leg.quantity();
    }
    let tracked = left.clone();
    for (symbol, quantity) in &ledger.positions {
        *left.entry(symbol.to_string()).or_default() -= quantity;
    }
    let differ = left.into_iter().filter(|(_, difference)| !difference.is_zero());
    let text = |symbol: &str, difference: Decimal| {
        let book = tracked.get(symbol).copied().unwrap_or_default();
        format!("{symbol}: {} at the broker, and {book} in the book", book - difference)
    };
    differ.map(|(symbol, difference)| violation("DESK-3", text(&symbol, difference))).collect()
}

#[cfg(test)]
mod tests;
