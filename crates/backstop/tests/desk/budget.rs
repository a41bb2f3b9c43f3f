//! A stop-loss in a storm of polls, where all requests of the token are counted together: it leaves at once, and without
//! priorities it does not.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Decimal, NotGranted, Priority};
use backstop::clock::Clock;
use backstop::{EntryEnd, ExitEnd, ExitRefusal};
use backstop_rate_limiter as limiter;
use backstop_rate_limiter::{Limits, RateLimiter, Refused, Request, Start, TokioTimer, Window};
use backstop_sim::FaultPlan;
use tokio::task::JoinSet;

use crate::bench::{Bench, Budget, enter, leave, spy};

const MINUTE: Duration = Duration::from_mins(1);
const A_MINUTE: u32 = 60;

/// One budget for everything that is asked of the broker.
#[derive(Debug)]
pub(crate) struct Counted {
    limiter: RateLimiter,
    clock: Arc<dyn Clock>,
    /// The naive way: who came first goes first, whatever for.
    all_alike: bool,
}

impl Counted {
    fn new(clock: &Arc<dyn Clock>, all_alike: bool) -> Self {
        let window = Window::new(A_MINUTE, MINUTE).unwrap().with_reserve(A_MINUTE / 6, 0).unwrap();
        let limits = Limits::new(&[window]).unwrap();
        Self { limiter: RateLimiter::new(&limits, clock.clone(), Start::Unused), clock: clock.clone(), all_alike }
    }

    pub(crate) async fn leave(&self, priority: Priority, within: Duration) -> Result<(), NotGranted> {
        let priority = match priority {
            _ if self.all_alike => limiter::Priority::Polling,
            Priority::Exit => limiter::Priority::Exit,
            Priority::Entry => limiter::Priority::Entry,
            Priority::Polling => limiter::Priority::Polling,
        };
        let deadline = self.clock.mono().plus(within);
        match self.limiter.acquire(Request::new(priority), deadline, &TokioTimer).await {
            Ok(_permit) => Ok(()),
            Err(Refused::Full { after }) => Err(NotGranted { after }),
            Err(refused) => panic!("{refused}"),
        }
    }
}

/// Leaves a position while ninety tasks ask for quotes without a pause. How the exit ended, how long after the decision its
/// order came to the broker, and how long the polls waited meanwhile.
async fn stop_loss(all_alike: bool) -> (ExitEnd, Option<Duration>, Duration) {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    *bench.broker.budget.lock() = Budget::Counted(Arc::new(Counted::new(&bench.clock, all_alike)));
    let mut storm = JoinSet::new();
    for _ in 0..90 {
        let (desk, clock) = (desk.clone(), bench.clock.clone());
        storm.spawn(async move {
            let mut longest = Duration::ZERO;
            while clock.wall() < "2030-01-02T15:05:00Z".parse().unwrap() {
                let asked = clock.mono();
                desk.quotes(&[spy()]).await.unwrap();
                longest = longest.max(clock.mono().since(asked));
            }
            longest
        });
    }
    // In the middle of a minute whose budget is used up.
    tokio::time::sleep(MINUTE * 3 / 2).await;
    let decided = bench.clock.wall();
    let end = leave(&desk, &slot).await;
    let came = bench.sim().ledger().requests.iter().map(|request| request.at).max().unwrap();
    let took = Duration::try_from(came.duration_since(decided)).ok();
    let polls = storm.join_all().await.into_iter().max().unwrap();
    if matches!(end, ExitEnd::Closed) {
        assert_eq!(bench.held(), Decimal::ZERO);
    }
    (end, took, polls)
}

// proves: RATE-3
#[tokio::test(start_paused = true)]
async fn a_stop_loss_in_a_storm_of_polls_leaves_within_one_request_interval() {
    let (end, took, polls) = stop_loss(false).await;
    assert!(matches!(end, ExitEnd::Closed), "{end:?}");
    assert!(took.unwrap() <= MINUTE / A_MINUTE, "{took:?}");
    // The storm is one.
    assert!(polls > MINUTE, "{polls:?}");
}

/// The control of the test above: the same with everybody in one line.
#[tokio::test(start_paused = true)]
async fn without_priorities_the_stop_loss_waits_behind_the_polls_and_is_refused() {
    let (end, took, _) = stop_loss(true).await;
    let ExitEnd::Refused(ExitRefusal::Budget { source: NotGranted { after, .. }, .. }) = end else { panic!("{end:?}") };
    assert!(after > MINUTE, "{after:?}");
    assert_eq!(took, None, "its order came to the broker all the same");
}
