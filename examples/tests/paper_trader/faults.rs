//! The disk fails under a session, or a call on the journal is its last: what the broker has afterwards, and what the
//! next start makes of it.

use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;

use backstop_tests::{effort, has_strace, seed, under_strace, workload::mix};

use super::*;

/// What is done to a call on the journal, as strace wants to be told.
#[derive(Debug, Clone)]
struct Case {
    call: &'static str,
    fault: &'static str,
    nth: u64,
}

/// The calls of the thread that opens the journal, and of the one that writes to it. How many of each are made.
const CALLS: [(&str, u64); 7] =
    [("openat", 5), ("pread64", 1), ("getdents64", 2), ("fsync", 3), ("fcntl", 6), ("pwrite64", 18), ("fdatasync", 18)];
const FAULTS: [&str; 4] = ["error=EIO", "error=ENOSPC", "error=EROFS", "signal=KILL"];

/// Two slots and what follows, in less than two seconds.
fn brief(command: &mut Command) -> &mut Command {
    command.args(["run", "--broker", "tradier", "--flatten-at-end", "--entries", "2", "--slot", "300ms"]);
    command.args(["--hold", "250ms", "--poll", "50ms", "--fill-timeout", "1s", "--settle", "1s"])
}

/// A session with the fault, and one without on what is left.
fn run(case: &Case) -> Result<(), String> {
    let (sim_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = dir.path().canonicalize().unwrap().join("state");
    let journal = state.join("journal");
    let simulator = Simulator::start(sim_dir.path(), "none");
    let command = || {
        let mut command = paper_trader(&state);
        simulator.reach(brief(&mut command));
        command
    };
    let trace = dir.path().join("trace");
    let Case { call, fault, nth } = case;
    let paths = [journal.clone(), journal.join("00000000000000000001.wal"), journal.join("00000000000000000002.wal")];
    let paths = paths.map(|path| path.to_str().unwrap().to_owned());
    let (calls, inject) = (format!("trace={call}"), format!("inject={call}:{fault}:when={nth}"));
    let options = paths.iter().flat_map(|path| ["-P", path.as_str()]).chain(["-e", &calls, "-e", &inject]);
    let output = under_strace(&command(), &trace, options).output().unwrap();
    let killed = output.status.signal() == Some(9);
    let met = killed || fs::read_to_string(&trace).unwrap().contains("(INJECTED)");
    let wrong = |what: String| format!("{case:?}: {what}\n{}", text(&output));
    // 0: it went on without what failed. 1: the machine refused something. 4: something is left for the next start.
    if !(killed || [0, 1, 4].contains(&code(&output))) {
        return Err(wrong(format!("it ended with {}", output.status)));
    }
    if !killed && code(&output) != 0 && !["os error", "journal"].iter().all(|word| text(&output).contains(word)) {
        return Err(wrong("it does not say what failed".to_owned()));
    }
    if met && ["pwrite64", "fdatasync"].contains(call) && code(&output) == 0 {
        return Err(wrong("WAL-4: it went on after a write or sync that failed".to_owned()));
    }
    intents_of_all(&state, &simulator).map_err(wrong)?;

    let next = command().output().unwrap();
    let wrong = |what: String| format!("{}\nand then {what}\n{}", wrong("at first".to_owned()), text(&next));
    if ![0, 4].contains(&code(&next)) {
        return Err(wrong(format!("the next start ended with {}", next.status)));
    }
    intents_of_all(&state, &simulator).map_err(wrong)?;
    let ledger = simulator.ledger();
    let slots: Vec<String> =
        opening_tags(&ledger).iter().map(|tag| tag.rsplit_once("-open-").unwrap().0.to_owned()).collect();
    if slots.iter().collect::<BTreeSet<_>>().len() != slots.len() {
        return Err(wrong(format!("DESK-2: a slot was entered twice: {slots:?}")));
    }
    compare(&status(&state), &ledger);
    Ok(())
}

/// Every order that the broker has is in the journal, and the broker has it once.
fn intents_of_all(state: &Path, simulator: &Simulator) -> Result<(), String> {
    let ledger = simulator.ledger();
    let tags: Vec<&str> =
        ledger["orders"].as_array().unwrap().iter().filter_map(|order| order["tag"].as_str()).collect();
    let log = paper_trader(state).args(["log", "--json"]).output().unwrap();
    // Before there is a journal there is no order.
    if code(&log) != 0 && !(tags.is_empty() && [1, 2].contains(&code(&log))) {
        return Err(format!("the log cannot be read: {}", text(&log)));
    }
    let log = String::from_utf8_lossy(&log.stdout);
    for tag in &tags {
        if !log.lines().any(|line| line.contains("\"intent\"") && line.contains(tag)) {
            return Err(format!("DESK-2: {tag} was sent, and has no intent in the journal"));
        }
        if tags.iter().filter(|other| *other == tag).count() != 1 {
            return Err(format!("DESK-2: {tag} was sent twice"));
        }
    }
    Ok(())
}

// proves: WAL-1, WAL-4, DESK-2, DESK-3
#[test]
fn whatever_call_on_its_journal_fails_no_order_is_without_intent_and_none_is_sent_twice() {
    if !has_strace("a fault at the paper trader's calls on its journal") {
        return;
    }
    let all = CALLS
        .iter()
        .flat_map(|(call, count)| (1..=*count).flat_map(|nth| FAULTS.map(|fault| Case { call, fault, nth })));
    let mut all: Vec<(u64, Case)> = (0..).zip(all).map(|(number, case)| (mix(seed(), [number, 0, 0]), case)).collect();
    all.sort_by_key(|(ticket, _)| *ticket);
    all.truncate(usize::try_from(effort(24, 500)).unwrap());
    let (cases, wrong) = (Mutex::new(all), Mutex::new(Vec::new()));
    // Most of the time the broker is waited for.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some((_, case)) = cases.lock().unwrap().pop() else { return };
                    if let Err(what) = run(&case) {
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}; BACKSTOP_SEED={}:\n{}", wrong.len(), seed(), wrong.join("\n----\n"));
}
