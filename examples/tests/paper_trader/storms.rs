//! The request budget, from outside: polls that storm and exits that do not wait, and restarts that bring no fresh budget.

use std::io::Write;
use std::net::TcpStream;
use std::thread::park_timeout;

use backstop::clock::{Clock, SystemClock};

use super::tap::Tap;
use super::*;

#[test]
fn in_a_storm_of_polls_an_exit_leaves_within_one_request_interval_and_the_summary_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = paper_trader(dir.path());
    command.args(["run", "--strategy", "equity", "--faults", "none", "--entries", "2", "--slot", "2s", "--hold", "1s"]);
    command.args(["--fill-timeout", "2s", "--settle", "5s", "--reconcile-every", "1s", "--json"]);
    // Thirty times more polls than pass.
    let output = command.args(["--poll", "10ms", "--requests", "300"]).output().unwrap();
    let text = text(&output);
    let summary = text.lines().find(|line| line.contains(r#""type":"summary""#)).unwrap_or_else(|| panic!("{text}"));
    let summary: Value = serde_json::from_str(summary).unwrap();
    let waited = |who: &str| summary["requests"]["longest_wait_ms"][who].as_u64().unwrap();
    assert!(summary["executed"].as_u64().unwrap() > 0, "{summary}");
    assert!(waited("exits") <= 60_000 / 300, "{summary}");
    // The storm is one, and the budget holds it.
    assert!(waited("polls") > 1_000, "{summary}");
    assert_eq!((&summary["requests"]["turned_away"], &summary["too_many_requests"]), (&0.into(), &0.into()));
}

/// What the server has counted in its window for reads of the account, this request included.
fn counted(simulator: &Simulator) -> u32 {
    let mut stream = TcpStream::connect(simulator.address()).unwrap();
    let (path, host) = ("/v1/user/profile", "Host: sim\r\nAccept: application/json\r\nConnection: close");
    write!(stream, "GET {path} HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {}\r\n\r\n", simulator.token).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let used =
        answer.lines().find_map(|line| line.strip_prefix("x-ratelimit-used: ")).unwrap_or_else(|| panic!("{answer}"));
    used.trim().parse().unwrap()
}

// proves: RATE-5, RATE-6
#[test]
fn a_bot_that_is_killed_and_started_again_and_again_gets_no_fresh_budget() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::with(sim_dir.path(), "none", &["--requests", "60"]);
    let clock = SystemClock::new();
    let began = clock.mono();
    for _ in 0..7 {
        let mut bot = paper_trader(dir.path());
        simulator.reach(quick(&mut bot)).args(["--broker", "tradier", "--strategy", "equity"]);
        let running = Running::start(bot.env("TRADIER_REQUESTS_PER_MINUTE", "60"));
        park_timeout(Duration::from_millis(700));
        drop(running);
    }
    let used = counted(&simulator) - 1;
    assert!(clock.mono().since(began) < Duration::from_secs(12), "too slow to tell");
    // A sixth of a minute's in a sixth of a minute, for all of them together.
    assert!((1..=10).contains(&used), "{used} requests");
}

#[test]
fn an_exit_whose_time_has_come_does_not_wait_for_quotes_that_do_not() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    let tap = Tap::before(&simulator);
    let mut bot = paper_trader(dir.path());
    simulator.reach(&mut bot).env("TRADIER_API_BASE", tap.base_url());
    bot.args(["run", "--broker", "tradier", "--strategy", "equity", "--entries", "1", "--hold", "1500ms"]);
    // A request that nobody answers is given up after nine seconds.
    let mut running = Running::start(bot.args(["--poll", "100ms", "--settle", "30s"]));
    let held = tap.hold();
    let answer = held.land();
    held.answer(answer);
    running.await_line("filled");
    let clock = SystemClock::new();
    let opened = clock.mono();
    tap.keep_quotes();
    running.await_line("leave ");
    let took = clock.mono().since(opened);
    assert!(took < Duration::from_secs(5), "{took:?}");
}
