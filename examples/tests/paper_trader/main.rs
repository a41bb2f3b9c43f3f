//! The real binary, over real sockets, as a person or a script uses it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is the message, and what is skipped is said"
)]

mod alerts;
mod demo;
mod faults;
mod flattening;
mod halts;
mod naive;
mod operators;
mod quotes;
mod resolving;
mod stages;
mod storms;
mod tap;
mod torture;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use backstop::broker::Decimal;
use backstop_tests::{has_strace, under_strace};
use serde_json::Value;

/// A token that must not be found anywhere.
const TOKEN: &str = "marker-5ecre7-token";

fn paper_trader(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paper-trader"));
    command.arg("--state-dir").arg(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["TRADIER_ACCESS_TOKEN", "TRADIER_ACCOUNT_ID", "TRADIER_API_BASE", "BACKSTOP_LOG"] {
        command.env_remove(name);
    }
    command
}

/// A session of about five seconds.
fn quick(command: &mut Command) -> &mut Command {
    session(command, "3", "1200ms")
}

fn session<'c>(command: &'c mut Command, entries: &str, hold: &str) -> &'c mut Command {
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

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn status(dir: &Path) -> Value {
    json(&paper_trader(dir).args(["status", "--json"]).output().unwrap())
}

/// Kills what it holds, so that a failing test leaves nothing behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// The first line of its output that holds `needle`.
    fn await_line(&mut self, needle: &str) -> String {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        for line in lines {
            let line = line.unwrap();
            if line.contains(needle) {
                return line;
            }
        }
        panic!("no line holds {needle:?}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn finish(mut self) -> (i32, String) {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap().code().unwrap_or(-1), text)
    }
}

/// The simulator as a process of its own: a server that speaks Tradier's protocol.
struct Simulator {
    _process: Running,
    base_url: String,
    token: String,
    account: String,
}

impl Simulator {
    fn start(dir: &Path, faults: &str) -> Self {
        Self::with(dir, faults, &[])
    }

    fn with(dir: &Path, faults: &str, options: &[&str]) -> Self {
        let mut command = paper_trader(dir);
        command.args(["simulator", "--port", "0", "--faults", faults, "--json"]).args(options);
        let mut process = Running::start(&mut command);
        let line = process.await_line("base_url");
        let told: Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| told[name].as_str().unwrap().to_owned();
        Self { base_url: field("base_url"), token: field("token"), account: field("account"), _process: process }
    }

    fn reach<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("TRADIER_API_BASE", &self.base_url)
            .env("TRADIER_ACCESS_TOKEN", &self.token)
            .env("TRADIER_ACCOUNT_ID", &self.account)
    }

    /// Where it listens.
    fn address(&self) -> &str {
        self.base_url.trim_start_matches("http://").trim_end_matches("/v1")
    }

    /// The next call that can suffer this fault does.
    fn inject(&self, fault: &str) {
        let form = format!("kind={fault}");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let told = self.ask("POST /sim/inject", &format!("{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len()));
        assert!(told.contains(fault), "{told}");
    }

    /// What stands behind the head of an answer.
    fn ask(&self, what: &str, rest: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(format!("{what} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n{rest}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The truth.
    fn ledger(&self) -> Value {
        let body = self.ask("GET /sim/ledger", "\r\n");
        let (start, end) = (body.find('{').unwrap(), body.rfind('}').unwrap());
        serde_json::from_str(&body[start..=end]).unwrap()
    }
}

/// The client order ids of all opening orders of ours that the broker took.
fn opening_tags(ledger: &Value) -> Vec<String> {
    let orders = ledger["orders"].as_array().unwrap();
    let tags = orders.iter().filter_map(|order| order["tag"].as_str());
    tags.filter(|tag| tag.contains("-open-")).map(str::to_owned).collect()
}

#[test]
fn a_session_on_the_embedded_simulator_ends_at_rest_with_a_summary() {
    let dir = tempfile::tempdir().unwrap();
    let output =
        quick(&mut paper_trader(dir.path())).args(["--faults", "none", "--strategy", "equity"]).output().unwrap();
    let text = text(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(text.contains("duplicates: none") && text.contains("to the cent"), "{text}");

    let status = status(dir.path());
    assert_eq!(status["lock"]["held"], Value::Bool(false));
    // A price may move away from an order until it is canceled, so not every entry is filled.
    let executed = status["session"]["executed"].as_u64().unwrap();
    assert!(executed >= 1 && text.contains(&format!("{executed} of 3 entries executed")), "{text}");
    for empty in ["positions", "operations", "unresolved"] {
        assert_eq!(status[empty].as_array().unwrap().len(), 0, "{empty}");
    }
    assert!(status["halted"].is_null());
    assert_eq!(status["cash"]["total"], status["cash"]["free"]);

    let log = paper_trader(dir.path()).args(["log", "--json"]).output().unwrap();
    let lines: Vec<Value> = log.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let id = |line: &Value| line["client_order_id"].as_str().map(str::to_owned);
    let opened: Vec<String> = lines.iter().filter(|l| l["type"] == "intent").filter_map(id).collect();
    assert_eq!(opened.iter().filter(|id| id.contains("-open-")).count(), 3, "{opened:?}");
    for (index, id) in opened.iter().filter(|id| id.contains("-open-")).enumerate() {
        assert!(id.starts_with("bs-equity-") && id.contains(&format!("-{}-open-", index + 1)), "{id}");
    }
    let people = paper_trader(dir.path()).args(["status"]).output().unwrap();
    assert!(String::from_utf8_lossy(&people.stdout).contains("no open positions"));
}

// proves: LOCK-1, LOCK-4
#[test]
fn a_second_instance_exits_3_at_once_and_names_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Running::start(quick(&mut paper_trader(dir.path())).args(["--faults", "none"]));
    first.await_line("session");
    let second = paper_trader(dir.path()).arg("run").output().unwrap();
    assert_eq!(code(&second), 3, "{}", text(&second));
    assert!(text(&second).contains(&format!("pid {}", first.0.id())), "{}", text(&second));

    let status = status(dir.path());
    assert_eq!(status["lock"]["held"], Value::Bool(true));
    assert_eq!(status["lock"]["pid"], Value::from(first.0.id()));
    assert_eq!(first.finish().0, 0);
}

#[test]
fn trades_against_a_server_that_speaks_tradiers_protocol() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    let mut command = paper_trader(dir.path());
    let output =
        simulator.reach(quick(&mut command)).args(["--broker", "tradier", "--strategy", "equity"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let ledger = simulator.ledger();
    assert_eq!(opening_tags(&ledger).len(), 3);
    assert_eq!(ledger["positions"].as_object().unwrap().len(), 0);
}

// proves: DESK-5
#[test]
fn without_credentials_it_exits_2_and_says_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("untouched");
    let output = paper_trader(&missing).args(["run", "--broker", "tradier"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    for name in ["TRADIER_ACCESS_TOKEN", "TRADIER_ACCOUNT_ID"] {
        assert!(text(&output).contains(name), "{}", text(&output));
    }
    assert!(!missing.exists(), "a wrong command line leaves no trace");
}

// proves: DESK-5
#[test]
fn the_production_host_needs_the_switch_and_the_switch_needs_the_production_host() {
    let dir = tempfile::tempdir().unwrap();
    let run = |base: &str, more: &[&str]| {
        let mut command = paper_trader(dir.path());
        command
            .env("TRADIER_API_BASE", base)
            .env("TRADIER_ACCESS_TOKEN", TOKEN)
            .env("TRADIER_ACCOUNT_ID", "VA00000001");
        command.args(["run", "--broker", "tradier"]).args(more).output().unwrap()
    };
    for base in ["https://api.tradier.com/v1", "https://API.TRADIER.COM./v1", "https://api.tradier.com:443/v1"] {
        let output = run(base, &[]);
        assert_eq!(code(&output), 2, "{base}: {}", text(&output));
        assert!(text(&output).contains("--live"), "{}", text(&output));
    }
    let paper = run("https://sandbox.tradier.com/v1", &["--live", "--entries-per-day", "1"]);
    assert_eq!(code(&paper), 2, "{}", text(&paper));
    let unbounded = run("https://api.tradier.com/v1", &["--live"]);
    assert!(code(&unbounded) == 2 && text(&unbounded).contains("--entries-per-day"), "{}", text(&unbounded));
    let by_default = run("https://api.tradier.com/v1", &["--live", "--entries-per-day", "1", "--max-loss", "100"]);
    assert!(code(&by_default) == 2 && text(&by_default).contains("--limits FILE"), "{}", text(&by_default));
}

// proves: DESK-5
#[test]
fn the_token_is_nowhere_in_output_state_or_errors() {
    let dir = tempfile::tempdir().unwrap();
    // A server that echoes the request, header and all, in every answer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::Write;
            let Ok(mut stream) = stream else { return };
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let echo = String::from_utf8_lossy(&request[..read]).into_owned();
            let head = format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", echo.len());
            let _sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(echo.as_bytes()));
        }
    });
    let mut command = paper_trader(dir.path());
    command.env("TRADIER_API_BASE", base).env("TRADIER_ACCESS_TOKEN", TOKEN).env("TRADIER_ACCOUNT_ID", "VA00000001");
    let output =
        command.env("BACKSTOP_LOG", "trace").args(["run", "--broker", "tradier", "--poll", "50ms"]).output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("500"), "the server was reached: {}", text(&output));
    assert!(!text(&output).contains(TOKEN), "{}", text(&output));
    let files = files_below(dir.path());
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert!(!String::from_utf8_lossy(&fs::read(&file).unwrap()).contains(TOKEN), "{}", file.display());
    }
}

// proves: DESK-6
#[test]
fn one_signal_closes_what_is_open_and_leaves_at_rest() {
    for name in ["INT", "TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = paper_trader(dir.path());
        command.args([
            "run",
            "--faults",
            "none",
            "--slot",
            "10s",
            "--hold",
            "10m",
            "--fill-timeout",
            "2s",
            "--settle",
            "2s",
        ]);
        let mut running = Running::start(&mut command);
        running.await_line("filled");
        running.signal(name);
        let (code, text) = running.finish();
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("asked to stop") && text.contains("open positions  0"), "{text}");
    }
}

#[test]
fn a_second_signal_stops_at_once_and_the_next_start_recovers() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    let mut command = paper_trader(dir.path());
    simulator.reach(&mut command).args(["run", "--broker", "tradier", "--slot", "10s", "--hold", "10m"]);
    command.args(["--poll", "100ms", "--fill-timeout", "5s", "--settle", "5s", "--flatten-at-end"]);
    let mut running = Running::start(&mut command);
    running.await_line("filled");
    // With the broker gone nothing can be closed: after the first signal it would go on trying for minutes.
    drop(simulator);
    running.signal("INT");
    running.await_line("asked to stop");
    running.signal("INT");
    let (code, text) = running.finish();
    assert_eq!(code, 130, "{text}");
    let held = status(dir.path());
    assert_eq!(held["positions"].as_array().unwrap().len(), 1, "{held}");

    let simulator = Simulator::start(sim_dir.path(), "none");
    let mut command = paper_trader(dir.path());
    let output =
        simulator.reach(quick(&mut command)).args(["--broker", "tradier", "--flatten-at-end"]).output().unwrap();
    assert_eq!(self::code(&output), 0, "{}", self::text(&output));
    assert_eq!(status(dir.path())["positions"].as_array().unwrap().len(), 0);
    assert_eq!(simulator.ledger()["positions"].as_object().unwrap().len(), 0);
}

// proves: DESK-2, DESK-3
#[test]
fn killed_again_and_again_it_enters_each_slot_once_and_ends_with_the_truth() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "mild");
    let command = || {
        let mut command = paper_trader(dir.path());
        simulator.reach(quick(&mut command)).args(["--broker", "tradier", "--flatten-at-end"]);
        command
    };
    for moment in [350, 600, 900, 1_300] {
        let running = Running::start(&mut command());
        std::thread::park_timeout(Duration::from_millis(moment));
        drop(running);
    }
    let output = command().output().unwrap();
    assert!([0, 4].contains(&code(&output)), "{}", text(&output));
    let ledger = simulator.ledger();
    let mut tags = opening_tags(&ledger);
    let all = tags.len();
    let slot = |tag: &String| tag.rsplit_once("-open-").unwrap().0.to_owned();
    tags.sort_by_key(slot);
    tags.dedup_by_key(|tag| slot(tag));
    assert_eq!(tags.len(), all, "a slot was entered twice: {tags:?}");
    let book = status(dir.path());
    if code(&output) == 0 {
        for empty in ["positions", "operations", "unresolved"] {
            assert_eq!(book[empty].as_array().unwrap().len(), 0, "{empty}: {book}");
        }
    }
    let log = paper_trader(dir.path()).args(["log", "--json"]).output().unwrap();
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(tags.iter().all(|tag| log.contains(tag.as_str())), "an order that the log does not know: {tags:?}\n{log}");
    compare(&book, &ledger);
}

// proves: WAL-1, DESK-2
#[test]
fn killed_fifty_times_its_log_opens_each_time_and_knows_every_order_that_the_broker_has() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    let (mut moment, mut window, mut lines) = (7_u64, 500, 0);
    for _ in 0..50 {
        let mut command = paper_trader(dir.path());
        let running = Running::start(simulator.reach(session(&mut command, "60", "300ms")).args([
            "--broker",
            "tradier",
            // Tried at every slot, whatever the hour makes of a spread's credit.
            "--strategy",
            "equity",
            "--flatten-at-end",
        ]));
        // Anywhere from before the lock to some orders later; on a busy machine that takes longer.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::park_timeout(Duration::from_millis(5 + (moment >> 33) % window));
        drop(running);
        let output = paper_trader(dir.path()).args(["log", "--json"]).output().unwrap();
        // Killed before it made its directory, there is nothing to open yet.
        assert!(code(&output) == 0 || !dir.path().join("lock").exists(), "{}", text(&output));
        let before = std::mem::replace(&mut lines, output.stdout.lines().count());
        let is_long = lines > before + 3;
        window = (if is_long { window * 4 / 5 } else { window * 5 / 4 }).clamp(500, 6_000);
    }
    let log = String::from_utf8(paper_trader(dir.path()).args(["log", "--json"]).output().unwrap().stdout).unwrap();
    let ledger = simulator.ledger();
    let orders = ledger["orders"].as_array().unwrap();
    let tags: Vec<&str> = orders.iter().filter_map(|order| order["tag"].as_str()).collect();
    assert!(tags.len() >= 12, "{} orders in fifty lives", tags.len());
    for tag in &tags {
        assert!(log.lines().any(|line| line.contains("\"intent\"") && line.contains(tag)), "{tag} has no intent");
        assert_eq!(tags.iter().filter(|other| *other == tag).count(), 1, "{tag} was sent twice");
    }
}

/// The book is the broker's account, whether all came to rest or not: only what is reported as not at rest may differ.
#[track_caller]
fn compare(book: &Value, ledger: &Value) {
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

#[test]
fn recorded_quotes_are_replayed() {
    use std::fmt::Write;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quotes.csv");
    let mut rows = String::from("symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size\n");
    for row in 0..600 {
        let at = 1_700_000_000_000_000_u64 + row * 50_000;
        let cents = 10 + row % 7;
        writeln!(rows, "TSTA,{at},{at},50.{cents},5,50.{},5", cents + 2).unwrap();
    }
    fs::write(&file, rows).unwrap();
    let output = quick(&mut paper_trader(&dir.path().join("state")))
        .args(["--faults", "none", "--quotes"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("100 TSTA") || text(&output).contains("99 TSTA"), "{}", text(&output));
    assert!(text(&output).contains("bs-equity-"), "{}", text(&output));

    let broken = dir.path().join("broken.csv");
    fs::write(&broken, "symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size\nA,x,y,1,1,2,1\n").unwrap();
    let output = paper_trader(dir.path()).args(["run", "--quotes"]).arg(&broken).output().unwrap();
    assert!(code(&output) == 2 && text(&output).contains("broken.csv"), "{}", text(&output));
}

#[test]
fn a_damaged_journal_is_refused_with_5_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(dir.path());
    let mut killed = Running::start(session(&mut bot, "1", "10m").args(["--faults", "none"]));
    killed.await_line("accepted");
    // One that stops writes a checkpoint, and what is before it has not to be read any more.
    drop(killed);
    let needle = b"\"type\":\"opened\"";
    let segment = fs::read_dir(dir.path().join("journal")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(needle.len()).position(|part| part == needle)?;
        Some((path, bytes, at))
    });
    let (path, mut damaged, at) = segment.unwrap();
    damaged[at + 8] ^= 1;
    fs::write(&path, &damaged).unwrap();
    for command in [["run", "--faults=none"], ["status", "--json"]] {
        let output = paper_trader(dir.path()).args(command).output().unwrap();
        assert_eq!(code(&output), 5, "{}", text(&output));
        assert!(text(&output).contains("is damaged at byte"), "{}", text(&output));
    }
    assert_eq!(fs::read(&path).unwrap(), damaged);
}

#[test]
fn a_simulated_account_that_cannot_be_written_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    // In the way of the file that is written beside the account.
    fs::create_dir(dir.path().join("simulator.json.new")).unwrap();
    for command in [vec!["run", "--faults=none"], vec!["simulator", "--port=0"]] {
        let output = paper_trader(dir.path()).args(command).output().unwrap();
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(text(&output).contains("rights and space"), "{}", text(&output));
    }
}

#[test]
fn wrong_options_are_refused_with_2_and_say_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    for (args, hint) in [
        (vec!["run", "--slot", "5"], "5s"),
        (vec!["run", "--entries", "0"], "1"),
        (vec!["run", "--faults", "cruel"], "hostile"),
        (vec!["run", "--live"], "--broker tradier"),
        (vec!["run", "--symbol", "a b"], "capitals"),
        (vec!["fly"], "--help"),
    ] {
        let output = paper_trader(dir.path()).args(&args).output().unwrap();
        assert_eq!(code(&output), 2, "{args:?}: {}", text(&output));
        assert!(text(&output).contains(hint), "{args:?}: {}", text(&output));
    }
}

#[test]
fn a_machine_that_slept_through_slots_does_not_make_up_for_them_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    let running =
        Running::start(session(&mut command, "6", "1200ms").args(["--faults", "none", "--strategy", "equity"]));
    std::thread::park_timeout(Duration::from_millis(500));
    running.signal("STOP");
    std::thread::park_timeout(Duration::from_secs(5));
    running.signal("CONT");
    let (code, text) = running.finish();
    assert_eq!(code, 0, "{text}");
    let entries = status(dir.path())["session"]["executed"].as_u64().unwrap();
    assert!(entries <= 2, "{entries} entries in what was left of the time\n{text}");
}

// proves: LOCK-6
#[test]
fn without_its_lock_it_sends_nothing_more_and_exits_4_naming_what_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    let mut running = Running::start(session(&mut command, "3", "10m").args(["--faults", "none"]));
    running.await_line("filled");
    fs::remove_file(dir.path().join("lock")).unwrap();
    let (code, text) = running.finish();
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("still open") && text.contains("lock of the state directory was replaced"), "{text}");
}

#[test]
fn a_journal_that_is_gone_ends_the_session_with_4_and_the_next_start_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    let mut running = Running::start(session(&mut command, "3", "10m").args(["--faults", "none"]));
    running.await_line("filled");
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let (code, text) = running.finish();
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("still open") && text.contains("journal"), "{text}");
    let mut next = paper_trader(dir.path());
    Running::start(quick(&mut next).args(["--faults", "none"])).await_line("not in the records");
}

#[test]
fn a_signal_while_the_broker_cannot_be_reached_ends_it_soon() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    command.args(["run", "--broker", "tradier"]);
    // A port that nobody listens at any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    command.env("TRADIER_API_BASE", format!("http://127.0.0.1:{port}/v1"));
    command.env("TRADIER_ACCESS_TOKEN", TOKEN).env("TRADIER_ACCOUNT_ID", "VA000001");
    let mut running = Running::start(&mut command);
    running.await_line("waiting for the broker");
    running.signal("INT");
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(running.finish()));
    let (code, text) = ended.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_directory_that_is_not_there_does_not_look_like_one_without_positions() {
    let dir = tempfile::tempdir().unwrap();
    for what in ["status", "positions", "log"] {
        let output = paper_trader(&dir.path().join("tpyo")).arg(what).output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains("tpyo"), "{}", text(&output));
    }
}

#[test]
fn two_simulators_do_not_share_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Simulator::start(dir.path(), "none");
    let output = paper_trader(dir.path()).args(["simulator", "--port", "0"]).output().unwrap();
    assert_eq!(code(&output), 3, "{}", text(&output));
}

// proves: DESK-2
#[test]
fn no_byte_of_an_order_leaves_before_its_intent_is_synced() {
    if !has_strace("what the paper trader asks of the kernel around an order") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (state, trace) = (dir.path().join("state"), dir.path().join("trace"));
    let mut command = paper_trader(&state);
    session(&mut command, "2", "500ms").args(["--faults", "none", "--strategy", "equity"]);
    let calls = "trace=pwrite64,fdatasync,write,writev,sendto";
    let output = under_strace(&command, &trace, ["-e", calls]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));

    let trace = fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let after = |line: &str, mark: &str| Some(line.split_once(mark)?.1.split(['&', '"', ' ']).next()?.to_owned());
    // Only a request that places an order has its label in the form of a form.
    let sent: Vec<(usize, String)> =
        lines.iter().enumerate().filter_map(|(at, line)| Some((at, after(line, "tag=bs-")?))).collect();
    // An entry that is not filled in time has no exit.
    assert!(sent.len() >= 3, "two entries and an exit: {sent:?}");
    for (at, tag) in sent {
        let is_intent = |line: &&&str| line.contains("pwrite64(") && line.contains("intent") && line.contains(&tag);
        let before = &lines[..at];
        let written =
            before.iter().rposition(|line| is_intent(&line)).unwrap_or_else(|| panic!("{tag}: no intent before"));
        let synced =
            before[written..].iter().any(|line| line.contains("fdatasync") && line.trim_end().ends_with("= 0"));
        assert!(synced, "{tag}: sent with its intent written and not synced");
    }
}
