//! How the binary and the simulator are run as processes of their own, and what they say is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use backstop::broker::Decimal;
use serde_json::Value;

/// A token that must not be found anywhere.
pub(crate) const TOKEN: &str = "marker-5ecre7-token";

pub(crate) fn paper_trader(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paper-trader"));
    command.arg("--state-dir").arg(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["TRADIER_ACCESS_TOKEN", "TRADIER_ACCOUNT_ID", "TRADIER_API_BASE", "BACKSTOP_LOG"] {
        command.env_remove(name);
    }
    command
}

/// A session of about five seconds.
pub(crate) fn quick(command: &mut Command) -> &mut Command {
    session(command, "3", "1200ms")
}

pub(crate) fn session<'c>(command: &'c mut Command, entries: &str, hold: &str) -> &'c mut Command {
    command.args([
        "run",
        "--entries",
        entries,
        "--slot",
        "800ms",
        "--hold",
        hold,
        "--poll",
        "100ms",
        "--fill-timeout",
        "2s",
        "--settle",
        "2s",
        "--reconcile-every",
        "700ms",
    ])
}

pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

pub(crate) fn status(dir: &Path) -> Value {
    json(&paper_trader(dir).args(["status", "--json"]).output().unwrap())
}

/// Kills what it holds, so that a failing test leaves nothing behind.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// The first line of its output that holds `needle`.
    pub(crate) fn await_line(&mut self, needle: &str) -> String {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        for line in lines {
            let line = line.unwrap();
            if line.contains(needle) {
                return line;
            }
        }
        panic!("no line holds {needle:?}");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn finish(mut self) -> (i32, String) {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap().code().unwrap_or(-1), text)
    }
}

/// The simulator as a process of its own: a server that speaks Tradier's protocol.
pub(crate) struct Simulator {
    _process: Running,
    pub(crate) base_url: String,
    pub(crate) token: String,
    pub(crate) account: String,
}

impl Simulator {
    pub(crate) fn start(dir: &Path, faults: &str) -> Self {
        Self::with(dir, faults, &[])
    }

    pub(crate) fn with(dir: &Path, faults: &str, options: &[&str]) -> Self {
        let mut command = paper_trader(dir);
        command.args(["simulator", "--port", "0", "--faults", faults, "--json"]).args(options);
        let mut process = Running::start(&mut command);
        let line = process.await_line("base_url");
        let told: Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| told[name].as_str().unwrap().to_owned();
        Self { base_url: field("base_url"), token: field("token"), account: field("account"), _process: process }
    }

    pub(crate) fn reach<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("TRADIER_API_BASE", &self.base_url)
            .env("TRADIER_ACCESS_TOKEN", &self.token)
            .env("TRADIER_ACCOUNT_ID", &self.account)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.base_url.trim_start_matches("http://").trim_end_matches("/v1")
    }

    /// The next call that can suffer this fault does.
    pub(crate) fn inject(&self, fault: &str) {
        let form = format!("kind={fault}");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let told = self.ask("POST /sim/inject", &format!("{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len()));
        assert!(told.contains(fault), "{told}");
    }

    /// What stands behind the head of an answer.
    pub(crate) fn ask(&self, what: &str, rest: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(format!("{what} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n{rest}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The truth.
    pub(crate) fn ledger(&self) -> Value {
        let body = self.ask("GET /sim/ledger", "\r\n");
        let (start, end) = (body.find('{').unwrap(), body.rfind('}').unwrap());
        serde_json::from_str(&body[start..=end]).unwrap()
    }
}

/// The client order ids of all opening orders of ours that the broker took.
pub(crate) fn opening_tags(ledger: &Value) -> Vec<String> {
    let orders = ledger["orders"].as_array().unwrap();
    let tags = orders.iter().filter_map(|order| order["tag"].as_str());
    tags.filter(|tag| tag.contains("-open-")).map(str::to_owned).collect()
}

/// The book is the broker's account, whether all came to rest or not: only what is reported as not at rest may differ.
#[track_caller]
pub(crate) fn compare(book: &Value, ledger: &Value) {
    // The book's numbers are bare, the ledger's are texts; either way the digits are exact.
    let number = |value: &Value| value.to_string().trim_matches('"').parse::<Decimal>().unwrap();
    let array = |value: &Value| value.as_array().unwrap().clone();
    let at_work: Vec<Value> = array(&book["operations"]).iter().map(|one| one["client_order_id"].clone()).collect();
    let excused: BTreeSet<String> = array(&ledger["orders"])
        .iter()
        .filter(|order| at_work.contains(&order["tag"]))
        .flat_map(|order| array(&order["legs"]))
        .map(|leg| leg["symbol"].as_str().unwrap().to_owned())
        .collect();
    let mut left: BTreeMap<String, Decimal> = BTreeMap::new();
    for leg in array(&book["positions"]).iter().flat_map(|position| array(&position["legs"])) {
        *left.entry(leg["symbol"].as_str().unwrap().to_owned()).or_default() += number(&leg["quantity"]);
    }
    for (symbol, quantity) in ledger["positions"].as_object().unwrap() {
        *left.entry(symbol.clone()).or_default() -= number(quantity);
    }
    left.retain(|symbol, difference| !difference.is_zero() && !excused.contains(symbol));
    assert!(left.is_empty(), "book less broker: {left:?}\n{book}\n{ledger}");
    if at_work.is_empty() {
        assert_eq!(number(&book["cash"]["total"]), number(&ledger["cash"]), "{book}\n{ledger}");
    }
}
