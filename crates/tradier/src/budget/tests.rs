//! What a grant is worth when it is spent.

use backstop_clock::ManualClock;
use backstop_rate_limiter::TokioTimer;

use super::*;

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
