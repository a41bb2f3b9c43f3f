//! Backstop's `Broker` over Tradier's REST API: every failure says what may have happened.
//!
//! [`Tradier`] is one account at one base URL. A submit or cancel ends in an [`Outcome`](backstop_broker::Outcome), a
//! read in the whole answer or a [`ReadError`](backstop_broker::ReadError).
//!
//! # How a submit or cancel ends
//!
//! Decided in one pure function, by this table. The default is *unknown*: a status or a form that is not listed is a
//! doubt. *Rejected* and *not sent* are certain, so their rows say why they may be.
//!
//! | what happened | outcome | why |
//! |---|---|---|
//! | the protocol has no words for the order | not sent | refused before a connection is opened |
//! | connection refused, no such host, no TLS session, connect time-out | not sent | every order has a connection of its own (below), so this error comes before its first byte |
//! | reset or end of stream before, while or after the request was written | unknown: connection lost | the library cannot say how much the server has read |
//! | time-out of the exchange or of the call | unknown: timed out | the request may be queued and land late |
//! | answer longer than `max_body` | unknown: unreadable | it was not read, so it confirms nothing |
//! | 200, `order` with `id`, `status` `ok` in any case | **accepted** | received; the market may still refuse it, which its status tells |
//! | 200, `order` with `id`, another `status` or none | unknown: unreadable | not documented; an order may live, and a lookup finds it |
//! | 200, `errors` in a documented form, at the top or in `order` | **rejected** | documented refusal of the order system; a row with status `rejected` may be listed |
//! | any status, `errors` or words naming `OmsInternalError`, `OmsUnavailable` | unknown: server error | the order system failed, which is not a refusal |
//! | 200, both `errors` and the id of an order | unknown: unreadable | contradicts itself |
//! | 200, JSON without `order` and `errors`; a preview; HTML; cut JSON; nothing | unknown: unreadable | neither a confirmation nor a refusal |
//! | 200, `fault` | unknown: server error | the gateway failed, before or after the order system |
//! | 400, a bare sentence or `errors` | **rejected** | validation; for a cancel also "already in finalized state" |
//! | 400, anything else (`fault`, HTML, nothing) | unknown: server error | not the order system's words; a gateway also says it of answers |
//! | 401, `fault`, `errors` or a bare sentence | **rejected** | the gateway knows no such token, or the account or order is not ours (`Unauthorized Account`); nobody acts for a stranger |
//! | 401, HTML or nothing | unknown: server error | said by something that we do not know |
//! | 403, `errors` | **rejected** | the order system's words |
//! | 403, anything else | unknown: server error | an edge block, before or behind the order system |
//! | 404, 408, 409, other 4xx | unknown: server error | 404 has been seen on good requests; the others are not documented |
//! | 429; `Quota Violation` with any status | unknown: throttled | gateways count before they forward, but nothing proves it |
//! | 3xx | unknown: server error | never followed: following would send the order again |
//! | 5xx, with whatever body | unknown: server error | the failure may lie on the way back |
//! | other 2xx | unknown: server error | not documented |
//!
//! Details are for people: shortened, without the token, the account number cut to its last four characters.
//!
//! # How a read ends
//!
//! In the whole answer, or in an error that can never pass for an empty list (BRK-2). A list is **empty** only when it
//! says so: HTTP 200 and well-formed JSON in which the list's own key (`orders`, `positions`, ...) is there, and its
//! value, or that of the row key inside it, is `null`, `"null"` or `""`, or that of the row key is `[]`. A missing key,
//! an object without rows, a key that stands there twice, an `errors` or `fault` beside it: each is an error. So is one
//! row that cannot be decoded, since leaving it out would hide an order or a position. Only in quotes a price that
//! cannot be read stays behind as [`Field::Unreadable`](backstop_broker::Field::Unreadable).
//!
//! Words for an order's status that are not documented become
//! [`OrderStatus::Unrecognized`](backstop_broker::OrderStatus::Unrecognized). Orders of classes that this crate does not
//! place (combo, oto, oco, otoco) keep the legs that can be expressed; when not all of them can, the order counts as
//! unrecognized too, so that it never seems finished with nothing filled.
//!
//! The list of orders is read page by page until an empty page; when it took several, the first is read again, and if it
//! changed meanwhile, all are. Where the server ignores page numbers and the list may be cut, the read is
//! [`Partial`](backstop_broker::ReadError::Partial). Without proof to the contrary the list covers the current trading
//! day in New York only.
//!
//! # Once on the wire (BRK-1)
//!
//! Nothing here or below repeats a POST or DELETE: the client's retries and redirects are off, and whatever is not a GET
//! goes over a fresh connection, because the HTTP library silently resends a request that met a pooled connection just
//! closed by the server. Reads share connections. Each exchange has a time-out over head and body together, each call
//! one over all its pages, and an answer a greatest length.
//!
//! # Secrets (DESK-5)
//!
//! Token and account come from `TRADIER_ACCESS_TOKEN` and `TRADIER_ACCOUNT_ID`. The token stands in one header and
//! nowhere else: every answer is cleaned of it before it is decoded, in case a server echoes requests. Plain HTTP is
//! taken for loopback hosts only. [`BaseUrl::is_production`] tells whether orders would move real money; whether they
//! may is the program's decision.
//!
//! # The request budget
//!
//! With [`TradierConfig::with_documented_limits`] every request passes a [`RateLimiter`](backstop_rate_limiter::RateLimiter)
//! before it goes on the wire (RATE-1 to RATE-6), in the three classes that Tradier counts; over them it documents no
//! total. A submit takes its budget in [`grant`](backstop_broker::Broker::grant), a cancel at exit priority, the
//! clock as an entry (without the broker's day no doubt is settled, and it is counted with quotes), everything
//! else as polling; a read that would wait longer than its call may take is
//! [`Throttled`](backstop_broker::ReadError::Throttled), a cancel or a submit without leave
//! [`NoBudget`](backstop_broker::NotSent::NoBudget): neither was sent. Each answer's headers, 429 and `Quota Violation` tighten
//! the budget until the server's window ends. Without limits, which is the default, nobody counts.
//!
//! Of orders, a sixth is kept for exits and another one for entries. Of reads, no more than a sixth passes in ten seconds: a
//! burst that used up the minute would leave nobody to see what becomes of an order for the rest of it. Tradier's window is
//! anchored at its first request; ours slides, which is stricter, and two seconds longer, for requests that are longer on their
//! way than others (the limiter's documentation says why that is enough).
//!
//! What this does not give: reads have no urgency of their own, because a read does not say what it is for. To follow an exit
//! that is out, [`order`](backstop_broker::Broker::order) and [`orders`](backstop_broker::Broker::orders) stand in one line with
//! positions and balances, and can be [`Throttled`](backstop_broker::ReadError::Throttled): the exit has gone out, and what became
//! of it is known when a later read passes. Quotes do not hold these up, they are a class of their own.
//!
//! [`TradierConfig::with_shared_window`] keeps the grants in a file, for processes beside this one and after it. A new file
//! counts as used up for a minute unless the start is [`Start::Unused`]. Where the file is lost meanwhile, exits and cancels go
//! out all the same, nothing else does, no read either, and a `tracing` event says so once. [`Tradier::budget_use`] tells what passed, how long
//! it waited, and how much went out without the file.
//!
//! # When to take something else
//!
//! For chains, bars, streams and watchlists take a general client beside it; what it sends is known to the budget only from
//! the headers of the next answer.

mod answer;
mod budget;
mod classify;
mod config;
mod credentials;
mod form;
mod http;
mod json;
mod number;
mod pages;
mod rate;
mod redact;
mod tradier;
mod waits;
mod wire;

pub use config::{BaseUrl, ConfigError, TradierConfig};
pub use credentials::{AccountId, Credentials};
pub use rate::{RateLimit, RateLimits};
pub use tradier::Tradier;
pub use waits::{BudgetUse, ClassUse, Waits};
pub use wire::account::{AccountProfile, Profile};
pub use wire::evidence::{ClosedPosition, HistoryEvent, NightlyFilter};
pub use wire::placed::Preview;

/// What a budget is made of. Re-exported so that users need not name the crate.
pub use backstop_rate_limiter::{Limits, Sleep, Start, Timer, Window};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
