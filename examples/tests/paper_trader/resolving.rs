//! What evidence cannot settle, settled by an operator.

use super::*;

/// A bot whose only entry was lost on the way, and that was then killed: nothing at the broker shows how far its list
/// reaches.
fn bot_with_a_lost_entry(sim_dir: &Path, dir: &Path) -> (Simulator, String) {
    let faults = sim_dir.join("faults.json");
    fs::write(&faults, r#"{"request_lost": 1000}"#).unwrap();
    let simulator = Simulator::start(sim_dir, faults.to_str().unwrap());
    let mut bot = paper_trader(dir);
    simulator.reach(&mut bot).args(["run", "--broker", "tradier", "--strategy", "equity", "--entries", "1"]);
    let mut running = Running::start(bot.args(["--poll", "100ms", "--settle", "1s", "--fill-timeout", "1s"]));
    running.await_line("UNKNOWN");
    drop(running);
    let open = status(dir)["operations"][0]["client_order_id"].as_str().unwrap().to_owned();
    (simulator, open)
}

fn resolve(simulator: &Simulator, dir: &Path, args: &[&str]) -> Output {
    let mut command = paper_trader(dir);
    simulator.reach(&mut command).args(["resolve", "--settle", "1s"]).args(args).output().unwrap()
}

// proves: DESK-7
#[test]
fn an_order_that_nobody_can_tell_of_is_listed_and_settled_by_name_and_reason_and_its_slot_stays_spent() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (simulator, id) = bot_with_a_lost_entry(sim_dir.path(), dir.path());
    let listed = paper_trader(dir.path()).arg("resolve").output().unwrap();
    let told = text(&listed);
    assert!(code(&listed) == 0 && told.contains(&format!("resolve {id} --not-placed")), "{told}");
    let listed = json(&paper_trader(dir.path()).args(["resolve", "--json"]).output().unwrap());
    assert!(listed["next"].as_str().unwrap().contains(&id), "{listed}");
    // GUARD-4, from outside: who, since when, and what to type.
    let slot = status(dir.path())["slots"][0].clone();
    assert_eq!((slot["state"].as_str(), slot["by"].as_str()), (Some("unresolved"), Some("the strategy")), "{slot}");
    assert!(slot["since"].is_string() && slot["client_order_id"] == *id, "{slot}");
    assert!(slot["next"].as_str().unwrap().contains(&format!("resolve {id} --not-placed")), "{slot}");
    let people = text(&paper_trader(dir.path()).arg("status").output().unwrap());
    assert!(people.contains("unresolved by the strategy since"), "{people}");
    let signed = ["--by", "ann", "--reason", "not in the account"];
    for (args, expected, hint) in [
        (vec![id.as_str(), "--not-placed"], 2, "--by NAME"),
        ([&[id.as_str()], &signed[..]].concat(), 2, "--not-placed"),
        ([&[id.as_str(), "--closed"], &signed[..]].concat(), 2, "--not-placed"),
        ([&["bs-equity-20200101-1-1-open-1", "--not-placed"], &signed[..]].concat(), 2, "not open"),
        ([&[id.as_str(), "--filled", "SPY=1@560"], &signed[..]].concat(), 4, "--despite-positions"),
    ] {
        let output = resolve(&simulator, dir.path(), &args);
        assert_eq!(code(&output), expected, "{args:?}: {}", text(&output));
        assert!(text(&output).contains(hint), "{args:?}: {}", text(&output));
    }
    let output = resolve(&simulator, dir.path(), &[&[id.as_str(), "--not-placed"], &signed[..]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    let now = status(dir.path());
    for empty in ["operations", "unresolved"] {
        assert!(now[empty].as_array().unwrap().is_empty(), "{now}");
    }
    assert_eq!(now["slots"][0]["state"].as_str(), Some("not_executed"), "{now}");
    let log = text(&paper_trader(dir.path()).args(["log"]).output().unwrap());
    assert!(log.contains("settled by ann: not in the account"), "{log}");

    // Another bot on the same directory goes on with the session, and leaves that slot alone.
    let mut bot = paper_trader(dir.path());
    simulator.reach(quick(&mut bot)).args(["--broker", "tradier", "--strategy", "equity"]);
    let output = bot.output().unwrap();
    let log = String::from_utf8(paper_trader(dir.path()).args(["log", "--json"]).output().unwrap().stdout).unwrap();
    let (of_slot, _) = id.split_once("-open-").unwrap();
    let intents = || log.lines().filter(|line| line.contains("\"intent\"") && line.contains("-open-"));
    assert_eq!(intents().filter(|line| line.contains(of_slot)).count(), 1, "{}\n{log}", text(&output));
    assert!(intents().count() > 1, "{}\n{log}", text(&output));
}

#[test]
fn with_a_bot_running_nothing_is_settled_and_the_bot_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(dir.path());
    let mut running = Running::start(session(&mut bot, "3", "10m").args(["--faults", "none", "--strategy", "equity"]));
    running.await_line("filled");
    let position = status(dir.path())["positions"][0]["id"].as_str().unwrap().to_owned();
    let args = ["resolve", &position, "--closed", "--by", "ann", "--reason", "a test", "--settle", "1s"];
    let output = paper_trader(dir.path()).args(args).output().unwrap();
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(text(&output).contains(&format!("pid {}", running.0.id())), "{}", text(&output));
    // With the bot gone the embedded simulator is asked: it holds the position, so it stays.
    drop(running);
    let output = paper_trader(dir.path()).args(args).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("stays"), "{}", text(&output));
}
