//! What a bot that hangs has working is canceled from beside it.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{
    Broker, Decimal, Grant, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, TimeInForce,
};
use backstop::clock::Clock as _;
use backstop::{Batch, DeskConfig, Fate, Level, MemoryJournal, State, StrategyName, Swept, cancel_entries};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, DyingJournal, Enter, config, enter, leave, plan, spy};

const WITHIN: Duration = Duration::from_secs(10);

/// Room for: opened, compared, cash, session, intent. Whoever writes more hangs.
const UP_TO_THE_INTENT: usize = 6;

/// A bot that has hung itself up right after its first entry was sent, far from the market or not.
async fn hung(bench: &Bench, far: bool) -> Arc<DyingJournal> {
    hung_as(config(), bench, far).await
}

async fn hung_as(config: DeskConfig, bench: &Bench, far: bool) -> Arc<DyingJournal> {
    let journal = Arc::new(DyingJournal::new(UP_TO_THE_INTENT, false));
    let desk = bench.open_as(config, journal.clone(), &[]).await.unwrap();
    bench.begin(&desk).await;
    let mut plan = plan(&desk).await;
    if far {
        plan.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    }
    let entering = desk.try_to(desk.slot(1).unwrap(), plan);
    tokio::time::timeout(Duration::from_secs(4), entering).await.unwrap_err();
    journal
}

async fn sweep(bench: &Bench, batches: impl Fn() -> Vec<Batch>) -> Swept {
    let begun = bench.clock.mono();
    let _pulled = bench.switch().pull(Level::Halt, "ann", "a test", bench.clock.wall()).unwrap();
    let swept = cancel_entries(&*bench.broker, || Ok(State::replay(&batches()).unwrap()), WITHIN).await;
    assert!(bench.clock.mono().since(begun) <= WITHIN + bench.broker.call_timeout() * 2);
    swept
}

fn working(bench: &Bench) -> usize {
    bench.sim().ledger().working().count()
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn an_entry_of_a_bot_that_hangs_is_canceled_by_its_client_order_id() {
    let bench = Bench::new(1, FaultPlan::none());
    let journal = hung(&bench, true).await;
    assert_eq!(working(&bench), 1);
    let swept = sweep(&bench, || journal.batches()).await;
    assert!(swept.is_clean() && swept.entries.len() == 1, "{swept:?}");
    assert_eq!(working(&bench), 0);
    assert_eq!(sweep(&bench, || journal.batches()).await, swept, "once more changes nothing");
    assert_eq!(bench.sim().ledger().cancels.len(), 1);
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn exits_and_what_others_placed_are_left_to_work() {
    let bench = Bench::new(1, FaultPlan::none());
    let elsewhere = bench.elsewhere();
    let other = DeskConfig { strategy: StrategyName::new("other").unwrap(), ..config() };
    let _stranger = hung_as(other, &elsewhere, true).await;
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let (slot, _) = enter(&desk, 1).await;
    let by_hand = OrderRequest::new(
        "by-hand".parse().unwrap(),
        spy(),
        vec![Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity: Quantity::new(1).unwrap() }],
        OrderKind::Limit { price: Decimal::TEN },
        TimeInForce::Day,
    );
    let _accepted = bench.broker.submit(&by_hand.unwrap(), Grant::unmetered()).await;
    bench.inject(FaultKind::PartialFillStuck);
    let (_end, swept) = tokio::join!(leave(&desk, &slot), async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        sweep(&bench, || journal.batches()).await
    });
    assert!(swept.is_clean() && swept.entries.is_empty(), "{swept:?}");
    assert_eq!(bench.broker.cancels.load(std::sync::atomic::Ordering::SeqCst), 1, "by the bot's own fill time-out");
    assert_eq!(working(&bench), 2, "the stranger's and the one by hand");
}

// proves: HALT-1, REC-7
#[tokio::test(start_paused = true)]
async fn a_working_entry_that_a_lost_journal_knew_halts_and_is_named_until_it_is_at_rest() {
    let leg =
        Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity: Quantity::new(10).unwrap() };
    let kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    let id = "bs-test-20300102-9-1-open-1".parse().unwrap();
    let lost = OrderRequest::new(id, spy(), vec![leg], kind, TimeInForce::Day).unwrap();
    for traded in [false, true] {
        let bench = Bench::new(1, FaultPlan::none());
        let mut desk = bench.desk().await;
        if traded {
            let _opened = enter(&desk, 1).await;
        }
        let _accepted = bench.broker.submit(&lost, Grant::unmetered()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        if !traded {
            // It comes when the other has long been at work.
            desk = bench.desk().await;
        }
        desk.reconcile().await.unwrap();
        assert!(desk.state().halted().is_some() && !desk.state().alerts.is_empty(), "{:?}", desk.state().alerts);
        let read = || Ok(desk.state());
        let swept = cancel_entries(&*bench.broker, read, WITHIN).await;
        let is_named = |(_, why): (&str, &str)| why.contains("not in the records");
        assert!(swept.unconfirmed().any(is_named), "{swept:?}");
        assert_eq!(working(&bench), 1, "it may be another bot's");
        let (swept, ()) = tokio::join!(cancel_entries(&*bench.broker, read, WITHIN), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let orders = bench.broker.orders().await.unwrap();
            let works = orders.orders().iter().find(|order| !order.status.is_terminal()).unwrap();
            let _canceled = bench.broker.cancel(&works.id).await;
        });
        assert!(swept.is_clean(), "{swept:?}");
    }
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn an_entry_that_may_still_be_on_its_way_is_named_and_canceled_once_it_lands() {
    for (delay, lands) in [(Duration::from_secs(8), true), (Duration::from_mins(5), false)] {
        let bench = Bench::new(1, FaultPlan::none());
        bench.sim().set_faults(FaultPlan::none().with_delay(FaultKind::LateProcessing, delay));
        bench.inject(FaultKind::LateProcessing);
        let journal = hung(&bench, true).await;
        assert_eq!(working(&bench), 0);
        let swept = sweep(&bench, || journal.batches()).await;
        assert_eq!(swept.is_clean(), lands, "{swept:?}");
        let named = swept.unconfirmed().any(|(id, why)| id.contains("-1-1-open-") && why.contains("may be on its way"));
        assert_eq!(named, !lands, "{swept:?}");
        assert_eq!(working(&bench), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_filled_is_told_and_what_the_bot_ends_itself_counts() {
    let bench = Bench::new(1, FaultPlan::none());
    let journal = hung(&bench, false).await;
    let swept = sweep(&bench, || journal.batches()).await;
    let told = |fate: &Fate| matches!(fate, Fate::AtRest { how } if how.contains("10 SPY filled"));
    assert!(swept.is_clean() && swept.entries.values().all(told), "{swept:?}");

    // A bot that is well cancels its own entry at the same time.
    let bench = Bench::new(1, FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let mut far = plan(&desk).await;
    far.kind = OrderKind::Limit { price: Decimal::ONE_HUNDRED };
    let (_end, swept) = tokio::join!(desk.try_to(desk.slot(1).unwrap(), far), async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        sweep(&bench, || journal.batches()).await
    });
    assert!(swept.is_clean() && swept.entries.len() == 1, "{swept:?}");
    assert_eq!(working(&bench), 0);
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn with_the_broker_down_every_entry_is_named_as_not_confirmed_in_bounded_time() {
    let bench = Bench::new(1, FaultPlan::none());
    let journal = hung(&bench, true).await;
    bench.sim().set_faults(FaultPlan::none().with_rate(FaultKind::ReadServerError, 1_000));
    let swept = sweep(&bench, || journal.batches()).await;
    assert!(!swept.is_clean() && swept.unconfirmed().count() == 1, "{swept:?}");
    assert_eq!(bench.switch().standing().level(), Some(Level::Halt), "pulled all the same");
    bench.sim().set_faults(FaultPlan::none());
    assert!(sweep(&bench, || journal.batches()).await.is_clean());
}

// proves: HALT-1
#[tokio::test(start_paused = true)]
async fn without_readable_records_every_working_entry_of_this_library_is_canceled() {
    let bench = Bench::new(1, FaultPlan::none());
    let _journal = hung(&bench, true).await;
    let swept = cancel_entries(&*bench.broker, || Err("damaged".to_owned()), WITHIN).await;
    assert_eq!(working(&bench), 0);
    assert!(!swept.is_clean(), "what was on its way nobody knows: {swept:?}");
}
