//! The bot as a process that dies: whatever became of its order, the next life finds out, and nothing is sent twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should stop")]

#[path = "../src/venue.rs"]
mod venue;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use backstop_clock::{Clock, SystemClock};
use venue::{Fate, Venue};

struct Bench {
    venue: Arc<Venue>,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let venue = Venue::open(&directory.path().join("broker")).unwrap();
        Self { venue, directory }
    }

    fn bot(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_synchronous"));
        command.args([self.directory.path().join("broker"), self.directory.path().to_owned()]);
        command
    }

    /// A life that ends by itself, with this exit code.
    #[track_caller]
    fn live(&self, code: i32) -> String {
        let Output { status, stdout, .. } = self.bot().output().unwrap();
        let told = String::from_utf8(stdout).unwrap();
        assert_eq!(status.code(), Some(code), "{told}{:?}", self.venue.labels());
        told
    }

    /// A life that is killed when its first order has met this fate, before any answer.
    fn die(&self, fate: Fate) {
        let (told, hears) = mpsc::channel();
        self.venue.next(fate, Some(told));
        let mut bot = self.bot().spawn().unwrap();
        assert_eq!(hears.recv_timeout(Duration::from_secs(30)), Ok(fate));
        bot.kill().unwrap();
        bot.wait().unwrap();
    }

    /// How many orders there are to open in `slot`.
    fn openings(&self, slot: u32) -> usize {
        self.venue.labels().iter().filter(|label| label.contains(&format!("-{slot}-open-"))).count()
    }

    #[track_caller]
    fn is_flat_after_one_order_a_slot(&self) {
        assert_eq!((self.openings(1), self.openings(2)), (1, 1), "{:?}", self.venue.labels());
        assert!(self.venue.held("ACME").is_zero());
    }
}

#[test]
fn placed_and_killed_before_the_answer_it_is_found_and_not_sent_again() {
    let bench = Bench::new();
    bench.die(Fate::AnswerLost);
    let told = bench.live(0);
    assert!(told.contains("left by an earlier life"), "{told}");
    bench.is_flat_after_one_order_a_slot();
}

#[test]
fn a_request_that_lands_after_the_death_of_its_sender_is_found_and_not_sent_again() {
    let bench = Bench::new();
    bench.die(Fate::Late);
    let second = bench.bot().stdout(Stdio::piped()).spawn().unwrap();
    bench.venue.land();
    assert!(second.wait_with_output().unwrap().status.success());
    bench.is_flat_after_one_order_a_slot();
}

#[test]
fn what_the_list_does_not_show_stays_open_until_the_list_proves_that_it_reaches_far_enough() {
    let bench = Bench::new();
    bench.die(Fate::RequestLost);
    let told = bench.live(4);
    assert!(told.contains("nobody knows what became of it") && told.contains("is unresolved"), "{told}");
    assert!(bench.venue.labels().is_empty(), "an order was sent while nobody knew what became of another");
    bench.venue.change(|state| state.others_trade = true);
    bench.live(0);
    bench.is_flat_after_one_order_a_slot();
}

#[test]
fn a_list_of_another_day_proves_nothing() {
    let bench = Bench::new();
    bench.die(Fate::RequestLost);
    bench.venue.change(|state| state.days = 1);
    bench.venue.change(|state| state.others_trade = true);
    let told = bench.live(4);
    assert!(told.contains("nobody knows what became of it"), "{told}");
    assert_eq!(bench.openings(1), 0, "{:?}", bench.venue.labels());
}

#[test]
fn an_order_that_is_later_only_by_a_clock_that_is_ahead_proves_nothing() {
    let bench = Bench::new();
    bench.die(Fate::RequestLost);
    let ahead = SystemClock::new().wall() + Duration::from_millis(900);
    bench.venue.change(|state| drop(state.place(&venue::by_hand(), ahead)));
    let told = bench.live(4);
    assert!(told.contains("nobody knows what became of it"), "{told}");
}

#[test]
fn an_exit_of_which_nobody_knew_is_looked_for_again_and_followed_by_another() {
    let bench = Bench::new();
    let (told, hears) = mpsc::channel();
    bench.venue.next(Fate::Placed, None);
    bench.venue.next(Fate::RequestLost, Some(told));
    let bot = bench.bot().stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(hears.recv_timeout(Duration::from_secs(30)), Ok(Fate::RequestLost));
    // Longer than the first search for it lasts.
    assert!(hears.recv_timeout(Duration::from_secs(5)).is_err());
    bench.venue.change(|state| state.others_trade = true);
    let Output { status, stdout, .. } = bot.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stdout));
    bench.is_flat_after_one_order_a_slot();
}

#[test]
fn an_exit_whose_lock_was_lost_while_it_was_made_is_not_sent() {
    let bench = Bench::new();
    let ((told, hears), (go, goes)) = (mpsc::channel(), mpsc::channel());
    bench.venue.change(|state| state.gate = Some((1, told, goes)));
    let bot = bench.bot().stdout(Stdio::piped()).spawn().unwrap();
    hears.recv_timeout(Duration::from_secs(30)).unwrap();
    std::fs::remove_file(bench.directory.path().join("lock")).unwrap();
    go.send(()).unwrap();
    let Output { status, stdout, .. } = bot.wait_with_output().unwrap();
    let told = String::from_utf8(stdout).unwrap();
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains("the lock is lost, and"), "{told}");
    assert_eq!(bench.venue.labels().len(), 1, "{:?}", bench.venue.labels());
}

#[test]
fn two_callers_and_two_lives_open_a_slot_once() {
    let bench = Bench::new();
    let told = bench.live(0);
    assert_eq!(told.matches("refused, nothing was sent").count(), 2, "{told}");
    let told = bench.live(0);
    assert_eq!(told.matches("refused, nothing was sent").count(), 4, "{told}");
    bench.is_flat_after_one_order_a_slot();
}

#[test]
fn tokio_is_not_in_it() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = |package: &str| {
        let arguments =
            ["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--package", package];
        let output = Command::new(&cargo).current_dir(root).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let has_tokio = |tree: &str| tree.lines().any(|line| line.starts_with("tokio "));
    let tree_of_this = tree("synchronous");
    assert!(tree_of_this.contains("backstop-reconcile") && !has_tokio(&tree_of_this), "{tree_of_this}");
    // The question is one that can be answered with yes.
    assert!(has_tokio(&tree("backstop")));
}
