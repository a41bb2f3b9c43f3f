//! The writer is killed at any moment, again and again.

use backstop_tests::workload::{Session, mix};
use backstop_tests::{effort, seed};

use super::checker::{Crash, Said, check};
use super::writer::{Life, in_memory, session};

/// One log, which is killed `kills` times; how many acknowledgements it gave.
fn torture(number: u64, kills: u64) -> usize {
    // On a disk, where syncs take their time and groups form, and where nothing does.
    let dir = if number.is_multiple_of(5) { tempfile::tempdir().unwrap() } else { in_memory() };
    let mut said = Said::default();
    let first = session(&dir.path().join("log"), mix(seed(), [number, 0, 0]));
    let mut acks = 0;
    for kill in 0..kills {
        let dice = |what| mix(first.script.seed, [kill, what, 1]);
        let session = Session {
            actions: 100_000,
            writers: 1 + usize::try_from(number % 4).unwrap(),
            segment_len: 2048 << (dice(0) % 3),
            ..first.clone()
        };
        let mut life = Life::start(&session);
        life.hear_lines(dice(1) % 40);
        // Now and then in the midst of opening, before it said anything.
        let output = if dice(1) % 40 == 0 { life.kill_after_micros(dice(2) % 5_000) } else { life.kill() };
        let told = said.hear(&output).and_then(|()| {
            acks += said.acks();
            check(&session, &mut said, Crash::Process)
        });
        assert_eq!(told, Ok(()), "log {number}, kill {kill}, BACKSTOP_SEED={}\n{output}", seed());
    }
    acks
}

// proves: WAL-1, WAL-2, WAL-6
#[test]
fn killed_at_any_moment_a_log_of_several_writers_keeps_all_that_it_acknowledged() {
    let kills = effort(450, 9_950);
    let logs = 10;
    let acks: usize = std::thread::scope(|scope| {
        let half = |from: u64| {
            scope.spawn(move || (from..logs).step_by(2).map(|number| torture(number, kills / logs)).sum::<usize>())
        };
        [half(0), half(1)].into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(acks as u64 > kills, "{acks} acknowledgements in {kills} lives");
}
