//! The body of a request to place an order.

use backstop_broker::{Decimal, Leg, OptionSymbol, OrderKind, PositionEffect, Quantity, Side, Symbol, TimeInForce};

use crate::order::{NewOrder, Refusal};

/// Key and value pairs of a query or a form body, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(pub(super) Vec<(String, String)>);

impl Form {
    /// The value of `key`; an empty one counts as none.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    /// An order, as far as its words can be understood. Whether it makes sense is for the exchange to say.
    pub(super) fn order(&self) -> Result<NewOrder, Refusal> {
        let several = match self.get("class") {
            Some("equity" | "option") => false,
            Some("multileg") => true,
            _ => return Err(invalid("class")),
        };
        let underlying = self
            .symbol("symbol")
            .ok_or_else(|| Refusal::Parameter("Invalid parameter, symbol: is not valid".to_owned()))?;
        let time_in_force = match self.get("duration") {
            Some("day") => TimeInForce::Day,
            Some("gtc") => TimeInForce::GoodTilCanceled,
            Some("pre") => TimeInForce::PreMarket,
            Some("post") => TimeInForce::PostMarket,
            _ => return Err(invalid("duration")),
        };
        let legs = if several { self.legs()? } else { vec![self.leg(&underlying)?] };
        let options = legs.iter().any(|leg| leg.symbol.option().is_some());
        let kind = self.kind(several, options)?;
        Ok(NewOrder { tag: self.get("tag").map(str::to_owned), underlying, legs, kind, time_in_force })
    }

    fn symbol(&self, key: &str) -> Option<Symbol> {
        self.get(key).and_then(|text| Symbol::new(text).ok())
    }

    /// The one leg of an equity or option order.
    fn leg(&self, underlying: &Symbol) -> Result<Leg, Refusal> {
        let option = self.get("class") == Some("option");
        let symbol = if option { self.option_symbol("option_symbol")? } else { underlying.clone() };
        let (side, effect) = side(self.get("side"), option).ok_or_else(|| invalid("side"))?;
        Ok(Leg { symbol, side, effect, quantity: self.quantity("quantity")? })
    }

    /// The legs of a multileg order: flat indexed keys from 0 on.
    fn legs(&self) -> Result<Vec<Leg>, Refusal> {
        let mut legs = Vec::new();
        for index in 0..4 {
            let key = |name: &str| format!("{name}[{index}]");
            if self.get(&key("option_symbol")).is_none() {
                break;
            }
            let (side, effect) = side(self.get(&key("side")), true).ok_or_else(|| invalid("side"))?;
            let symbol = self.option_symbol(&key("option_symbol"))?;
            legs.push(Leg { symbol, side, effect, quantity: self.quantity(&key("quantity"))? });
        }
        if legs.len() < 2 {
            return Err(Refusal::Parameter("number of legs must be > 1".to_owned()));
        }
        Ok(legs)
    }

    fn option_symbol(&self, key: &str) -> Result<Symbol, Refusal> {
        let option = self.get(key).and_then(|text| text.parse::<OptionSymbol>().ok());
        option.map(|option| option.symbol()).ok_or_else(|| invalid("option_symbol"))
    }

    fn quantity(&self, key: &str) -> Result<Quantity, Refusal> {
        let count = self.get(key).and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| invalid("quantity"))?;
        let count = u32::try_from(count).ok().and_then(|count| Quantity::new(count).ok());
        count.ok_or_else(|| Refusal::code("IncorrectOrderQuantity"))
    }

    fn kind(&self, several: bool, options: bool) -> Result<OrderKind, Refusal> {
        let price = || self.price("price", options, "LimitPriceUndefined");
        let stop = || self.price("stop", options, "StopPriceUndefined");
        match (self.get("type"), several) {
            (Some("market"), _) => Ok(OrderKind::Market),
            (Some("limit"), false) => Ok(OrderKind::Limit { price: price()? }),
            (Some("stop"), false) => Ok(OrderKind::Stop { stop: stop()? }),
            (Some("stop_limit"), false) => Ok(OrderKind::StopLimit { stop: stop()?, price: price()? }),
            (Some("debit"), true) => Ok(OrderKind::Debit { price: price()? }),
            (Some("credit"), true) => Ok(OrderKind::Credit { price: price()? }),
            (Some("even"), true) => Ok(OrderKind::Even),
            _ => Err(invalid("type")),
        }
    }

    fn price(&self, key: &str, options: bool, undefined: &str) -> Result<Decimal, Refusal> {
        let text = self.get(key).ok_or_else(|| Refusal::code(undefined))?;
        let price: Decimal = text.parse().map_err(|_| invalid(key))?;
        let fine = price > Decimal::ZERO && !(options && price.normalize().scale() > 2);
        if fine { Ok(price) } else { Err(invalid(key)) }
    }
}

fn side(word: Option<&str>, option: bool) -> Option<(Side, PositionEffect)> {
    Some(match (word?, option) {
        ("buy", false) | ("buy_to_open", true) => (Side::Buy, PositionEffect::Open),
        ("sell", false) | ("sell_to_close", true) => (Side::Sell, PositionEffect::Close),
        ("sell_short", false) | ("sell_to_open", true) => (Side::Sell, PositionEffect::Open),
        ("buy_to_cover", false) | ("buy_to_close", true) => (Side::Buy, PositionEffect::Close),
        _ => return None,
    })
}

fn invalid(parameter: &str) -> Refusal {
    Refusal::Parameter(format!("Invalid parameter, {parameter}: is not valid."))
}
