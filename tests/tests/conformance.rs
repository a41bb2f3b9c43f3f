//! The conformance suite of `backstop-broker` against both brokers of the workspace.

mod sim;
mod tradier;

use backstop_broker::{ClientOrderId, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, TimeInForce};

/// Buys `count` shares of the fund that the simulator quotes by default, at about 560.
fn buy(id: ClientOrderId, count: u32, kind: OrderKind) -> OrderRequest {
    let leg = Leg {
        symbol: "SPY".parse().unwrap(),
        side: Side::Buy,
        effect: PositionEffect::Open,
        quantity: Quantity::new(count).unwrap(),
    };
    OrderRequest::new(id, "SPY".parse().unwrap(), vec![leg], kind, TimeInForce::Day).unwrap()
}

fn resting(id: ClientOrderId) -> OrderRequest {
    buy(id, 1, OrderKind::Limit { price: "1.00".parse().unwrap() })
}

fn marketable(id: ClientOrderId) -> OrderRequest {
    buy(id, 3, OrderKind::Market)
}

/// Far beyond the account's cash.
fn unacceptable(id: ClientOrderId) -> OrderRequest {
    buy(id, 1_000_000, OrderKind::Limit { price: "500.00".parse().unwrap() })
}
