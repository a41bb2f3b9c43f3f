//! What the orders of each cause made or lost. Exact: the causes add up to the result.

use std::collections::BTreeMap;

use backstop::broker::{Decimal, Fill, Symbol};
use backstop_sim::{Ledger, LedgerOrder};

use crate::demo::samples::Net;

/// Why an order was sent. Each order has one cause, the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Its slot had been entered before.
    DuplicateEntries,
    /// There was nothing left to close of its slot.
    DuplicateExits,
    /// It opened something by a quote that was no price to trade on.
    BadQuotes,
    /// As the strategy means it.
    Meant,
}

/// What was made, below zero lost, by cause.
///
/// An order makes what its fills did to cash, and what they hold is worth at the end at the true price: what closing would
/// bring or cost where it is still held, else half way between bid and ask. So each fill is held against the same price, whether its position was closed later or not; and all orders
/// together, with what options settled for, make the [`result`](Money::result) to the cent: the change of the account's cash,
/// and what it holds at the end. An order of a harmful cause may by luck have gained; then that is what stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) by_cause: BTreeMap<Cause, Decimal>,
    /// What options settled for, against the same prices, and any other movement of cash without an order.
    pub(crate) settled: Decimal,
    /// What the account is worth at the end, less what it began with.
    pub(crate) result: Decimal,
}

impl Money {
    pub(super) fn of(ledger: &Ledger, marks: &Net, cause: impl Fn(&LedgerOrder) -> Cause) -> Self {
        let worth = |symbol: &Symbol, quantity: Decimal| {
            let mark = marks.get(symbol).copied().unwrap_or_default();
            quantity * mark * symbol.multiplier()
        };
        let made = |fill: &Fill| {
            let quantity = fill.signed_quantity();
            worth(&fill.symbol, quantity) - quantity * fill.price * fill.symbol.multiplier()
        };
        let mut gone = Net::new();
        for fill in ledger.orders.iter().flat_map(|order| &order.fills) {
            *gone.entry(fill.symbol.clone()).or_default() += fill.signed_quantity();
        }
        for (symbol, held) in &ledger.positions {
            *gone.entry(symbol.clone()).or_default() -= held;
        }
        let without_order = ledger.movements.iter().filter(|movement| movement.order_id.is_none());
        let paid: Decimal = without_order.map(|movement| movement.amount).sum();
        let settled = paid - gone.iter().map(|(symbol, quantity)| worth(symbol, *quantity)).sum::<Decimal>();
        let mut by_cause: BTreeMap<Cause, Decimal> = BTreeMap::new();
        for order in &ledger.orders {
            *by_cause.entry(cause(order)).or_default() += order.fills.iter().map(made).sum::<Decimal>();
        }
        let held: Decimal = ledger.positions.iter().map(|(symbol, quantity)| worth(symbol, *quantity)).sum();
        Self { settled, by_cause, result: ledger.cash - ledger.start_cash + held }
    }

    /// What the orders of a cause made.
    pub(crate) fn made(&self, cause: Cause) -> Decimal {
        self.by_cause.get(&cause).copied().unwrap_or_default()
    }
}
