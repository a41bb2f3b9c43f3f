//! The book's cash beside the account's: read, compared, and only then gone by.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use backstop_broker::{Decimal, ReadError};
use backstop_rollback::BalanceRead;

use super::{Desk, Inner, RecordError};
use crate::record::Record;
use crate::state::{CASH, State};
use crate::told::told;

/// Why the book's cash was not set. It stays as it is, and counts as stale (TXN-7).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CashError {
    /// The balances could not be read.
    #[error("the account's balances could not be read")]
    Broker(#[from] ReadError),
    /// No account that only spends what it has can have it.
    #[error("the account's cash cannot be {total}: what was known before counts on")]
    Absurd {
        /// What was read.
        total: Decimal,
    },
    /// The account owes, and said so twice: an assignment, fees, a trade by hand.
    #[error(
        "the account's cash is {total}, less than nothing: nothing is entered until it has something again. See the account for an assignment, fees or trades by hand"
    )]
    InDebt {
        /// What was read.
        total: Decimal,
    },
    /// The account seemed to have another sum than the book, and then one more.
    #[error("the account's cash was read as {first}, then as {second}, and is {book} by the book: neither is believed")]
    Unsteady {
        /// What was read first.
        first: Decimal,
        /// And then.
        second: Decimal,
        /// What the book says.
        book: Decimal,
    },
    /// They could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Desk {
    /// Compares the book's cash with the broker's balances, goes by these from then on, and returns them. Only at rest: while
    /// an order is in flight, nobody knows which fills the balance holds already; then, and if one came to rest while the
    /// balance was on its way, the book stays as it is, and `None` is returned.
    ///
    /// A broker's balance may lag behind a fill. So within the settling time after one of this process a balance that is not as the
    /// book says is not gone by: `None`, too.
    ///
    /// At rest every fill of ours is in both, so what differs is what no order of ours did: fees, interest, transfers, trades
    /// by hand. It is read twice then, and recorded; the first difference that a process finds, which came about while none
    /// ran, is an alert.
    ///
    /// # Errors
    /// [`CashError`]; the old figure stays (TXN-7).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn read_cash(&self) -> Result<Option<Decimal>, CashError> {
        self.inner.read_cash().await
    }
}

impl Inner {
    pub(super) async fn read_cash(self: &Arc<Self>) -> Result<Option<Decimal>, CashError> {
        let (before, book) = {
            let state = self.state.lock();
            (state.turnover, state.account.cash())
        };
        let at_rest = move |state: &State| {
            state.operations.is_empty() && state.turnover == before && state.account.cash() == book
        };
        if !at_rest(&self.state.lock()) {
            return Ok(None);
        }
        let total = match self.believable(book).await {
            Ok(total) => total,
            Err(CashError::Unsteady { .. }) if !at_rest(&self.state.lock()) => return Ok(None),
            Err(error) => {
                self.note_unread(&error).await;
                return Err(error);
            }
        };
        // TXN-7: read before the fill was in it, the balance would give back what was spent.
        if book.is_some_and(|book| book != total) && self.is_just_filled() {
            return Ok(None);
        }
        let is_first = !self.compared.load(Ordering::SeqCst);
        let mut records = vec![Record::CashRead { total }];
        if let Some(book) = book.filter(|book| is_first && *book != total) {
            let text = format!(
                "the account has {total}, and by the records it would be {book}: {} that no order of this bot explains (fees, \
                 interest, transfers, trades by hand). The book goes by the account from here on",
                total.saturating_sub(book)
            );
            records.push(Record::Alert { subject: CASH.to_owned(), text });
        }
        let is_news = is_first || book != Some(total) || is_stale(&self.state.lock());
        if !is_news {
            return Ok(at_rest(&self.state.lock()).then_some(total));
        }
        let written = self.commit_if(records, at_rest).await?;
        if written {
            self.compared.store(true, Ordering::SeqCst);
        }
        Ok(written.then_some(total))
    }

    /// Whether a fill of this process is so new that the account's balance may not have it.
    pub(super) fn is_just_filled(&self) -> bool {
        let now = self.clock.mono();
        self.changed.lock().values().any(|at| now.since(*at) < self.config.settle)
    }

    /// Whether the account's balance may lag behind a fill, of this process or of the one before it.
    pub(super) fn may_balance_lag(&self) -> bool {
        self.is_just_filled() || self.clock.mono().since(self.opened.mono) < self.config.settle
    }

    /// The account's cash. What is not as the book says is read twice: one answer may be wrong.
    async fn believable(&self, book: Option<Decimal>) -> Result<Decimal, CashError> {
        let first = match self.one_reading().await {
            Err(CashError::Absurd { total }) if total < Decimal::ZERO => {
                let second = self.one_reading().await;
                let is_in_debt = matches!(second, Err(CashError::Absurd { total }) if total < Decimal::ZERO);
                return Err(if is_in_debt { CashError::InDebt { total } } else { CashError::Absurd { total } });
            }
            first => first?,
        };
        let Some(book) = book.filter(|book| *book != first) else { return Ok(first) };
        let second = self.one_reading().await?;
        if first == second { Ok(first) } else { Err(CashError::Unsteady { first, second, book }) }
    }

    async fn one_reading(&self) -> Result<Decimal, CashError> {
        let total = self.broker.balances().await?.total_cash;
        // The ledger's word on what an account can have.
        match BalanceRead::Never.then(Ok::<_, String>(total), total) {
            BalanceRead::Read { .. } => Ok(total),
            _ => Err(CashError::Absurd { total }),
        }
    }

    /// What an earlier process said of it is not an alert of this one.
    pub(super) async fn say_overdrawn(self: &Arc<Self>) {
        let short = self.state.lock().account.overdrawn();
        if let Some(short) = short {
            self.alert(CASH, overdrawn(short)).await;
        }
    }

    /// TXN-7: once, until a reading is believed again. Every record is a sync.
    async fn note_unread(self: &Arc<Self>, error: &CashError) {
        let debt = if let CashError::InDebt { total } = error { Some(*total) } else { None };
        let record = Record::CashUnread { reason: told(error), debt };
        let is_news = move |state: &State| !is_stale(state) || debt.is_some_and(|_| state.account.in_debt() != debt);
        if let Err(error) = self.commit_if(vec![record], is_news).await {
            tracing::error!(error = told(&error), "that the account's cash was not read is not in the records");
        }
        if debt.is_some() {
            // Until it is something again, each comparison asks.
            self.recount.store(true, Ordering::SeqCst);
            self.alert(CASH, told(error)).await;
        }
    }
}

fn is_stale(state: &State) -> bool {
    matches!(state.account.balance(), BalanceRead::Stale { .. })
}

pub(super) fn overdrawn(short: Decimal) -> String {
    format!(
        "what was filled took {short} more than there was by the book: nothing is entered until the account's balance, read \
         while nothing is in flight, shows that it has it. See whether the account is overdrawn"
    )
}
