//! Tasks and threads that wait for their turns; tasks in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use backstop_clock::{Clock, ManualClock, Mono, SystemClock};
use backstop_rate_limiter::{Limits, Priority, RateLimiter, Refused, Request, ServerWord, Start, TokioTimer, Window};
use tokio::sync::mpsc;

const MS: Duration = Duration::from_millis(1);

fn limiter(max: u32, per: Duration, kept: u32) -> (Arc<RateLimiter>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::following_tokio("2030-01-02T15:00:00Z".parse().unwrap()));
    let window = Window::new(max, per).unwrap().with_reserve(kept, 0).unwrap();
    let limits = Limits::new(&[window]).unwrap();
    (Arc::new(RateLimiter::new(&limits, clock.clone(), Start::Unused)), clock)
}

fn poll() -> Request {
    Request::new(Priority::Polling)
}

async fn acquire(limiter: &RateLimiter, request: Request) -> Mono {
    limiter.acquire(request, Mono::ORIGIN.plus(Duration::MAX), &TokioTimer).await.unwrap().at()
}

// proves: RATE-1, RATE-2
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_tasks_wake_one_after_the_other_each_when_its_turn_comes() {
    const TASKS: usize = 100_000;
    const EACH: usize = 50;
    let (limiter, clock) = limiter(u32::try_from(EACH).unwrap(), MS * 10, 0);
    let polled = Arc::new(AtomicUsize::new(0));
    let (done, mut granted) = mpsc::unbounded_channel();
    for task in 0..TASKS {
        let (limiter, done, polled) = (limiter.clone(), done.clone(), polled.clone());
        tokio::spawn(async move {
            let mut wait = Box::pin(acquire(&limiter, poll()));
            let at = std::future::poll_fn(|context| {
                polled.fetch_add(1, Ordering::Relaxed);
                wait.as_mut().poll(context)
            });
            done.send((task, at.await)).unwrap();
        });
    }
    drop(done);
    let start = clock.mono();
    let mut order = 0;
    while let Some((task, at)) = granted.recv().await {
        assert_eq!(task, order, "first come, first served");
        // Fifty at once, as soon as the fifty before have left the window, and not a moment later.
        let batch = u32::try_from(order / EACH).unwrap();
        assert_eq!(at.since(start), MS * 10 * batch, "task {task}");
        order += 1;
    }
    assert_eq!(order, TASKS);
    // Once to take a place, once to be told that it is the first, once to fetch. Nobody looks in vain.
    let polled = polled.load(Ordering::Relaxed);
    assert!(polled <= 3 * TASKS + 1, "{polled} looks");
}

// proves: RATE-3
#[tokio::test(start_paused = true)]
async fn a_stop_loss_leaves_within_one_interval_however_many_polls_wait() {
    let (limiter, clock) = limiter(2, MS * 1000, 1);
    let polls = Arc::new(AtomicUsize::new(0));
    for _ in 0..1000 {
        let (limiter, polls) = (limiter.clone(), polls.clone());
        tokio::spawn(async move {
            loop {
                acquire(&limiter, poll()).await;
                polls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..50 {
        tokio::time::sleep(MS * 1337).await;
        let asked = clock.mono();
        let left = acquire(&limiter, Request::new(Priority::Exit)).await;
        // The reserve is there for the first exit in a window, at once.
        assert_eq!(left.since(asked), Duration::ZERO);
    }
    assert!(polls.load(Ordering::Relaxed) >= 33, "polling goes on");
    for turn in 0..10_u32 {
        let asked = clock.mono();
        let left = acquire(&limiter, Request::new(Priority::Exit)).await.since(asked);
        assert!(left <= MS * 1000, "{left:?} for exit {turn}");
    }
}

// proves: RATE-2
#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_make_its_deadline_is_refused_at_once() {
    let (limiter, clock) = limiter(1, MS * 100, 0);
    acquire(&limiter, poll()).await;
    let waiting = {
        let limiter = limiter.clone();
        tokio::spawn(async move { acquire(&limiter, poll()).await })
    };
    tokio::task::yield_now().await;
    let now = clock.mono();
    let refused = limiter.acquire(poll(), now.plus(MS * 199), &TokioTimer).await;
    assert_eq!((refused, clock.mono()), (Err(Refused::Full { after: MS * 200 }), now));
    let granted = limiter.acquire(poll(), now.plus(MS * 200), &TokioTimer).await.unwrap();
    assert_eq!(granted.at(), now.plus(MS * 200));
    assert_eq!(waiting.await.unwrap(), now.plus(MS * 100));
}

// proves: RATE-2
#[tokio::test(start_paused = true)]
async fn whoever_is_overtaken_is_refused_at_its_deadline_and_costs_nothing() {
    let (limiter, clock) = limiter(1, MS * 100, 0);
    acquire(&limiter, poll()).await;
    let start = clock.mono();
    let poller = {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.acquire(poll(), start.plus(MS * 150), &TokioTimer).await })
    };
    tokio::task::yield_now().await;
    let exit = acquire(&limiter, Request::new(Priority::Exit)).await;
    assert_eq!(exit.since(start), MS * 100);
    let Err(Refused::Full { after }) = poller.await.unwrap() else { panic!("granted") };
    // A millisecond is as fine as the timer is.
    assert!(clock.mono().since(start) <= MS * 152);
    assert_eq!(clock.mono().plus(after), start.plus(MS * 200));
    assert_eq!(acquire(&limiter, poll()).await.since(start), MS * 200);
}

// proves: RATE-2
#[tokio::test(start_paused = true)]
async fn a_canceled_wait_hands_its_turn_on() {
    let (limiter, clock) = limiter(1, MS * 100, 0);
    acquire(&limiter, poll()).await;
    let start = clock.mono();
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { acquire(&limiter, poll()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let [first, second, third] = tasks.try_into().unwrap();
    // Only the first one has a timer.
    tokio::time::sleep(MS * 50).await;
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(second.await.unwrap().since(start), MS * 100);
    assert_eq!(third.await.unwrap().since(start), MS * 200);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_not_polled_any_more_takes_its_promise_and_nothing_else() {
    let (limiter, clock) = limiter(2, MS * 100, 0);
    let mut asleep = Box::pin(acquire(&limiter, poll()));
    let first = acquire(&limiter, poll()).await;
    assert_eq!(acquire(&limiter, poll()).await, first);
    // Takes a place, and is never polled again.
    std::future::poll_fn(|context| {
        assert!(asleep.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    tokio::time::sleep(MS * 500).await;
    let start = clock.mono();
    for turn in 0..3 {
        assert_eq!(acquire(&limiter, poll()).await.since(start), MS * 100 * turn);
    }
    drop(asleep);
    acquire(&limiter, poll()).await;
}

// proves: RATE-4
#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_server_stops_everybody_until_it_expires() {
    let (limiter, clock) = limiter(10, MS * 1000, 0);
    let permit = limiter.try_acquire(poll()).unwrap();
    let header = |name: &str| (name == "retry-after").then_some("3");
    limiter.heard(&permit, &ServerWord::read(header, clock.wall()).refused());
    // Saying that there is plenty does not take it back.
    limiter.heard(&permit, &ServerWord::new(1, 119, MS * 60_000));
    let start = clock.mono();
    assert_eq!(limiter.try_acquire(Request::new(Priority::Exit)), Err(Refused::Full { after: MS * 3000 }));
    assert_eq!(acquire(&limiter, Request::new(Priority::Exit)).await.since(start), MS * 3000);
}

#[test]
fn threads_wait_their_turn_on_the_machine_s_clock() {
    let clock = Arc::new(SystemClock::new());
    let limits = Limits::new(&[Window::new(2, MS * 5).unwrap()]).unwrap();
    let limiter = RateLimiter::new(&limits, clock.clone(), Start::Unused);
    let mut granted: Vec<Mono> = thread::scope(|scope| {
        let wait = || (0..10).map(|_| limiter.acquire_blocking(poll(), clock.mono().plus(MS * 60_000)).unwrap().at());
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || wait().collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    granted.sort_unstable();
    assert_eq!(granted.len(), 40);
    assert!(granted.windows(3).all(|three| three[2].since(three[0]) >= MS * 5), "{granted:?}");
}
