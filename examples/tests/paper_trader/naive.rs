//! The naive bot of the demo: it works where nothing goes wrong, and does what the incidents tell where something does.

use super::*;

/// Trades `entries` slots that do not overlap, and returns what it believes in the end.
fn trade(simulator: &Simulator, dir: &Path, strategy: &str, entries: &str) -> Value {
    let mut bot = paper_trader(dir);
    bot.args(["naive", "--strategy", strategy, "--entries", entries, "--slot", "2500ms", "--hold", "300ms"]);
    let output = simulator.reach(bot.args(["--poll", "50ms", "--fill-timeout", "20s"])).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        assert!(["say", "follow", "unfollow"].iter().any(|kind| told["type"] == *kind), "{line}");
    }
    assert!(!dir.join("naive.pid").exists());
    serde_json::from_str(&fs::read_to_string(dir.join("positions.json")).unwrap()).unwrap()
}

fn amount(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn without_faults_the_naive_bot_trades_its_slots_and_ends_flat_with_the_right_cash() {
    for strategy in ["spread", "equity"] {
        let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let simulator = Simulator::start(sim_dir.path(), "none");
        let believed = trade(&simulator, dir.path(), strategy, "2");
        let ledger = simulator.ledger();
        assert_eq!((&believed["positions"], &ledger["positions"]), (&serde_json::json!([]), &serde_json::json!({})));
        assert_eq!(amount(&believed["cash"]), amount(&ledger["cash"]), "{strategy}");
        for slot in believed["entered"].as_array().unwrap() {
            let of = |what: &str| {
                let tag = format!("nv-{strategy}-{slot}-{what}-");
                let orders = ledger["orders"].as_array().unwrap().iter();
                orders
                    .filter(|order| order["tag"].as_str().unwrap().starts_with(&tag) && order["state"] == "filled")
                    .count()
            };
            assert_eq!((of("open"), of("close")), (1, 1), "{strategy}: {ledger:#}");
        }
        assert!(!believed["entered"].as_array().unwrap().is_empty(), "{strategy}: {ledger:#}");
    }
}

#[test]
fn when_one_answer_is_lost_the_naive_bot_enters_twice_and_does_not_know() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    simulator.inject("answer_lost");
    let believed = trade(&simulator, dir.path(), "equity", "1");
    let ledger = simulator.ledger();
    let orders = ledger["orders"].as_array().unwrap().iter();
    let opening = orders.filter(|order| order["tag"].as_str().is_some_and(|tag| tag.starts_with("nv-equity-1-open-")));
    let alive = opening.filter(|order| order["state"] != "canceled" && order["state"] != "rejected").count();
    assert_eq!((alive, &believed["entered"]), (2, &serde_json::json!([1])), "{ledger:#}");
    assert_eq!(believed["positions"], serde_json::json!([]));
}

#[test]
fn an_interrupt_is_one_more_error_to_the_naive_bot_and_ends_ours_with_nothing_open() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    let mut command = paper_trader(&dir.path().join("naive"));
    let mut naive = Running::start(simulator.reach(command.args(["naive", "--slot", "1s", "--hold", "10s"])));
    naive.await_line("open filled");
    naive.signal("INT");
    naive.await_line("error swallowed: interrupted");
    naive.await_line("open filled");
    drop(naive);

    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), dir.path().join("ours"));
    let simulator = Simulator::start(sim_dir.path(), "none");
    let mut command = paper_trader(&dir);
    command.args([
        "run",
        "--broker",
        "tradier",
        "--slot",
        "1s",
        "--hold",
        "10s",
        "--poll",
        "100ms",
        "--fill-timeout",
        "3s",
    ]);
    let mut ours = Running::start(simulator.reach(command.args(["--settle", "2s", "--flatten-at-end"])));
    ours.await_line("filled");
    ours.signal("INT");
    let (code, text) = ours.finish();
    assert_eq!((code, &simulator.ledger()["positions"]), (0, &serde_json::json!({})), "{text}");
}
