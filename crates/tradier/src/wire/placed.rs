//! Confirmations: of an order placed, canceled or only checked.

use backstop_broker::{BrokerOrderId, Decimal};

use super::order::order_id;
use crate::json::{Malformed, Node, Object};

/// What a preview says an order would cost. Nothing was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// What the whole order would cost, commission and fees included; negative for what it would bring.
    pub cost: Option<Decimal>,
    /// The same without commission and fees.
    pub order_cost: Option<Decimal>,
    /// The broker's commission.
    pub commission: Option<Decimal>,
    /// The exchanges' fees.
    pub fees: Option<Decimal>,
    /// By how much the margin requirement would grow.
    pub margin_change: Option<Decimal>,
    /// Day trades counted so far.
    pub day_trades: Option<Decimal>,
}

/// The id of an order that was received.
///
/// Received is `status: ok`. With any other word next to an id the order may or may not live: that is a doubt, and
/// looking it up resolves it.
pub(crate) fn placed(root: &Object<'_>) -> Result<BrokerOrderId, Malformed> {
    let order = root.object("order")?;
    let id = order_id(&order)?;
    if is_ok(&order) { Ok(id) } else { Err(Malformed(format!("order {id} has an id, but its status is not ok"))) }
}

/// That the request to cancel `id` was taken.
pub(crate) fn canceled(root: &Object<'_>, id: &BrokerOrderId) -> Result<(), Malformed> {
    let order = root.object("order")?;
    if order.get("id").is_some() && order_id(&order)? != *id {
        return Err(Malformed("the answer is about another order".to_owned()));
    }
    if is_ok(&order) { Ok(()) } else { Err(Malformed("the status is not ok".to_owned())) }
}

/// What an order would cost. An answer with an id is no preview: an order was placed.
pub(crate) fn preview(root: &Object<'_>) -> Result<Preview, Malformed> {
    let order = root.object("order")?;
    if let Some(id) = order.remark("id") {
        return Err(Malformed(format!("the answer to a preview holds order {id}: look whether it lives")));
    }
    if !is_ok(&order) || order.get("result").and_then(Node::bool) == Some(false) {
        return Err(Malformed("the preview did not succeed, without saying why".to_owned()));
    }
    Ok(Preview {
        cost: order.decimal_if_said("cost")?,
        order_cost: order.decimal_if_said("order_cost")?,
        commission: order.decimal_if_said("commission")?,
        fees: order.decimal_if_said("fees")?,
        margin_change: order.decimal_if_said("margin_change")?,
        day_trades: order.decimal_if_said("day_trades")?,
    })
}

fn is_ok(order: &Object<'_>) -> bool {
    order.remark("status").is_some_and(|status| status.eq_ignore_ascii_case("ok"))
}
