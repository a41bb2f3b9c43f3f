//! The short form of the torture: killed some dozens of times over a hostile broker. `backstop-tests` has the long one.

use std::fs;
use std::path::PathBuf;

use backstop_tests::torture::{Place, Plan, run, written};
use backstop_tests::{effort, seed};

use super::quotes::recording;
use super::{Running, Simulator, paper_trader, status};

// proves: DESK-3, EXIT-1, LOCK-1, TXN-3
#[test]
fn killed_at_any_instant_over_a_hostile_broker_it_comes_back_to_the_truth() {
    let kills = u32::try_from(effort(28, 500)).unwrap();
    let plan = Plan { seed: seed(), kills, inspect_every: 14, settle_ms: 2_000, ..Plan::default() };
    let lives = plan.lives();
    let dir = tempfile::Builder::new().prefix("torture-").tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_paper-trader"));
    let place = Place { program, dir: dir.path().to_owned(), within: None };
    let report = run(&plan, &lives, &place, &|_| ()).unwrap();
    if !report.is_passed() {
        // What everybody said, and how to do it again.
        let dir = dir.keep();
        let schedule = dir.join("schedule.jsonl");
        fs::write(&schedule, written(&plan, &lives).unwrap()).unwrap();
        let again = format!("cargo run -p backstop-tests --bin torture -- --schedule {}", schedule.display());
        panic!("BACKSTOP_SEED={}, all of it in {}; again: {again}\n{report}", seed(), dir.display());
    }
}

// A bot that was asked to stop left at once with a position that was closed and not verified, because the list of positions
// lagged behind an entry beside it.
#[test]
fn asked_to_stop_it_stays_until_what_is_closed_is_verified() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let faults = sim_dir.path().join("faults.json");
    fs::write(&faults, r#"{"positions_lag": {"per_mille": 1000, "delay_ms": 1500}}"#).unwrap();
    let quotes = recording(sim_dir.path(), 0);
    let options = ["--quotes", quotes.to_str().unwrap()];
    let simulator = Simulator::with(&sim_dir.path().join("account"), faults.to_str().unwrap(), &options);
    let start = |hold: &str, quantity: &str| {
        let mut bot = paper_trader(dir.path());
        simulator.reach(&mut bot).args(["run", "--broker", "tradier", "--strategy", "equity", "--symbol", "TSTA"]);
        bot.args(["--slot", "10s", "--poll", "50ms", "--fill-timeout", "2s", "--settle", "4s"]);
        bot.args(["--hold", hold, "--quantity", quantity]);
        Running::start(&mut bot)
    };
    let mut killed = start("2s", "10");
    killed.await_line("close1-1: filled");
    drop(killed);
    // As many as the list still shows would look like the truth.
    let mut stopped = start("10m", "7");
    stopped.await_line("open-2: filled");
    stopped.signal("TERM");
    let (code, text) = stopped.finish();
    assert_eq!(code, 4, "it is open, as was asked: {text}");
    assert!(!text.contains("not verified"), "{text}");
    let book = status(dir.path());
    let states: Vec<&str> =
        book["positions"].as_array().unwrap().iter().map(|position| position["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["open"], "{book}\n{text}");
}
