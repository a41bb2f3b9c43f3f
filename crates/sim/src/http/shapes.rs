//! What orders, positions and money look like on the wire.

use backstop_broker::{Balances, Decimal, Leg, OrderKind, Position, PositionEffect, Side, TimeInForce};

use super::json::Json;
use crate::exchange::OrderView;
use crate::order::SimOrder;

/// An order. The parent of several legs says `buy` whatever its legs do, and a negative price for a net credit.
pub(super) fn order(view: &OrderView, tags: bool) -> Json {
    let order = &view.order;
    let request = &order.request;
    let several = request.legs.len() > 1;
    let first = request.legs.first();
    let side = if several { "buy" } else { first.map_or("buy", side) };
    let told = |price: Option<Decimal>| if view.measured { price } else { None };
    let mut fields = vec![
        ("id", Json::number(order.id)),
        ("type", Json::text(kind(request.kind))),
        ("symbol", Json::text(&request.underlying)),
        ("side", Json::text(side)),
        ("quantity", Json::padded(request.units().into())),
        ("status", Json::text(order.state.name())),
        ("duration", Json::text(duration(request.time_in_force))),
    ];
    fields.extend(prices(request.kind));
    fields.extend(executed(view, order.filled_units.into(), told(order.net_price()), request.units().into()));
    let last = order.fills.last().filter(|_| view.measured).map(|fill| order.net_of(fill));
    fields.extend(dates(order, last));
    fields.push(("class", Json::text(class(order))));
    if let Some(leg) = first.filter(|leg| !several && leg.symbol.option().is_some()) {
        fields.push(("option_symbol", Json::text(&leg.symbol)));
    }
    if several {
        let strategy = match request.legs.len() {
            2 => "spread",
            3 => "butterfly",
            _ => "condor",
        };
        fields.push(("num_legs", Json::number(request.legs.len())));
        fields.push(("strategy", Json::text(strategy)));
        let legs = request.legs.iter().enumerate().map(|(index, leg)| leg_row(view, index, leg)).collect();
        fields.push(("leg", Json::List(legs)));
    }
    if let Some(reason) = &order.reason {
        fields.push(("reason_description", Json::text(reason)));
    }
    if let Some(tag) = request.tag.as_ref().filter(|_| tags) {
        fields.push(("tag", Json::text(tag)));
    }
    Json::Object(fields)
}

fn leg_row(view: &OrderView, index: usize, leg: &Leg) -> Json {
    let order = &view.order;
    let price = order.leg_price(index).filter(|_| view.measured);
    let mut fields = vec![
        // Ids of legs follow their order's: the exchange leaves room for them.
        ("id", Json::number(order.id + 1 + u64::try_from(index).unwrap_or(0))),
        ("type", Json::text(kind(order.request.kind))),
        ("symbol", Json::text(&order.request.underlying)),
        ("side", Json::text(side(leg))),
        ("quantity", Json::padded(leg.quantity.into())),
        ("status", Json::text(order.state.name())),
        ("duration", Json::text(duration(order.request.time_in_force))),
    ];
    fields.extend(prices(order.request.kind));
    fields.extend(executed(view, order.filled(leg), price, leg.quantity.into()));
    let last = order.fills.last().filter(|_| view.measured).and_then(|fill| fill.prices.get(index).copied());
    fields.extend(dates(order, last));
    fields.push(("class", Json::text("option")));
    fields.push(("option_symbol", Json::text(&leg.symbol)));
    Json::Object(fields)
}

/// What was executed. While it is not told yet, `filled` stands there beside a zero and a null.
fn executed(
    view: &OrderView,
    filled: Decimal,
    price: Option<Decimal>,
    of: Decimal,
) -> impl Iterator<Item = (&'static str, Json)> {
    let filled = if view.measured { filled } else { Decimal::ZERO };
    let price = match price {
        Some(price) => Json::padded(price),
        None if view.measured => Json::padded(Decimal::ZERO),
        None => Json::Null,
    };
    let left = if view.order.state.is_working() { of - filled } else { Decimal::ZERO };
    [("avg_fill_price", price), ("exec_quantity", Json::padded(filled)), ("remaining_quantity", Json::padded(left))]
        .into_iter()
}

fn dates(order: &SimOrder, last_price: Option<Decimal>) -> impl Iterator<Item = (&'static str, Json)> {
    // An exponent is legal JSON, and seen where nothing was filled yet.
    let last_units = order.fills.last().filter(|_| last_price.is_some()).map(|fill| Decimal::from(fill.units));
    [
        ("last_fill_price", Json::padded(last_price.unwrap_or(Decimal::ZERO))),
        ("last_fill_quantity", last_units.map_or_else(|| Json::number("0E-8"), Json::padded)),
        ("create_date", Json::date(order.created_at)),
        ("transaction_date", Json::date(order.updated_at)),
    ]
    .into_iter()
}

fn prices(kind: OrderKind) -> impl Iterator<Item = (&'static str, Json)> {
    let (price, stop) = match kind {
        OrderKind::Market | OrderKind::Even => (None, None),
        OrderKind::Limit { price } | OrderKind::Debit { price } | OrderKind::Credit { price } => (Some(price), None),
        OrderKind::Stop { stop } => (None, Some(stop)),
        OrderKind::StopLimit { stop, price } => (Some(price), Some(stop)),
    };
    let price = price.map(|price| ("price", Json::decimal(price)));
    price.into_iter().chain(stop.map(|stop| ("stop_price", Json::decimal(stop))))
}

fn kind(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Market => "market",
        OrderKind::Limit { .. } => "limit",
        OrderKind::Stop { .. } => "stop",
        OrderKind::StopLimit { .. } => "stop_limit",
        OrderKind::Debit { .. } => "debit",
        OrderKind::Credit { .. } => "credit",
        OrderKind::Even => "even",
    }
}

fn duration(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Day => "day",
        TimeInForce::GoodTilCanceled => "gtc",
        TimeInForce::PreMarket => "pre",
        TimeInForce::PostMarket => "post",
    }
}

fn class(order: &SimOrder) -> &'static str {
    match order.request.legs.as_slice() {
        [leg] if leg.symbol.option().is_some() => "option",
        [_] => "equity",
        _ => "multileg",
    }
}

fn side(leg: &Leg) -> &'static str {
    let option = leg.symbol.option().is_some();
    match (leg.side, leg.effect, option) {
        (Side::Buy, PositionEffect::Open, true) => "buy_to_open",
        (Side::Buy, PositionEffect::Close, true) => "buy_to_close",
        (Side::Sell, PositionEffect::Open, true) => "sell_to_open",
        (Side::Sell, PositionEffect::Close, true) => "sell_to_close",
        (Side::Buy, PositionEffect::Open, false) => "buy",
        (Side::Buy, PositionEffect::Close, false) => "buy_to_cover",
        (Side::Sell, PositionEffect::Open, false) => "sell_short",
        (Side::Sell, PositionEffect::Close, false) => "sell",
    }
}

pub(super) fn position(id: u64, position: &Position) -> Json {
    Json::Object(vec![
        ("cost_basis", position.cost_basis.map_or(Json::Null, Json::decimal)),
        ("date_acquired", position.acquired_at.map_or(Json::Null, Json::date)),
        ("id", Json::number(id)),
        ("quantity", Json::padded(position.quantity)),
        ("symbol", Json::text(&position.symbol)),
    ])
}

/// What the list of balances says beside the money itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Holdings {
    pub(super) long: Decimal,
    pub(super) short: Decimal,
    pub(super) requirement: Decimal,
    pub(super) working: usize,
}

pub(super) fn balances(account: &str, money: &Balances, held: &Holdings) -> Json {
    let buying_power = |power: Option<Decimal>| power.map_or(Json::Null, Json::decimal);
    let zero = || Json::number(0);
    let margin = Json::Object(vec![
        ("fed_call", zero()),
        ("maintenance_call", zero()),
        ("option_buying_power", buying_power(money.option_buying_power)),
        ("stock_buying_power", buying_power(money.stock_buying_power)),
        ("stock_short_value", zero()),
        ("sweep", zero()),
    ]);
    let balances = Json::Object(vec![
        ("account_number", Json::text(account)),
        ("account_type", Json::text("margin")),
        ("total_equity", Json::decimal(money.total_equity)),
        // The broker pads its money without end.
        ("total_cash", Json::Bare(padded(money.total_cash))),
        ("equity", zero()),
        ("market_value", Json::decimal(held.long + held.short)),
        ("long_market_value", Json::decimal(held.long)),
        ("short_market_value", Json::decimal(held.short)),
        ("stock_long_value", zero()),
        ("option_long_value", Json::decimal(held.long)),
        ("option_short_value", Json::decimal(held.short)),
        ("open_pl", zero()),
        ("close_pl", zero()),
        ("current_requirement", Json::decimal(held.requirement)),
        ("option_requirement", Json::decimal(held.requirement)),
        ("pending_orders_count", Json::number(held.working)),
        ("uncleared_funds", zero()),
        ("pending_cash", zero()),
        ("margin", margin),
    ]);
    Json::Object(vec![("balances", balances)])
}

/// With 24 places. By the number's own formatting as many fit only below ten million.
fn padded(amount: Decimal) -> String {
    let text = amount.to_string();
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    let point = if places == 0 { "." } else { "" };
    format!("{text}{point}{}", "0".repeat(24_usize.saturating_sub(places)))
}
