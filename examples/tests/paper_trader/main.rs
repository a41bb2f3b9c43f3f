//! The real binary, over real sockets, as a person or a script uses it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is the message, and what is skipped is said"
)]

mod alerts;
mod credentials;
mod demo;
mod directories;
mod faults;
mod flattening;
mod halts;
mod harness;
mod kills;
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
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use backstop::broker::Decimal;
use backstop_tests::{has_strace, under_strace};
use serde_json::Value;

use harness::*;

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
