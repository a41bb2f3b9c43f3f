//! Contenders that are killed and started again, with and without a vandal who deletes the lock file.
//!
//! The witness is a journal that every process appends to, one `write` for a line, so that the order of its lines is an
//! order in time. A process writes `begin` after it got the lock and found it still held, and `end` before it releases
//! it. With a vandal about, a stretch counts only if the lock was found still held after `end` once more (`sure`): a file
//! that the vandal took away never comes back, so the lock was then held all the time between the two questions, and
//! `begin` and `end` lie between them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use backstop_file_lock::AcquireError;

use crate::acquire;
use crate::process::{Role, exit_with_parent};

const CONTENDERS: usize = 8;

/// What each process does until it is killed.
pub(crate) fn contend(lock: &Path, journal: &Path) {
    thread::spawn(|| exit_with_parent());
    let mut journal = OpenOptions::new().append(true).create(true).open(journal).unwrap();
    let mut stretch = 0;
    loop {
        let lock = match acquire(lock) {
            Ok(lock) => lock,
            Err(AcquireError::Held { .. } | AcquireError::Unsteady { .. }) => {
                thread::yield_now();
                continue;
            }
            Err(e) => {
                mark(&mut journal, "error", 0, &e.to_string());
                return;
            }
        };
        for _ in 0..3 {
            if !lock.still_held() {
                break;
            }
            stretch += 1;
            mark(&mut journal, "begin", stretch, &lock.fence().to_string());
            for _ in 0..20 {
                thread::yield_now();
            }
            mark(&mut journal, "end", stretch, "");
            if lock.still_held() {
                mark(&mut journal, "sure", stretch, "");
            }
        }
    }
}

fn mark(journal: &mut File, what: &str, stretch: u64, detail: &str) {
    let line = format!("{what} {} {stretch} {detail}\n", std::process::id());
    journal.write_all(line.as_bytes()).unwrap();
}

#[derive(Default)]
struct Stretch {
    begin: usize,
    end: Option<usize>,
    sure: bool,
    fence: u64,
}

/// All stretches by process and number, in the order in which they began.
fn stretches(journal: &Path) -> Vec<Stretch> {
    let mut stretches: BTreeMap<(u32, u64), Stretch> = BTreeMap::new();
    for (at, line) in fs::read_to_string(journal).unwrap().lines().enumerate() {
        let words: Vec<_> = line.split(' ').collect();
        let key = (words[1].parse().unwrap(), words[2].parse().unwrap());
        match words[0] {
            "begin" => {
                let fence = words[3].parse().unwrap();
                let new = stretches.insert(key, Stretch { begin: at, fence, ..Stretch::default() });
                assert!(new.is_none(), "a process number was used twice: {line}");
            }
            "end" => stretches.get_mut(&key).unwrap().end = Some(at),
            "sure" => stretches.get_mut(&key).unwrap().sure = true,
            _ => panic!("a contender failed: {line}"),
        }
    }
    let mut stretches: Vec<_> = stretches.into_values().collect();
    stretches.sort_by_key(|stretch| stretch.begin);
    stretches
}

/// Lets contenders run; calls `disturb` `rounds` times, each time after something happened, and kills one of them at
/// every `kill_every`th. At every third, one of them sleeps through it (SIGSTOP), with the lock or without, and wakes in a
/// world that has moved on.
fn torture(dir: &Path, rounds: usize, kill_every: usize, mut disturb: impl FnMut(usize, &Path)) -> Vec<Stretch> {
    let (lock, journal) = (dir.join("lock"), dir.join("journal"));
    fs::write(&journal, "").unwrap();
    let start = || Role::start("contend", &lock, &journal);
    let mut contenders: Vec<_> = (0..CONTENDERS).map(|_| start()).collect();
    for round in 0..rounds {
        // At times in the middle of the first stretch that comes, at times after the second or third.
        let enough = fs::metadata(&journal).unwrap().len() + [1, 30, 60, 90, 120, 150][round % 6];
        let grown = (0..2_000_000).any(|_| {
            thread::yield_now();
            fs::metadata(&journal).unwrap().len() >= enough
        });
        assert!(grown, "the contenders got stuck in round {round}:\n{}", fs::read_to_string(&journal).unwrap());
        let sleeper = (round % 3 == 1).then_some(round / 3 % CONTENDERS);
        if let Some(sleeper) = sleeper {
            contenders[sleeper].signal("STOP");
        }
        disturb(round, &lock);
        if let Some(sleeper) = sleeper {
            // The others go on meanwhile, if the sleeper does not hold the lock.
            thread::park_timeout(Duration::from_millis(5));
            contenders[sleeper].signal("CONT");
        }
        if round % kill_every == 0 {
            let victim = &mut contenders[round / kill_every % CONTENDERS];
            victim.kill();
            *victim = start();
        }
    }
    drop(contenders);
    stretches(&journal)
}

// proves: LOCK-1
#[test]
fn while_files_vanish_and_processes_die_at_most_one_still_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let spare = dir.path().join("spare");
    // Five and seven share no factor with the six of the pauses: each kind of change meets each pause.
    let all = torture(dir.path(), 210, 7, |round, lock| match round % 5 {
        0 | 1 => drop(fs::remove_file(lock)),
        2 => drop(fs::rename(lock, dir.path().join(format!("away-{round}")))),
        _ => {
            fs::write(&spare, "").unwrap();
            fs::rename(&spare, lock).unwrap();
        }
    });
    let sure: Vec<_> = all.iter().filter(|stretch| stretch.sure).collect();
    assert!(sure.len() >= 50, "only {} stretches of {} count", sure.len(), all.len());
    for pair in sure.windows(2) {
        assert!(pair[0].end.unwrap() < pair[1].begin, "two at once, from line {} on", pair[1].begin);
    }
}

// proves: LOCK-1
// proves: LOCK-5
#[test]
fn killed_at_any_moment_the_next_one_is_alone_and_has_a_greater_fence() {
    let dir = tempfile::tempdir().unwrap();
    let all = torture(dir.path(), 40, 1, |_, _| {});
    assert!(all.len() >= 40, "only {} stretches", all.len());
    for pair in all.windows(2) {
        let (earlier, later) = (&pair[0], &pair[1]);
        assert!(earlier.fence <= later.fence, "fence {} after {}", later.fence, earlier.fence);
        assert!(earlier.end.is_none_or(|end| end < later.begin), "two at once, from line {} on", later.begin);
        // Only a holder that was killed ends without saying so, and then the next one is a new acquisition.
        assert!(earlier.end.is_some() || earlier.fence < later.fence);
    }
}
