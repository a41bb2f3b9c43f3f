//! A bot on the whole of Backstop: a desk on the incident's account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use backstop::broker::{Broker, Decimal, Leg, OrderKind, PositionEffect, Quantity, Side};
use backstop::file_lock::{Claim, Lock};
use backstop::{Batch, Desk, EntryEnd, EntryPlan, Journal, JournalError, MemoryJournal, SlotId, State, Switch};

use super::{Account, FILL, spy};
use crate::desk_budget::config;

/// The state directory of one bot, over its restarts.
pub(crate) struct Trader {
    folder: tempfile::TempDir,
}

impl Trader {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A desk on the account that goes on after `history`, ready for entries. `life` tells one process from the next: what is left
    /// of a dead one still holds its own lock here.
    pub(crate) async fn desk(
        &self,
        account: &Account,
        life: u32,
        journal: Arc<dyn Journal>,
        history: &[Batch],
    ) -> Desk {
        let claim = Claim { label: "test".to_owned(), since: account.clock.wall() };
        let lock = Lock::acquire(self.folder.path().join(format!("lock-{life}")), &claim).unwrap();
        let switch = Switch::open(&self.folder.path().join("switch")).unwrap();
        let mut config = config();
        config.fill_timeout = FILL * 4;
        let broker: Arc<dyn Broker> = Arc::new(account.broker.clone());
        let state = State::replay(history).unwrap();
        let desk = Desk::open(config, broker, Arc::clone(&account.clock), lock, switch, journal, state).await.unwrap();
        desk.recover().await.unwrap();
        desk.read_cash().await.unwrap();
        desk.begin_session(desk.market_clock().await.unwrap().date, 3, None).await.unwrap();
        desk
    }

    /// The same, for a bot that nothing happens to.
    pub(crate) async fn healthy(&self, account: &Account) -> Desk {
        self.desk(account, 1, Arc::new(MemoryJournal::default()), &[]).await
    }
}

/// Ten SPY at `price` or better.
pub(crate) fn plan(price: Decimal) -> EntryPlan {
    let quantity = Quantity::new(10).unwrap();
    let kind = OrderKind::Limit { price };
    let legs = vec![Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity }];
    EntryPlan { underlying: spy(), legs, kind, reserve: price * Decimal::TEN, margin: Decimal::ZERO }
}

/// A slot of today's session.
pub(crate) fn slot(desk: &Desk, number: u32) -> SlotId {
    desk.slot(number).unwrap()
}

/// Looks at the market and enters at a price that fills.
pub(crate) async fn enter(desk: &Desk, number: u32) -> EntryEnd {
    let view = desk.look(&[spy()]).await.unwrap();
    let price = view.quotes().get(&spy()).unwrap().ask.price.value().unwrap() + Decimal::TWO;
    desk.enter(slot(desk, number), plan(price), view).await
}

/// What a killed process has written: nothing, from the moment on at which it dies.
#[derive(Debug, Default)]
pub(crate) struct Mortal {
    kept: MemoryJournal,
    is_dead: AtomicBool,
}

impl Mortal {
    pub(crate) fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.kept.batches()
    }
}

#[async_trait]
impl Journal for Mortal {
    async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        if self.is_dead.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.kept.append(batch).await
    }
}
