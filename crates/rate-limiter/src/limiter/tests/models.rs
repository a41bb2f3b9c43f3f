//! The grant path in every interleaving, run by loom.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use backstop_clock::ManualClock;
use loom::thread;

use crate::limiter::RateLimiter;
use crate::limits::Limits;
use crate::queue::Turn;
use crate::request::{Priority, Refused, Request};
use crate::start::Start;
use crate::tick::Tick;
use crate::window::Window;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(windows: &[Window]) -> (Arc<RateLimiter>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let limits = Limits::new(windows).unwrap();
    (Arc::new(RateLimiter::new(&limits, clock.clone(), Start::Unused)), clock)
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

// proves: RATE-1
#[test]
fn of_three_threads_that_ask_at_once_as_many_pass_as_both_windows_allow() {
    check(|| {
        let (limiter, _clock) = limiter(&[Window::new(2, SECOND).unwrap(), Window::new(3, SECOND * 60).unwrap()]);
        let ask = |limiter: Arc<RateLimiter>| limiter.try_acquire(Request::new(Priority::Entry)).is_ok();
        let others = [0, 1].map(|_| {
            let limiter = limiter.clone();
            thread::spawn(move || ask(limiter))
        });
        let mine = ask(limiter.clone());
        let passed = others.map(|other| other.join().unwrap()).into_iter().chain([mine]);
        assert_eq!(passed.filter(|passed| *passed).count(), 2);
    });
}

// proves: RATE-2
#[test]
fn what_is_refused_without_a_lock_is_refused_with_the_time_that_holds() {
    check(|| {
        let (limiter, clock) = limiter(&[Window::new(2, SECOND * 10).unwrap().with_reserve(1, 0).unwrap()]);
        assert!(limiter.try_acquire(Request::new(Priority::Polling)).is_ok());
        clock.advance(SECOND * 5);
        let poll = |limiter: &RateLimiter| match limiter.try_acquire(Request::new(Priority::Polling)) {
            Err(Refused::Full { after }) => after,
            other => panic!("{other:?}"),
        };
        let exit = {
            let limiter = limiter.clone();
            thread::spawn(move || limiter.try_acquire(Request::new(Priority::Exit)).is_ok())
        };
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || poll(&limiter))
        };
        let after = other.join().unwrap();
        assert!(after == SECOND * 5 || after == SECOND * 10, "{after:?}");
        assert!(exit.join().unwrap());
        // The exit is in both windows now, so polling waits for it, too.
        assert_eq!(poll(&limiter), SECOND * 10);
    });
}

// proves: RATE-1, RATE-2
#[test]
fn a_promise_that_is_given_up_while_others_ask_is_granted_once_at_most() {
    check(|| {
        let (limiter, _clock) = limiter(&[Window::new(1, SECOND).unwrap()]);
        let request = Request::new(Priority::Entry);
        let ticket = limiter.with(|queue, now| queue.join(now, request, Tick::LAST).unwrap());
        let asking = {
            let limiter = limiter.clone();
            thread::spawn(move || limiter.try_acquire(request).is_ok())
        };
        let waiting = {
            let limiter = limiter.clone();
            thread::spawn(move || {
                let second = limiter.with(|queue, now| queue.join(now, request, Tick::LAST).unwrap());
                limiter.with(|queue, now| matches!(queue.turn(now, second, Waker::noop()), Turn::Granted(_)))
            })
        };
        limiter.with(|queue, now| queue.leave(now, ticket));
        let (asked, waited) = (asking.join().unwrap(), waiting.join().unwrap());
        assert!(!(asked && waited), "two in one window");
    });
}
