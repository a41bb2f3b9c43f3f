//! What a refusal says, and that it is true.

use std::sync::Arc;
use std::time::Duration;

use backstop_clock::{Clock, ManualClock, Mono};

use crate::limiter::RateLimiter;
use crate::limits::Limits;
use crate::request::{Class, Priority, Refused, Request};
use crate::start::Start;
use crate::window::Window;
use crate::word::ServerWord;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(windows: &[Window]) -> (RateLimiter, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    (RateLimiter::new(&Limits::new(windows).unwrap(), clock.clone(), Start::Unused), clock)
}

// proves: RATE-2
#[test]
fn after_the_time_that_a_refusal_names_and_not_a_moment_earlier_it_is_granted() {
    let (limiter, clock) = limiter(&[Window::new(3, SECOND).unwrap(), Window::new(4, SECOND * 60).unwrap()]);
    let ask = || limiter.try_acquire(Request::new(Priority::Polling));
    for _ in 0..10 {
        match ask() {
            Ok(_permit) => {}
            Err(Refused::Full { after }) => {
                clock.advance(after.saturating_sub(Duration::from_nanos(1)));
                assert_eq!(ask(), Err(Refused::Full { after: Duration::from_nanos(1) }));
                clock.advance(Duration::from_nanos(1));
                assert!(ask().is_ok());
            }
            Err(other) => panic!("{other}"),
        }
    }
}

// proves: RATE-1
#[test]
fn a_window_with_a_margin_is_so_much_longer() {
    let margin = SECOND / 4;
    let (limiter, clock) = limiter(&[Window::new(1, SECOND).unwrap().with_margin(margin).unwrap()]);
    let ask = || limiter.try_acquire(Request::new(Priority::Exit));
    assert!(ask().is_ok());
    clock.advance(SECOND);
    assert_eq!(ask(), Err(Refused::Full { after: margin }));
    clock.advance(margin);
    assert!(ask().is_ok());
}

#[test]
fn a_request_that_can_never_pass_is_refused_as_such() {
    let (limiter, clock) = limiter(&[Window::new(10, SECOND).unwrap().with_reserve(2, 3).unwrap()]);
    let weighing =
        |priority, weight: u32| limiter.try_acquire(Request::new(priority).weighing(weight.try_into().unwrap()));
    for (priority, most) in [(Priority::Exit, 10), (Priority::Entry, 8), (Priority::Polling, 5)] {
        assert_eq!(weighing(priority, most + 1), Err(Refused::TooHeavy { weight: most + 1, most }));
        assert_eq!(weighing(priority, u32::MAX), Err(Refused::TooHeavy { weight: u32::MAX, most }));
        assert!(weighing(priority, most).is_ok());
        clock.advance(SECOND);
    }
    let other = Request::new(Priority::Exit).in_class(Class::nth(1));
    assert_eq!(limiter.try_acquire(other), Err(Refused::NoSuchClass { class: 1, classes: 1 }));
    let last = Request::new(Priority::Exit).in_class(Class::nth(255));
    assert_eq!(limiter.try_acquire(last), Err(Refused::NoSuchClass { class: 255, classes: 1 }));
    clock.advance(SECOND);
    let late = limiter.acquire_blocking(Request::new(Priority::Exit), Mono::ORIGIN.plus(SECOND));
    assert_eq!(late, Err(Refused::DeadlinePassed { ago: clock.mono().since(Mono::ORIGIN.plus(SECOND)) }));
}

// proves: RATE-3
#[test]
fn polling_never_gets_what_is_kept_for_exits() {
    let (limiter, clock) = limiter(&[Window::new(10, SECOND).unwrap().with_reserve(2, 3).unwrap()]);
    let storm = |priority| (0..50).filter(|_| limiter.try_acquire(Request::new(priority)).is_ok()).count();
    assert_eq!(storm(Priority::Polling), 5);
    assert_eq!(storm(Priority::Entry), 3);
    assert_eq!(storm(Priority::Polling), 0);
    assert_eq!(storm(Priority::Exit), 2);
    clock.advance(SECOND);
    assert_eq!(storm(Priority::Exit), 10);
}

#[test]
fn a_server_that_leaves_more_than_can_be_counted_holds_up_nobody() {
    let (limiter, clock) = limiter(&[Window::new(3, SECOND).unwrap()]);
    let permit = limiter.try_acquire(Request::new(Priority::Polling)).unwrap();
    let header = |name: &str| (name == "x-ratelimit-available").then_some("18446744073709551615");
    limiter.heard(&permit, &ServerWord::read(header, clock.wall()));
    assert!(limiter.try_acquire(Request::new(Priority::Exit)).is_ok());
}
