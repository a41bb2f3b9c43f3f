//! What a person or a script gets to see: of what is open, since when, why, and what to type.

use super::*;
use crate::flattening::{flatten, killed_bot, market};

fn command(dir: &Path, args: &[&str]) -> Output {
    paper_trader(dir).args(args).output().unwrap()
}

#[test]
fn a_directory_that_no_bot_has_used_does_not_look_like_an_account_without_positions() {
    let dir = tempfile::tempdir().unwrap();
    for what in ["status", "positions", "log", "resolve", "flatten"] {
        let output = command(dir.path(), &[what]);
        assert_eq!(code(&output), 2, "{what}: {}", text(&output));
        assert!(text(&output).contains("no bot has run") && text(&output).contains("--state-dir"), "{}", text(&output));
    }
    assert_eq!(files_below(dir.path()), Vec::<PathBuf>::new(), "and stays as it is");
}

#[test]
fn whoever_stops_reading_is_no_failure() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    for args in [
        &["log"][..],
        &["log", "--json"],
        &["status"],
        &["status", "--json"],
        &["positions"],
        &["resolve"],
        &["resume", "--by", "ann", "--reason", "a test"],
    ] {
        let (unread, written) = std::io::pipe().unwrap();
        drop(unread);
        let output = paper_trader(dir.path()).args(args).stdout(written).output().unwrap();
        assert_eq!((code(&output), text(&output)), (0, String::new()), "{args:?}");
    }
}

#[test]
fn a_position_shows_what_made_it_what_it_cost_and_why_it_is_not_closed() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 1);
    let open = status(dir.path())["positions"][0].clone();
    let made_by = open["client_order_id"].as_str().unwrap().to_owned();
    assert_eq!((&open["state"], &open["pending_close"]), (&Value::from("open"), &Value::Null), "{open}");
    let number = |value: &Value| value.to_string().parse::<Decimal>().unwrap();
    let (leg, cash) = (&open["legs"][0], number(&open["cash_flow"]));
    assert_eq!(cash, -number(&leg["quantity"]) * number(&leg["price"]), "{open}");
    assert!(open["age_ms"].as_u64().is_some_and(|age| age < 600_000), "{open}");
    let people = text(&command(dir.path(), &["positions"]));
    assert!(people.contains(&format!("by {made_by}")), "{people}");

    // Exits that fill in part and then stand still.
    drop(simulator);
    let faults = sim_dir.path().join("faults.json");
    fs::write(&faults, r#"{"partial_fill_stuck": 1000}"#).unwrap();
    let simulator = market(sim_dir.path(), faults.to_str().unwrap(), 1);
    let output = flatten(&simulator, dir.path(), &["--within", "1s"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    let shown = json(&command(dir.path(), &["positions", "--json"]));
    let (id, pending) = (shown["id"].as_str().unwrap(), &shown["pending_close"]);
    assert_eq!(
        (&shown["state"], &shown["close_attempts"]),
        (&Value::from("pending_close"), &Value::from(1)),
        "{shown}"
    );
    assert!(pending["since"].is_string() && !pending["reason"].as_str().unwrap().is_empty(), "{shown}");
    for settles in ["paper-trader flatten".to_owned(), format!("paper-trader resolve {id} --closed")] {
        assert!(pending["settle"].as_str().unwrap().contains(&settles), "{shown}");
        for what in ["positions", "status", "resolve"] {
            assert!(text(&command(dir.path(), &[what])).contains(&settles), "{what}");
        }
    }
    assert!(text(&command(dir.path(), &["positions"])).contains("after 1 exit: "), "{shown}");
}

#[test]
fn the_log_tells_of_one_position_or_of_the_last_while_only() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = market(sim_dir.path(), "none", 1);
    killed_bot(&simulator, dir.path(), 2);
    let lines = |args: &[&str]| -> Vec<Value> {
        let output = command(dir.path(), &[&["log", "--json"], args].concat());
        assert_eq!(code(&output), 0, "{}", text(&output));
        output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    };
    let (all, order) = (lines(&[]), status(dir.path())["positions"][0]["client_order_id"].as_str().unwrap().to_owned());
    let (slot, _) = order.strip_prefix("bs-").unwrap().split_once("-open-").unwrap();
    let of_order = lines(&["--id", &order]);
    assert!(of_order.len() >= 3 && of_order.len() < all.len(), "intent, accepted, at rest: {of_order:?}");
    assert!(of_order.iter().all(|line| line.to_string().contains(&order)), "{of_order:?}");
    assert!(lines(&["--id", slot]).len() >= of_order.len());
    assert_eq!(lines(&["--since", "1h"]), all);
    let last = all.last().unwrap()["at"].as_str().unwrap();
    let since = lines(&["--since", last]);
    assert!(!since.is_empty() && since.len() < all.len() && since.iter().all(|line| line["at"] == last), "{since:?}");
    for (option, hint) in [("--id", "equity-"), ("--since", "30m")] {
        let output = command(dir.path(), &["log", option, "yesterday"]);
        assert!(code(&output) == 2 && text(&output).contains(hint), "{}", text(&output));
    }
}
