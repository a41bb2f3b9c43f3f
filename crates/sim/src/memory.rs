//! The simulated exchange as a [`Broker`], in memory: the same faults as over the wire, without a wire.

use std::time::Duration;

use async_trait::async_trait;
use backstop_broker::{
    Balances, Broker, BrokerOrderId, Doubt, DoubtCause, Field, Grant, MarketClock, Order, OrderLeg, OrderList,
    OrderRequest, Outcome, Position, Quote, QuoteSide, Quotes, ReadError, Received, Rejection, Symbol,
};
use tokio::time::sleep;

use crate::config::SimConfig;
use crate::exchange::{Answer, Exchange, OrderView, RawQuote, RawSide, RawValue};
use crate::faults::Wire;
use crate::handle::{SimHandle, StateError};
use crate::order::{CancelRefusal, NewOrder, OrderState, Refusal};

/// A simulated broker account in memory.
///
/// Waits in tokio's time, so that with a paused runtime and a clock that follows it
/// (`ManualClock::following_tokio`) a whole session takes no time at all.
#[derive(Debug, Clone)]
pub struct SimBroker {
    handle: SimHandle,
    account: String,
    call_timeout: Duration,
}

impl SimBroker {
    /// Opens the exchange of `config`; port, token and rate limits do not matter here.
    ///
    /// # Errors
    /// [`StateError`] when the exchange is to be kept in a file, and that cannot be read or written.
    pub fn new(config: &SimConfig) -> Result<Self, StateError> {
        let handle = SimHandle::open(config)?;
        Ok(Self { handle, account: config.account.clone(), call_timeout: config.call_timeout })
    }

    /// The way in past the faults.
    pub fn handle(&self) -> SimHandle {
        self.handle.clone()
    }

    async fn read<T>(&self, what: impl FnOnce(&mut Exchange) -> T) -> Result<T, ReadError> {
        let answer = self.handle.call(|exchange, now| exchange.read(now, what));
        let Err(fault) = self.suffer(answer.wire).await else {
            return answer.body.ok_or(ReadError::Server { status: 500, detail: "no answer".to_owned() });
        };
        let detail = "simulated fault".to_owned();
        Err(match fault {
            DoubtCause::TimedOut => ReadError::TimedOut { detail },
            DoubtCause::ConnectionLost => ReadError::ConnectionLost { detail },
            DoubtCause::ServerError { status } => ReadError::Server { status, detail },
            DoubtCause::Throttled => {
                let until = if let Wire::Throttle(until) = answer.wire { Some(until) } else { None };
                ReadError::Throttled { until, detail }
            }
            _ => ReadError::Unreadable { detail },
        })
    }

    /// What a client sees of `wire`; `Ok` if it sees the answer. Ends within the call time-out (BRK-1).
    async fn suffer(&self, wire: Wire) -> Result<(), DoubtCause> {
        match wire {
            Wire::Deliver => Ok(()),
            Wire::Hang(_) => {
                sleep(self.call_timeout).await;
                Err(DoubtCause::TimedOut)
            }
            Wire::Delay(delay) => {
                sleep(delay.min(self.call_timeout)).await;
                if delay < self.call_timeout { Ok(()) } else { Err(DoubtCause::TimedOut) }
            }
            Wire::Close | Wire::Truncate => Err(DoubtCause::ConnectionLost),
            Wire::ServerError(status) => Err(DoubtCause::ServerError { status }),
            Wire::CutJson | Wire::Html => Err(DoubtCause::Unreadable),
            Wire::Throttle(_) => Err(DoubtCause::Throttled),
        }
    }
}

#[async_trait]
impl Broker for SimBroker {
    fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    async fn submit(&self, order: &OrderRequest, _grant: Grant) -> Outcome<BrokerOrderId> {
        let order = NewOrder::from(order);
        let answer = self.handle.call(|exchange, now| exchange.submit(now, &order));
        if let Err(cause) = self.suffer(answer.wire).await {
            return Outcome::Unknown(Doubt { cause, detail: "simulated fault".to_owned() });
        }
        match answer.body {
            Some(Ok(id)) => match broker_id(id) {
                Ok(id) => Outcome::Accepted(id),
                Err(error) => Outcome::Unknown(Doubt { cause: DoubtCause::Unreadable, detail: error.to_string() }),
            },
            Some(Err(refusal)) => Outcome::Rejected(rejection(refusal)),
            None => Outcome::Unknown(Doubt { cause: DoubtCause::Unreadable, detail: "no answer".to_owned() }),
        }
    }

    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()> {
        let answer = match id.as_str().parse() {
            Ok(id) => self.handle.call(|exchange, now| exchange.cancel(now, id)),
            Err(_) => Answer { wire: Wire::Deliver, body: Some(Err(CancelRefusal::NoSuchOrder)) },
        };
        if let Err(cause) = self.suffer(answer.wire).await {
            return Outcome::Unknown(Doubt { cause, detail: "simulated fault".to_owned() });
        }
        match answer.body {
            Some(Ok(())) => Outcome::Accepted(()),
            Some(Err(CancelRefusal::NoSuchOrder)) => {
                Outcome::Rejected(Rejection { code: None, reason: format!("Unauthorized Account: {}", self.account) })
            }
            Some(Err(CancelRefusal::Final(state))) => Outcome::Rejected(Rejection {
                code: None,
                reason: format!("order already in finalized state: {}", state.name()),
            }),
            None => Outcome::Unknown(Doubt { cause: DoubtCause::Unreadable, detail: "no answer".to_owned() }),
        }
    }

    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError> {
        let number = id.as_str().parse().unwrap_or(0);
        let view = self.read(|exchange| exchange.order_view(number)).await?;
        let foreign = || ReadError::Unauthorized { detail: format!("Unauthorized Account: {}", self.account) };
        order(&view.ok_or_else(foreign)?)
    }

    async fn orders(&self) -> Result<OrderList, ReadError> {
        let views = self.read(|exchange| exchange.order_views(true)).await?;
        Ok(OrderList::complete(views.iter().map(order).collect::<Result<_, _>>()?))
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadError> {
        let rows = self.read(Exchange::positions).await?;
        Ok(rows.into_iter().map(|(_, position)| position).collect())
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        let told: Vec<_> = self
            .read(|exchange| symbols.iter().map(|symbol| (symbol.clone(), exchange.quote(symbol))).collect())
            .await?;
        let clock = self.handle.clock();
        let received = Received { mono: clock.mono(), wall: clock.wall() };
        let mut answer = Quotes::default();
        for (symbol, raw) in told {
            match raw {
                Some(raw) => answer.quotes.push(quote(raw, received)),
                None => answer.unmatched.push(symbol),
            }
        }
        Ok(answer)
    }

    async fn balances(&self) -> Result<Balances, ReadError> {
        self.read(|exchange| exchange.balances()).await
    }

    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        self.read(|exchange| exchange.market_clock().0).await
    }
}

fn broker_id(id: u64) -> Result<BrokerOrderId, ReadError> {
    BrokerOrderId::new(&id.to_string()).map_err(|error| ReadError::Unreadable { detail: error.to_string() })
}

fn rejection(refusal: Refusal) -> Rejection {
    let reason = refusal.text();
    let code = match refusal {
        Refusal::Errors { words, .. } => words.get(1).cloned(),
        Refusal::Parameter(_) => None,
    };
    Rejection { code, reason }
}

fn order(view: &OrderView) -> Result<Order, ReadError> {
    let order = &view.order;
    let told = |value: Option<backstop_broker::Decimal>| value.filter(|_| view.measured);
    let legs = order.request.legs.iter().enumerate().map(|(index, leg)| OrderLeg {
        symbol: leg.symbol.clone(),
        side: leg.side,
        effect: leg.effect,
        quantity: leg.quantity.into(),
        filled: told(Some(order.filled(leg))).filter(|_| order.state != OrderState::Rejected),
        price: told(order.leg_price(index)),
    });
    Ok(Order {
        id: broker_id(order.id)?,
        label: order.request.tag.clone(),
        status: order.state.into(),
        legs: legs.collect(),
        net_price: told(order.net_price()),
        created_at: Some(order.created_at),
        reason: order.reason.clone(),
    })
}

fn quote(raw: RawQuote, received: Received) -> Quote {
    let side = |side: RawSide| QuoteSide {
        price: field(&side.price),
        size: field(&side.size),
        at: side.at.map_or(Field::Missing, Field::Value),
    };
    Quote {
        symbol: raw.symbol,
        bid: side(raw.bid),
        ask: side(raw.ask),
        last: field(&raw.last),
        last_at: raw.last_at.map_or(Field::Missing, Field::Value),
        received,
    }
}

fn field(value: &RawValue) -> Field<backstop_broker::Decimal> {
    match value {
        RawValue::Number(number) => Field::Value(*number),
        RawValue::Text(_) => Field::Unreadable,
        RawValue::Null => Field::Missing,
    }
}

#[cfg(test)]
mod tests;
