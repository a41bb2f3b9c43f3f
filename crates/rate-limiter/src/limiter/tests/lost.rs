//! The shared window is lost while processes run: exits leave, and nothing else does.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop_clock::{Clock, ManualClock};
use proptest::prelude::*;

use crate::limiter::{PATIENCE, RateLimiter};
use crate::limits::Limits;
use crate::request::{Permit, Priority, Refused, Request};
use crate::start::Start;
use crate::window::Window;

const MOST: usize = 5;
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()))
}

fn open(path: &Path, clock: &Arc<ManualClock>) -> RateLimiter {
    let limits = Limits::new(&[Window::new(u32::try_from(MOST).unwrap(), SECOND).unwrap()]).unwrap();
    RateLimiter::shared(&limits, clock.clone(), path, Start::Unused).unwrap()
}

fn ask(limiter: &RateLimiter, priority: Priority) -> Result<Permit, Refused> {
    limiter.try_acquire(Request::new(priority))
}

/// How many exits pass, and what the first of them says of the window.
fn exits(limiter: &RateLimiter) -> (usize, Option<ErrorKind>) {
    let passed: Vec<Permit> = std::iter::from_fn(|| ask(limiter, Priority::Exit).ok()).take(50).collect();
    (passed.len(), passed.first().and_then(Permit::apart))
}

type Loss = fn(&RateLimiter, &Path);
type Repair = fn(&RateLimiter, &Path);

fn aside(path: &Path) {
    fs::rename(path, path.with_extension("aside")).unwrap();
}

fn back(path: &Path) {
    fs::rename(path.with_extension("aside"), path).unwrap();
}

const LOSSES: [(&str, Loss, Repair, Option<ErrorKind>); 4] = [
    (
        "a directory in its place",
        |_, path| {
            aside(path);
            fs::create_dir(path).unwrap();
        },
        |_, path| {
            fs::remove_dir(path).unwrap();
            back(path);
        },
        Some(ErrorKind::IsADirectory),
    ),
    (
        "its directory is gone",
        |_, path| fs::rename(path.parent().unwrap(), path.parent().unwrap().with_extension("aside")).unwrap(),
        |_, path| fs::rename(path.parent().unwrap().with_extension("aside"), path.parent().unwrap()).unwrap(),
        Some(ErrorKind::NotFound),
    ),
    (
        "something else in it",
        |_, path| {
            aside(path);
            fs::write(path, "limit = 3").unwrap();
        },
        |_, path| back(path),
        Some(ErrorKind::InvalidData),
    ),
    // The kind is that of a file that must not be written.
    ("nothing can be written", |limiter, _| reopen(limiter, true), |limiter, _| reopen(limiter, false), None),
];

fn reopen(limiter: &RateLimiter, read_only: bool) {
    limiter.queue.lock().shared.as_mut().unwrap().reopen(read_only).unwrap();
}

// proves: RATE-6
#[test]
fn an_exit_leaves_at_once_when_the_window_is_lost_and_an_entry_and_a_poll_are_refused() {
    for (what, lose, repair, kind) in LOSSES {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let path = folder.path().join("state").join("window");
        let clock = clock();
        let [limiter, other] = [(); 2].map(|()| open(&path, &clock));
        assert!(ask(&limiter, Priority::Entry).is_ok() && ask(&other, Priority::Entry).is_ok());
        // The other one's is known here before the window is lost.
        assert_eq!(ask(&limiter, Priority::Exit).unwrap().apart(), None);
        lose(&limiter, &path);
        for priority in [Priority::Entry, Priority::Polling] {
            assert!(matches!(ask(&limiter, priority), Err(Refused::Shared { .. })), "{what}");
            let waited = limiter.acquire_blocking(Request::new(priority), clock.mono().plus(SECOND * 10));
            assert!(matches!(waited, Err(Refused::Shared { .. })), "{what}");
        }
        let waited = limiter.acquire_blocking(Request::new(Priority::Exit), clock.mono()).unwrap();
        assert!(waited.apart().is_some() && kind.is_none_or(|kind| waited.apart() == Some(kind)), "{what}: {waited:?}");
        // Not more than there is here; one that could not be written counts, too.
        let (more, _) = exits(&limiter);
        assert_eq!(more, if kind.is_some() { MOST - 4 } else { MOST - 5 }, "{what}");
        repair(&limiter, &path);
        clock.advance(SECOND / 2);
        // A poll is refused, and tells with it what passed meanwhile.
        assert!(matches!(ask(&limiter, Priority::Polling), Err(Refused::Full { .. })), "{what}");
        assert_eq!(exits(&other).0, 0, "{what}");
        clock.advance(SECOND);
        assert_eq!(ask(&limiter, Priority::Entry).unwrap().apart(), None, "{what}");
        assert_eq!(exits(&other), (MOST - 1, None), "{what}");
    }
}

// proves: RATE-6
#[test]
fn when_the_window_is_deleted_exits_pass_by_what_is_known_here_and_all_else_waits_for_a_whole_window() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let [limiter, other] = [(); 2].map(|()| open(&path, &clock));
    assert!(ask(&limiter, Priority::Polling).is_ok() && ask(&other, Priority::Polling).is_ok());
    fs::remove_file(&path).unwrap();
    assert_eq!(exits(&limiter), (MOST - 1, Some(ErrorKind::NotFound)));
    // The other knows of both polls.
    assert_eq!(exits(&other), (MOST - 2, Some(ErrorKind::NotFound)));
    for limiter in [&limiter, &other] {
        for priority in [Priority::Entry, Priority::Polling] {
            assert_eq!(ask(limiter, priority), Err(Refused::Full { after: SECOND }));
        }
    }
    clock.advance(SECOND);
    assert!(ask(&limiter, Priority::Entry).unwrap().apart().is_none());
    assert_eq!(exits(&other), (MOST - 1, None));
}

// proves: RATE-6
#[test]
fn an_exit_waits_only_for_a_moment_for_a_window_that_somebody_keeps_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    let clock = clock();
    let limiter = open(&path, &clock);
    let holder = fs::File::open(&path).unwrap();
    holder.lock().unwrap();
    for _ in 0..50 {
        assert_eq!(ask(&limiter, Priority::Exit), Err(Refused::Full { after: MS }));
        clock.advance(PATIENCE / 50);
    }
    assert_eq!(ask(&limiter, Priority::Exit).unwrap().apart(), Some(ErrorKind::WouldBlock));
    assert_eq!(ask(&limiter, Priority::Entry), Err(Refused::Full { after: MS }));
    holder.unlock().unwrap();
    assert_eq!(ask(&limiter, Priority::Exit).unwrap().apart(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    // proves: RATE-6
    #[test]
    fn processes_that_lose_their_window_exceed_it_by_exits_only(
        asked in prop::collection::vec((0..2_usize, 0..3_usize, 0..300_u32, 0..10_u8), 1..50),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("window");
        let clock = clock();
        let start = clock.mono();
        let processes = [(); 2].map(|()| open(&path, &clock));
        let mut granted: Vec<(Duration, bool)> = Vec::new();
        let mut is_away = false;
        for (who, priority, pause, loss) in asked {
            clock.advance(MS * pause);
            match loss {
                0 if is_away => {
                    fs::remove_dir(&path).unwrap();
                    back(&path);
                    is_away = false;
                }
                0 if path.exists() => {
                    aside(&path);
                    fs::create_dir(&path).unwrap();
                    is_away = true;
                }
                1 if !is_away && path.exists() => fs::remove_file(&path).unwrap(),
                _ => {}
            }
            let priority = Priority::ALL[priority];
            match ask(&processes[who], priority) {
                Ok(permit) => {
                    prop_assert!(permit.apart().is_none() || priority == Priority::Exit);
                    granted.push((clock.mono().since(start), permit.apart().is_some()));
                }
                Err(refused) => {
                    let is_full = matches!(refused, Refused::Full { .. });
                    prop_assert!(is_full || priority != Priority::Exit, "{}", refused);
                }
            }
        }
        for (from, _) in &granted {
            let inside: Vec<_> = granted.iter().filter(|(at, _)| at >= from && at.saturating_sub(*from) < SECOND).collect();
            let apart = inside.iter().filter(|(_, apart)| *apart).count();
            prop_assert!(inside.len() <= MOST + apart, "{:?}", granted);
        }
    }
}
