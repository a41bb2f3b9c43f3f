//! What is kept over a restart.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::{Clock, ManualClock, Timestamp};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::{Past, Remembered, Start, Unreadable};
use crate::limiter::RateLimiter;
use crate::limits::Limits;
use crate::request::{Class, Permit, Priority, Refused, Request};
use crate::window::Window;
use crate::word::ServerWord;

const SECOND: Duration = Duration::from_secs(1);
const NOW: &str = "2030-01-02T14:30:00Z";

fn limits() -> Limits {
    let window = |max, per| Window::new(max, per).unwrap();
    Limits::with_classes(&[window(5, SECOND * 20)], &[&[window(2, SECOND), window(4, SECOND * 10)], &[]]).unwrap()
}

fn machine(wall: Timestamp) -> Arc<ManualClock> {
    let clock = ManualClock::new(wall);
    // Each process has an origin of its own.
    clock.advance(SECOND * 1000);
    clock.step_wall(SignedDuration::from_secs(-1000));
    Arc::new(clock)
}

fn ask(limiter: &RateLimiter, class: u8) -> Result<Permit, Refused> {
    limiter.try_acquire(Request::new(Priority::Exit).in_class(Class::nth(class)))
}

fn storm(limiter: &RateLimiter, class: u8) -> usize {
    (0..50).filter(|_| ask(limiter, class).is_ok()).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    // proves: RATE-5
    #[test]
    fn a_restart_grants_what_no_restart_would_have_and_after_a_step_back_no_more(
        asked in prop::collection::vec((0..2_u8, 0..3_000_u64), 0..40),
        restart in 0..40_usize,
        down in 0..15_000_u64,
        back in prop::option::of(0..100_000_i64),
    ) {
        let clock = machine(NOW.parse().unwrap());
        let limits = limits();
        let steady = RateLimiter::new(&limits, clock.clone(), &Start::Unused);
        let mut restarted = RateLimiter::new(&limits, clock.clone(), &Start::Unused);
        let mut granted: Vec<(u8, Duration)> = Vec::new();
        let began = clock.mono();
        for (at, (class, pause)) in asked.into_iter().enumerate() {
            clock.advance(Duration::from_millis(pause));
            if at == restart {
                let text = restarted.remember().to_string();
                clock.advance(Duration::from_millis(down));
                if let Some(back) = back {
                    clock.step_wall(SignedDuration::from_millis(-back));
                }
                let known: Remembered = text.parse().unwrap();
                restarted = RateLimiter::new(&limits, clock.clone(), &Start::Remembered(known));
            }
            let (with, without) = (ask(&restarted, class), ask(&steady, class));
            if back.is_none() {
                prop_assert_eq!(with.is_ok(), without.is_ok());
            }
            if with.is_ok() {
                granted.push((class, clock.mono().since(began)));
            }
        }
        // Over the restart, too, no window has more than it may.
        for (class, from) in &granted {
            let own = limits.classes[usize::from(*class)].iter().map(|window| (false, window));
            for (shared, window) in own.chain(limits.total.iter().map(|window| (true, window))) {
                let inside = |(other, at): &&(u8, Duration)| {
                    (shared || other == class) && *at >= *from && at.saturating_sub(*from) < window.per()
                };
                prop_assert!(granted.iter().filter(inside).count() <= window.max() as usize);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_a_text_that_was_cut_is_not(
        units in prop::collection::vec((any::<u64>(), any::<u32>()), 0..5),
        said in prop::collection::vec((any::<u8>(), any::<u64>(), any::<u64>()), 0..3),
        cut in 1..200_usize,
    ) {
        let units: Vec<_> = units.into_iter().map(|(age, count)| (Duration::from_nanos(age), count)).collect();
        let tracks = vec![Past { class: None, units: units.clone() }, Past { class: Some(7), units }];
        let said = said.into_iter().map(|(class, left, lasts)| (class, left, Duration::from_nanos(lasts))).collect();
        let known = Remembered { wall: NOW.parse().unwrap(), tracks, said };
        let text = known.to_string();
        prop_assert_eq!(text.parse::<Remembered>(), Ok(known));
        let shorter = &text[..text.len().saturating_sub(cut)];
        prop_assert!(shorter.parse::<Remembered>().is_err());
    }

    #[test]
    fn no_text_makes_reading_or_starting_panic(lines in prop::collection::vec("(wall|total|class|said|end)( [0-9x-]{0,25}){0,3}", 0..6)) {
        let text = format!("backstop-rate-limiter 1\nwall {NOW}\n{}\nend\n", lines.join("\n"));
        if let Ok(known) = text.parse::<Remembered>() {
            let limiter = RateLimiter::new(&limits(), machine(NOW.parse().unwrap()), &Start::Remembered(known));
            prop_assert!(storm(&limiter, 0) <= 2);
        }
    }
}

#[test]
fn an_unreadable_text_names_its_line() {
    for (text, line) in [("", 1), ("backstop-rate-limiter 2\n", 1), ("backstop-rate-limiter 1\nwall x\n", 2)] {
        assert_eq!(text.parse::<Remembered>(), Err(Unreadable { line }), "{text}");
    }
}

// proves: RATE-5
#[test]
fn where_nothing_is_known_all_windows_are_full() {
    let clock = machine(NOW.parse().unwrap());
    let limiter = RateLimiter::new(&limits(), clock.clone(), &Start::UsedUp);
    assert_eq!(ask(&limiter, 0), Err(Refused::Full { after: SECOND * 20 }));
    clock.advance(SECOND * 20);
    assert_eq!((storm(&limiter, 0), storm(&limiter, 1)), (2, 3));
}

// proves: RATE-5
#[test]
fn one_request_of_a_class_asks_the_server_what_is_left() {
    let clock = machine(NOW.parse().unwrap());
    let limiter = RateLimiter::new(&limits(), clock.clone(), &Start::Probe);
    let probe = ask(&limiter, 1).unwrap();
    assert_eq!((storm(&limiter, 1), storm(&limiter, 0)), (0, 1));
    // An answer without a word changes nothing.
    limiter.heard(&probe, &ServerWord::default());
    assert_eq!(storm(&limiter, 1), 0);
    limiter.heard(&probe, &ServerWord::new(2, 3, SECOND * 20));
    // Five in the total: the two probes, the one that the server counted beside ours, and so two more.
    assert_eq!(storm(&limiter, 1), 2);
}

// proves: RATE-5
#[test]
fn a_probe_without_an_answer_leaves_the_windows_full() {
    let clock = machine(NOW.parse().unwrap());
    let limiter = RateLimiter::new(&limits(), clock.clone(), &Start::Probe);
    let _probe = ask(&limiter, 0).unwrap();
    clock.advance((SECOND * 20).saturating_sub(Duration::from_nanos(1)));
    assert_eq!(storm(&limiter, 0), 0);
    // What it knows of that is that it knows nothing: so does the next one.
    let known = Start::Remembered(limiter.remember());
    assert_eq!(storm(&RateLimiter::new(&limits(), clock.clone(), &known), 0), 0);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(storm(&limiter, 0), 2);
}

// proves: RATE-4, RATE-5
#[test]
fn what_the_server_said_outlives_a_restart() {
    let clock = machine(NOW.parse().unwrap());
    let limiter = RateLimiter::new(&limits(), clock.clone(), &Start::Unused);
    let permit = ask(&limiter, 1).unwrap();
    limiter.heard(&permit, &ServerWord::new(119, 1, SECOND * 8));
    let again = RateLimiter::new(&limits(), clock.clone(), &Start::Remembered(limiter.remember()));
    for limiter in [&limiter, &again] {
        assert!(ask(limiter, 1).is_ok());
        assert_eq!(ask(limiter, 1), Err(Refused::Full { after: SECOND * 8 }));
    }
    clock.advance(SECOND * 8);
    assert!(ask(&again, 1).is_ok());
}
