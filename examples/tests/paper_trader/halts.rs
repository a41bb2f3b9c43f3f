//! The kill switch, from another process.

use super::*;

fn command(dir: &Path, args: &[&str]) -> Output {
    paper_trader(dir).args(args).output().unwrap()
}

fn resume(dir: &Path) {
    let output = command(dir, &["resume", "--by", "bob", "--reason", "looked into it"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
}

// proves: HALT-1, HALT-2
#[test]
fn a_halt_from_another_process_stops_entries_lets_exits_pass_and_outlives_the_bot() {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(dir.path());
    let mut running = Running::start(session(&mut bot, "5", "1500ms").args(["--faults", "none"]));
    running.await_line("filled");
    let output = command(dir.path(), &["halt", "--by", "ann", "--reason", "the news"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let entered = || {
        let log = command(dir.path(), &["log", "--json"]);
        String::from_utf8(log.stdout)
            .unwrap()
            .lines()
            .filter(|line| line.contains("-open-") && line.contains("\"intent\""))
            .count()
    };
    let before = entered();
    let (ended, told) = running.finish();
    assert_eq!(ended, 0, "{told}");
    assert!(told.contains("HALTED") && told.contains("the news") && told.contains("open positions  0"), "{told}");
    assert_eq!(entered(), before, "{told}");
    let halted = status(dir.path())["halted"].clone();
    assert_eq!((halted["by"].as_str(), halted["level"].as_str()), (Some("ann"), Some("halt")), "{halted}");
    assert!(!String::from_utf8_lossy(&command(dir.path(), &["log"]).stdout).contains("in good order"));

    let output = session(&mut paper_trader(dir.path()), "1", "500ms").args(["--faults", "none"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(entered(), before, "{}", text(&output));
    resume(dir.path());
    let output = session(&mut paper_trader(dir.path()), "6", "500ms").args(["--faults", "none"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(entered() > before, "{}", text(&output));
    assert!(text(&command(dir.path(), &["log"])).contains("RESUMED     by bob: looked into it"));
    assert!(status(dir.path())["halted"].is_null());
}

// proves: HALT-2
#[test]
fn resuming_takes_a_name_and_a_reason_and_a_halt_takes_neither() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["halt", "freeze"] {
        let output = paper_trader(dir.path()).arg(command).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    for args in [&["resume"][..], &["resume", "--by", "bob"], &["resume", "--by", " ", "--reason", "why"]] {
        let output = command(dir.path(), args);
        assert_eq!(code(&output), 2, "{}", text(&output));
    }
    resume(dir.path());
    let output = command(&dir.path().join("tpyo"), &["halt"]);
    assert_eq!(code(&output), 2, "{}", text(&output));
}

// proves: HALT-1
#[test]
fn a_halt_killed_at_any_moment_is_whole_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut pulled = 0;
    for moment in 0..20 {
        let mut halt = paper_trader(dir.path());
        let running = Running::start(halt.arg("halt"));
        // The last one lives.
        if moment == 19 {
            assert_eq!(running.finish().0, 0);
        } else {
            std::thread::park_timeout(Duration::from_micros(moment * 700));
            drop(running);
        }
        let told = command(dir.path(), &["resume", "--by", "bob", "--reason", "the next try", "--json"]);
        assert_eq!(code(&told), 0, "{}", text(&told));
        for pull in json(&told)["pulls"].as_array().unwrap() {
            assert_eq!(pull["reason"].as_str(), Some("no reason given"), "{pull}");
            pulled += 1;
        }
    }
    assert!(pulled > 0, "none lived long enough");
}

/// A simulator that fills orders in part and then lets them work, and a bot that has one there.
fn bot_with_a_working_entry(sim_dir: &Path, dir: &Path) -> (Simulator, Running) {
    let faults = sim_dir.join("faults.json");
    fs::write(&faults, r#"{"partial_fill_stuck": 1000}"#).unwrap();
    let simulator = Simulator::start(sim_dir, faults.to_str().unwrap());
    let mut bot = paper_trader(dir);
    simulator.reach(&mut bot).args(["run", "--broker", "tradier", "--strategy", "equity", "--entries", "1"]);
    bot.args(["--poll", "100ms", "--fill-timeout", "10m", "--settle", "3s", "--reconcile-every", "1s"]);
    let mut running = Running::start(&mut bot);
    running.await_line("accepted");
    (simulator, running)
}

fn working(simulator: &Simulator) -> Vec<String> {
    let ledger = simulator.ledger();
    let orders = ledger["orders"].as_array().unwrap().iter();
    let working = orders
        .filter(|order| !["filled", "canceled", "rejected", "expired"].contains(&order["state"].as_str().unwrap()));
    working.map(|order| order["tag"].as_str().unwrap().to_owned()).collect()
}

// proves: HALT-1
#[test]
fn pulled_while_the_bot_is_stopped_the_command_itself_cancels_what_works_by_client_order_id() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (simulator, running) = bot_with_a_working_entry(sim_dir.path(), dir.path());
    for _ in 0..200 {
        if !simulator.ledger()["positions"].as_object().unwrap().is_empty() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let slot = status(dir.path())["slots"][0].clone();
    assert_eq!((slot["state"].as_str(), slot["by"].as_str()), (Some("in_progress"), Some("the strategy")), "{slot}");
    running.signal("STOP");
    assert_eq!(working(&simulator).len(), 1, "{}", simulator.ledger());
    let halt = || {
        let mut halt = paper_trader(dir.path());
        simulator.reach(&mut halt).args(["halt", "--by", "ann", "--reason", "it hangs", "--json"]).output().unwrap()
    };
    for _ in 0..2 {
        let output = halt();
        assert_eq!(code(&output), 0, "{}", text(&output));
        assert_eq!(working(&simulator), Vec::<String>::new(), "{}", text(&output));
    }
    // It goes on and sees what was done; what was filled of its entry is a position, and nothing is sent for it.
    running.signal("CONT");
    for _ in 0..100 {
        if status(dir.path())["operations"].as_array().unwrap().is_empty() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    compare(&status(dir.path()), &simulator.ledger());
    assert_eq!(opening_tags(&simulator.ledger()).len(), 1);
}

// proves: HALT-1
#[test]
fn with_the_broker_gone_or_unknown_the_switch_is_pulled_and_what_cannot_be_confirmed_is_named() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (simulator, running) = bot_with_a_working_entry(sim_dir.path(), dir.path());
    running.signal("STOP");
    let tag = working(&simulator).remove(0);
    // Without the environment, with another account's, and with the broker gone.
    let unknown = command(dir.path(), &["halt"]);
    let mut halt = paper_trader(dir.path());
    let foreign = simulator.reach(&mut halt).env("TRADIER_ACCOUNT_ID", "VA99999999").arg("halt").output().unwrap();
    assert_eq!(working(&simulator), std::slice::from_ref(&tag));
    let mut halt = paper_trader(dir.path());
    simulator.reach(&mut halt).args(["freeze", "--within", "2s"]);
    // With its records damaged, what works under any name of ours is canceled, and nobody can say that it was all.
    let segment = fs::read_dir(dir.path().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|kind| kind == "wal")).min().unwrap();
    let whole = fs::read(&segment).unwrap();
    let (elsewhere, damaged) =
        (dir.path().with_extension("damaged"), whole.iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
    fs::create_dir_all(elsewhere.join("journal")).unwrap();
    fs::write(elsewhere.join("journal").join(segment.file_name().unwrap()), damaged).unwrap();
    let mut blind = paper_trader(&elsewhere);
    let blind = simulator.reach(&mut blind).args(["halt", "--within", "2s"]).output().unwrap();
    assert!(code(&blind) == 6 && text(&blind).contains(&tag), "{}", text(&blind));
    assert_eq!(working(&simulator), Vec::<String>::new());
    fs::remove_dir_all(elsewhere).unwrap();

    drop(simulator);
    let gone = halt.output().unwrap();
    for output in [unknown, foreign, gone] {
        assert_eq!(code(&output), 6, "{}", text(&output));
        assert!(text(&output).contains(&tag), "{}", text(&output));
    }
    assert_eq!(status(dir.path())["halted"]["level"].as_str(), Some("freeze"));
}
