//! How a session went, in a table that a trader can read. With the embedded simulator it is held against the truth.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use backstop::broker::{Decimal, Symbol};
use backstop::{AlertTally, Fallback, QuoteTally, State, WatchPolicy, WatchTally};
use backstop_sim::SimServer;
use serde::Serialize;

use super::session::{SessionEnd, Slots};
use super::settings::Settings;
use super::spent::Spent;
use crate::failure::Failure;
use crate::render::{Num, money};
use crate::status::{self, LimitView};

/// How a session went.
#[derive(Debug)]
pub(crate) struct Summary {
    session: Option<String>,
    slots: Slots,
    executed: u32,
    limit: u32,
    cash_before: Option<Decimal>,
    /// What the account had more than the book when the run began.
    cash_found: Option<Decimal>,
    cash_book: Option<Decimal>,
    cash_broker: Option<Decimal>,
    open_positions: usize,
    quotes: QuoteTally,
    halted: Option<String>,
    watch: (WatchPolicy, WatchTally),
    alerts: Option<AlertTally>,
    untold: Vec<String>,
    limits: Vec<LimitView>,
    unresolved: Vec<String>,
    /// Whether the change of cash is what this run earned: nothing was open before it or is after it.
    has_result: bool,
    spent: Spent,
    truth: Option<Truth>,
}

/// What the simulator's ledger says of the same session.
#[derive(Debug)]
struct Truth {
    opening_orders: usize,
    /// Labels that more than one order bears.
    duplicates: Vec<String>,
    /// Symbols whose quantity in the book is not the true one.
    differences: Vec<String>,
    cash: Decimal,
    /// The book's cash, where it is another.
    cash_book: Option<Decimal>,
    faults: Vec<(String, u64)>,
    /// Requests that it refused because a window was full; refusals that are faults do not count.
    too_many: u64,
}

impl Summary {
    pub(crate) fn new(
        state: &State,
        end: &SessionEnd,
        settings: &Settings,
        spent: Spent,
        simulator: Option<&SimServer>,
    ) -> Self {
        let session = state.session.as_ref().filter(|session| Some(session.id) == end.id);
        let truth = simulator.map(|simulator| Truth::of(simulator, state, end.cash_book));
        let mut unresolved = unresolved(state);
        unresolved.extend(end.failure.clone());
        let open = state.book.positions().keys().map(ToString::to_string);
        let untold: Vec<_> = open.filter(|slot| !unresolved.iter().any(|line| names(line, slot))).collect();
        let asked = if settings.flatten_at_end { "is still open" } else { "stays open, as was asked" };
        unresolved.extend(untold.into_iter().map(|slot| {
            format!("position {slot} {asked}, and nobody watches it: start the bot again, or paper-trader flatten")
        }));
        unresolved.extend(truth.iter().flat_map(Truth::complaints));
        Self {
            session: end.id.map(|id| id.to_string()),
            slots: end.slots,
            executed: session.map_or(0, |session| session.executed),
            limit: session.map_or(0, |session| session.limit),
            cash_before: end.cash_before,
            cash_found: end.cash_found,
            cash_book: end.cash_book,
            cash_broker: end.cash_broker,
            open_positions: state.book.positions().len(),
            quotes: end.quotes.clone(),
            halted: state.halted().map(ToString::to_string),
            watch: (settings.watch, end.watch),
            alerts: end.alerts.clone(),
            untold: state.untold.keys().cloned().collect(),
            limits: status::limits_used(state),
            unresolved,
            has_result: end.began_flat
                && state.book.positions().is_empty()
                && state.operations.is_empty()
                && state.reconciled.as_ref().is_none_or(|compared| compared.drift.is_empty()),
            spent,
            truth,
        }
    }

    /// Whether nothing is left that somebody has to settle.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.unresolved.is_empty()
    }

    pub(crate) fn print(&self, json: bool) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if json {
            let line = serde_json::to_string(&self.json()).map_err(|error| Failure::Output(error.into()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        Ok(self.write(&mut out)?)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        let session = self.session.as_deref().unwrap_or("never began");
        writeln!(out, "session         {session}: {} of {} entries executed", self.executed, self.limit)?;
        let Slots { opened, not_executed, refused, unresolved } = self.slots;
        writeln!(
            out,
            "slots           {opened} opened, {not_executed} not executed, {refused} refused, {unresolved} left unresolved at the time"
        )?;
        writeln!(out, "open positions  {}", self.open_positions)?;
        write_quotes(&self.quotes, out)?;
        writeln!(out, "limits          {}", status::limits_line(&self.limits))?;
        let figure = |amount: Option<Decimal>| amount.map_or("unknown".to_owned(), money);
        writeln!(out, "cash before     {:>14}", figure(self.cash_before))?;
        if let Some(more) = self.cash_found.filter(|more| !more.is_zero()) {
            let what = "more at the broker than in the book: no order of this bot explains it";
            writeln!(out, "                {:>14}  {what}", money(more))?;
        }
        writeln!(out, "cash now        {:>14}  by our fills", figure(self.cash_book))?;
        let verdict = match (self.cash_broker, self.cash_book) {
            (Some(broker), Some(book)) if broker == book => "to the cent".to_owned(),
            (Some(broker), Some(book)) => {
                format!("{} off (fees, rounding, or other activity on the account)", money(broker.saturating_sub(book)))
            }
            _ => "not compared".to_owned(),
        };
        writeln!(out, "                {:>14}  at the broker: {verdict}", figure(self.cash_broker))?;
        if let (Some(before), Some(now), true) = (self.cash_before, self.cash_book, self.has_result) {
            writeln!(out, "result          {:>14}", money(now.saturating_sub(before)))?;
        }
        self.spent.write(out)?;
        write_watch(&self.watch, out)?;
        self.write_alerts(out)?;
        if let Some(truth) = &self.truth {
            truth.write(out)?;
        }
        if let Some(halted) = &self.halted {
            writeln!(out, "HALTED          {halted}")?;
            writeln!(out, "                (to go on: `paper-trader resume --by NAME --reason TEXT`)")?;
        }
        if !self.unresolved.is_empty() {
            writeln!(out, "UNRESOLVED      {} (`paper-trader status` shows more):", self.unresolved.len())?;
            for line in &self.unresolved {
                writeln!(out, "                {line}")?;
            }
        }
        Ok(())
    }

    /// A person who was told nothing must not take that for nothing to tell.
    fn write_alerts(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.alerts {
            Some(AlertTally { delivered, failures, last_failure, .. }) => {
                let count = self.untold.len();
                writeln!(
                    out,
                    "alerts          {delivered} delivered, {count} undelivered, {failures} attempts failed"
                )?;
                if let Some(why) = last_failure {
                    writeln!(out, "                last failure: {why}")?;
                }
            }
            None if self.untold.is_empty() => {}
            None => {
                let count = self.untold.len();
                writeln!(out, "alerts          {count} undelivered: see --alert-webhook-env, --alert-command")?;
            }
        }
        if !self.untold.is_empty() {
            writeln!(out, "                kept for the next run: {}", self.untold.join(", "))?;
        }
        Ok(())
    }

    fn json(&self) -> SummaryJson<'_> {
        SummaryJson {
            r#type: "summary",
            session: self.session.as_deref(),
            executed: self.executed,
            limit: self.limit,
            opened: self.slots.opened,
            not_executed: self.slots.not_executed,
            refused: self.slots.refused,
            open_positions: self.open_positions,
            quotes: QuotesJson {
                received: self.quotes.received,
                refused: &self.quotes.refused,
                entries_refused: &self.quotes.entries,
                exits_unquoted: &self.quotes.exits,
            },
            cash_before: self.cash_before.map(Num),
            cash_found: self.cash_found.map(Num),
            cash_book: self.cash_book.map(Num),
            cash_broker: self.cash_broker.map(Num),
            halted: self.halted.as_deref(),
            watch: WatchJson::of(&self.watch),
            alerts_delivered: self.alerts.as_ref().map(|alerts| alerts.delivered),
            alerts_undelivered: &self.untold,
            limits: &self.limits,
            unresolved: &self.unresolved,
            requests: self.spent,
            too_many_requests: self.truth.as_ref().map(|truth| truth.too_many),
            duplicates: self.truth.as_ref().map(|truth| truth.duplicates.len()),
            faults: self.truth.as_ref().map(|truth| truth.faults.iter().cloned().collect()),
        }
    }
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    r#type: &'static str,
    session: Option<&'a str>,
    executed: u32,
    limit: u32,
    opened: u32,
    not_executed: u32,
    refused: u32,
    open_positions: usize,
    quotes: QuotesJson<'a>,
    cash_before: Option<Num>,
    cash_found: Option<Num>,
    cash_book: Option<Num>,
    cash_broker: Option<Num>,
    halted: Option<&'a str>,
    watch: WatchJson,
    /// How often a sink took one; null where nobody is told.
    alerts_delivered: Option<u64>,
    alerts_undelivered: &'a [String],
    limits: &'a [LimitView],
    unresolved: &'a [String],
    requests: Spent,
    too_many_requests: Option<u64>,
    duplicates: Option<usize>,
    faults: Option<BTreeMap<String, u64>>,
}

/// How many quotes came, and how often one could not be used: each count by the reason's name.
#[derive(Serialize)]
struct QuotesJson<'a> {
    received: u64,
    refused: &'a BTreeMap<&'static str, u64>,
    entries_refused: &'a BTreeMap<&'static str, u64>,
    exits_unquoted: &'a BTreeMap<&'static str, u64>,
}

/// How the watch over positions fared.
#[derive(Serialize)]
struct WatchJson {
    /// How long a position may go unchecked, and how long one did.
    within_ms: u64,
    longest_ms: u64,
    /// How often one went unchecked for too long, and how often something was done about it.
    late: u64,
    acted: u64,
    unwatched: &'static str,
}

impl WatchJson {
    fn of((policy, tally): &(WatchPolicy, WatchTally)) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            within_ms: ms(policy.within),
            longest_ms: ms(tally.longest),
            late: tally.late,
            acted: tally.acted,
            unwatched: match policy.fallback {
                Fallback::Close => "close",
                Fallback::Halt => "halt",
                Fallback::Tell => "tell",
            },
        }
    }
}

/// Whether a line speaks of this slot, and not only of one whose number begins alike.
fn names(line: &str, slot: &str) -> bool {
    line.split(slot).skip(1).any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

fn write_watch((policy, tally): &(WatchPolicy, WatchTally), out: &mut impl Write) -> io::Result<()> {
    let (longest, within) = (tally.longest, policy.within);
    write!(out, "watch           unchecked for {longest:.1?} at most, of {within:?} allowed")?;
    match tally.late {
        0 => writeln!(out),
        late => writeln!(out, "; {late} time(s) too long, and {} time(s) dealt with", tally.acted),
    }
}

/// A user who sees why entries did not come can choose another policy, or another source.
fn write_quotes(quotes: &QuoteTally, out: &mut impl Write) -> io::Result<()> {
    let QuoteTally { received, refused, entries, exits, .. } = quotes;
    writeln!(out, "quotes          {received} received, {}", counted(refused, "refused", "refused"))?;
    if !entries.is_empty() {
        writeln!(
            out,
            "                {}",
            counted(entries, "look for an entry without a fresh one", "looks for an entry without a fresh one")
        )?;
    }
    if !exits.is_empty() {
        writeln!(out, "                {}", counted(exits, "exit without a fresh one", "exits without a fresh one"))?;
    }
    Ok(())
}

/// `5 refused: 3 crossed, 2 no stamp`, the most frequent first.
fn counted(counts: &BTreeMap<&'static str, u64>, one: &str, many: &str) -> String {
    let sum: u64 = counts.values().sum();
    let what = if sum == 1 { one } else { many };
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let rows: Vec<String> = rows.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    if rows.is_empty() { format!("0 {what}") } else { format!("{sum} {what}: {}", rows.join(", ")) }
}

/// What keeps the exit code from being zero: an order or an exit that nobody knows the end of, a book that differs.
fn unresolved(state: &State) -> Vec<String> {
    let mut lines = status::unresolved_lines(state);
    for (id, operation) in &state.operations {
        if !lines.iter().any(|line| line.starts_with(id.as_str())) {
            lines.push(format!("{id} since {}: not at rest ({})", operation.since, operation.stage.word()));
        }
    }
    let drift = state.reconciled.iter().flat_map(|reconciled| &reconciled.drift);
    lines.extend(drift.map(ToString::to_string));
    lines
}

impl Truth {
    fn of(simulator: &SimServer, state: &State, cash_book: Option<Decimal>) -> Self {
        let ledger = simulator.handle().ledger();
        let opening = ledger.opening_orders_by_tag();
        let net = state.net();
        let symbols = net.keys().chain(ledger.positions.keys()).collect::<std::collections::BTreeSet<&Symbol>>();
        let differences = symbols.into_iter().filter_map(|symbol| {
            let (book, truth) = (net.get(symbol).copied().unwrap_or_default(), ledger.position(symbol));
            (book != truth).then(|| format!("{symbol}: {book} in the book, {truth} in truth"))
        });
        Self {
            opening_orders: opening.values().sum(),
            duplicates: opening.iter().filter(|(_, count)| **count > 1).map(|(tag, _)| (*tag).to_owned()).collect(),
            differences: differences.collect(),
            cash: ledger.cash,
            cash_book: cash_book.filter(|cash| *cash != ledger.cash),
            too_many: simulator.refused_requests(),
            faults: ledger.faults.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
        }
    }

    /// What is not as the book says. A real broker charges fees and rounds, so its cash decides nothing; this one's does.
    fn complaints(&self) -> Vec<String> {
        let duplicates = self.duplicates.iter().map(|tag| format!("{tag}: more than one order in truth"));
        let cash =
            self.cash_book.map(|book| format!("cash: {} in the book, {} in truth", money(book), money(self.cash)));
        duplicates.chain(self.differences.iter().cloned()).chain(cash).collect()
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let verdict = |bad: &[String]| if bad.is_empty() { "none".to_owned() } else { bad.join(", ") };
        writeln!(out, "\nheld against the simulator's own ledger:")?;
        writeln!(out, "opening orders  {}, of which duplicates: {}", self.opening_orders, verdict(&self.duplicates))?;
        writeln!(out, "differences     {}", verdict(&self.differences))?;
        writeln!(out, "true cash       {:>14}", money(self.cash))?;
        writeln!(out, "too many        {} requests, by its own count", self.too_many)?;
        let total: u64 = self.faults.iter().map(|(_, count)| count).sum();
        writeln!(out, "faults          {total} struck since the account was opened")?;
        for row in self.faults.chunks(4) {
            let row = row.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ");
            writeln!(out, "                {row}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_line_about_the_tenth_slot_does_not_speak_of_the_first() {
        let (first, tenth) = ("equity-20300102-1-1", "equity-20300102-1-10 since 15:00: not verified");
        assert!(!names(tenth, first));
        assert!(names("equity-20300102-1-1 since 15:00", first) && names("of equity-20300102-1-1", first));
        assert!(names("bs-equity-20300102-1-1-close1-1 is unknown", first));
    }
}
