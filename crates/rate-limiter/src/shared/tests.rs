//! Several limiters over one file, in one process: `flock` tells open files apart, not processes.

mod waits;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop_clock::{Clock, ManualClock};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::{COUNTS, RINGS, SharedError};
use crate::limiter::RateLimiter;
use crate::limits::Limits;
use crate::request::{Class, Priority, Refused, Request};
use crate::start::Start;
use crate::window::Window;
use crate::word::ServerWord;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn limits() -> Limits {
    let window = |max, per| Window::new(max, per).unwrap();
    let kept = window(4, MS * 400).with_reserve(1, 0).unwrap();
    Limits::with_classes(&[window(5, SECOND)], &[&[window(2, MS * 100), kept], &[]]).unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()))
}

fn open(path: &Path, clock: &Arc<ManualClock>, start: Start) -> RateLimiter {
    RateLimiter::shared(&limits(), clock.clone(), path, start).unwrap()
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn request((class, priority, weight): (u8, usize, u32)) -> Request {
    Request::new(Priority::ALL[priority]).in_class(Class::nth(class)).weighing(weight.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    // proves: RATE-6, RATE-5
    #[test]
    fn several_processes_are_granted_what_one_would_be_however_they_come_and_go(
        asked in prop::collection::vec((0..3_usize, (0..2_u8, 0..3_usize, 1..3_u32), 0..200_u32, prop::bool::weighted(0.2)), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("window");
        let clock = clock();
        let alone = RateLimiter::new(&limits(), clock.clone(), Start::Unused);
        let mut processes = [(); 3].map(|()| open(&path, &clock, Start::Unused));
        for (who, what, pause, dies) in asked {
            clock.advance(MS * pause);
            if dies {
                processes[who] = open(&path, &clock, Start::UsedUp);
            }
            let (one, all) = (alone.try_acquire(request(what)), processes[who].try_acquire(request(what)));
            prop_assert_eq!(one.is_ok(), all.is_ok(), "{:?} and {:?}", one, all);
            // What is refused from memory may not know yet that others made it later.
            if let (Err(Refused::Full { after: one }), Err(Refused::Full { after: all })) = (one, all) {
                prop_assert!(all <= one);
            }
        }
    }

    // proves: RATE-6
    #[test]
    fn a_process_that_is_killed_while_it_writes_takes_one_unit_at_most(
        asked in prop::collection::vec((0..2_usize, 0..150_u32, prop::bool::weighted(0.3), 0..8_u64), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("window");
        let clock = clock();
        let start = clock.mono();
        let mut processes = [(); 2].map(|()| open(&path, &clock, Start::Unused));
        let mut granted = Vec::new();
        for (who, pause, killed, written) in asked {
            clock.advance(MS * pause);
            let before = fs::read(&path).unwrap();
            if processes[who].try_acquire(request((0, 0, 1))).is_err() {
                continue;
            }
            if !killed {
                granted.push(clock.mono().since(start));
                continue;
            }
            // Of the words that it wrote, in their order, only the first so many reached the file.
            let after = fs::read(&path).unwrap();
            let changed = |at: &usize| before[*at..at + 8] != after[*at..at + 8];
            let counts = (COUNTS..RINGS).step_by(8).map(place).filter(changed);
            let units = (place(RINGS)..after.len()).step_by(8).filter(changed);
            let order: Vec<usize> = units.zip(counts).flat_map(|(unit, count)| [unit, count]).collect();
            let mut cut = before.clone();
            for at in order.into_iter().take(usize::try_from(written).unwrap()) {
                cut[at..at + 8].copy_from_slice(&after[at..at + 8]);
            }
            if written < 4 {
                fs::write(&path, cut).unwrap();
                processes = [(); 2].map(|()| open(&path, &clock, Start::UsedUp));
            } else {
                granted.push(clock.mono().since(start));
            }
        }
        for from in &granted {
            for (max, per) in [(2, MS * 100), (4, MS * 400), (5, SECOND)] {
                let inside = granted.iter().filter(|at| *at >= from && at.saturating_sub(*from) < per);
                prop_assert!(inside.count() <= max, "{:?}", granted);
            }
        }
    }
}

// proves: RATE-5, RATE-6
#[test]
fn a_new_file_and_one_of_an_earlier_start_of_the_machine_count_as_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let any = request((0, 0, 1));
    let limiter = open(&path, &clock, Start::UsedUp);
    assert_eq!(limiter.try_acquire(any), Err(Refused::Full { after: SECOND }));
    clock.advance(SECOND);
    assert!(open(&path, &clock, Start::UsedUp).try_acquire(any).is_ok());
    clock.advance(SECOND * 10);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16..32].copy_from_slice(&[7; 16]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(open(&path, &clock, Start::UsedUp).try_acquire(any), Err(Refused::Full { after: SECOND }));
}

// proves: RATE-5
#[test]
fn whoever_makes_the_file_may_ask_the_server_and_its_answer_counts_for_all() {
    let word = |used, left| ServerWord::new(used, left, SECOND);
    let class = Limits::with_classes(&[], &[&[Window::new(5, SECOND).unwrap()]]).unwrap();
    let any = request((0, 0, 1));
    let begin =
        |path: &Path, clock: &Arc<ManualClock>| RateLimiter::shared(&class, clock.clone(), path, Start::Probe).unwrap();
    for restarted in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (path, clock) = (folder.path().join("window"), clock());
        if restarted {
            drop(begin(&path, &clock));
            let mut bytes = fs::read(&path).unwrap();
            bytes[16..32].copy_from_slice(&[7; 16]);
            fs::write(&path, bytes).unwrap();
        }
        let first = begin(&path, &clock);
        let probe = first.try_acquire(any).unwrap();
        assert!(first.try_acquire(any).is_err(), "one, and then the answer to it");
        // Nobody else asks: not beside it, and not after it was killed.
        let second = begin(&path, &clock);
        assert_eq!(second.try_acquire(any), Err(Refused::Full { after: SECOND }));
        first.heard(&probe, &word(3, 2));
        let third = begin(&path, &clock);
        assert!(third.try_acquire(any).is_ok() && first.try_acquire(any).is_ok());
        for limiter in [&first, &second, &third] {
            assert!(limiter.try_acquire(any).is_err(), "three, and two more");
        }
        clock.advance(SECOND);
        for _ in 0..5 {
            assert!(third.try_acquire(any).is_ok());
        }
        assert!(begin(&path, &clock).try_acquire(any).is_err());
    }
}

// proves: RATE-5
#[test]
fn a_probe_without_an_answer_leaves_the_file_full() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("window"), clock());
    let limiter = open(&path, &clock, Start::Probe);
    let any = request((0, 0, 1));
    assert!(limiter.try_acquire(any).is_ok());
    clock.advance(MS * 999);
    for limiter in [&limiter, &open(&path, &clock, Start::Probe)] {
        assert_eq!(limiter.try_acquire(any), Err(Refused::Full { after: MS }));
    }
    clock.advance(MS);
    assert!(limiter.try_acquire(any).is_ok());
}

// proves: RATE-6
#[test]
fn a_file_that_is_deleted_or_replaced_counts_as_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let limiter = open(&path, &clock, Start::Unused);
    assert!(limiter.try_acquire(request((1, 0, 1))).is_ok());
    fs::remove_file(&path).unwrap();
    // Exits pass all the same: see `limiter/tests/lost.rs`.
    assert_eq!(limiter.try_acquire(request((1, 2, 1))), Err(Refused::Full { after: SECOND }));
    clock.advance(SECOND);
    assert!(limiter.try_acquire(request((1, 0, 5))).is_ok());
    let other = open(&path, &clock, Start::Unused);
    assert_eq!(other.try_acquire(request((1, 0, 1))), Err(Refused::Full { after: SECOND }));
}

// proves: RATE-6
#[test]
fn a_file_that_somebody_cut_short_counts_as_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let any = request((1, 0, 1));
    for start in [Start::Unused, Start::UsedUp] {
        for length in [16, RINGS / 8, RINGS, RINGS + 1, RINGS + 8, RINGS + 8 * 8] {
            let before = open(&path, &clock, Start::Unused);
            assert!(before.try_acquire(request((1, 0, 5))).is_ok());
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
            // Who has begun since knows nothing, and who was there does not know what others were granted.
            let after = open(&path, &clock, start);
            // Where not even the start of the machine is left, nobody can tell it from an earlier one.
            if length > 16 {
                assert_eq!(after.try_acquire(any), Err(Refused::Full { after: SECOND }), "{length}");
            }
            assert!(before.try_acquire(any).is_err(), "{length}");
            clock.advance(SECOND);
            drop((before, after));
            fs::remove_file(&path).unwrap();
        }
    }
}

// proves: RATE-1
#[test]
fn a_clock_that_was_set_back_grants_nothing_extra_to_whoever_starts_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let limiter = open(&path, &clock, Start::Unused);
    assert!(limiter.try_acquire(request((1, 0, 5))).is_ok());
    clock.advance(MS * 900);
    clock.step_wall(SignedDuration::from_hours(-1));
    for limiter in [&limiter, &open(&path, &clock, Start::UsedUp)] {
        assert!(limiter.try_acquire(request((1, 0, 1))).is_err());
    }
    clock.advance(MS * 100);
    // This one has seen the grants when they were made; the other counts them as made when it started.
    assert!(limiter.try_acquire(request((1, 0, 1))).is_ok());
}

#[test]
fn what_is_no_window_or_one_of_other_limits_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let shared = |path: &Path, limits: &Limits| RateLimiter::shared(limits, clock.clone(), path, Start::Unused);
    let text = folder.path().join("text");
    for content in ["[settings]\nlimit = 3\n", "\0\0\0\0\0\0\0\0\0"] {
        fs::write(&text, content).unwrap();
        assert!(matches!(shared(&text, &limits()), Err(SharedError::Foreign { .. })));
        assert_eq!(fs::read_to_string(&text).unwrap(), content);
    }
    let path = folder.path().join("window");
    drop(open(&path, &clock, Start::Unused));
    let others = Limits::new(&[Window::new(3, SECOND).unwrap()]).unwrap();
    assert!(matches!(shared(&path, &others), Err(SharedError::OtherLimits { .. })));
    assert!(matches!(shared(folder.path(), &others), Err(SharedError::Io { action: "open", .. })));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(shared(&link, &limits()), Err(SharedError::Busy { .. })));
}

#[test]
fn whoever_keeps_the_file_locked_holds_others_up_and_grants_them_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let limiter = open(&path, &clock, Start::Unused);
    let holder = fs::File::open(&path).unwrap();
    holder.lock().unwrap();
    assert_eq!(limiter.try_acquire(request((0, 0, 1))), Err(Refused::Full { after: MS }));
    holder.unlock().unwrap();
    assert!(limiter.try_acquire(request((0, 0, 1))).is_ok());
}

#[test]
fn a_wait_survives_that_the_file_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let limiter = open(&path, &clock, Start::Unused);
    let holder = fs::File::open(&path).unwrap();
    holder.lock().unwrap();
    let deadline = clock.mono().plus(SECOND);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| limiter.acquire_blocking(request((0, 0, 1)), deadline));
        while limiter.with(|queue, _| queue.waiting()) == 0 {
            std::thread::yield_now();
        }
        holder.unlock().unwrap();
        assert!(waiting.join().unwrap().is_ok());
    });
}
