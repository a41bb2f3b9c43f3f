use super::*;

struct Bench {
    gateway: Arc<Gateway>,
    desk: Desk,
    clock: Arc<dyn Clock>,
    slot: SlotId,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// A desk that holds a position.
    async fn holding() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let symbol: Symbol = "ACME".parse().unwrap();
        let (gateway, desk) = start(directory.path(), &clock, &symbol).await.unwrap();
        let slot = desk.slot(1).unwrap();
        let end = enter(&desk, &slot, &clock, &symbol).await.unwrap();
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        Self { gateway, desk, clock, slot, _directory: directory }
    }

    async fn leave(&self, within: Duration) -> (bool, String) {
        let mut told = Vec::new();
        let left = leave(&self.desk, &self.slot, &*self.clock, within, &mut told);
        let left = tokio::time::timeout(Duration::from_secs(20), left).await.expect("it gives up in time");
        (left, String::from_utf8(told).unwrap())
    }

    fn exits(&self) -> usize {
        self.gateway.placed().iter().filter(|label| label.contains("-close")).count()
    }

    fn held(&self) -> Decimal {
        self.gateway.held(&"ACME".parse().unwrap())
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_nothing_is_sent_twice() {
    let directory = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let (gateway, at_rest) = trade(directory.path(), &mut told).await.unwrap();
    let told = String::from_utf8(told).unwrap();
    let orders = gateway.placed();
    let opening = orders.iter().filter(|label| label.contains("-open-")).count();
    assert_eq!((opening, orders.len()), (2, 4), "{told}");
    assert!(gateway.held(&"ACME".parse().unwrap()).is_zero(), "{told}");
    assert_eq!(told.matches("closed, and the broker agrees").count(), 2, "{told}");
    assert!(at_rest, "{told}");
}

#[tokio::test]
async fn a_refused_exit_is_said_ends_in_time_and_is_tried_again() {
    let bench = Bench::holding().await;
    bench.desk.freeze("ann", "two bots").await.unwrap();
    let (left, told) = bench.leave(Duration::from_millis(300)).await;
    assert!(!left && told.contains("no exit was sent: ") && told.contains("two bots"), "{told}");
    assert!(told.contains(&format!("{}: not closed within", bench.slot)), "{told}");
    assert_eq!(bench.exits(), 0, "{told}");
    let resume = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        bench.desk.resume("ann", "one bot").await.unwrap();
    };
    let ((left, told), ()) = tokio::join!(bench.leave(Duration::from_secs(10)), resume);
    assert!(left && told.contains("no exit was sent: "), "{told}");
    assert!(bench.held().is_zero(), "{told}");
}

#[tokio::test]
async fn an_exit_that_was_never_placed_is_followed_by_another() {
    let bench = Bench::holding().await;
    bench.gateway.lose_requests(1);
    let (left, told) = bench.leave(Duration::from_secs(15)).await;
    assert!(left && told.contains("not known to be closed"), "{told}");
    assert_eq!((bench.exits(), bench.held()), (1, Decimal::ZERO), "{told}");
}

#[tokio::test]
async fn a_read_that_fails_does_not_end_the_way_out() {
    let bench = Bench::holding().await;
    bench.gateway.fail_positions(20);
    let (left, told) = bench.leave(Duration::from_secs(10)).await;
    assert!(left && told.contains("the broker does not say what it holds"), "{told}");
    assert_eq!((bench.exits(), bench.held()), (1, Decimal::ZERO), "{told}");
}
