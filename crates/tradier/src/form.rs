//! Orders in Tradier's form parameters.

use backstop_broker::{Decimal, Leg, OrderKind, OrderRequest, PositionEffect, Side, TimeInForce};

/// Form or query parameters, percent-encoded.
///
/// Indexed keys (`side[0]`) come out with encoded brackets, as they do from every form library whose orders Tradier
/// takes.
#[derive(Debug, Default)]
pub(crate) struct Form(String);

impl Form {
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(&encode(key));
        self.0.push('=');
        self.0.push_str(&encode(value));
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 3986: everything but the unreserved characters is written as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            for digit in [byte >> 4, byte & 15] {
                encoded.extend(char::from_digit(u32::from(digit), 16).map(|c| c.to_ascii_uppercase()));
            }
            encoded.insert(encoded.len() - 2, '%');
        }
    }
    encoded
}

/// The parameters of an order, or why Tradier has none for it.
pub(crate) fn order(order: &OrderRequest) -> Result<Form, String> {
    let kind = order.kind();
    let session = matches!(order.time_in_force(), TimeInForce::PreMarket | TimeInForce::PostMarket);
    if session && !matches!(kind, OrderKind::Limit { .. }) {
        return Err("the sessions before the opening and after the close take limit orders only".to_owned());
    }
    let form = match order.legs() {
        [leg] => single(order, leg),
        legs => multileg(order, legs),
    };
    let form = form.with("type", kind_word(kind)).with("duration", duration(order.time_in_force()));
    let form = match kind {
        OrderKind::Market | OrderKind::Even => form,
        OrderKind::Limit { price } | OrderKind::Debit { price } | OrderKind::Credit { price } => {
            form.with("price", &number(price))
        }
        OrderKind::Stop { stop } => form.with("stop", &number(stop)),
        OrderKind::StopLimit { stop, price } => form.with("stop", &number(stop)).with("price", &number(price)),
    };
    Ok(form.with("tag", order.client_order_id().as_str()))
}

fn single(order: &OrderRequest, leg: &Leg) -> Form {
    let symbol = order.underlying().as_str();
    let form = if leg.symbol.option().is_some() {
        // Both names are required for an option.
        let form = Form::default().with("class", "option").with("symbol", symbol);
        form.with("option_symbol", leg.symbol.as_str()).with("side", option_side(leg))
    } else {
        Form::default().with("class", "equity").with("symbol", symbol).with("side", equity_side(leg))
    };
    form.with("quantity", &leg.quantity.to_string())
}

fn multileg(order: &OrderRequest, legs: &[Leg]) -> Form {
    let head = Form::default().with("class", "multileg").with("symbol", order.underlying().as_str());
    legs.iter().enumerate().fold(head, |form, (i, leg)| {
        form.with(&format!("option_symbol[{i}]"), leg.symbol.as_str())
            .with(&format!("side[{i}]"), option_side(leg))
            .with(&format!("quantity[{i}]"), &leg.quantity.to_string())
    })
}

fn option_side(leg: &Leg) -> &'static str {
    match (leg.side, leg.effect) {
        (Side::Buy, PositionEffect::Open) => "buy_to_open",
        (Side::Buy, PositionEffect::Close) => "buy_to_close",
        (Side::Sell, PositionEffect::Open) => "sell_to_open",
        (Side::Sell, PositionEffect::Close) => "sell_to_close",
    }
}

fn equity_side(leg: &Leg) -> &'static str {
    match (leg.side, leg.effect) {
        (Side::Buy, PositionEffect::Open) => "buy",
        (Side::Buy, PositionEffect::Close) => "buy_to_cover",
        (Side::Sell, PositionEffect::Open) => "sell_short",
        (Side::Sell, PositionEffect::Close) => "sell",
    }
}

fn kind_word(kind: OrderKind) -> &'static str {
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

fn number(price: Decimal) -> String {
    price.normalize().to_string()
}

#[cfg(test)]
mod tests;
