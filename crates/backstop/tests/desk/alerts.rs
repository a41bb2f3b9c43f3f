//! Alerts on their way: kept, folded, louder with time, and never in the way of an order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backstop::clock::{Clock, Mono};
use backstop::{
    AlertPolicy, AlertSink, DRIFT, Desk, EntryEnd, ExitEnd, MemoryJournal, NotTaken, Notice, Record, State, Urgency,
};
use backstop_sim::{FaultKind, FaultPlan};
use parking_lot::Mutex;

use crate::bench::{Bench, FullJournal, enter, leave, spy};

/// What a sink does with what it is offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Does {
    Takes,
    Refuses,
    Hangs,
    Panics,
}

#[derive(Debug)]
pub(crate) struct Fake {
    clock: Arc<dyn Clock>,
    does: Mutex<Does>,
    offered: AtomicU32,
    pub(crate) taken: Mutex<Vec<(Mono, Notice)>>,
}

impl Fake {
    pub(crate) fn new(bench: &Bench, does: Does) -> Arc<Self> {
        let clock = Arc::clone(&bench.clock);
        Arc::new(Self { clock, does: Mutex::new(does), offered: AtomicU32::new(0), taken: Mutex::default() })
    }

    pub(crate) fn taken(&self) -> Vec<Notice> {
        self.taken.lock().iter().map(|(_, notice)| notice.clone()).collect()
    }
}

#[async_trait]
impl AlertSink for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), NotTaken> {
        self.offered.fetch_add(1, Ordering::SeqCst);
        let does = *self.does.lock();
        match does {
            Does::Takes => self.taken.lock().push((self.clock.mono(), notice.clone())),
            Does::Refuses => return Err(NotTaken("refused".to_owned())),
            Does::Hangs => std::future::pending().await,
            Does::Panics => panic!("a bug in a sink"),
        }
        Ok(())
    }
}

fn tell(desk: &Desk, sink: &Arc<Fake>) {
    desk.tell(vec![Arc::clone(sink) as Arc<dyn AlertSink>], AlertPolicy::default());
}

/// An order in doubt, which is alerted.
async fn doubt(bench: &Bench, desk: &Desk) -> String {
    bench.inject(FaultKind::RequestLost);
    let (slot, end) = enter(desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    slot.open_order(desk.fence()).unwrap().to_string()
}

fn is_told(journal: &MemoryJournal, of: &str) -> bool {
    let batches = journal.batches();
    let mut records = batches.iter().flat_map(|batch| &batch.records);
    records.any(|record| matches!(record, Record::Told { subject } if subject == of))
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn an_alert_is_offered_until_a_sink_takes_it_with_growing_pauses() {
    let bench = Bench::new(1, FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let sink = Fake::new(&bench, Does::Refuses);
    tell(&desk, &sink);
    let subject = doubt(&bench, &desk).await;
    tokio::time::sleep(Duration::from_mins(20)).await;
    let tries = sink.offered.load(Ordering::SeqCst);
    assert!((8..20).contains(&tries), "{tries} attempts in twenty minutes");
    assert_eq!(desk.alert_tally().waiting, [subject.as_str()]);
    assert!(!is_told(&journal, &subject) && desk.state().untold.contains_key(&subject));
    *sink.does.lock() = Does::Takes;
    let tally = desk.flush_alerts(Duration::from_mins(6)).await;
    assert!(tally.waiting.is_empty() && tally.delivered == 1 && tally.failures == u64::from(tries), "{tally:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_told(&journal, &subject) && desk.state().untold.is_empty());
    let taken = sink.taken();
    assert_eq!((taken.len(), taken[0].subject.as_str(), taken[0].lasts), (1, subject.as_str(), true));
    assert_eq!(taken[0].urgency, Urgency::High, "nobody has seen to it for a quarter of an hour");
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn what_no_sink_took_is_offered_by_the_next_process_and_what_one_took_is_not() {
    for (does, left) in [(Does::Refuses, 1), (Does::Takes, 0)] {
        let bench = Bench::new(1, FaultPlan::none());
        let journal = Arc::new(MemoryJournal::default());
        let desk = bench.ready(journal.clone(), &[]).await;
        let sink = Fake::new(&bench, does);
        tell(&desk, &sink);
        let subject = doubt(&bench, &desk).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(desk);
        let batches = journal.batches();
        let untold = State::replay(&batches).unwrap().untold;
        assert_eq!(untold.len(), left, "{does:?}: {untold:?}");
        let again = bench.open(Arc::new(MemoryJournal::default()), &batches).await.unwrap();
        let next = Fake::new(&bench, Does::Takes);
        tell(&again, &next);
        // Nothing of it is raised anew: the process before it has said it, and this one has not looked yet.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let heard: Vec<String> = next.taken().into_iter().map(|notice| notice.subject).collect();
        assert_eq!(heard.iter().filter(|heard| **heard == subject).count(), left, "{does:?}: {heard:?}");
    }
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn no_sink_holds_up_an_order_or_the_next_alert() {
    let mut took = Vec::new();
    for does in [None, Some(Does::Takes), Some(Does::Hangs), Some(Does::Panics), Some(Does::Refuses)] {
        let bench = Bench::new(1, FaultPlan::none());
        let desk = bench.desk().await;
        let sink = does.map(|does| Fake::new(&bench, does));
        if let Some(sink) = &sink {
            tell(&desk, sink);
        }
        let _pulled = desk.halt("a test", "so that there is an alert").await.unwrap();
        desk.resume("a test", "to trade").await.unwrap();
        let begun = bench.clock.mono();
        doubt(&bench, &desk).await;
        let (slot, end) = enter(&desk, 2).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        assert!(matches!(leave(&desk, &slot).await, ExitEnd::Closed));
        took.push(bench.clock.mono().since(begun));
        if let Some(sink) = sink {
            assert!(sink.offered.load(Ordering::SeqCst) > 0);
            // What was wrong with it is over.
            *sink.does.lock() = Does::Takes;
            let tally = desk.flush_alerts(Duration::from_mins(10)).await;
            assert!(tally.waiting.is_empty() && tally.delivered > 0, "{does:?}: {tally:?}");
        }
        let stopping = bench.clock.mono();
        desk.stop().await.unwrap();
        assert!(bench.clock.mono().since(stopping) < Duration::from_millis(100));
    }
    assert!(took.windows(2).all(|pair| pair[0] == pair[1]), "{took:?}");
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn an_alert_is_told_again_and_louder_until_its_cause_is_gone() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let sink = Fake::new(&bench, Does::Takes);
    tell(&desk, &sink);
    let _opened = enter(&desk, 1).await;
    bench.sim().trade_by_hand(&spy(), -10);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(desk.reconcile().await.unwrap().drift.len(), 1);
    tokio::time::sleep(Duration::from_mins(50)).await;
    let of_drift = || sink.taken().into_iter().filter(|notice| notice.subject == DRIFT);
    let loud: Vec<Urgency> = of_drift().map(|notice| notice.urgency).collect();
    assert_eq!(loud, [Urgency::Normal, Urgency::High, Urgency::Critical, Urgency::Critical], "{:?}", sink.taken());
    bench.sim().trade_by_hand(&spy(), 10);
    tokio::time::sleep(Duration::from_secs(10)).await;
    desk.reconcile().await.unwrap();
    tokio::time::sleep(Duration::from_mins(50)).await;
    assert_eq!(of_drift().count(), 4, "nothing is to be said any more: {:?}", sink.taken());
    assert!(desk.state().alerts.is_empty());
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn a_journal_that_takes_nothing_keeps_no_alert_from_being_told() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.open(Arc::new(FullJournal(Mutex::new(4))), &[]).await.unwrap();
    let sink = Fake::new(&bench, Does::Takes);
    tell(&desk, &sink);
    for _ in 0..10 {
        let _compared = desk.reconcile().await;
        let _read = desk.read_cash().await;
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    assert!(desk.failure().is_some());
    assert!(sink.taken().iter().any(|notice| notice.subject == "journal"), "{:?}", sink.taken());
}

// proves: ALERT-1
#[tokio::test(start_paused = true)]
async fn each_unresolved_state_is_told_of_by_name() {
    let bench = Bench::new(1, FaultPlan::none());
    let desk = bench.desk().await;
    let sink = Fake::new(&bench, Does::Takes);
    tell(&desk, &sink);
    let order = doubt(&bench, &desk).await;
    let (slot, _) = enter(&desk, 2).await;
    // It closes ours, and the broker goes on showing what is not ours.
    bench.sim().trade_by_hand(&spy(), 5);
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Pending { .. }), "{end:?}");
    let _pulled = desk.halt("a test", "to see it told").await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    desk.reconcile().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let told: Vec<String> = sink.taken().into_iter().map(|notice| notice.subject).collect();
    for subject in [order.as_str(), &slot.to_string(), "halt", "drift"] {
        assert!(told.iter().any(|told| told == subject), "{subject} is not in {told:?}");
    }
}
