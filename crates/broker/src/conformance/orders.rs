//! The undisturbed life of orders: found by each of their names, listed once, filled once and for all.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::bench::{Bench, Checked, Stop, ensure, fail};
use super::{Calls, Disturbance};
use crate::{
    BrokerOrderId, ClientOrderId, Fill, Lookup, MarketState, Order, OrderRequest, Outcome, Position, Progress, Symbol,
};

/// A broker order id that no broker gives.
const NEVER_GIVEN: &str = "999999999999";

pub(super) async fn check(bench: &mut Bench<'_>) {
    let ended = accepted(bench).await;
    bench.note("an accepted order is found by each of its names, once", "trait", ended).await;
    let ended = rejected(bench).await;
    bench.note("an order the broker refuses is rejected and never works", "trait", ended).await;
    let ended = never_sent(bench).await;
    bench.note("a client order id never sent is not listed", "BRK-2", ended).await;
    let ended = unknown_broker_id(bench).await;
    bench.note("a broker order id never given is an error", "BRK-2", ended).await;
    let ended = complete_list(bench).await;
    bench.note("the list of orders is complete over all pages", "BRK-2", ended).await;
    let ended = later_page_fails(bench).await;
    bench.note("a failed later page fails the whole list", "BRK-2", ended).await;
    let ended = filled(bench).await;
    bench.note("a fill is final, whole, and moves the position", "trait", ended).await;
    let ended = surroundings(bench).await;
    bench.note("the market is open, quoted, and there is money", "trait", ended).await;
}

async fn accepted(bench: &mut Bench<'_>) -> Checked {
    let request = bench.resting()?;
    let label = request.client_order_id();
    let id = bench.place(&request).await?;
    bench.rig().settle().await;
    same(&bench.order(&id).await?, &id, &request)?;
    match bench.look_up(label).await? {
        Lookup::One(order) => same(&order, &id, &request)?,
        lookup => return fail(format!("one order {label} exists, and the lookup says {lookup:?}")),
    }
    let list = bench.orders().await?;
    match list.find(label) {
        Lookup::One(order) => same(&order, &id, &request)?,
        lookup => return fail(format!("one order {label} exists, and the list says {lookup:?}")),
    }
    let (arrivals, placed) = (bench.rig().arrivals(label).await, bench.rig().placed(label).await);
    ensure((arrivals, placed) == (1, 1), || format!("one submit arrived {arrivals} times and placed {placed} orders"))
}

/// What is reported is what was ordered.
fn same(order: &Order, id: &BrokerOrderId, request: &OrderRequest) -> Checked {
    ensure(order.id == *id, || format!("order {id} is reported as {}", order.id))?;
    let label = request.client_order_id().as_str();
    ensure(order.label.as_deref() == Some(label), || format!("label {label} is reported as {:?}", order.label))?;
    ensure(!order.status.is_terminal(), || format!("a resting order is reported {}", order.status))?;
    let asked: BTreeSet<_> =
        request.legs().iter().map(|leg| (&leg.symbol, leg.side, leg.effect, Decimal::from(leg.quantity))).collect();
    let told: BTreeSet<_> = order.legs.iter().map(|leg| (&leg.symbol, leg.side, leg.effect, leg.quantity)).collect();
    ensure(asked == told, || format!("legs {asked:?} are reported as {told:?}"))
}

async fn rejected(bench: &mut Bench<'_>) -> Checked {
    let id = bench.fresh_id()?;
    let Some(request) = bench.rig().unacceptable_order(id) else {
        return Err(Stop::Skipped("the rig has no unacceptable order".to_owned()));
    };
    let label = request.client_order_id();
    // A broker may also take the order and refuse it a moment later.
    if let Outcome::Accepted(id) = bench.submit(&request).await.and_then(rejected_or_accepted)? {
        let report = bench.final_report(&id).await?;
        return ensure(report.progress() == Progress::Final(vec![]), || {
            format!("an unacceptable order was filled: {:?}", report.progress())
        });
    }
    bench.rig().settle().await;
    let arrivals = bench.rig().arrivals(label).await;
    ensure(arrivals <= 1, || format!("one submit arrived {arrivals} times; something below repeats it"))?;
    match bench.look_up(label).await? {
        Lookup::NotListed => Ok(()),
        Lookup::One(order) if order.progress() == Progress::Final(vec![]) => Ok(()),
        lookup => fail(format!("the broker refused {label}, and the lookup says {lookup:?}")),
    }
}

fn rejected_or_accepted(outcome: Outcome<BrokerOrderId>) -> Result<Outcome<BrokerOrderId>, Stop> {
    match outcome {
        Outcome::Rejected(_) | Outcome::Accepted(_) => Ok(outcome),
        other => fail(format!("the broker refused the order, and the submit ended as {other:?}")),
    }
}

async fn never_sent(bench: &mut Bench<'_>) -> Checked {
    let id = bench.fresh_id()?;
    let lookup = bench.look_up(&id).await?;
    ensure(lookup == Lookup::NotListed, || format!("{id} was never sent, and the lookup says {lookup:?}"))
}

async fn unknown_broker_id(bench: &mut Bench<'_>) -> Checked {
    let Ok(id) = BrokerOrderId::new(NEVER_GIVEN) else { return fail("the suite's own id is not one") };
    let read = bench.timed("reading an order", bench.broker().order(&id)).await?;
    ensure(read.is_err(), || format!("order {id} was never placed and is reported as {read:?}"))
}

async fn complete_list(bench: &mut Bench<'_>) -> Checked {
    let mut placed: BTreeMap<ClientOrderId, BrokerOrderId> = BTreeMap::new();
    for _ in 0..bench.rig().orders_for_three_pages() {
        let request = bench.resting()?;
        let id = bench.place(&request).await?;
        placed.insert(request.client_order_id().clone(), id);
    }
    bench.rig().settle().await;
    let list = bench.orders().await?;
    for (label, id) in &placed {
        match list.find(label) {
            Lookup::One(order) if order.id == *id => {}
            lookup => return fail(format!("{} orders work, and of {label} the list says {lookup:?}", placed.len())),
        }
    }
    let distinct: BTreeSet<_> = list.orders().iter().map(|order| &order.id).collect();
    ensure(distinct.len() == list.orders().len(), || "an order is in the list more than once".to_owned())
}

/// BRK-2: the first page is not the list. After [`complete_list`], so that there are pages; an adapter that reads all
/// in one exchange is not harmed.
async fn later_page_fails(bench: &Bench<'_>) -> Checked {
    let whole = bench.orders().await?;
    bench.disturb(Calls::Reads, Disturbance::FailLater).await?;
    let Ok(told) = bench.timed("reading the orders", bench.broker().orders()).await? else { return Ok(()) };
    let (told, whole) = (told.orders().len(), whole.orders().len());
    ensure(told == whole, || format!("a later page failed, and {told} of {whole} orders pass for the whole list"))
}

async fn filled(bench: &mut Bench<'_>) -> Checked {
    let id = bench.fresh_id()?;
    let Some(request) = bench.rig().marketable_order(id) else {
        return Err(Stop::Skipped("the rig has no marketable order".to_owned()));
    };
    let before = held(bench).await?;
    let id = bench.place(&request).await?;
    let Progress::Final(fills) = bench.final_report(&id).await?.progress() else {
        return fail("a final report that is not final");
    };
    let asked: BTreeMap<&Symbol, Decimal> =
        request.legs().iter().map(|leg| (&leg.symbol, leg.side.signed(leg.quantity.into()))).collect();
    let told: BTreeMap<&Symbol, Decimal> = fills.iter().map(|fill| (&fill.symbol, fill.signed_quantity())).collect();
    ensure(asked == told, || format!("asked for {asked:?}, filled {told:?}"))?;
    bench.rig().settle().await;
    let after = held(bench).await?;
    for (symbol, change) in asked {
        let of = |held: &BTreeMap<Symbol, Decimal>| held.get(symbol).copied().unwrap_or_default();
        let moved = of(&after) - of(&before);
        ensure(moved == change, || format!("{change} {symbol} were filled, and the position moved by {moved}"))?;
    }
    stays_final(bench, &id, &fills, request.client_order_id()).await
}

/// What is final is booked; it must not be taken back.
async fn stays_final(bench: &Bench<'_>, id: &BrokerOrderId, fills: &[Fill], label: &ClientOrderId) -> Checked {
    let is_same = |order: &Order| order.progress() == Progress::Final(fills.to_vec());
    for _ in 0..5 {
        bench.rig().settle().await;
        let report = bench.order(id).await?;
        ensure(is_same(&report), || format!("{fills:?} was final and became {:?}", report.progress()))?;
    }
    match bench.look_up(label).await? {
        Lookup::One(order) if is_same(&order) => Ok(()),
        lookup => fail(format!("order {id} is final, and the lookup says {lookup:?}")),
    }
}

async fn held(bench: &Bench<'_>) -> Result<BTreeMap<Symbol, Decimal>, Stop> {
    let positions = bench.timed("reading the positions", bench.broker().positions()).await?;
    let rows = positions.or_else(|error| fail(format!("the positions, undisturbed, could not be read: {error}")))?;
    let count = rows.len();
    let held: BTreeMap<_, _> = rows.into_iter().map(|Position { symbol, quantity, .. }| (symbol, quantity)).collect();
    ensure(held.len() == count, || "a symbol has more than one row of positions".to_owned())?;
    Ok(held)
}

async fn surroundings(bench: &mut Bench<'_>) -> Checked {
    let broker = bench.broker();
    let clock = bench.timed("reading the market clock", broker.market_clock()).await?;
    ensure(matches!(&clock, Ok(clock) if clock.state == MarketState::Open), || format!("market clock: {clock:?}"))?;
    let balances = bench.timed("reading the balances", broker.balances()).await?;
    ensure(matches!(&balances, Ok(balances) if !balances.total_cash.is_zero()), || format!("balances: {balances:?}"))?;
    let request = bench.resting()?;
    let asked: Vec<Symbol> = request.legs().iter().map(|leg| leg.symbol.clone()).collect();
    let quotes = bench.timed("reading quotes", bench.broker().quotes(&asked)).await?;
    let quotes = quotes.or_else(|error| fail(format!("quotes, undisturbed, could not be read: {error}")))?;
    let missing = asked.iter().find(|symbol| quotes.get(symbol).is_none());
    ensure(missing.is_none(), || format!("no quote of {missing:?}, which can be ordered"))
}
