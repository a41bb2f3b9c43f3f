//! Order, and what a wait is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::{queue, request, tick, window};
use crate::limits::Limits;
use crate::queue::{Full, Queue, Ticket, Turn};
use crate::request::{Class, Permit, Priority};
use crate::tick::Tick;
use crate::window::Window;

fn join(queue: &mut Queue, now: u64, priority: Priority) -> Ticket {
    queue.join(tick(now), request(priority, 1), Tick::LAST).unwrap()
}

fn fetch(queue: &mut Queue, now: u64, ticket: Ticket) -> Option<Permit> {
    match queue.turn(tick(now), ticket, Waker::noop()) {
        Turn::Granted(permit) => Some(permit),
        Turn::At(_) | Turn::Later => None,
    }
}

// proves: RATE-3
#[test]
fn exits_go_before_entries_before_polling_and_each_in_the_order_of_arrival() {
    let mut queue = queue(&Limits::new(&[window(1, 10)]).unwrap());
    let (exit, entry, polling) = (Priority::Exit, Priority::Entry, Priority::Polling);
    let arrivals = [polling, entry, exit, polling, entry, exit, exit, polling];
    let _first = queue.try_take(tick(0), request(Priority::Polling, 1)).unwrap();
    let tickets = arrivals.map(|priority| join(&mut queue, 0, priority));
    let mut order = Vec::new();
    for now in (10..=80).step_by(10) {
        // Polled in the worst order.
        let granted = (0..8).rev().find(|place| fetch(&mut queue, now, tickets[*place]).is_some());
        order.push(granted.unwrap());
    }
    assert_eq!(order, [2, 5, 6, 1, 4, 0, 3, 7]);
}

// proves: RATE-3
#[test]
fn a_full_class_holds_up_no_other_and_a_full_total_lets_nobody_overtake() {
    let (trading, data) = (Class::FIRST, Class::nth(1));
    let own = [window(1, 10)];
    let limits = Limits::with_classes(&[window(3, 100)], &[&own, &[]]).unwrap();
    let mut queue = queue(&limits);
    let exit = request(Priority::Exit, 1).in_class(trading);
    let poll = request(Priority::Polling, 1).in_class(data);
    assert!(queue.try_take(tick(0), exit).is_ok());
    let waiting = queue.join(tick(0), exit, Tick::LAST).unwrap();
    // The class of the exit is full until 10, and the total is not.
    assert!(queue.try_take(tick(1), poll).is_ok());
    assert!(fetch(&mut queue, 10, waiting).is_some());
    let waiting = queue.join(tick(20), exit, Tick::LAST).unwrap();
    // Now the total is full until 100: whoever waits for it goes first.
    assert_eq!(queue.try_take(tick(100), poll), Err(Full::Until(tick(101))));
    assert!(fetch(&mut queue, 100, waiting).is_some());
    assert!(queue.try_take(tick(101), poll).is_ok());
}

// proves: RATE-3
#[test]
fn who_waits_for_a_full_class_holds_up_nobody_at_a_full_total_either() {
    let (trading, data) = (Class::FIRST, Class::nth(1));
    let mut queue = queue(&Limits::with_classes(&[window(3, 100)], &[&[window(2, 200)], &[]]).unwrap());
    let entry = |weight, class| request(Priority::Entry, weight).in_class(class);
    assert!(queue.try_take(tick(0), entry(1, trading)).is_ok());
    assert!(queue.try_take(tick(0), entry(1, data)).is_ok());
    // Two units fit neither its class nor the total, and its class not for longer.
    let waiting = queue.join(tick(0), entry(2, trading), Tick::LAST).unwrap();
    assert!(queue.try_take(tick(0), entry(1, data)).is_ok());
    assert!(fetch(&mut queue, 199, waiting).is_none());
    assert!(fetch(&mut queue, 200, waiting).is_some());
}

// proves: RATE-2
#[test]
fn a_permit_that_is_fetched_late_counts_from_then_on() {
    let mut queue = queue(&Limits::new(&[window(2, 10)]).unwrap());
    let late = join(&mut queue, 0, Priority::Entry);
    assert!(queue.try_take(tick(0), request(Priority::Entry, 1)).is_ok());
    for now in [10, 19] {
        // The promise counts, however long ago it was made: with it, one more in ten.
        assert!(queue.try_take(tick(now), request(Priority::Entry, 1)).is_ok() == (now == 10));
    }
    assert_eq!(fetch(&mut queue, 19, late).unwrap().at(), tick(19).mono());
    assert_eq!(queue.try_take(tick(20), request(Priority::Exit, 1)).map(drop), Ok(()));
    assert_eq!(queue.try_take(tick(28), request(Priority::Exit, 1)), Err(Full::Until(tick(29))));
}

// proves: RATE-4
#[test]
fn what_was_promised_and_not_fetched_waits_when_the_server_says_so() {
    let mut queue = queue(&Limits::new(&[window(5, 10)]).unwrap());
    let waiting = join(&mut queue, 0, Priority::Exit);
    queue.tighten(tick(1), Class::FIRST, 0, 0, tick(50));
    assert_eq!(fetch(&mut queue, 49, waiting), None);
    assert!(fetch(&mut queue, 50, waiting).is_some());
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// proves: RATE-2
#[test]
fn whoever_comes_next_is_woken_when_the_one_before_gives_up_its_place_or_its_promise() {
    let mut queue = queue(&Limits::new(&[window(1, 10)]).unwrap());
    assert!(queue.try_take(tick(0), request(Priority::Entry, 1)).is_ok());
    let [first, second, third] = [(); 3].map(|()| join(&mut queue, 0, Priority::Entry));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let woken = |queue: &mut Queue| {
        queue.wakers().into_iter().for_each(Waker::wake);
        woken.0.swap(0, Ordering::Relaxed)
    };
    for ticket in [second, third] {
        assert_eq!(queue.turn(tick(0), ticket, &waker), Turn::Later);
    }
    queue.leave(tick(1), first);
    assert_eq!(woken(&mut queue), 1, "the second is the first now");
    assert_eq!(queue.turn(tick(1), second, &waker), Turn::At(tick(10)));
    // Another one's question gives the second its turn, and the third is told that it is the first of those that wait.
    assert_eq!(queue.turn(tick(10), third, &waker), Turn::At(tick(20)));
    assert_eq!(woken(&mut queue), 2);
    queue.leave(tick(12), second);
    assert_eq!(woken(&mut queue), 1, "what was promised to the second is the third's");
    assert!(fetch(&mut queue, 12, third).is_some());
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    prop::collection::vec((1..4_u32, 1..15_u64), 1..4).prop_map(|drawn| {
        let (mut max, mut length) = (2, 0);
        let grow = |(more, longer): (u32, u64)| {
            (max, length) = (max + more, length + longer);
            let window = window(max, length);
            window.with_reserve(more - 1, 1).unwrap_or(window)
        };
        drawn.into_iter().map(grow).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    // proves: RATE-2
    #[test]
    fn a_wait_is_told_the_moment_at_which_it_is_granted(
        windows in windows(),
        earlier in prop::collection::vec((0..10_u64, 1..3_u32), 0..6),
        mut waits in prop::collection::vec((0..3_usize, 1..3_u32), 1..12),
        left in prop::option::of((0..4_u64, 1..40_u64)),
    ) {
        let mut queue = queue(&Limits::new(&windows).unwrap());
        let mut now = 0;
        for (later, weight) in earlier {
            now += later;
            let _taken = queue.try_take(tick(now), request(Priority::Exit, weight));
        }
        if let Some((left, long)) = left {
            queue.tighten(tick(now), Class::FIRST, 0, left, tick(now + long));
        }
        // Those that go first come first, so that nobody comes in between.
        waits.sort_unstable_by_key(|(priority, _)| *priority);
        let mut told = Vec::new();
        for (priority, weight) in waits {
            let request = request(Priority::ALL[priority], weight);
            if queue.budget().check(request).is_err() {
                continue;
            }
            let at = queue.forecast(tick(now), request).max(tick(now));
            if at > tick(now) {
                prop_assert_eq!(queue.try_take(tick(now), request), Err(Full::Until(at)));
                // A deadline one moment before it is refused, and at it is not.
                prop_assert_eq!(queue.join(tick(now), request, before(at)), Err(Full::Until(at)));
            }
            told.push((queue.join(tick(now), request, at).unwrap(), at));
        }
        for now in now..now + 1_000 {
            let due = |queue: &mut Queue, (ticket, at): &(Ticket, Tick)| {
                let granted = fetch(queue, now, *ticket).is_some();
                assert!(granted == (*at == tick(now)), "{granted} at {now}, told {at:?}");
                !granted
            };
            told.retain(|wait| due(&mut queue, wait));
            if told.is_empty() {
                break;
            }
        }
        prop_assert!(told.is_empty());
    }
}

fn before(at: Tick) -> Tick {
    at.before(std::time::Duration::from_nanos(1))
}

// proves: RATE-1, RATE-5
#[test]
fn what_one_class_learns_of_the_total_counts_for_what_another_has_room_for() {
    let (total, own) = ([window(40, 100)], [window(30, 100)]);
    let limits = Limits::with_classes(&total, &[&own, &own]).unwrap();
    let mut queue = queue(&limits);
    queue.budget.learn_until(tick(1_100));
    let (first, second) = (request(Priority::Polling, 1), request(Priority::Polling, 1).in_class(Class::nth(1)));
    for probe in [first, second] {
        assert!(queue.try_take(tick(1_000), probe).is_ok());
    }
    queue.learn(tick(1_000), first.class, 1);
    assert!(queue.try_take(tick(1_000), first).is_ok(), "and there is room for more");
    // Somebody else has used up what is shared.
    queue.learn(tick(1_000), second.class, 40);
    assert!(matches!(queue.try_take(tick(1_001), first), Err(Full::Until(at)) if at == tick(1_100)));
}

// proves: RATE-1, RATE-5
#[test]
fn what_was_promised_to_one_class_waits_when_another_learns_that_the_total_is_used() {
    let own = [window(4, 100)];
    let mut queue = queue(&Limits::with_classes(&[window(5, 100)], &[&own, &own]).unwrap());
    queue.budget.learn_until(tick(1_100));
    let (first, second) = (request(Priority::Polling, 1), request(Priority::Exit, 1).in_class(Class::nth(1)));
    assert!(queue.try_take(tick(1_000), first).is_ok());
    let waiting = queue.join(tick(1_000), second, Tick::LAST).unwrap();
    queue.learn(tick(1_001), first.class, 5);
    for now in [1_001, 1_099] {
        assert_eq!(fetch(&mut queue, now, waiting), None, "all five are used at {now}");
    }
    assert!(fetch(&mut queue, 1_101, waiting).is_some());
}

// proves: RATE-3
#[test]
fn what_is_kept_for_exits_is_kept_of_what_was_looked_at_ahead() {
    let limits = Limits::new(&[window(20, 100).with_reserve(5, 0).unwrap()]).unwrap();
    let mut queue = queue(&limits);
    let mut granted = |priority| (0..30).filter(|_| queue.try_take(tick(1_000), request(priority, 1)).is_ok()).count();
    assert_eq!([granted(Priority::Polling), granted(Priority::Exit)], [15, 5]);
}
