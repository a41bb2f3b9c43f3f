//! The state machine of the exchange: time, events and fills. No I/O; it moves when it is asked something.

mod calls;
mod checks;
mod fills;
mod quotes;
#[cfg(feature = "http")]
mod served;
mod session;
mod told;

use std::collections::BTreeMap;
use std::time::Duration;

use backstop_broker::{Decimal, OrderKind, PositionEffect, Quantity, Side, Symbol, TimeInForce};
use backstop_clock::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub(crate) use self::calls::{Answer, OrderView};
use self::fills::is_at_market;
pub(crate) use self::quotes::{RawQuote, RawSide, RawValue};
use self::told::Told;
use crate::account::Account;
use crate::book::BookQuote;
use crate::calendar::{self, later};
use crate::config::Settings;
use crate::dice::Dice;
use crate::faults::{FaultKind, Faults};
use crate::ledger::{Ledger, QuotedLeg, WireCancel, WireRequest};
use crate::market::{Market, TICK};
use crate::order::{NewOrder, OrderState, SimOrder, single_leg};
use crate::replay::Replay;

/// After a longer silence only this much of the walk is walked: nobody saw the rest.
const WALKED_AT_MOST: Duration = Duration::from_mins(2);
/// From taken to working.
const OPEN_DELAY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(80));
/// From a cancel's confirmation to its effect.
const CANCEL_DELAY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(80));
/// Ids leave room for the legs.
const IDS_PER_ORDER: u64 = 5;
/// So many finished orders of somebody else are kept.
const FINISHED_BY_HAND_KEPT: usize = 200;

/// An exchange with one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Exchange {
    settings: Settings,
    now: Timestamp,
    /// The trading day while the market is always open.
    day: Date,
    /// The last day whose session was closed.
    closed_day: Option<Date>,
    market: Market,
    faults: Faults,
    fill_dice: Dice,
    delay_dice: Dice,
    part_dice: Dice,
    shape_dice: Dice,
    orders: BTreeMap<u64, SimOrder>,
    next_id: u64,
    next_row: u64,
    events: Vec<Scheduled>,
    next_event: u64,
    account: Account,
    requests: Vec<WireRequest>,
    cancels: Vec<WireCancel>,
    frozen: BTreeMap<Symbol, Frozen>,
    #[serde(default)]
    told: BTreeMap<Symbol, Told>,
    /// The last second in which somebody else was given the chance to place an order by hand.
    hand_second: i64,
    /// Grows with every change that must survive a restart.
    revision: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Frozen {
    #[serde(default)]
    since: Timestamp,
    until: Timestamp,
    quote: BookQuote,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Scheduled {
    at: Timestamp,
    number: u64,
    event: Event,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Event {
    /// An order reaches the market.
    Open(u64),
    /// A fill that was on its way arrives.
    Fill(u64),
    /// A cancel takes effect.
    Cancel(u64),
    /// An order that was taken is rejected.
    Reject(u64),
    /// A request that was queued on its way arrives.
    Late {
        request: usize,
        order: NewOrder,
        #[serde(default)]
        quoted: Vec<QuotedLeg>,
    },
    /// A trade shows in the list of positions.
    Show { symbol: Symbol, quantity: Decimal, paid: Decimal, traded_at: Timestamp },
    /// The row of an expired option goes.
    Unlist(Symbol),
}

impl Exchange {
    pub(crate) fn new(settings: Settings, replay: Option<Replay>, start: Timestamp) -> Self {
        let seed = settings.seed;
        let mut market = Market::new(&settings.underlyings, seed, start);
        if let Some(replay) = replay {
            market.play(replay);
            market.step(start);
        }
        Self {
            now: start,
            day: calendar::day_of(start),
            closed_day: None,
            market,
            faults: Faults::new(settings.faults.clone(), seed),
            fill_dice: Dice::new(seed, "fill"),
            delay_dice: Dice::new(seed, "delay"),
            part_dice: Dice::new(seed, "part"),
            shape_dice: Dice::new(seed, "shape"),
            orders: BTreeMap::new(),
            next_id: 9_100_001,
            next_row: 500_001,
            events: Vec::new(),
            next_event: 0,
            account: Account::new(settings.start_cash),
            requests: Vec::new(),
            cancels: Vec::new(),
            frozen: BTreeMap::new(),
            told: BTreeMap::new(),
            hand_second: start.as_second(),
            revision: 0,
            settings,
        }
    }

    /// The whole state as JSON; without recorded quotes.
    ///
    /// # Errors
    /// When the state cannot be written as JSON, which no state that can be reached does.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// An exchange from its JSON, with the behavior of `settings`: account, orders and prices are those of the file.
    ///
    /// # Errors
    /// When the text is not what [`to_json`](Self::to_json) wrote.
    pub(crate) fn resume(
        json: &str,
        settings: Settings,
        replay: Option<Replay>,
        now: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        let mut exchange: Self = serde_json::from_str(json)?;
        exchange.market.add(&settings.underlyings, settings.seed);
        if let Some(replay) = replay {
            exchange.market.play(replay);
        }
        exchange.faults.set_plan(settings.faults.clone());
        exchange.settings = settings;
        exchange.reopen(now);
        Ok(exchange)
    }

    /// Moves to `now`, event by event. Time never runs backwards here, whatever the clock says.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let now = now.max(self.now);
        let walk_from = calendar::earlier(now, WALKED_AT_MOST);
        self.market.skip_to(walk_from);
        loop {
            let tick = self.market.next_tick();
            let next = self.events.iter().map(|scheduled| (scheduled.at, scheduled.number)).min();
            let close = self.next_close();
            let event_at = next.map_or(Timestamp::MAX, |(at, _)| at);
            let at = tick.min(event_at).min(close);
            if at > now {
                break;
            }
            self.now = self.now.max(at);
            if at == close {
                self.close(calendar::day_of(close));
            } else if let Some((_, number)) = next.filter(|_| at == event_at) {
                self.run(number);
            } else {
                self.market.step(tick);
                self.tick();
            }
        }
        self.now = now;
    }

    fn run(&mut self, number: u64) {
        let Some(index) = self.events.iter().position(|scheduled| scheduled.number == number) else { return };
        match self.events.remove(index).event {
            Event::Open(id) => self.open(id),
            Event::Fill(id) => self.attempt(id),
            Event::Cancel(id) => self.finish(id, OrderState::Canceled, None),
            Event::Reject(id) => {
                let reason = "Backoffice rejected override of the order. InitialMargin";
                self.finish(id, OrderState::Rejected, Some(reason));
            }
            Event::Late { request, order, quoted } => {
                let placed = self.place(&order, &quoted);
                self.settle_request(request, &placed);
            }
            Event::Show { symbol, quantity, paid, traded_at } => {
                let id = self.next_row;
                self.next_row += 1;
                self.account.shown.apply(&symbol, quantity, paid, traded_at, id);
                self.revision += 1;
            }
            Event::Unlist(symbol) => {
                self.account.shown.remove(&symbol);
                self.revision += 1;
            }
        }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        let number = self.next_event;
        self.next_event += 1;
        self.events.push(Scheduled { at: later(self.now, after), number, event });
        self.revision += 1;
    }

    /// What happens at every move of the prices.
    fn tick(&mut self) {
        let working: Vec<u64> =
            self.orders.values().filter(|order| is_at_market(order)).map(|order| order.id).collect();
        for id in working {
            self.consider(id);
        }
        let second = self.now.as_second();
        if second > self.hand_second {
            self.hand_second = second;
            if self.is_open() && self.faults.strikes(FaultKind::ManualOrder) {
                self.order_by_hand();
            }
        }
    }

    /// Takes an order to the market, or back in line for the next opening.
    fn open(&mut self, id: u64) {
        if !self.is_open() {
            let wait = calendar::next_open(later(self.now, TICK)).duration_since(self.now);
            if self.settings.hours == calendar::Hours::Regular {
                self.schedule(Duration::try_from(wait).unwrap_or(TICK), Event::Open(id));
            }
            return;
        }
        if let Some(order) = self.orders.get_mut(&id).filter(|order| order.state == OrderState::Pending) {
            order.state = OrderState::Open;
            order.updated_at = self.now;
            self.revision += 1;
            self.consider(id);
        }
    }

    /// Ends a working order.
    fn finish(&mut self, id: u64, state: OrderState, reason: Option<&str>) {
        let Some(order) = self.orders.get_mut(&id).filter(|order| order.state.is_working()) else { return };
        order.state = state;
        order.updated_at = self.now;
        order.reason = reason.map(str::to_owned);
        self.revision += 1;
    }

    /// Takes an order down in the book, without any check.
    fn insert(&mut self, request: NewOrder, quoted: &[QuotedLeg]) -> u64 {
        let id = self.next_id;
        self.next_id += IDS_PER_ORDER;
        let order = SimOrder::new(id, request, self.today(), self.now);
        self.orders.insert(id, SimOrder { quoted: quoted.to_vec(), ..order });
        self.revision += 1;
        id
    }

    /// Somebody else on the account places a limit order far from the market, and takes it back.
    fn order_by_hand(&mut self) {
        let Some(symbol) = self.market.any_share() else { return };
        let Some(price) = self.market.price(symbol.as_str()) else { return };
        let Ok(one) = Quantity::new(1) else { return };
        let price = (price / Decimal::TWO).round_dp(2).max(Decimal::new(1, 2));
        let request = NewOrder {
            tag: None,
            underlying: symbol.clone(),
            legs: single_leg(symbol, Side::Buy, PositionEffect::Open, one),
            kind: OrderKind::Limit { price },
            time_in_force: TimeInForce::Day,
        };
        let id = self.insert(request, &[]);
        if let Some(order) = self.orders.get_mut(&id) {
            order.by_hand = true;
            order.state = OrderState::Open;
        }
        self.schedule(self.faults.delay(FaultKind::ManualOrder), Event::Cancel(id));
        let finished = |order: &&SimOrder| order.by_hand && !order.state.is_working() && order.fills.is_empty();
        let surplus = self.orders.values().filter(finished).count().saturating_sub(FINISHED_BY_HAND_KEPT);
        let oldest: Vec<u64> = self.orders.values().filter(finished).take(surplus).map(|order| order.id).collect();
        for id in oldest {
            self.orders.remove(&id);
        }
    }

    /// Somebody else on the account buys (positive) or sells at the market, at once. `false`: there is no market,
    /// or not for so many.
    pub(crate) fn trade_by_hand(&mut self, now: Timestamp, symbol: &Symbol, quantity: i64) -> bool {
        self.advance(now);
        // As much as one order may ask for: sums of it fit.
        if quantity.unsigned_abs() > u64::from(Quantity::MAX) {
            return false;
        }
        let Some((bid, ask)) = self.true_quote(symbol).and_then(|quote| quote.prices()) else { return false };
        let price = if quantity < 0 { bid } else { ask };
        if quantity != 0 {
            self.trade(symbol, Decimal::from(quantity), price, None);
        }
        true
    }

    /// The market as it is, faults aside. `None`: not quoted, or expired.
    fn true_quote(&self, symbol: &Symbol) -> Option<BookQuote> {
        if symbol.option().is_some_and(|option| self.is_expired(&option)) {
            return None;
        }
        self.market.quote(symbol, self.now)
    }

    pub(crate) fn inject(&mut self, kind: FaultKind, times: u32) {
        self.faults.inject(kind, times);
        self.revision += 1;
    }

    pub(crate) fn set_faults(&mut self, plan: crate::faults::FaultPlan) {
        self.faults.set_plan(plan);
    }

    pub(crate) fn fault_counts(&self) -> BTreeMap<FaultKind, u64> {
        self.faults.counts().clone()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn mark(&mut self, now: Timestamp, symbol: &Symbol, price: Decimal) -> bool {
        self.advance(now);
        self.revision += 1;
        self.market.mark(symbol, price)
    }

    pub(crate) fn ledger(&mut self, now: Timestamp) -> Ledger {
        self.advance(now);
        Ledger {
            start_cash: self.account.start_cash,
            cash: self.account.cash,
            positions: self.account.held.iter().map(|(symbol, held)| (symbol.clone(), held.quantity)).collect(),
            orders: self.orders.values().map(Into::into).collect(),
            requests: self.requests.clone(),
            cancels: self.cancels.clone(),
            movements: self.account.movements.clone(),
            faults: self.fault_counts(),
        }
    }
}

#[cfg(test)]
mod tests;
