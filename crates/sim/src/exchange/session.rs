//! The trading day: which it is, whether there is trading, and what its end does.

use std::time::Duration;

use backstop_broker::{Decimal, MarketClock, MarketState, OptionSymbol, Symbol, TimeInForce};
use backstop_clock::Timestamp;
use jiff::civil::Date;

use super::{Event, Exchange};
use crate::account::CashMovement;
use crate::calendar::{self, Hours};
use crate::faults::FaultKind;
use crate::market::{intrinsic, underlying_of};
use crate::order::OrderState;

/// How long the row of an expired option stays in the list of positions.
const SETTLED_ROWS_LINGER: Duration = Duration::from_mins(1);

impl Exchange {
    pub(crate) fn today(&self) -> Date {
        match self.settings.hours {
            Hours::Always => self.day,
            Hours::Regular => calendar::day_of(self.now),
        }
    }

    fn market_state(&self) -> (MarketState, &'static str) {
        let (state, next) = match self.settings.hours {
            Hours::Always => (MarketState::Open, "00:00"),
            Hours::Regular => calendar::regular_state(self.now),
        };
        let over = state == MarketState::Open && self.closed_day == Some(self.today());
        if over { (MarketState::Closed, "00:00") } else { (state, next) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.market_state().0 == MarketState::Open
    }

    /// The day and state of the market, and when it changes next in New York.
    pub(crate) fn market_clock(&self) -> (MarketClock, &'static str) {
        let (state, next) = self.market_state();
        (MarketClock { date: self.today(), state, at: Some(self.now) }, next)
    }

    /// Whether nobody trades `option` any more.
    pub(super) fn is_expired(&self, option: &OptionSymbol) -> bool {
        let last = option.expiration();
        let over = match self.settings.hours {
            Hours::Always => last < self.day,
            Hours::Regular => self.now >= calendar::close_of(last),
        };
        over || self.closed_day.is_some_and(|closed| last <= closed)
    }

    /// When the next session ends by itself.
    pub(super) fn next_close(&self) -> Timestamp {
        if self.settings.hours == Hours::Always {
            return Timestamp::MAX;
        }
        let mut day = self.closed_day.and_then(|day| day.tomorrow().ok()).unwrap_or(self.day);
        for _ in 0..7 {
            if calendar::is_weekday(day) {
                return calendar::close_of(day);
            }
            day = day.tomorrow().unwrap_or(day);
        }
        Timestamp::MAX
    }

    pub(crate) fn close_session(&mut self, now: Timestamp) {
        self.advance(now);
        let today = self.today();
        if self.closed_day.is_none_or(|closed| closed < today) {
            self.close(today);
        }
    }

    /// Ends the session of `day`: day orders expire, and options whose last day it was are settled in cash.
    pub(super) fn close(&mut self, day: Date) {
        self.closed_day = Some(day);
        self.revision += 1;
        let end = match self.settings.hours {
            Hours::Always => Timestamp::MAX,
            Hours::Regular => calendar::close_of(day),
        };
        let due = |request: &crate::order::NewOrder, created: Timestamp| {
            let dead = request.legs.iter().any(|leg| leg.symbol.option().is_some_and(|o| o.expiration() <= day));
            dead || (request.time_in_force == TimeInForce::Day && created < end)
        };
        let ended = self.orders.values().filter(|order| due(&order.request, order.created_at));
        for id in ended.map(|order| order.id).collect::<Vec<_>>() {
            self.finish(id, OrderState::Expired, None);
        }
        let expiring: Vec<(Symbol, OptionSymbol, Decimal)> = self
            .account
            .held
            .iter()
            .filter_map(|(symbol, held)| Some((symbol.clone(), symbol.option()?, held.quantity)))
            .filter(|(_, option, _)| option.expiration() <= day)
            .collect();
        for (symbol, option, quantity) in expiring {
            let price = self.market.price(underlying_of(option.root())).unwrap_or_else(|| option.strike());
            let amount = (intrinsic(&option, price) * quantity * symbol.multiplier()).round_dp(2);
            self.account.held.remove(&symbol);
            self.account.move_cash(CashMovement { at: self.now, amount, symbol: symbol.clone(), order_id: None });
            // Not before the last trade has shown, else its row would come back for good.
            let lag = self.settings.positions_lag.max(self.faults.delay(FaultKind::PositionsLag));
            self.schedule(SETTLED_ROWS_LINGER.max(lag), Event::Unlist(symbol));
        }
    }

    /// After a restart: what was always open begins a new day if there is one, and time does not catch up.
    pub(super) fn reopen(&mut self, now: Timestamp) {
        let now = now.max(self.now);
        let date = calendar::day_of(now);
        if self.settings.hours == Hours::Always && date > self.day {
            let yesterday = date.yesterday().unwrap_or(self.day);
            // What is on its way arrives before the day ends.
            self.advance(now);
            self.close(yesterday);
            self.day = date;
            let waiting = self.orders.values().filter(|order| order.state == OrderState::Pending);
            for id in waiting.map(|order| order.id).collect::<Vec<_>>() {
                self.schedule(Duration::ZERO, Event::Open(id));
            }
        }
        self.market.skip_to(now);
        self.now = now;
    }
}
