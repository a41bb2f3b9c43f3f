//! A storm of polls, and exits that go first: forty polls wait in line for ten requests a half second, of which two are
//! kept for exits. Then four exits come.

use std::error::Error;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use backstop_clock::{Clock, SystemClock};
use backstop_rate_limiter::{Limits, Permit, Priority, RateLimiter, Refused, Request, Start, Window};

const POLLS: usize = 40;
const EXITS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let half_second = Duration::from_millis(500);
    let limits = Limits::new(&[Window::new(10, half_second)?.with_reserve(2, 0)?])?;
    let clock = Arc::new(SystemClock::new());
    let limiter = RateLimiter::new(&limits, clock.clone(), Start::Unused);
    let deadline = clock.mono().plus(Duration::from_secs(30));
    let wait = |priority| -> Result<Permit, Refused> { limiter.acquire_blocking(Request::new(priority), deadline) };

    let (told, sent) = mpsc::channel();
    let all_here = Barrier::new(POLLS + 1);
    thread::scope(|scope| {
        for _ in 0..POLLS {
            let (told, wait, all_here) = (told.clone(), &wait, &all_here);
            scope.spawn(move || {
                all_here.wait();
                told.send(("poll", wait(Priority::Polling)))
            });
        }
        all_here.wait();
        // The polls have used up their part of the window, and wait for the next one.
        while let Ok(permit) = limiter.try_acquire(Request::new(Priority::Polling)) {
            drop(told.send(("poll", Ok(permit))));
        }
        for _ in 0..EXITS {
            let (told, wait, came) = (told.clone(), &wait, clock.mono());
            scope.spawn(move || {
                let permit = wait(Priority::Exit);
                if let Ok(permit) = &permit {
                    println!("exit sent after {} ms", permit.at().since(came).as_millis());
                }
                told.send(("exit", permit))
            });
        }
        drop(told);
    });

    let mut sent: Vec<_> = sent.iter().filter_map(|(what, permit)| Some((permit.ok()?.at(), what))).collect();
    sent.sort();
    let exits = sent.iter().rposition(|(_, what)| *what == "exit").unwrap_or(0);
    println!("{} sent; {} polls after the last exit", sent.len(), sent.len() - exits - 1);
    let window = |from| sent.iter().filter(|(at, _)| *at >= from && at.since(from) < half_second).count();
    println!("at most {} in any half second", sent.iter().map(|(from, _)| window(*from)).max().unwrap_or(0));
    Ok(())
}
