//! Killed at every stage of an entry and started again, and two at once on one state directory: each slot's order is
//! placed once, by the ledger of a simulator that outlives them.

use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::thread::{park_timeout, scope};

use backstop_tests::{has_strace, under_strace};

use super::quotes::recording;
use super::tap::Tap;
use super::*;

/// How far the first slot's entry had come when the process died, by its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    Claimed,
    Intended,
    Accepted,
    AtRest,
    Executed,
}

const ENTRIES: u64 = 2;

/// The first slot is entered at once, the second after the one that is killed is dead.
fn slow(command: &mut Command) -> &mut Command {
    command.args(["run", "--broker", "tradier", "--strategy", "equity", "--symbol", "TSTA", "--flatten-at-end"]);
    command.args([
        "--entries",
        "2",
        "--slot",
        "2s",
        "--hold",
        "1s",
        "--poll",
        "50ms",
        "--fill-timeout",
        "1s",
        "--settle",
        "3s",
    ]);
    command.args(["--reconcile-every", "500ms"])
}

fn bot(state: &Path, simulator: &Simulator) -> Command {
    let mut command = paper_trader(state);
    simulator.reach(slow(&mut command));
    command
}

/// A simulator of a share whose price goes nowhere: an order at the ask is filled before the next slot, so the n-th write is
/// that of the same step in each run.
fn simulator(dir: &Path) -> Simulator {
    let quotes = recording(dir, 0);
    Simulator::with(&dir.join("account"), "none", &["--quotes", quotes.to_str().unwrap()])
}

fn log(state: &Path) -> Vec<Value> {
    let output = paper_trader(state).args(["log", "--json"]).output().unwrap();
    output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// By the records of the first slot's entry, which is the only one so far.
fn stage(state: &Path) -> Stage {
    let of = |line: &Value| match line["type"].as_str() {
        Some("attempt") if line["of"]["event"].to_string().contains("claimed") => Stage::Claimed,
        Some("attempt") => Stage::Executed,
        Some("intent") => Stage::Intended,
        Some("accepted") => Stage::Accepted,
        Some("finished") => Stage::AtRest,
        _ => Stage::Nothing,
    };
    log(state).iter().map(of).max().unwrap_or(Stage::Nothing)
}

/// How often the request of an order came over the wire.
fn requests(simulator: &Simulator) -> usize {
    simulator.ledger()["requests"].as_array().unwrap().len()
}

/// How many orders that open each slot has at the broker.
fn orders_by_slot(simulator: &Simulator) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for tag in opening_tags(&simulator.ledger()) {
        *counts.entry(tag.rsplit_once("-open-").unwrap().0.to_owned()).or_default() += 1;
    }
    counts
}

/// Runs the session to its end, and demands that each slot has one order, the first one `first` of them.
fn goes_on(state: &Path, simulator: &Simulator, first: usize) -> Result<(), String> {
    let next = bot(state, simulator).output().unwrap();
    judge(state, simulator, first, &next)
}

fn judge(state: &Path, simulator: &Simulator, first: usize, next: &Output) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {:?}\n{}", orders_by_slot(simulator), text(next)));
    if ![0, 4].contains(&code(next)) {
        return wrong(&format!("DESK-3: the next start ended with {}", next.status));
    }
    let slots = orders_by_slot(simulator);
    if slots.values().any(|count| *count != 1) || slots.len() as u64 > ENTRIES {
        return wrong("DESK-2: a slot has more than one order");
    }
    let of_first = slots.iter().filter(|(slot, _)| slot.ends_with("-1-1")).map(|(_, count)| *count).sum::<usize>();
    if of_first != first || slots.len() as u64 != ENTRIES - 1 + first as u64 {
        return wrong(&format!("the first slot was to have {first} orders, and the others one each"));
    }
    let known = log(state);
    let is_known = |tag: &String| known.iter().any(|line| line["type"] == "intent" && line["client_order_id"] == **tag);
    if !opening_tags(&simulator.ledger()).iter().all(is_known) {
        return wrong("an order that the log does not know");
    }
    compare(&status(state), &simulator.ledger());
    Ok(())
}

/// Kills the writer of the journal at its `nth` call, and starts again. Returns how far the entry had come.
fn killed_at(call: &str, nth: u64) -> Result<Stage, String> {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = dir.path().canonicalize().unwrap().join("state");
    let segment = state.join("journal").join("00000000000000000001.wal");
    let simulator = simulator(sim_dir.path());
    let (trace, kill) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}"));
    let options = ["-P", segment.to_str().unwrap(), "-e", &trace, "-e", &kill];
    let killed = under_strace(&bot(&state, &simulator), &dir.path().join("trace"), options).output().unwrap();
    let wrong = |what: String| format!("killed at {call} {nth}: {what}\n{}", text(&killed));
    if killed.status.signal() != Some(9) {
        return Err(wrong(format!("it was not, but ended with {}", killed.status)));
    }
    let (stage, sent) = (stage(&state), requests(&simulator));
    // Law 2, seen from the broker: no request before its intent.
    let may_be_sent = match stage {
        Stage::Nothing | Stage::Claimed => 0..=0,
        Stage::Intended => 0..=1,
        // Its exit may have been sent, too.
        Stage::Accepted | Stage::AtRest | Stage::Executed => 1..=2,
    };
    if !may_be_sent.contains(&sent) {
        return Err(wrong(format!("{sent} requests at {stage:?}")));
    }
    // A claim without an intent is given back; an intent without an order spends the slot.
    let first = if stage < Stage::Intended { 1 } else { sent.min(1) };
    goes_on(&state, &simulator, first).map_err(|what| wrong(format!("at {stage:?}, and then {what}")))?;
    Ok(stage)
}

// proves: DESK-2, DESK-3, GUARD-5
#[test]
fn killed_at_every_write_and_sync_of_an_entry_and_started_again_it_places_each_slots_order_once() {
    if !has_strace("a paper trader killed at every stage of an entry") {
        return;
    }
    // The fourth is the session's; an entry has five records.
    let cases = ["pwrite64", "fdatasync"].into_iter().flat_map(|call| (4..=10).map(move |nth| (call, nth)));
    let cases: Mutex<Vec<(&str, u64)>> = Mutex::new(cases.collect());
    let (seen, wrong) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                loop {
                    let Some((call, nth)) = cases.lock().unwrap().pop() else { return };
                    match killed_at(call, nth) {
                        Ok(stage) => drop(seen.lock().unwrap().insert((call, stage))),
                        Err(what) => wrong.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n----\n"));
    let seen = seen.into_inner().unwrap();
    for stage in [Stage::Nothing, Stage::Claimed, Stage::Intended, Stage::Accepted, Stage::AtRest] {
        assert!(seen.contains(&("pwrite64", stage)), "never killed with {stage:?} on disk: {seen:?}");
    }
    for stage in [Stage::Claimed, Stage::Intended, Stage::Accepted, Stage::AtRest, Stage::Executed] {
        assert!(seen.contains(&("fdatasync", stage)), "never killed before the sync of {stage:?}: {seen:?}");
    }
}

// proves: DESK-2
#[test]
fn killed_with_its_intent_synced_and_no_byte_sent_the_slot_is_spent_and_nothing_is_sent_for_it() {
    if !has_strace("a paper trader killed between its intent and its request") {
        return;
    }
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = dir.path().canonicalize().unwrap().join("state");
    let segment = state.join("journal").join("00000000000000000001.wal");
    let simulator = simulator(sim_dir.path());
    // The sync of the intent is done, and its caller hears of it a minute later.
    let options = ["-P", segment.to_str().unwrap(), "-e", "trace=fdatasync", "-e"];
    let options = options.into_iter().chain(["inject=fdatasync:delay_exit=60000000:when=6"]);
    let mut traced = under_strace(&bot(&state, &simulator), &dir.path().join("trace"), options);
    let running = Running::start(traced.stdout(Stdio::piped()).stderr(Stdio::piped()));
    while !state.join("journal").exists() || stage(&state) < Stage::Intended {
        park_timeout(Duration::from_millis(50));
    }
    park_timeout(Duration::from_millis(500));
    let pid = status(&state)["lock"]["pid"].to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    // Which delays what is dead, too.
    drop(running);
    while status(&state)["lock"]["held"] == Value::Bool(true) {
        park_timeout(Duration::from_millis(20));
    }
    assert_eq!((stage(&state), requests(&simulator)), (Stage::Intended, 0));
    goes_on(&state, &simulator, 0).unwrap();
}

// proves: DESK-2, DESK-7
#[test]
fn killed_with_its_request_on_the_way_it_places_each_slots_order_once_wherever_that_was() {
    let cases: [(&str, usize); 5] = [
        ("the request is lost with the process", 0),
        ("the request lands when the process is dead", 1),
        ("the request lands when the next process has begun", 1),
        ("the broker has answered, and the process is dead before it hears of it", 1),
        ("the process is dead as soon as it has heard", 1),
    ];
    let run = |number: usize, first: usize| {
        let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let simulator = simulator(sim_dir.path());
        let tap = Tap::before(&simulator);
        let running = Running::start(bot(dir.path(), &simulator).env("TRADIER_API_BASE", tap.base_url()));
        let held = tap.hold();
        assert_eq!((stage(dir.path()), requests(&simulator)), (Stage::Intended, 0));
        match number {
            0 => drop(running),
            1 => {
                drop(running);
                held.land();
            }
            2 => {
                drop(running);
                let next = bot(dir.path(), &simulator).spawn().unwrap();
                while status(dir.path())["lock"]["fence"] != 2 {
                    park_timeout(Duration::from_millis(20));
                }
                park_timeout(Duration::from_millis(500));
                held.land();
                return judge(dir.path(), &simulator, first, &next.wait_with_output().unwrap());
            }
            3 => {
                held.land();
                drop(running);
            }
            _ => {
                let answer = held.land();
                held.answer(answer);
                drop(running);
            }
        }
        goes_on(dir.path(), &simulator, first)
    };
    scope(|scope| {
        let all =
            cases.iter().enumerate().map(|(number, (what, first))| (what, scope.spawn(move || run(number, *first))));
        let all: Vec<_> = all.collect();
        for (what, one) in all {
            one.join().unwrap().unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        }
    });
}

// proves: DESK-2, LOCK-1
#[test]
fn two_on_one_state_directory_take_over_from_each_other_when_killed_and_place_each_slots_order_once() {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let simulator = simulator(sim_dir.path());
    let command = || {
        let mut command = paper_trader(dir.path());
        simulator.reach(session(&mut command, "12", "300ms")).args(["--broker", "tradier", "--flatten-at-end"]);
        command.args(["--strategy", "equity"]);
        command
    };
    // Each of the two tries again until a session that it ran has come to its end.
    let turned_away = Mutex::new(0_u32);
    let contend = || loop {
        let output = command().output().unwrap();
        match (output.status.code(), output.status.signal()) {
            (Some(3), _) => *turned_away.lock().unwrap() += 1,
            (None, Some(9)) => {}
            _ => return output,
        }
    };
    let ends = scope(|scope| {
        let contenders = [scope.spawn(contend), scope.spawn(contend)];
        let mut killed = BTreeSet::new();
        // Whoever holds the lock is killed once it has an order there, four times.
        while killed.len() < 4 && !contenders.iter().any(std::thread::ScopedJoinHandle::is_finished) {
            let before = opening_tags(&simulator.ledger()).len();
            while opening_tags(&simulator.ledger()).len() == before
                && !contenders.iter().any(std::thread::ScopedJoinHandle::is_finished)
            {
                park_timeout(Duration::from_millis(10));
            }
            let lock = &status(dir.path())["lock"];
            if lock["held"] == Value::Bool(true) && killed.insert(lock["pid"].to_string()) {
                Command::new("kill").args(["-KILL", &lock["pid"].to_string()]).status().unwrap();
            }
        }
        assert!(killed.len() >= 3, "they were done after {} takeovers", killed.len());
        contenders.map(|one| one.join().unwrap())
    });
    for end in &ends {
        assert!([0, 4].contains(&code(end)), "{}", text(end));
    }
    assert!(*turned_away.lock().unwrap() >= 4, "the second one was hardly ever turned away");
    let slots = orders_by_slot(&simulator);
    assert!(slots.values().all(|count| *count == 1) && slots.len() >= 12, "{slots:?}");
    // Whoever came last may have begun the day's next session.
    compare(&status(dir.path()), &simulator.ledger());
}
