//! Each program, run as a user would, does what its first line says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A program that is running, and is ended by SIGKILL at the latest when its test is over.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(program: &str, args: &[&Path]) -> Self {
        let mut command = Command::new(program);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Whether it ended well, and what it printed.
fn run(program: &str, args: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(program);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Who is refused may be gone before it has read anything.
    let _read = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap())
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    (folder, state)
}

#[test]
fn a_second_bot_is_told_who_is_inside_and_one_whose_file_is_gone_sends_nothing() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_file-lock");
    let (_folder, path) = folder();
    let mut first = Running::start(PROGRAM, &[&path]);
    assert!(first.line().starts_with("run 1 of this bot holds"));
    let (started, told) = run(PROGRAM, &[path.to_str().unwrap()], "buy\n");
    assert!(!started && told.contains(&format!("pid {}", first.child.id())), "{told}");
    first.kill();

    let mut second = Running::start(PROGRAM, &[&path]);
    assert!(second.line().starts_with("run 2 of"));
    second.say("buy");
    assert_eq!(second.line(), "sent by run 2: buy");
    std::fs::remove_file(&path).unwrap();
    second.say("buy again");
    assert!(second.line().starts_with("not sent"));
    assert!(!second.child.wait().unwrap().success());
}

#[test]
fn what_was_sent_when_it_was_killed_is_asked_for_until_somebody_knows() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_wal");
    let (_folder, path) = folder();
    let mut first = Running::start(PROGRAM, &[&path]);
    assert_eq!(first.line(), "0 settled, 0 open; cash 0 cents");
    first.say("buy 2 SPY");
    let sent = first.line();
    let order = sent.strip_prefix("sent: ").unwrap();
    assert!(order.starts_with("bot-") && order.ends_with(": buy 2 SPY"), "{order}");
    first.kill();

    let path = path.to_str().unwrap();
    for (answer, settled) in
        [("who knows\n", "0 settled, 1 open; cash 0"), ("filled -1120.20\n", "1 settled, 0 open; cash -112020")]
    {
        let (_, told) = run(PROGRAM, &[path], answer);
        assert!(told.starts_with(&format!("in the air: {order} (InProgress)")) && told.contains(settled), "{told}");
    }
    let (_, told) = run(PROGRAM, &[path], "buy 1 QQQ\nfilled -400.00\n");
    assert!(told.starts_with("0 settled, 0 open; cash -112020") && told.ends_with("cash -152020 cents\n"), "{told}");
}

#[test]
fn one_of_eight_gets_in_and_after_a_crash_nobody_until_it_is_resolved() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_trade-guard");
    let (_folder, path) = folder();
    let ask = |ending: &str| {
        run(PROGRAM, &[&[path.to_str().unwrap()], &*ending.split(' ').collect::<Vec<_>>()].concat(), "").1
    };
    let inside = |told: &str| told.matches("inside").count();

    assert_eq!(inside(&ask("crash")), 1);
    let told = ask("executed");
    assert!(inside(&told) == 0 && told.matches("is unresolved").count() == 8, "{told}");
    assert!(ask("resolve ann the desk of the broker says there is no such order").contains("resolved by ann"));
    let told = ask("executed");
    assert!(inside(&told) == 1 && told.matches("refused").count() == 7, "{told}");
    let told = ask("executed");
    assert!(inside(&told) == 0 && told.contains("had 1 of 1 entries"), "{told}");
}

#[test]
fn exits_overtake_the_storm_and_no_half_second_holds_more_than_it_may() {
    let (_, told) = run(env!("CARGO_BIN_EXE_rate-limiter"), &[], "");
    let number = |line: &str, word: usize| -> u64 { line.split(' ').nth(word).unwrap().parse().unwrap() };
    let waits: Vec<u64> = told.lines().filter(|line| line.starts_with("exit")).map(|line| number(line, 3)).collect();
    // In line with the polls they would have waited for two seconds.
    assert!(waits.len() == 4 && waits.iter().all(|wait| *wait < 1_500), "{told}");
    let line = |words: &str| told.lines().find(|line| line.contains(words)).unwrap();
    let polls = line("after the last exit");
    assert!(number(polls, 0) >= 44 && number(polls, 2) >= 10, "{told}");
    let most = number(line("in any half second"), 2);
    assert!((1..=10).contains(&most), "{told}");
}

#[test]
fn cash_is_spent_once_and_an_undo_leaves_others_alone() {
    let (_, told) = run(env!("CARGO_BIN_EXE_rollback"), &[], "");
    assert_eq!(told.matches("is not sent: 561 is needed and 439 is free").count(), 1, "{told}");
    for line in
        ["free while nobody knows: 439", "free with the next one: 78", "free after a fill: 78.55", "held: [\"QQQ\"]"]
    {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn a_quote_is_fresh_or_says_why_not() {
    let quotes = "SPY 560.10 560.12 0\nSPY 560.10 - 0\nSPY 560.20 560.10 0\nSPY null 560.12 0\nSPY 560.10 560.12 0\n\
                  QQQ 480.10 480.12 600\n";
    let (_, told) = run(env!("CARGO_BIN_EXE_quote"), &[], quotes);
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        told[..5],
        [
            "fresh: Value(560.12)",
            "not fresh: SPY: it has no ask",
            "refused: SPY: it is crossed: bid 560.20, ask 560.10",
            "refused: SPY: its bid could not be read",
            "fresh: Value(560.12)",
        ]
    );
    assert!(told.len() == 6 && !told[5].starts_with("fresh"), "{told:?}");
}

#[test]
fn an_order_that_is_too_large_is_told_all_that_it_breaks() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_limits");
    let limits = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/limits/limits.example.json");
    assert_eq!(run(PROGRAM, &[limits, "10", "SPY", "560.00"], ""), (true, "within all limits\n".to_owned()));
    let (passed, told) = run(PROGRAM, &[limits, "500", "SPY", "580.00"], "");
    assert!(!passed, "{told}");
    for words in ["the limit for one order is 100", "is worth 290000", "20.00 away from the middle", "might be"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_position_leaves_the_book_by_proof_alone() {
    let (_, told) = run(env!("CARGO_BIN_EXE_reconcile"), &[], "");
    let held: Vec<&str> = told.lines().filter(|line| line.starts_with("in the book")).collect();
    assert_eq!(held, ["in the book: 1", "in the book: 1", "in the book: 1", "in the book: 0"], "{told}");
    assert!(told.contains("morning removed on this evidence: Fills"), "{told}");
}
