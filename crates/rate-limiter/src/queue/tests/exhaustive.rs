//! Every schedule of up to eight calls on a clock of twelve ticks.

use super::brute::History;
use super::{queue, request, tick, window};
use crate::limits::Limits;
use crate::queue::{Full, Queue};
use crate::request::Priority;
use crate::window::Window;

const TICKS: u64 = 12;

fn limits() -> Vec<Limits> {
    let kept = window(3, 5).with_reserve(1, 1).unwrap();
    let sets: [&[Window]; 7] = [
        &[window(1, 1)],
        &[window(1, 4)],
        &[window(3, 4)],
        &[window(3, 12)],
        &[window(1, 2), window(3, 7)],
        &[window(2, 2), window(3, 3), window(5, 11)],
        &[kept, window(5, 9)],
    ];
    sets.iter().map(|windows| Limits::new(windows).unwrap()).collect()
}

/// Asks at `now` and compares with adding up: granted if it fits, else told the first moment at which it will.
fn ask(queue: &mut Queue, history: &mut History, limits: &Limits, now: u64, priority: Priority, weight: u32) {
    let request = request(priority, weight);
    match queue.try_take(tick(now), request) {
        Ok(_permit) => {
            assert!(history.fits(limits, request, now), "granted at {now}: {history:?}");
            history.add(now, request);
        }
        Err(Full::Until(at)) => {
            let earliest = history.earliest(limits, request, now);
            assert!(earliest > now && at == tick(earliest), "refused at {now} until {at:?}, {earliest}: {history:?}");
        }
        Err(Full::Refused(refused)) => panic!("{refused}"),
    }
}

// proves: RATE-1, RATE-2
#[test]
fn of_up_to_eight_calls_at_any_ticks_exactly_those_pass_that_fit() {
    let mut schedules = 0_u32;
    for limits in limits() {
        let mut calls = vec![(0, queue(&limits), History::default(), 0)];
        while let Some((made, before, history, from)) = calls.pop() {
            schedules += 1;
            if made == 8 {
                history.check(&limits);
                continue;
            }
            for now in from..TICKS {
                let (mut queue, mut history) = (copy(&before), history.clone());
                ask(&mut queue, &mut history, &limits, now, Priority::Polling, 1);
                calls.push((made + 1, queue, history, now));
            }
        }
    }
    assert_eq!(schedules, 7 * 125_970);
}

// proves: RATE-1, RATE-3
#[test]
fn of_up_to_four_calls_of_any_priority_and_weight_exactly_those_pass_that_fit() {
    for limits in limits() {
        let mut calls = vec![(0, queue(&limits), History::default(), 0)];
        while let Some((made, before, history, from)) = calls.pop() {
            if made == 4 {
                history.check(&limits);
                continue;
            }
            for now in from..TICKS {
                for (priority, weight) in
                    super::brute::PRIORITIES.into_iter().zip([1, 2, 3]).chain([(Priority::Exit, 2)])
                {
                    if before.budget().check(request(priority, weight)).is_err() {
                        continue;
                    }
                    let (mut queue, mut history) = (copy(&before), history.clone());
                    ask(&mut queue, &mut history, &limits, now, priority, weight);
                    calls.push((made + 1, queue, history, now));
                }
            }
        }
    }
}

// proves: RATE-1
#[test]
fn a_clock_that_jumps_back_grants_nothing_extra() {
    for limits in limits() {
        // The machine's time goes on by one with each call; the clock shows anything.
        for shown in 0..TICKS.pow(5) {
            let (mut queue, mut history) = (queue(&limits), History::default());
            let mut behind = 0;
            for call in 0..5_u32 {
                let show = shown / TICKS.pow(call) % TICKS;
                // Only backwards: a clock that leaps ahead cannot be told from one that goes on.
                behind = behind.max(show);
                let now = u64::from(call) + TICKS - behind;
                if queue.try_take(tick(now), request(Priority::Exit, 1)).is_ok() {
                    history.add(u64::from(call), request(Priority::Exit, 1));
                }
            }
            history.check(&limits);
        }
    }
}

// proves: RATE-1
#[test]
fn at_the_ends_of_the_clock_no_window_has_more_than_it_may() {
    for limits in limits() {
        for now in [0, 1, u64::MAX / 2 - 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let mut queue = queue(&limits);
            let granted = (0..20).filter(|_| queue.try_take(tick(now), request(Priority::Exit, 1)).is_ok()).count();
            let least = limits.classes[0].iter().map(Window::max).min().unwrap();
            assert_eq!(granted, least as usize, "{limits:?} at {now}");
        }
    }
}

/// A queue in which nobody waits.
fn copy(queue: &Queue) -> Queue {
    assert_eq!(queue.waiting(), 0);
    Queue::new(queue.budget().clone())
}
