//! The adapter: which call is which request.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backstop_broker::{
    Balances, Broker, BrokerOrderId, ClosedLot, Grant, MarketClock, NotGranted, NotSent, Order, OrderList,
    OrderRequest, Outcome, Position, Priority, Quotes, ReadError, Symbol,
};
use backstop_clock::Clock;
use jiff::civil::Date;
use reqwest::Method;

use crate::budget::{self, Leave};
use crate::config::{BaseUrl, ConfigError, TradierConfig};
use crate::credentials::AccountId;
use crate::form::{self, Form};
use crate::http::{Answer, Happened, Http, Request};
use crate::json::{Malformed, Object};
use crate::rate::{RateClass, RateLimits};
use crate::waits::BudgetUse;
use crate::wire::account::Profile;
use crate::wire::evidence::{ClosedPosition, HistoryEvent, NightlyFilter};
use crate::wire::placed::Preview;
use crate::wire::{account, evidence, order, placed, quote};
use crate::{classify, pages};

/// So many symbols still fit a URL that every proxy takes.
const MAX_SYMBOLS_IN_URL: usize = 40;
/// Where the broker says which day it has.
const CLOCK: &str = "markets/clock";

/// One account at Tradier.
///
/// Holds connections; make one and share it: the request budget of the token is in it, too.
pub struct Tradier {
    http: Http,
    base_url: BaseUrl,
    account: AccountId,
    call_timeout: Duration,
}

impl Tradier {
    /// An adapter for the account of `config`. Does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the time-outs contradict each other, or no HTTP client can be built.
    pub fn new(config: TradierConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let http = Http::new(&config, clock)?;
        let TradierConfig { base_url, account, call_timeout, .. } = config;
        Ok(Self { http, base_url, account, call_timeout })
    }

    /// What the server said last of its request budgets.
    pub fn rate_limits(&self) -> RateLimits {
        self.http.limits()
    }

    /// What passed the request budget so far, and how long it waited for it.
    pub fn budget_use(&self) -> BudgetUse {
        self.http.budget().so_far()
    }

    /// Where the orders go.
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Whose account it is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Whose token it is, and which accounts it may see.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// A read: can be dropped at any time.
    pub async fn profile(&self) -> Result<Profile, ReadError> {
        self.get(RateClass::Standard, "user/profile".to_owned(), "user/profile", Form::default(), account::profile)
            .await
    }

    /// Asks what an order would cost and whether it would be taken. Places nothing.
    ///
    /// Goes the way of an order and ends like one. [`Outcome::Unknown`] mostly means "ask again", but look at the
    /// orders first when the detail names an id: a preview that lost its mark on the way is an order.
    ///
    /// # Cancel safety
    /// Can be dropped at any time, with the same reservation.
    pub async fn preview(&self, order: &OrderRequest) -> Outcome<Preview> {
        match form::order(order) {
            Ok(form) => match self.leave(Priority::Entry).await {
                Ok(leave) => self.post_order(form.with("preview", "true"), leave, placed::preview).await,
                Err(not_sent) => Outcome::NotSent(not_sent),
            },
            Err(detail) => Outcome::NotSent(NotSent::Unsupported { detail }),
        }
    }

    /// Positions that were closed, from the **nightly** reconciliation with the clearing firm.
    ///
    /// Never confirms a close of the same day, and an empty answer says nothing about today.
    ///
    /// # Errors
    /// [`ReadError`] when any page failed.
    ///
    /// # Cancel safety
    /// A read: can be dropped at any time.
    pub async fn gain_loss(&self, filter: &NightlyFilter) -> Result<Vec<ClosedPosition>, ReadError> {
        self.nightly("gainloss", "accounts/{account}/gainloss", filter, evidence::closed_positions).await
    }

    /// The account's history, from the clearing firm's **nightly** batch; empty in the sandbox.
    ///
    /// Never confirms anything of the same day. Days only, no times, no order numbers.
    ///
    /// # Errors
    /// [`ReadError`] when any page failed.
    ///
    /// # Cancel safety
    /// A read: can be dropped at any time.
    pub async fn history(&self, filter: &NightlyFilter) -> Result<Vec<HistoryEvent>, ReadError> {
        self.nightly("history", "accounts/{account}/history", filter, evidence::history).await
    }

    async fn nightly<T: PartialEq + Send>(
        &self,
        leaf: &str,
        shown: &'static str,
        filter: &NightlyFilter,
        decode: impl Fn(&Object<'_>) -> Result<Vec<T>, Malformed> + Copy + Send + Sync,
    ) -> Result<Vec<T>, ReadError> {
        let NightlyFilter { symbol, from, to } = filter;
        let page = |number: u32| {
            let parameters = [
                ("symbol", symbol.as_ref().map(ToString::to_string)),
                ("start", from.map(|day| day.to_string())),
                ("end", to.map(|day| day.to_string())),
            ];
            let query = parameters.into_iter().fold(page_query(number), |query, (key, value)| match value {
                Some(value) => query.with(key, &value),
                None => query,
            });
            let path = self.account_path(leaf);
            async move { self.exchange_read(RateClass::Standard, path, shown, query, decode).await }
        };
        self.within(shown, pages::rows(page)).await
    }

    fn account_path(&self, leaf: &str) -> String {
        format!("accounts/{}/{leaf}", self.account.as_str())
    }

    /// BRK-1: the whole call ends in time, however many exchanges it takes.
    async fn within<T>(
        &self,
        shown: &'static str,
        call: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        match tokio::time::timeout(self.call_timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(ReadError::TimedOut { detail: format!("{shown} within {:?}", self.call_timeout) }),
        }
    }

    async fn get<T>(
        &self,
        class: RateClass,
        path: String,
        shown: &'static str,
        query: Form,
        decode: impl FnOnce(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<T, ReadError> {
        self.within(shown, self.exchange_read(class, path, shown, query, decode)).await
    }

    async fn exchange_read<T>(
        &self,
        class: RateClass,
        path: String,
        shown: &'static str,
        query: Form,
        decode: impl FnOnce(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<T, ReadError> {
        let request = Request { method: Method::GET, class, path, shown, query, body: None };
        let happened = self.read(&request).await?;
        classify::read(&happened, self.http.redactor(), |object, _| decode(object))
    }

    /// A read passes the budget as polling, but for the clock. What cannot in time is not asked.
    async fn read(&self, request: &Request) -> Result<Happened, ReadError> {
        // RATE-3: without the broker's day nobody knows whether a list may lack an order (DESK-7). It is counted with quotes, and
        // behind those who poll them an exit in doubt would never be settled.
        let priority = if request.path == CLOCK { Priority::Entry } else { Priority::Polling };
        let leave = self.http.budget().leave(request.class, priority, self.call_timeout).await;
        let leave = leave.map_err(|refused| ReadError::Throttled {
            until: self.http.wall().checked_add(budget::after(&refused)).ok(),
            detail: format!("{}: {refused}", request.shown),
        })?;
        Ok(self.http.exchange(request, leave).await)
    }

    async fn post_order<T>(
        &self,
        form: Form,
        leave: Leave,
        confirm: impl FnOnce(&Object<'_>) -> Result<T, Malformed>,
    ) -> Outcome<T> {
        let path = self.account_path("orders");
        let shown = "accounts/{account}/orders";
        self.change(Method::POST, path, shown, Some(form), leave, confirm).await
    }

    /// Leave to change something, waited for apart: a time-out in here would not say that nothing was sent.
    async fn leave(&self, priority: Priority) -> Result<Leave, NotSent> {
        let leave = self.http.budget().leave(RateClass::Trading, priority, self.call_timeout).await;
        leave.map_err(|refused| NotSent::NoBudget { detail: refused.to_string() })
    }

    async fn change<T>(
        &self,
        method: Method,
        path: String,
        shown: &'static str,
        body: Option<Form>,
        leave: Leave,
        confirm: impl FnOnce(&Object<'_>) -> Result<T, Malformed>,
    ) -> Outcome<T> {
        let request = Request { method, class: RateClass::Trading, path, shown, query: Form::default(), body };
        let exchange = tokio::time::timeout(self.call_timeout, self.http.exchange(&request, leave));
        let late = |_| Happened::TimedOut(format!("{shown} within {:?}", self.call_timeout));
        classify::outcome(&exchange.await.unwrap_or_else(late), self.http.redactor(), confirm)
    }
}

#[async_trait]
impl Broker for Tradier {
    fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    async fn grant(&self, priority: Priority, within: Duration) -> Result<Grant, NotGranted> {
        self.http.budget().grant(priority, within).await
    }

    async fn submit(&self, order: &OrderRequest, grant: Grant) -> Outcome<BrokerOrderId> {
        let form = match form::order(order) {
            Ok(form) => form,
            Err(detail) => return Outcome::NotSent(NotSent::Unsupported { detail }),
        };
        let leave = match self.http.budget().spend(&grant) {
            Ok(leave) => Ok(leave),
            Err(priority) => self.leave(priority).await,
        };
        match leave {
            Ok(leave) => self.post_order(form, leave, placed::placed).await,
            Err(not_sent) => Outcome::NotSent(not_sent),
        }
    }

    async fn cancel(&self, id: &BrokerOrderId) -> Outcome<()> {
        if let Err(detail) = check_id(id) {
            return Outcome::NotSent(NotSent::Unsupported { detail });
        }
        let path = self.account_path(&format!("orders/{id}"));
        let confirm = |object: &Object<'_>| placed::canceled(object, id);
        match self.leave(Priority::Exit).await {
            Ok(leave) => {
                self.change(Method::DELETE, path, "accounts/{account}/orders/{id}", None, leave, confirm).await
            }
            Err(not_sent) => Outcome::NotSent(not_sent),
        }
    }

    async fn order(&self, id: &BrokerOrderId) -> Result<Order, ReadError> {
        check_id(id).map_err(|detail| ReadError::Refused { detail })?;
        let path = self.account_path(&format!("orders/{id}"));
        let query = Form::default().with("includeTags", "true");
        let decode = |object: &Object<'_>| order::single(object, id);
        self.get(RateClass::Standard, path, "accounts/{account}/orders/{id}", query, decode).await
    }

    async fn orders(&self) -> Result<OrderList, ReadError> {
        let shown = "accounts/{account}/orders";
        let page = |number: u32| {
            let path = self.account_path("orders");
            let query = page_query(number).with("includeTags", "true");
            async move { self.exchange_read(RateClass::Standard, path, shown, query, order::orders).await }
        };
        Ok(OrderList::complete(self.within(shown, pages::orders(page)).await?))
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadError> {
        let path = self.account_path("positions");
        self.get(RateClass::Standard, path, "accounts/{account}/positions", Form::default(), account::positions).await
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Quotes, ReadError> {
        if symbols.is_empty() {
            return Ok(Quotes::default());
        }
        let list = symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(",");
        let form = Form::default().with("symbols", &list).with("greeks", "false");
        // The POST is documented for long lists, and reads only.
        let (method, query, body) = if symbols.len() <= MAX_SYMBOLS_IN_URL {
            (Method::GET, form, None)
        } else {
            (Method::POST, Form::default(), Some(form))
        };
        let (path, shown) = ("markets/quotes".to_owned(), "markets/quotes");
        let request = Request { method, class: RateClass::MarketData, path, shown, query, body };
        let decode = |object: &Object<'_>, answer: &Answer| quote::quotes(object, answer.received);
        let call = async { classify::read(&self.read(&request).await?, self.http.redactor(), decode) };
        self.within(shown, call).await
    }

    async fn balances(&self) -> Result<Balances, ReadError> {
        let path = self.account_path("balances");
        let decode = |object: &Object<'_>| account::balances(object, &self.account);
        self.get(RateClass::Standard, path, "accounts/{account}/balances", Form::default(), decode).await
    }

    async fn closed_lots(&self, since: Date) -> Result<Option<Vec<ClosedLot>>, ReadError> {
        let filter = NightlyFilter { from: Some(since), ..NightlyFilter::default() };
        let rows = self.gain_loss(&filter).await?;
        // Without a day it is evidence of nothing.
        let lots = rows
            .into_iter()
            .filter_map(|row| Some(ClosedLot { symbol: row.symbol, quantity: row.quantity, closed_on: row.closed? }));
        Ok(Some(lots.collect()))
    }

    async fn market_clock(&self) -> Result<MarketClock, ReadError> {
        let (path, shown) = (CLOCK.to_owned(), CLOCK);
        self.get(RateClass::MarketData, path, shown, Form::default(), account::market_clock).await
    }
}

/// Tradier's ids are numbers. Anything else (`..`) would change the path that it stands in.
fn check_id(id: &BrokerOrderId) -> Result<(), String> {
    if id.as_str().bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("{id} is not one of Tradier's order ids, which are numbers"))
    }
}

fn page_query(number: u32) -> Form {
    Form::default().with("page", &number.to_string()).with("limit", &pages::LIMIT.to_string())
}

impl fmt::Debug for Tradier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tradier")
            .field("base_url", &self.base_url)
            .field("account", &self.account)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}
