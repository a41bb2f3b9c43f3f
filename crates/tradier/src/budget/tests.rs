//! What a grant is worth when it is spent.

use backstop_clock::ManualClock;
use backstop_rate_limiter::TokioTimer;

use super::*;
use crate::waits::{ClassUse, Waits};

fn budget(clock: &Arc<ManualClock>) -> Budget {
    let limits = documented(&BaseUrl::new(BaseUrl::SANDBOX).unwrap()).unwrap();
    let budgeting = Budgeting { limits, start: Start::Unused, shared: None, timer: Arc::new(TokioTimer) };
    Budget::new(Some(budgeting), clock.clone()).unwrap()
}

#[tokio::test]
async fn a_grant_is_spent_once_and_not_when_it_is_old() {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let budget = budget(&clock);
    let grant = budget.grant(Priority::Exit, MINUTE).await.unwrap();
    clock.advance(STALE);
    assert!(matches!(budget.spend(&grant), Ok(Leave(Some(_)))));
    assert!(matches!(budget.spend(&grant), Err(Priority::Entry)));
    let grant = budget.grant(Priority::Exit, MINUTE).await.unwrap();
    clock.advance(STALE + Duration::from_nanos(1));
    assert!(matches!(budget.spend(&grant), Err(Priority::Exit)));
    // Leave that nobody counted is none.
    assert!(matches!(budget.spend(&Grant::unmetered()), Err(Priority::Entry)));
}

// proves: RATE-6
#[tokio::test]
async fn an_exit_goes_out_when_the_shared_window_is_lost_and_is_counted_as_one_that_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests");
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let limits = documented(&BaseUrl::new(BaseUrl::SANDBOX).unwrap()).unwrap();
    let budgeting = Budgeting { limits, start: Start::Unused, shared: Some(path.clone()), timer: Arc::new(TokioTimer) };
    let budget = Budget::new(Some(budgeting), clock.clone()).unwrap();
    let is_lost = || budget.metered.as_ref().unwrap().is_lost.load(Ordering::Relaxed);
    assert!(budget.grant(Priority::Exit, Duration::ZERO).await.is_ok());
    std::fs::rename(&path, folder.path().join("aside")).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(budget.grant(Priority::Entry, MINUTE).await.is_err());
    assert!(budget.leave(RateClass::Standard, Priority::Polling, MINUTE).await.is_err());
    assert!(is_lost());
    let grant = budget.grant(Priority::Exit, Duration::ZERO).await.unwrap();
    assert!(matches!(budget.spend(&grant), Ok(Leave(Some(_)))));
    assert_eq!((budget.so_far().trading.apart, budget.so_far().trading.exits.granted), (1, 2));
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(folder.path().join("aside"), &path).unwrap();
    assert!(budget.grant(Priority::Entry, Duration::ZERO).await.is_ok());
    assert!(!is_lost());
    // Deleted: a new one says nothing of what others sent.
    std::fs::remove_file(&path).unwrap();
    assert!(budget.grant(Priority::Entry, Duration::from_secs(10)).await.is_err());
    assert!(budget.grant(Priority::Exit, Duration::ZERO).await.is_ok());
    assert_eq!(budget.so_far().trading.apart, 2);
}

// proves: RATE-3
#[tokio::test]
async fn entries_leave_a_sixth_of_all_orders_to_exits() {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let budget = budget(&clock);
    let mut granted = [0, 0];
    for (count, priority) in granted.iter_mut().zip([Priority::Entry, Priority::Exit]) {
        while budget.grant(priority, Duration::ZERO).await.is_ok() {
            *count += 1;
        }
    }
    assert_eq!(granted, [50, 10]);
    let refused = budget.grant(Priority::Exit, Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(refused.after, MINUTE + MARGIN);
}

#[tokio::test]
async fn of_a_minutes_reads_a_sixth_passes_in_ten_seconds() {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let budget = budget(&clock);
    let mut granted = Vec::new();
    for _ in 0..7 {
        let mut count = 0;
        while budget.leave(RateClass::Standard, Priority::Polling, Duration::ZERO).await.is_ok() {
            count += 1;
        }
        granted.push(count);
        clock.advance(MINUTE / SPREAD + MARGIN);
    }
    // The minute, with its margin, ends before the seventh.
    assert_eq!(granted, [10; 7]);
}

#[tokio::test]
async fn what_passed_and_what_did_not_is_counted_by_class_and_priority() {
    let clock = Arc::new(ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap()));
    let budget = budget(&clock);
    let read = |within| budget.leave(RateClass::MarketData, Priority::Polling, within);
    for _ in 0..10 {
        drop(read(Duration::ZERO).await.unwrap());
    }
    assert!(read(Duration::ZERO).await.is_err());
    // Somebody who gives up after three seconds.
    let mut waits = Box::pin(read(MINUTE));
    assert!(std::future::poll_fn(|context| std::task::Poll::Ready(waits.as_mut().poll(context).is_pending())).await);
    clock.advance(Duration::from_secs(3));
    drop(waits);
    assert!(budget.grant(Priority::Exit, Duration::ZERO).await.is_ok());
    let refused = HeaderMap::new();
    budget.heard(
        RateClass::Trading,
        &budget.leave(RateClass::Trading, Priority::Entry, MINUTE).await.unwrap(),
        &refused,
        true,
    );
    let so_far = budget.so_far();
    let polls = Waits { granted: 10, refused: 2, longest: Duration::from_secs(3) };
    assert_eq!(so_far.market_data, ClassUse { polls, ..ClassUse::default() });
    assert_eq!((so_far.trading.exits.granted, so_far.trading.entries.granted, so_far.trading.turned_away), (1, 1, 1));
    assert_eq!(so_far.standard, ClassUse::default());
}
