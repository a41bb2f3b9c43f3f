//! What a start knows.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::{ManualClock, Timestamp};
use jiff::SignedDuration;

use super::Start;
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

// proves: RATE-5
#[test]
fn where_nothing_is_known_all_windows_are_full() {
    let clock = machine(NOW.parse().unwrap());
    let limiter = RateLimiter::new(&limits(), clock.clone(), Start::UsedUp);
    assert_eq!(ask(&limiter, 0), Err(Refused::Full { after: SECOND * 20 }));
    clock.advance(SECOND * 20);
    assert_eq!((storm(&limiter, 0), storm(&limiter, 1)), (2, 3));
}

// proves: RATE-5
#[test]
fn one_request_of_a_class_asks_the_server_what_is_left() {
    let clock = machine(NOW.parse().unwrap());
    let limiter = RateLimiter::new(&limits(), clock.clone(), Start::Probe);
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
    let limiter = RateLimiter::new(&limits(), clock.clone(), Start::Probe);
    let _probe = ask(&limiter, 0).unwrap();
    clock.advance((SECOND * 20).saturating_sub(Duration::from_nanos(1)));
    assert_eq!(storm(&limiter, 0), 0);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(storm(&limiter, 0), 2);
}
