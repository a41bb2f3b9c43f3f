//! The broker's answer does not come, and the HTTP client, or a loop around it, sends the order again.

use backstop_broker::{Broker, ClientOrderId, Lookup, Outcome};
use backstop_trade_guard::{Grounds, Refusal, TradeGuard, Verdict};

use super::{Account, key};

const TRIES: usize = 3;

/// Takes no answer for no order.
async fn naive(account: &Account) {
    for _ in 0..TRIES {
        if let Outcome::Accepted(id) = account.send().await {
            account.wait_for_fill(&id).await;
            return;
        }
    }
}

/// Whoever does not know what became of an order has no verdict: the permit falls, and the key is shut.
async fn guarded(account: &Account, guard: &TradeGuard) -> Result<(), Refusal> {
    let permit = guard.try_enter_async(&key()).await?;
    match account.send().await {
        Outcome::Accepted(id) => {
            account.wait_for_fill(&id).await;
            permit.executed_async().await.unwrap();
        }
        Outcome::Rejected(_) | Outcome::NotSent(_) => permit.not_executed_async("it was turned away").await.unwrap(),
        Outcome::Unknown(_) => drop(permit),
    }
    Ok(())
}

// proves: GUARD-3
#[tokio::test(start_paused = true)]
async fn a_retry_after_a_lost_answer_is_refused_until_the_broker_shows_what_became_of_the_order() {
    let account = Account::new();
    account.lose_an_answer();
    naive(&account).await;
    assert_eq!(account.orders(), 2, "the naive code trades twice");

    let account = Account::new();
    account.lose_an_answer();
    let guard = account.guard();
    guarded(&account, &guard).await.unwrap();
    for _ in 1..TRIES {
        let again = guarded(&account, &guard).await;
        assert!(matches!(again, Err(Refusal::Unresolved(_))), "{again:?}");
    }
    assert_eq!(account.orders(), 1);

    let listed = account.broker.orders().await.unwrap();
    let Lookup::One(order) = listed.find(&ClientOrderId::new("order-0").unwrap()) else { panic!("{listed:?}") };
    let evidence = Grounds::evidence(&format!("order {} is at the broker", order.id)).unwrap();
    for lost in guard.unresolved() {
        guard.resolve_async(lost.attempt, Verdict::Executed, &evidence).await.unwrap();
    }
    let again = guarded(&account, &guard).await;
    assert!(matches!(again, Err(Refusal::Limit { taken: 1, limit: 1, .. })), "{again:?}");
    assert_eq!(account.orders(), 1);
}
