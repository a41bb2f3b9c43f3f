//! Who sets limits, tightens and loosens them.

use std::sync::Arc;

use backstop::limits::{Breach, Config, Counters, Limits};
use backstop::{
    AllowError, DeskConfig, EntryEnd, ExitEnd, Journal, Loosening, MemoryJournal, OpenError, Record, Refusal,
    SessionError, State, TightenError,
};

use crate::bench::{Enter, calm, config, enter, leave, limits, plan};
use crate::limits::{breaches, with};

fn tight() -> Config {
    Config { order_quantity: 10, positions: 2, positions_per_underlying: 2, ..limits() }
}

/// Limits, what of them is looser, by whom and why.
type Set = (Config, Vec<String>, Option<String>, Option<String>);

/// Every record of limits.
fn set(journal: &MemoryJournal) -> Vec<Set> {
    let records = journal.batches().into_iter().flat_map(|batch| batch.records);
    let set = records.filter_map(|record| match record {
        Record::LimitsSet { limits, loosened, by, reason } => Some((limits.config().clone(), loosened, by, reason)),
        _ => None,
    });
    set.collect()
}

fn loosening(by: &str, reason: &str) -> Loosening {
    Loosening { by: by.to_owned(), reason: reason.to_owned() }
}

// proves: LIMIT-1
#[tokio::test(start_paused = true)]
async fn without_limits_or_with_ones_that_cannot_be_meant_nothing_begins_and_exits_pass() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let good = plan(&desk).await;
    let none = DeskConfig { limits: None, ..config() };
    let without = bench.open_as(none, Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
    without.recover().await.unwrap();
    let error = without.begin_session(slot.session.day, 4, None).await.unwrap_err();
    assert!(matches!(error, SessionError::NoLimits), "{error}");
    let end = without.try_to(without.slot(2).unwrap(), good).await;
    assert!(matches!(end, EntryEnd::Refused(Refusal::NoLimits)), "{end:?}");
    let error = without.tighten(tight(), "ann", "test").await.unwrap_err();
    assert!(matches!(error, TightenError::NoLimits), "{error}");
    assert_eq!(without.state().limits, desk.state().limits, "what is on record stays");
    let end = leave(&without, &slot).await;
    assert!(matches!(end, ExitEnd::Closed), "{end:?}");

    let never = with(Config { entries: 0, ..limits() });
    let error = bench.open_as(never, Arc::new(MemoryJournal::default()), &[]).await.unwrap_err();
    assert!(matches!(error, OpenError::Limits(_)) && error.to_string().contains("`entries`"), "{error}");
}

// proves: LIMIT-1
#[tokio::test(start_paused = true)]
async fn limits_are_tightened_while_it_runs_and_stay_so_over_a_restart() {
    let bench = calm();
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let mut eleven = plan(&desk).await;
    eleven.legs.first_mut().unwrap().quantity = backstop::broker::Quantity::new(11).unwrap();
    eleven.reserve = backstop::broker::Decimal::from(100_000);
    for (by, reason) in [("", "why"), ("ann", " ")] {
        let error = desk.tighten(tight(), by, reason).await.unwrap_err();
        assert!(matches!(error, TightenError::Nameless), "{error}");
    }
    let looser = Config { positions: 4, order_quantity: 1, ..limits() };
    let error = desk.tighten(looser, "ann", "test").await.unwrap_err();
    assert!(error.to_string().contains("positions from 3 to 4"), "{error}");
    assert_eq!(desk.state().limits.unwrap().config(), &limits(), "refused, it changes nothing");
    desk.tighten(tight(), "ann", "a nervous day").await.unwrap();
    let end = desk.try_to(desk.slot(1).unwrap(), eleven.clone()).await;
    assert!(matches!(&breaches(&end)[..], [Breach::OrderQuantity { asked: 11, limit: 10, .. }]), "{end:?}");
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let of = |by: &str, reason: &str| (Some(by.to_owned()), Some(reason.to_owned()));
    let (by, reason) = of("ann", "a nervous day");
    assert_eq!(set(&journal), [(limits(), vec![], None, None), (tight(), vec![], by, reason)]);
    drop(desk);

    // With the same or tighter ones it just starts; with the former ones somebody has to answer for it.
    let history = journal.batches();
    for same in [tight(), Config { positions: 1, positions_per_underlying: 1, ..tight() }] {
        let next = Arc::new(MemoryJournal::default());
        let desk = bench.open_as(with(same.clone()), next.clone(), &history).await.unwrap();
        assert_eq!(desk.state().limits.unwrap().config(), &same);
        let news = if same == tight() { vec![] } else { vec![(same, vec![], None, None)] };
        assert_eq!(set(&next), news);
    }
    for nobody in [None, Some(loosening("", "why")), Some(loosening("ann", "  "))] {
        let next = Arc::new(MemoryJournal::default());
        let looser = DeskConfig { loosening: nobody, ..with(limits()) };
        let error = bench.open_as(looser, next.clone(), &history).await.unwrap_err();
        let names = |error: &OpenError| match error {
            OpenError::Loosens { loosened } => loosened.iter().map(|loosened| loosened.name).collect(),
            _ => vec![],
        };
        assert_eq!(names(&error), ["order_quantity", "positions", "positions_per_underlying"], "{error}");
        assert!(next.batches().is_empty(), "nothing was written");
    }
    let next = Arc::new(MemoryJournal::default());
    let looser = DeskConfig { loosening: Some(loosening("ann", "it is calm again")), ..with(limits()) };
    let desk = bench.open_as(looser, next.clone(), &history).await.unwrap();
    bench.begin(&desk).await;
    let (by, reason) = of("ann", "it is calm again");
    let told = ["order_quantity from 10 to 100", "positions from 2 to 3", "positions_per_underlying from 2 to 3"];
    assert_eq!(set(&next), [(limits(), told.map(str::to_owned).to_vec(), by, reason)]);
    let end =
        desk.try_to(desk.slot(2).unwrap(), crate::bench::Planned { view: plan(&desk).await.view, ..eleven }).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn more_executions_are_allowed_by_name_and_reason() {
    let desk = calm().desk().await;
    for (by, reason) in [("", "why"), ("ann", "")] {
        let error = desk.allow_repeats(by, reason).await.unwrap_err();
        assert!(matches!(error, AllowError::Nameless), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_of_a_version_without_limits_is_read_and_the_first_start_sets_them() {
    let bench = calm();
    let journal = MemoryJournal::default();
    let state = State { limits: None, counters: Counters::default(), ..bench.desk().await.state() };
    let mut text = serde_json::to_value(&state).unwrap();
    let fields = text.as_object_mut().unwrap();
    assert!(fields.remove("limits").is_some() && fields.remove("counters").is_some());
    let former: State = serde_json::from_value(text).unwrap();
    assert_eq!(former, state);
    let desk = bench.open_on(with(limits()), Arc::new(journal) as Arc<dyn Journal>, former).await.unwrap();
    assert_eq!(desk.state().limits.as_ref().map(Limits::config), Some(&limits()));
}
