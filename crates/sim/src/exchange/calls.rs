//! The calls that come in: place, cancel, read. Each first moves the exchange to now, then may suffer a fault.

use backstop_broker::{Balances, Decimal, Position, Symbol};
use backstop_clock::Timestamp;

use super::{CANCEL_DELAY, Event, Exchange, OPEN_DELAY};
use crate::calendar::later;
use crate::faults::{FaultKind, Wire};
use crate::ledger::{QuotedLeg, WireCancel, WireRequest};
use crate::matching;
use crate::order::{CancelRefusal, NewOrder, OrderState, Refusal, SimOrder};

/// What can go wrong with a request to place an order. The order decides where two strike at once.
const SUBMIT: &[FaultKind] = &[
    FaultKind::RequestLost,
    FaultKind::LateProcessing,
    FaultKind::ServerErrorBefore,
    FaultKind::Throttled,
    FaultKind::DuplicateProcessing,
    FaultKind::AnswerLost,
    FaultKind::AnswerDelayed,
    FaultKind::ServerErrorAfter,
    FaultKind::TruncatedBody,
    FaultKind::CutJson,
    FaultKind::HtmlBody,
];
const CANCEL: &[FaultKind] = &[FaultKind::CancelLost, FaultKind::CancelAnswerLost];
const READ: &[FaultKind] = &[
    FaultKind::ReadLost,
    FaultKind::ReadDelayed,
    FaultKind::ReadServerError,
    FaultKind::ReadTruncated,
    FaultKind::ReadHtml,
    FaultKind::ReadThrottled,
];

/// What the exchange has to say, and what happens to it on the way. No body: the request was not processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer<T> {
    pub(crate) wire: Wire,
    pub(crate) body: Option<T>,
}

impl<T> Answer<T> {
    fn new(wire: Wire, body: T) -> Self {
        Self { wire, body: Some(body) }
    }

    fn without_body(wire: Wire) -> Self {
        Self { wire, body: None }
    }
}

/// An order as it is told at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderView {
    pub(crate) order: SimOrder,
    /// Whether quantities and prices of what was filled are told yet.
    pub(crate) measured: bool,
}

impl Exchange {
    /// Places an order.
    pub(crate) fn submit(&mut self, now: Timestamp, order: &NewOrder) -> Answer<Result<u64, Refusal>> {
        self.advance(now);
        let fault = self.faults.first_of(SUBMIT);
        let request = self.requests.len();
        let tag = order.tag.clone();
        self.requests.push(WireRequest { at: self.now, tag, order_id: None, refusal: None, fault });
        self.revision += 1;
        let quoted = self.quoted(order);
        let wire = match fault {
            None | Some(FaultKind::DuplicateProcessing) => Wire::Deliver,
            Some(FaultKind::RequestLost) => {
                return Answer::without_body(Wire::Hang(self.faults.delay(FaultKind::RequestLost)));
            }
            Some(FaultKind::LateProcessing) => {
                let delay = self.faults.delay(FaultKind::LateProcessing);
                self.schedule(delay, Event::Late { request, order: order.clone(), quoted });
                return Answer::without_body(Wire::Hang(self.faults.delay(FaultKind::RequestLost).max(delay)));
            }
            Some(FaultKind::ServerErrorBefore) => return Answer::without_body(Wire::ServerError(503)),
            Some(FaultKind::Throttled) => {
                let until = later(self.now, self.faults.delay(FaultKind::Throttled));
                return Answer::without_body(Wire::Throttle(until));
            }
            Some(FaultKind::AnswerLost) => Wire::Close,
            Some(FaultKind::AnswerDelayed) => Wire::Delay(self.faults.delay(FaultKind::AnswerDelayed)),
            Some(FaultKind::ServerErrorAfter) => Wire::ServerError(502),
            Some(FaultKind::TruncatedBody) => Wire::Truncate,
            Some(FaultKind::CutJson) => Wire::CutJson,
            Some(_) => Wire::Html,
        };
        let placed = self.place(order, &quoted);
        if fault == Some(FaultKind::DuplicateProcessing) && placed.is_ok() {
            // The second answer is nobody's.
            drop(self.place(order, &quoted));
        }
        self.settle_request(request, &placed);
        Answer::new(wire, placed)
    }

    pub(super) fn settle_request(&mut self, index: usize, placed: &Result<u64, Refusal>) {
        if let Some(request) = self.requests.get_mut(index) {
            match placed {
                Ok(id) => request.order_id = Some(*id),
                Err(refusal) => request.refusal = Some(refusal.text()),
            }
        }
    }

    /// Checks an order and takes it. `quoted`: what its sender was last told of its legs.
    pub(super) fn place(&mut self, order: &NewOrder, quoted: &[QuotedLeg]) -> Result<u64, Refusal> {
        if let Err(refusal) = self.check(order) {
            if matches!(refusal, Refusal::Errors { leaves_row: true, .. }) {
                let id = self.insert(order.clone(), quoted);
                self.finish(id, OrderState::Rejected, Some(&refusal.text()));
            }
            return Err(refusal);
        }
        let id = self.insert(order.clone(), quoted);
        if self.faults.strikes(FaultKind::OrdersLag) {
            let listed_at = later(self.now, self.faults.delay(FaultKind::OrdersLag));
            if let Some(order) = self.orders.get_mut(&id) {
                order.listed_at = listed_at;
            }
        }
        if self.faults.strikes(FaultKind::RejectedLater) {
            self.schedule(self.faults.delay(FaultKind::RejectedLater), Event::Reject(id));
        } else {
            let delay = self.delay_dice.between(OPEN_DELAY.0, OPEN_DELAY.1);
            self.schedule(delay, Event::Open(id));
        }
        Ok(id)
    }

    /// Asks for a cancel. Confirmed means that it was taken: a fill can still win.
    pub(crate) fn cancel(&mut self, now: Timestamp, id: u64) -> Answer<Result<(), CancelRefusal>> {
        self.advance(now);
        let fault = self.faults.first_of(CANCEL);
        self.cancels.push(WireCancel { at: self.now, order_id: id, fault });
        self.revision += 1;
        let wire = match fault {
            None => Wire::Deliver,
            Some(FaultKind::CancelLost) => {
                return Answer::without_body(Wire::Hang(self.faults.delay(FaultKind::CancelLost)));
            }
            Some(_) => Wire::Close,
        };
        let Some(order) = self.orders.get(&id) else { return Answer::new(wire, Err(CancelRefusal::NoSuchOrder)) };
        if !order.state.is_working() {
            return Answer::new(wire, Err(CancelRefusal::Final(order.state)));
        }
        if !self.lose_race(id) {
            let delay = self.delay_dice.between(CANCEL_DELAY.0, CANCEL_DELAY.1);
            self.schedule(delay, Event::Cancel(id));
        }
        Answer::new(wire, Ok(()))
    }

    /// Lets a fill win against the cancel, where a fill is possible at all.
    fn lose_race(&mut self, id: u64) -> bool {
        let Some(order) = self.orders.get(&id).filter(|order| !order.by_hand) else { return false };
        let (request, left) = (order.request.clone(), order.units_left());
        let Some(market) = self.unit_market(&request).filter(|_| self.is_open()) else { return false };
        let net = matching::limit(&request).map_or(market.natural, |limit| limit.min(market.natural));
        if net < market.best || market.prices(net).is_none() || !self.faults.strikes(FaultKind::CancelRace) {
            return false;
        }
        self.fill_units(id, &market, net, left);
        true
    }

    /// Reads something.
    pub(crate) fn read<T>(&mut self, now: Timestamp, what: impl FnOnce(&mut Self) -> T) -> Answer<T> {
        self.advance(now);
        let wire = match self.faults.first_of(READ) {
            None => Wire::Deliver,
            Some(FaultKind::ReadLost) => Wire::Close,
            Some(FaultKind::ReadDelayed) => Wire::Delay(self.faults.delay(FaultKind::ReadDelayed)),
            Some(FaultKind::ReadServerError) => Wire::ServerError(500),
            Some(FaultKind::ReadTruncated) => Wire::Truncate,
            Some(FaultKind::ReadHtml) => Wire::Html,
            Some(_) => Wire::Throttle(later(self.now, self.faults.delay(FaultKind::ReadThrottled))),
        };
        // Quotes that do not arrive were told to nobody.
        let told = (wire != Wire::Deliver).then(|| self.told.clone());
        let body = what(self);
        self.told = told.unwrap_or_else(|| std::mem::take(&mut self.told));
        Answer::new(wire, body)
    }

    /// The orders of the day and what works from earlier ones, newest first.
    ///
    /// The fault that shows none strikes only where the list is read from its beginning: a later page that is empty
    /// would not be a doubt but a lie about the list's end, which nobody could find out.
    pub(crate) fn order_views(&mut self, from_start: bool) -> Vec<OrderView> {
        let today = self.today();
        let listed =
            |order: &&SimOrder| (order.day == today || order.state.is_working()) && order.listed_at <= self.now;
        let views: Vec<_> = self.orders.values().rev().filter(listed).map(|order| self.view(order)).collect();
        if from_start && !views.is_empty() && self.faults.strikes(FaultKind::OrdersEmpty) { Vec::new() } else { views }
    }

    /// One order, of whatever day.
    pub(crate) fn order_view(&self, id: u64) -> Option<OrderView> {
        self.orders.get(&id).map(|order| self.view(order))
    }

    fn view(&self, order: &SimOrder) -> OrderView {
        OrderView { order: order.clone(), measured: order.measured_at <= self.now }
    }

    /// The rows of the list of positions, and the exchange's name for each.
    pub(crate) fn positions(&mut self) -> Vec<(u64, Position)> {
        if !self.account.shown.is_empty() && self.faults.strikes(FaultKind::PositionsEmpty) {
            return Vec::new();
        }
        let row = |(symbol, holding): (&Symbol, &crate::account::Holding)| {
            let position = Position {
                symbol: symbol.clone(),
                quantity: holding.quantity,
                cost_basis: Some(holding.cost.round_dp(2)),
                acquired_at: Some(holding.changed_at),
            };
            (holding.id, position)
        };
        self.account.shown.iter().map(row).collect()
    }

    /// The account's money.
    pub(crate) fn balances(&self) -> Balances {
        let value: Decimal = self.market_values().map(|(_, value)| value).sum();
        let free = self.account.cash - self.requirement() - self.committed();
        Balances {
            total_cash: self.account.cash,
            total_equity: self.account.cash + value,
            option_buying_power: Some(free.max(Decimal::ZERO)),
            stock_buying_power: Some(free.max(Decimal::ZERO)),
        }
    }

    /// What each holding is worth at mid; options that have no market at what they would settle for are worth nothing.
    pub(crate) fn market_values(&self) -> impl Iterator<Item = (&Symbol, Decimal)> {
        self.account.held.iter().map(|(symbol, held)| {
            let mid = self.true_quote(symbol).and_then(|quote| quote.mid()).unwrap_or(Decimal::ZERO);
            (symbol, (mid * held.quantity * symbol.multiplier()).round_dp(2))
        })
    }

    /// What the working orders that open something would cost.
    fn committed(&self) -> Decimal {
        let opening = self.working().filter(|order| order.request.opens());
        opening
            .map(|order| (self.cost_of_unit(&order.request) * Decimal::from(order.units_left())).max(Decimal::ZERO))
            .sum()
    }
}
