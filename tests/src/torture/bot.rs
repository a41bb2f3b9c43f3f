//! The bot from outside: how it is started, and what it says of itself when it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::{Command, Output, Stdio};

use backstop_broker::{Decimal, Fill};
use backstop_clock::Timestamp;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::Trouble;
use super::world::{Process, SHARE, World};

/// `status --json`, as far as it is judged.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Book {
    pub(super) lock: LockView,
    pub(super) halted: Option<Halted>,
    pub(super) positions: Vec<Position>,
    pub(super) operations: Vec<Operation>,
    pub(super) unresolved: Vec<Unresolved>,
    pub(super) cash: Cash,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LockView {
    pub(super) held: Option<bool>,
    pub(super) pid: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Halted {
    pub(super) reason: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Position {
    pub(super) id: String,
    pub(super) legs: Vec<Leg>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Leg {
    pub(super) symbol: String,
    quantity: Number,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) since: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Unresolved {
    pub(super) subject: String,
    pub(super) text: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Cash {
    total: Option<Number>,
}

impl Leg {
    pub(super) fn quantity(&self) -> Decimal {
        decimal(&self.quantity).unwrap_or_default()
    }
}

impl Cash {
    pub(super) fn total(&self) -> Option<Decimal> {
        self.total.as_ref().and_then(decimal)
    }
}

/// Digit for digit, as it was printed: cents of less than a hundred million million survive it.
fn decimal(number: &Number) -> Option<Decimal> {
    number.to_string().parse().ok()
}

/// `log --json`, as far as it is judged.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The client order ids of all intents.
    pub(super) intents: BTreeSet<String>,
    /// What the orders that are at rest have filled, by the bot's word.
    pub(super) fills: BTreeMap<String, Vec<Fill>>,
    /// Where it went by the broker because its book was wrong: adoptions and corrections.
    pub(super) corrections: Vec<String>,
    /// What it could not explain of the account's cash.
    pub(super) cash_alerts: Vec<String>,
}

impl Log {
    pub(super) fn parse(text: &str) -> Result<Self, Trouble> {
        let mut log = Self::default();
        for line in text.lines() {
            let mut line: Value = serde_json::from_str(line).map_err(Trouble::json("a line of the log"))?;
            let word = |line: &Value, field: &str| {
                line.get(field).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
            };
            let (kind, id) = (word(&line, "type"), word(&line, "client_order_id"));
            match kind.as_str() {
                "intent" => drop(log.intents.insert(id)),
                "finished" | "adopted" => {
                    let fills = line.get_mut("fills").map(Value::take).unwrap_or_default();
                    let fills: Vec<Fill> =
                        serde_json::from_value(fills).map_err(Trouble::json("the fills in a line of the log"))?;
                    log.fills.entry(id).or_default().extend(fills);
                }
                "book" => {
                    let change = line.get("change").unwrap_or(&Value::Null);
                    if matches!(word(change, "change").as_str(), "adopted" | "corrected") {
                        log.corrections.push(change.to_string());
                    }
                }
                "alert" if word(&line, "subject") == "cash" => log.cash_alerts.push(word(&line, "text")),
                _ => {}
            }
        }
        Ok(log)
    }
}

/// How a bot trades: fast, so that every instant of a second is one of some order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Whether positions are closed before it leaves.
    pub(super) flatten: bool,
    /// How long a position is held.
    pub(super) hold: &'static str,
}

impl Style {
    /// While it is killed.
    pub(super) const HASTY: Self = Self { flatten: false, hold: "400ms" };
    /// To be stopped with positions.
    pub(super) const HOLDING: Self = Self { flatten: false, hold: "10m" };
    /// To be stopped without.
    pub(super) const CLEARING: Self = Self { flatten: true, hold: "400ms" };
}

fn trading(world: &World, style: Style) -> Command {
    let mut command = world.command();
    let plan = world.plan();
    command.args(["run", "--broker", "tradier", "--strategy", &plan.strategy, "--entries", "1000"]);
    if plan.strategy == "equity" {
        command.args(["--symbol", SHARE, "--quantity", "10"]);
    }
    let (settle, patience) = (format!("{}ms", plan.settle_ms), format!("{}ms", (plan.settle_ms / 2).max(400)));
    command.args(["--slot", "300ms", "--hold", style.hold, "--poll", "50ms", "--settle", &settle]);
    command.args(["--fill-timeout", &patience, "--reconcile-every", "500ms"]);
    command.args(["--flatten-at-end", if style.flatten { "true" } else { "false" }]);
    command
}

/// Starts a life; what it says goes to the file of all lives.
pub(super) fn start(world: &World, style: Style) -> Result<Process, Trouble> {
    let said =
        File::options().create(true).append(true).open(world.said()).map_err(Trouble::io("cannot open a log"))?;
    let also = said.try_clone().map_err(Trouble::io("cannot share a log"))?;
    let child = trading(world, style).stdout(said).stderr(also).spawn();
    child.map(Process).map_err(Trouble::io("cannot start the bot"))
}

/// Starts a second instance on the same state directory.
pub(super) fn second(world: &World) -> Result<Process, Trouble> {
    let child = trading(world, Style::HASTY).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.map(Process).map_err(Trouble::io("cannot start a second bot"))
}

/// What it says of its state. `Err` in the inner result: it cannot, and why.
pub(super) fn status(world: &World) -> Result<Result<Book, String>, Trouble> {
    let output = ask(world, &["status", "--json"])?;
    if !output.status.success() {
        return Ok(Err(said(&output)));
    }
    serde_json::from_slice(&output.stdout).map(Ok).map_err(Trouble::json("status --json"))
}

/// What it says of its history.
pub(super) fn log(world: &World) -> Result<Result<Log, String>, Trouble> {
    let output = ask(world, &["log", "--json"])?;
    if !output.status.success() {
        return Ok(Err(said(&output)));
    }
    Log::parse(&String::from_utf8_lossy(&output.stdout)).map(Ok)
}

/// An operator takes back a halt.
pub(super) fn resume(world: &World) -> Result<(), Trouble> {
    let output = ask(world, &["resume", "--by", "torture", "--reason", "the broker is meant to be like that"])?;
    if output.status.success() { Ok(()) } else { Err(Trouble::Simulator(format!("cannot resume: {}", said(&output)))) }
}

fn ask(world: &World, words: &[&str]) -> Result<Output, Trouble> {
    world.command().args(words).output().map_err(Trouble::io("cannot start the bot's program"))
}

fn said(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
}
