//! Every call that the log makes of the kernel fails, or is its last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use backstop_tests::workload::{Session, mix};
use backstop_tests::{Call, effort, has_strace, seed, under_strace};

use super::checker::{Crash, Said, check};
use super::writer::{command, in_memory, session, shown};

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Once(&'static str),
    /// It, and each later one of its kind.
    Lasting(&'static str),
    /// The process is killed when it makes it.
    Kill,
}

const FAULTS: [Fault; 9] = [
    Fault::Once("EIO"),
    Fault::Once("ENOSPC"),
    Fault::Once("EDQUOT"),
    Fault::Once("EINTR"),
    Fault::Once("EROFS"),
    Fault::Lasting("EIO"),
    Fault::Lasting("ENOSPC"),
    Fault::Lasting("EROFS"),
    Fault::Kill,
];

/// A call of the process, counted from its start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    call: String,
    nth: usize,
    fault: Fault,
}

impl fmt::Display for Case {
    /// As strace wants to be told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, nth, fault } = self;
        match fault {
            Fault::Once(error) => write!(f, "inject={call}:error={error}:when={nth}"),
            Fault::Lasting(error) => write!(f, "inject={call}:error={error}:when={nth}+"),
            Fault::Kill => write!(f, "inject={call}:signal=KILL:when={nth}"),
        }
    }
}

/// The calls that concern the log in a run without faults. Those that close a file are left out: nobody looks at what
/// they return, since all that matters was synced before.
fn calls(session: &Session) -> Vec<(String, usize)> {
    let trace = session.path.with_extension("trace");
    let output = under_strace(&command(session), &trace, ["-e", "trace=%file,%desc"]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let trace = fs::read_to_string(&trace).unwrap();
    let path = session.path.to_str().unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for call in trace.lines().filter_map(Call::of) {
        let count = counts.entry(call.name).or_default();
        *count += 1;
        if call.arguments.contains(path) && !["close", "execve"].contains(&call.name) {
            found.push((call.name.to_owned(), *count));
        }
    }
    found
}

/// `limit` of the cases, such that each kind of call meets each fault.
fn draw(calls: &[(String, usize)], limit: usize) -> Vec<Case> {
    let mut drawn = Vec::new();
    for (at, (call, nth)) in calls.iter().enumerate() {
        for (number, fault) in FAULTS.into_iter().enumerate() {
            let ticket = mix(seed(), [at as u64, number as u64, 0]);
            drawn.push((ticket, Case { call: call.clone(), nth: *nth, fault }));
        }
    }
    drawn.sort_by_key(|(ticket, _)| *ticket);
    let mut met = BTreeSet::new();
    let (mut cases, rest): (Vec<Case>, Vec<Case>) =
        drawn.into_iter().map(|(_, case)| case).partition(|case| met.insert((case.call.clone(), case.fault)));
    cases.extend(rest);
    cases.truncate(limit);
    cases
}

/// What the writer finds when it starts: the log of one that was killed, or nothing.
pub(crate) struct Start {
    pub(crate) _dir: tempfile::TempDir,
    pub(crate) session: Session,
    pub(crate) said: Said,
}

impl Start {
    pub(crate) fn nothing() -> Self {
        let dir = in_memory();
        let session = session(&dir.path().canonicalize().unwrap().join("log"), seed());
        Self { _dir: dir, session, said: Said::default() }
    }

    /// What a writer leaves that did so many actions and closed the log.
    pub(crate) fn after(actions: u64) -> Self {
        let mut start = Self::nothing();
        let output = command(&Session { actions, ..start.session.clone() }).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        start.said.hear(&String::from_utf8_lossy(&output.stdout)).unwrap();
        start
    }

    /// What is left of a writer that was killed at that call.
    pub(crate) fn killed(call: &str, nth: usize) -> Self {
        let mut start = Self::nothing();
        let case = Case { call: call.to_owned(), nth, fault: Fault::Kill };
        let (output, _) = traced(&start.session, &case);
        assert_eq!(output.status.signal(), Some(9), "{case}: {}", shown(&output));
        start.said.hear(&String::from_utf8_lossy(&output.stdout)).unwrap();
        start.session.actions = 15;
        start
    }

    pub(crate) fn copy(&self) -> Self {
        let mut copy = Self::nothing();
        copy.session = Session { path: copy.session.path, ..self.session.clone() };
        copy.said = self.said.clone();
        if self.session.path.exists() {
            fs::create_dir(&copy.session.path).unwrap();
            for entry in fs::read_dir(&self.session.path).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), copy.session.path.join(entry.file_name())).unwrap();
            }
        }
        copy
    }
}

/// Runs the writer with that fault; how it ended, and the trace.
fn traced(session: &Session, case: &Case) -> (Output, String) {
    let trace = session.path.with_extension("trace");
    let calls = format!("trace={},write,pwrite64,fsync,fdatasync", case.call);
    let strace = under_strace(&command(session), &trace, ["-e", &calls, "-e", &case.to_string()]).output();
    (strace.unwrap(), fs::read_to_string(trace).unwrap())
}

/// One run with a fault, and what is left of it; whether the fault was met.
fn run(start: &Start, case: &Case) -> Result<bool, String> {
    let Start { _dir, session, mut said } = start.copy();
    let (output, trace) = traced(&session, case);
    let wrong = |what: String| format!("{case}: {what}\n{}", shown(&output));
    let met = match case.fault {
        Fault::Kill => output.status.signal() == Some(9),
        Fault::Once(_) | Fault::Lasting(_) => trace.contains("(INJECTED)"),
    };
    said.hear(&String::from_utf8_lossy(&output.stdout)).map_err(wrong)?;
    match output.status.code() {
        Some(0) => {}
        Some(1) => says_what_to_do(&output, session.path.to_str().unwrap()).map_err(wrong)?,
        None if met && case.fault == Fault::Kill => {}
        _ => return Err(wrong("it ended as it never should".to_owned())),
    }
    nothing_after_a_failure(&trace, session.path.to_str().unwrap())
        .map_err(|what| wrong(format!("{what}\n{trace}")))?;
    if let Err(what) = check(&session, &mut said, Crash::Process) {
        return Err(wrong(what));
    }
    Ok(met)
}

/// The reason of the system, and either the place or the way on.
pub(crate) fn says_what_to_do(output: &Output, path: &str) -> Result<(), String> {
    let words = String::from_utf8_lossy(&output.stderr);
    let way_on = ["open it again", "open the log again", "append again", "free space", path];
    let reason = ["os error", "was deleted or replaced", "no further segment"];
    let says = |any: &[&str]| any.iter().any(|phrase| words.contains(phrase));
    if says(&way_on) && says(&reason) { Ok(()) } else { Err("its last words help nobody".to_owned()) }
}

/// WAL-4: behind the first write or sync of a segment that fails, or of the directory, nothing is asked of the disk and
/// nothing is acknowledged, not even what was safe before.
fn nothing_after_a_failure(trace: &str, path: &str) -> Result<(), String> {
    let directory = format!("<{path}>");
    let is_ours = |call: &Call<'_>| call.arguments.contains(".wal>") || call.arguments.contains(&directory);
    let is_change = |call: &Call<'_>| ["pwrite64", "fsync", "fdatasync"].contains(&call.name) && is_ours(call);
    let mut failed = None;
    for call in trace.lines().filter_map(Call::of) {
        let says =
            call.name == "write" && ["ack", "buffered", "checkpoint"].iter().any(|word| call.arguments.contains(word));
        if let Some(failure) = failed
            && (says || is_change(&call))
        {
            return Err(format!("WAL-4: {call:?} after {failure:?}"));
        }
        // A call that was interrupted did nothing, and is made again.
        if call.result.contains("(INJECTED)") && !call.result.contains("EINTR") && is_change(&call) {
            failed = Some(call);
        }
    }
    Ok(())
}

/// Runs them all, two at a time, and names the first that went wrong.
fn run_all(cases: &[(&Start, Case)]) {
    let (next, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut wrong = Vec::new();
        while let Some((start, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            match run(start, case) {
                Ok(was_met) => met.fetch_add(usize::from(was_met), Ordering::Relaxed),
                Err(what) => {
                    wrong.push(what);
                    0
                }
            };
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (all, met) = (cases.len(), met.into_inner());
    assert!(wrong.is_empty(), "{} of {all}; the first, with BACKSTOP_SEED={}:\n{}", wrong.len(), seed(), wrong[0]);
    assert!(met * 10 >= all * 9, "only {met} of {all} faults were met");
}

// proves: WAL-1, WAL-2, WAL-4
#[test]
fn whatever_call_fails_or_is_the_last_nothing_acknowledged_is_lost_and_nothing_is_acknowledged_after() {
    if !has_strace("a fault at each system call of the log's writer") {
        return;
    }
    let starts = [
        Start::nothing(),
        // Written and not synced; synced and not named; named and not synced; checkpoint and history side by side.
        Start::killed("fdatasync", 20),
        Start::killed("rename", 3),
        Start::killed("fsync", 4),
        Start::killed("unlink", 2),
    ];
    let limit = usize::try_from(effort(500, 6_000)).unwrap() / starts.len();
    let mut cases = Vec::new();
    for start in &starts {
        let drawn = draw(&calls(&start.copy().session), limit);
        cases.extend(drawn.into_iter().map(|case| (start, case)));
    }
    run_all(&cases);
}
