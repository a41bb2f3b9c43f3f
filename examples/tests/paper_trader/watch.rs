//! What a user sees of a position that nobody checks.

use backstop::clock::{Clock, SystemClock};

use super::quotes::recording;
use super::tap::Tap;
use super::*;

// proves: WATCH-1
#[test]
fn a_position_that_no_quotes_come_for_is_told_of_and_closed_and_its_age_is_seen_from_outside() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Its price stands almost still, so no stop and no target is met.
    let quotes = recording(sim_dir.path(), 0);
    let simulator = Simulator::with(sim_dir.path(), "none", &["--quotes", quotes.to_str().unwrap()]);
    let tap = Tap::before(&simulator);
    let heard = dir.path().join("heard");
    let command = format!("cat >> '{}'", heard.display());
    let state = dir.path().join("state");
    let mut bot = paper_trader(&state);
    simulator.reach(&mut bot).env("TRADIER_API_BASE", tap.base_url());
    bot.args([
        "run",
        "--broker",
        "tradier",
        "--strategy",
        "equity",
        "--symbol",
        "TSTA",
        "--entries",
        "1",
        "--hold",
        "10m",
        "--poll",
        "100ms",
    ]);
    bot.args([
        "--settle",
        "5s",
        "--max-quote-age",
        "1s",
        "--watch",
        "3s",
        "--unwatched",
        "close",
        "--alert-command",
        &command,
    ]);
    let mut running = Running::start(bot.args(["--reconcile-every", "700ms", "--json"]));
    let held = tap.hold();
    let answer = held.land();
    held.answer(answer);
    running.await_line("\"type\":\"finished\"");
    let clock = SystemClock::new();
    tap.keep_quotes();
    let opened = clock.mono();
    let checked = running.await_line("\"type\":\"checked\"");
    assert!(checked.contains("equity-"), "{checked}");
    let seen = status(&state);
    let position = &seen["positions"][0];
    assert!(position["unchecked_ms"].as_u64().unwrap() < 3_000 && position["checked_at"].is_string(), "{seen}");
    let table = text(&paper_trader(&state).arg("positions").output().unwrap());
    assert!(table.contains("checked") && table.contains("s ago"), "{table}");

    let alert = running.await_line("nobody has checked position equity-");
    assert!(clock.mono().since(opened) < Duration::from_secs(1 + 3 + 1), "{alert}");
    running.await_line("\"change\":\"removed\"");
    let took = clock.mono().since(opened);
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(12), "{took:?}");
    let (exit, rest) = running.finish();
    assert_eq!(exit, 0, "{rest}");
    let summary: Value = rest.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    assert_eq!(summary["watch"]["acted"], 1, "{summary}");
    let heard = fs::read_to_string(heard).unwrap();
    assert!(heard.contains("nobody has checked position equity-") && heard.contains("closed at the market"), "{heard}");
    let ledger = simulator.ledger();
    assert!(ledger["positions"].as_object().is_some_and(serde_json::Map::is_empty), "{ledger}");
}

#[test]
fn a_watch_that_is_quicker_than_the_looks_is_refused_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let output = paper_trader(&state).args(["run", "--watch", "1s", "--poll", "250ms"]).output().unwrap();
    assert!(code(&output) == 2 && text(&output).contains("--watch must be"), "{}", text(&output));
    assert!(!state.exists(), "nothing was touched");
}
