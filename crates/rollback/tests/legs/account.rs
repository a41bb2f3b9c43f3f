//! An account at the simulator, and processes that die.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use backstop_broker::{Decimal, Leg, PositionEffect, Quantity, Side, Symbol};
use backstop_clock::{Clock, ManualClock};
use backstop_rollback::{
    Appending, Doing, Effects, Finished, MemoryJournal, Retry, Saga, SagaJournal, SagaRecord, StepPlan, run,
};
use backstop_sim::{FaultKind, FaultPlan, SimBroker, SimConfig};

use crate::legs::{Legs, Timing, Venue, step};

pub(crate) const RETRY: Retry = Retry { attempts: 5, first: Duration::from_secs(1), longest: Duration::from_secs(10) };
pub(crate) const TIMING: Timing =
    Timing { poll: Duration::from_millis(300), fill: Duration::from_secs(10), settle: Duration::from_secs(15) };
pub(crate) const CALL: Duration = Duration::from_secs(2);
pub(crate) const LONG: &str = "bs-1-long";
pub(crate) const SHORT: &str = "bs-1-short";
pub(crate) const LONG_PUT: &str = "SPXW300118P05890000";
const SHORT_PUT: &str = "SPXW300118P05900000";

/// Others trade on the account too, and so show how far a list of orders reaches.
pub(crate) fn busy(plan: FaultPlan) -> FaultPlan {
    plan.with_client_timeout(CALL).with_rate(FaultKind::ManualOrder, 1000)
}

/// A bad day, on which one order in three meets with something.
pub(crate) fn worst() -> FaultPlan {
    let kinds = [
        FaultKind::AnswerLost,
        FaultKind::LateProcessing,
        FaultKind::OrdersEmpty,
        FaultKind::OrdersLag,
        FaultKind::PartialFillStuck,
        FaultKind::RejectedLater,
        FaultKind::RequestLost,
    ];
    kinds.into_iter().fold(FaultPlan::hostile(), |plan, kind| plan.with_rate(kind, 100))
}

pub(crate) struct Account {
    pub(crate) broker: SimBroker,
    clock: Arc<dyn Clock>,
    pub(crate) journal: MemoryJournal,
    processes: u64,
}

impl Account {
    pub(crate) fn new(seed: u64, faults: FaultPlan) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::following_tokio("2030-01-02T15:00:00Z".parse().unwrap()));
        let config = SimConfig::new(seed).with_clock(Arc::clone(&clock)).with_call_timeout(CALL).with_faults(faults);
        let broker = SimBroker::new(&config).unwrap();
        Self { broker, clock, journal: MemoryJournal::default(), processes: 0 }
    }

    pub(crate) fn venue(&mut self) -> Venue {
        self.processes += 1;
        Venue {
            broker: Arc::new(self.broker.clone()),
            clock: Arc::clone(&self.clock),
            timing: TIMING,
            underlying: "SPX".parse().unwrap(),
            process: self.processes,
        }
    }

    /// Begins the entry and runs it, with `prepare` before each request; `None` if the process dies first.
    pub(crate) async fn enter(
        &mut self,
        prepare: impl Fn(&SimBroker, bool, &str) + Send,
        dies: Option<Death>,
    ) -> Option<Finished> {
        let leg = |symbol: &str, side| Leg {
            symbol: symbol.parse().unwrap(),
            side,
            effect: PositionEffect::Open,
            quantity: Quantity::new(2).unwrap(),
        };
        let plan = [(LONG.to_owned(), leg(LONG_PUT, Side::Buy)), (SHORT.to_owned(), leg(SHORT_PUT, Side::Sell))];
        let steps = plan.iter().map(|(key, leg)| step(key, leg)).collect();
        let legs = Legs::new(self.venue(), BTreeMap::from(plan));
        let mut effects = Prepared { legs, broker: self.broker.clone(), prepare };
        let journal = Dying { journal: &self.journal, dies, count: AtomicU32::new(0) };
        until_dead(&journal, async {
            let saga = Saga::begin("entry-1", steps, &journal).await.unwrap();
            run(saga, RETRY, &mut effects, &journal).await.unwrap()
        })
        .await
    }

    /// The next process: what it makes of what is left.
    pub(crate) async fn resume(&mut self) -> Option<Finished> {
        let venue = self.venue();
        let saga = self.journal.unfinished().pop()?;
        Some(run(saga, RETRY, &mut Legs::inherit(venue), &self.journal).await.unwrap())
    }

    /// Processes one after the other, until nothing is left.
    pub(crate) async fn resume_to_the_end(&mut self, context: &dyn fmt::Display) {
        for _ in 0..5 {
            if self.resume().await.is_none() {
                return;
            }
        }
        panic!("{context}: there is no end of it: {:?}", self.journal.unfinished());
    }

    pub(crate) fn held(&self) -> (Decimal, Decimal) {
        let ledger = self.broker.handle().ledger();
        let of = |symbol: &str| ledger.position(&symbol.parse::<Symbol>().unwrap());
        (of(LONG_PUT), of(SHORT_PUT))
    }

    /// Nothing of ours works, and no name was on the wire twice.
    #[track_caller]
    pub(crate) fn judge(&self, expected: (i64, i64), context: &dyn fmt::Display) {
        let ledger = self.broker.handle().ledger();
        assert_eq!(self.held(), (expected.0.into(), expected.1.into()), "{context}: {:?}", ledger.orders);
        assert_eq!(ledger.working().filter(|order| !order.by_hand).count(), 0, "{context}");
        let mut names: Vec<_> = ledger.requests.iter().filter_map(|request| request.tag.as_deref()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{context}: {:?}", ledger.requests);
        assert!(names.iter().all(|name| name.starts_with("bs-1-")), "{names:?}");
    }
}

/// Effects, with something done before each request.
struct Prepared<F> {
    legs: Legs,
    broker: SimBroker,
    prepare: F,
}

impl<F: Fn(&SimBroker, bool, &str) + Send> Effects for Prepared<F> {
    fn act<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a> {
        (self.prepare)(&self.broker, false, &step.key);
        self.legs.act(step)
    }

    fn compensate<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a> {
        (self.prepare)(&self.broker, true, &step.key);
        self.legs.compensate(step)
    }

    fn pause(&mut self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.legs.pause(length)
    }
}

/// The process dies at this record, before it is written or after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) record: u32,
    pub(crate) is_written: bool,
}

#[derive(Debug)]
struct Dying<'a> {
    journal: &'a MemoryJournal,
    dies: Option<Death>,
    count: AtomicU32,
}

impl Dying<'_> {
    fn is_dead(&self) -> bool {
        self.dies.is_some_and(|death| self.count.load(Ordering::Relaxed) > death.record)
    }
}

impl SagaJournal for Dying<'_> {
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a> {
        Box::pin(async move {
            self.count.fetch_add(1, Ordering::Relaxed);
            if !self.is_dead() || self.dies.is_some_and(|death| death.is_written) {
                self.journal.append(record).await?;
            }
            if self.is_dead() { pending().await } else { Ok(()) }
        })
    }
}

async fn until_dead<T>(journal: &Dying<'_>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = Box::pin(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if journal.is_dead() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
