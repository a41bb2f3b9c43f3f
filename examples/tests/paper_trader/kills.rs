//! Killed at any instant: what is on disk by then, and what the next start makes of it.

use super::*;

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

#[test]
fn a_stop_that_leaves_positions_open_names_them_and_does_not_end_as_if_at_rest() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = Simulator::start(sim_dir.path(), "none");
    let mut command = paper_trader(dir.path());
    simulator.reach(&mut command).args(["run", "--broker", "tradier", "--slot", "10s", "--hold", "10m"]);
    let mut running = Running::start(command.args(["--poll", "100ms", "--fill-timeout", "5s", "--settle", "5s"]));
    running.await_line("filled");
    running.signal("INT");
    let (code, text) = running.finish();
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("nobody watches it") && text.contains("paper-trader flatten"), "{text}");
    let held = status(dir.path())["positions"][0]["id"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("position {held} stays open")), "{text}");
    let listed = self::text(&paper_trader(dir.path()).arg("resolve").output().unwrap());
    assert!(listed.contains(&held) && listed.contains("only while a bot runs"), "{listed}");

    let mut command = paper_trader(dir.path());
    let output = simulator.reach(command.args(["flatten", "--by", "test", "--reason", "test"])).output().unwrap();
    assert_eq!(self::code(&output), 0, "{}", self::text(&output));
    let listed = self::text(&paper_trader(dir.path()).arg("resolve").output().unwrap());
    assert!(listed.contains("nothing is open"), "{listed}");
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
