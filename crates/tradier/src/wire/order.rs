//! Orders as Tradier reports them.

use backstop_broker::{BrokerOrderId, Decimal, Order, OrderLeg, OrderStatus, PositionEffect, Side, Symbol};

use super::{collection, each};
use crate::answer::error_texts;
use crate::json::{Malformed, Object};
use crate::number;

/// One page of the list.
pub(crate) fn orders(root: &Object<'_>) -> Result<Vec<Order>, Malformed> {
    each(collection(root, "orders", "order")?, "order", order)
}

/// One order by its id.
pub(crate) fn single(root: &Object<'_>, id: &BrokerOrderId) -> Result<Order, Malformed> {
    let row = root.object("order")?;
    let order = order(&row).map_err(|error| error.within(&format!("order {id}")))?;
    if order.id != *id {
        return Err(Malformed(format!("asked for order {id}, answered with order {}", order.id)));
    }
    Ok(order)
}

/// A broker order id: a whole number, as a number or as a text.
pub(crate) fn order_id(row: &Object<'_>) -> Result<BrokerOrderId, Malformed> {
    let text = row.text("id")?;
    let whole = number::decimal(&text).filter(|id| id.fract().is_zero() && *id > Decimal::ZERO);
    let whole = whole.ok_or_else(|| Malformed("id is not a whole number".to_owned()))?;
    BrokerOrderId::new(&whole.normalize().to_string()).map_err(|_| Malformed("id is not an order id".to_owned()))
}

fn order(row: &Object<'_>) -> Result<Order, Malformed> {
    let word = row.text("status")?;
    let (legs, complete) = legs(row)?;
    let status = if complete { status(&word) } else { OrderStatus::Unrecognized(format!("{word} (legs unreadable)")) };
    Ok(Order {
        id: order_id(row)?,
        label: row.remark("tag"),
        status,
        legs,
        net_price: row.decimal_if_said("avg_fill_price")?,
        created_at: row.moment("create_date"),
        reason: row.remark("reason_description").or_else(|| Some(error_texts(row.get("errors")?)?.join("; "))),
    })
}

fn status(word: &str) -> OrderStatus {
    match word.to_ascii_lowercase().as_str() {
        // `submitted` is the old word between pending and open.
        "pending" | "submitted" => OrderStatus::Pending,
        "open" => OrderStatus::Open,
        "partially_filled" => OrderStatus::PartiallyFilled,
        "pending_cancel" => OrderStatus::PendingCancel,
        "filled" => OrderStatus::Filled,
        "canceled" => OrderStatus::Canceled,
        "expired" => OrderStatus::Expired,
        "rejected" => OrderStatus::Rejected,
        "error" => OrderStatus::Failed,
        // `held`, `accepted_for_bidding`, `calculated` and whatever comes: BRK-2, neither terminal nor filled.
        _ => OrderStatus::Unrecognized(word.to_owned()),
    }
}

/// The legs of an order, and whether they are all of them.
///
/// The classes that this crate places must be readable. Of other people's (combo, oto, oco, otoco and whatever comes) as
/// much is kept as can be expressed; an order that is not wholly expressed must not count as finished, since what it
/// did would be lost.
fn legs(row: &Object<'_>) -> Result<(Vec<OrderLeg>, bool), Malformed> {
    let class = row.remark("class").map(|class| class.to_ascii_lowercase());
    let rows = row.rows("leg")?;
    match class.as_deref() {
        Some("equity" | "option") => Ok((vec![leg(row)?], true)),
        None if rows.is_empty() => Ok((vec![leg(row)?], true)),
        // The parent's side and quantity mean nothing: everything is read from the legs.
        None | Some("multileg") if !rows.is_empty() => Ok((each(rows, "leg", leg)?, true)),
        Some("multileg") => Err(Malformed("a multileg order without legs".to_owned())),
        None | Some(_) => {
            let found: Vec<Option<OrderLeg>> =
                rows.iter().map(|row| row.object().ok().and_then(|row| leg(&row).ok())).collect();
            let complete = !found.is_empty() && found.iter().all(Option::is_some);
            Ok((found.into_iter().flatten().collect(), complete))
        }
    }
}

/// A leg, or an order of one leg: the fields are the same.
fn leg(row: &Object<'_>) -> Result<OrderLeg, Malformed> {
    let option = row.remark("option_symbol");
    if option.is_none() && row.remark("class").is_some_and(|class| class.eq_ignore_ascii_case("option")) {
        return Err(Malformed("option_symbol is missing".to_owned()));
    }
    let is_option = option.is_some();
    let text = option.map_or_else(|| row.text("symbol"), Ok)?;
    let symbol = Symbol::new(&text).map_err(|_| Malformed("symbol is not one".to_owned()))?;
    let (side, effect) = side(&row.text("side")?, is_option)?;
    let quantity = row.decimal("quantity")?;
    if quantity <= Decimal::ZERO {
        return Err(Malformed("quantity is not positive".to_owned()));
    }
    Ok(OrderLeg {
        symbol,
        side,
        effect,
        quantity,
        filled: row.decimal_if_said("exec_quantity")?,
        price: row.decimal_if_said("avg_fill_price")?,
    })
}

/// Equity words say by themselves whether they open: a plain `sell` only ever closes a long position.
fn side(word: &str, is_option: bool) -> Result<(Side, PositionEffect), Malformed> {
    match (word.to_ascii_lowercase().as_str(), is_option) {
        ("buy", false) | ("buy_to_open", true) => Ok((Side::Buy, PositionEffect::Open)),
        ("sell", false) | ("sell_to_close", true) => Ok((Side::Sell, PositionEffect::Close)),
        ("sell_short", false) | ("sell_to_open", true) => Ok((Side::Sell, PositionEffect::Open)),
        ("buy_to_cover", false) | ("buy_to_close", true) => Ok((Side::Buy, PositionEffect::Close)),
        _ => Err(Malformed("side is not one".to_owned())),
    }
}

#[cfg(test)]
mod tests;
