//! Reads that go wrong: an error or the whole truth, never less.

use super::bench::{Bench, Checked, MOST_BYTES, Stop, ensure, fail};
use std::future::poll_fn;
use std::task::Poll;

use super::{Calls, Disturbance};
use crate::{BrokerOrderId, ClientOrderId, Lookup, MarketState, Order, Progress, ReadError, Symbol};

/// Every read of the trait.
#[derive(Debug, Clone, Copy)]
enum Read {
    Order,
    OrderByClientId,
    Orders,
    Positions,
    Quotes,
    Balances,
    MarketClock,
}

impl Read {
    const ALL: [Self; 7] = [
        Self::Order,
        Self::OrderByClientId,
        Self::Orders,
        Self::Positions,
        Self::Quotes,
        Self::Balances,
        Self::MarketClock,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::OrderByClientId => "order_by_client_id",
            Self::Orders => "orders",
            Self::Positions => "positions",
            Self::Quotes => "quotes",
            Self::Balances => "balances",
            Self::MarketClock => "market_clock",
        }
    }
}

/// What there is to read.
struct Known {
    id: BrokerOrderId,
    label: ClientOrderId,
    filled: Option<BrokerOrderId>,
    symbols: Vec<Symbol>,
}

pub(super) async fn check(bench: &mut Bench<'_>) {
    let known = match prepare(bench).await {
        Ok(known) => known,
        Err(stop) => return bench.note("there is something to read", "trait", Err(stop)).await,
    };
    for (read, ended) in cut_everywhere(bench, &known).await {
        bench.note(format!("{} is whole or an error wherever its answer is cut", read.name()), "BRK-2", ended).await;
    }
    for disturbance in Disturbance::BLINDING {
        let ended = blinded(bench, disturbance, &known).await;
        bench.note(format!("every read is an error under: {disturbance}"), "BRK-2", ended).await;
    }
    let ended = unknown_word(bench, &known).await;
    bench.note("an unknown word is neither terminal, nor filled, nor open market", "BRK-2", ended).await;
}

/// A working order, a filled one and a position: a list that lost them must not pass for the truth.
async fn prepare(bench: &mut Bench<'_>) -> Result<Known, Stop> {
    let marketable = bench.fresh_id()?;
    let filled = match bench.rig().marketable_order(marketable) {
        Some(request) => {
            let id = bench.place(&request).await?;
            bench.final_report(&id).await?;
            Some(id)
        }
        None => None,
    };
    let request = bench.resting()?;
    let id = bench.place(&request).await?;
    bench.rig().settle().await;
    let symbols = request.legs().iter().map(|leg| leg.symbol.clone()).collect();
    Ok(Known { id, label: request.client_order_id().clone(), filled, symbols })
}

/// Reads and boils down to what must not differ between two reads in quiet.
async fn digest(bench: &Bench<'_>, read: Read, known: &Known) -> Result<Result<String, ReadError>, Stop> {
    let broker = bench.broker();
    let told = async {
        Ok(match read {
            Read::Order => line(&broker.order(&known.id).await?),
            Read::OrderByClientId => match broker.order_by_client_id(&known.label).await? {
                Lookup::One(order) => line(&order),
                Lookup::Several(orders) => format!("{} orders", orders.len()),
                Lookup::NotListed => "not listed".to_owned(),
            },
            Read::Orders => sorted(broker.orders().await?.orders().iter().map(line)),
            Read::Positions => {
                let rows = broker.positions().await?;
                sorted(rows.iter().map(|row| format!("{} {}", row.symbol, row.quantity.normalize())))
            }
            Read::Quotes => {
                let quotes = broker.quotes(&known.symbols).await?;
                sorted(quotes.quotes.iter().map(|quote| quote.symbol.to_string()))
            }
            Read::Balances => broker.balances().await?.total_cash.normalize().to_string(),
            Read::MarketClock => {
                let clock = broker.market_clock().await?;
                format!("{} {:?}", clock.date, clock.state)
            }
        })
    };
    bench.timed(read.name(), told).await
}

fn line(order: &Order) -> String {
    let legs = sorted(order.legs.iter().map(|leg| format!("{} {:?} {}", leg.symbol, leg.side, leg.quantity)));
    format!("{} {:?} {} [{legs}]", order.id, order.label, order.status)
}

fn sorted(lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines.join("; ")
}

async fn truth(bench: &Bench<'_>, read: Read, known: &Known) -> Result<String, Stop> {
    let told = digest(bench, read, known).await?;
    told.or_else(|error| fail(format!("{}, undisturbed, could not be read: {error}", read.name())))
}

/// Cuts the answers of all reads at each byte in turn, until each read was spared once.
async fn cut_everywhere(bench: &Bench<'_>, known: &Known) -> Vec<(Read, Checked)> {
    let mut running = Vec::new();
    let mut ended = Vec::new();
    for read in Read::ALL {
        match truth(bench, read, known).await {
            Ok(truth) => running.push((read, truth)),
            Err(stop) => ended.push((read, Err(stop))),
        }
    }
    for after in 0..MOST_BYTES {
        if running.is_empty() {
            return ended;
        }
        let disturbance = Disturbance::CutAnswer { after };
        if let Err(stop) = bench.disturb(Calls::Reads, disturbance).await {
            ended.extend(running.into_iter().map(|(read, _)| (read, Err(stop.clone()))));
            return ended;
        }
        let told = together(running.iter().map(|(read, _)| digest(bench, *read, known))).await;
        let mut still = Vec::new();
        for ((read, truth), told) in running.into_iter().zip(told) {
            match told {
                Ok(Err(_)) => still.push((read, truth)),
                Ok(Ok(told)) => ended.push((read, spared(after, &told, &truth))),
                Err(stop) => ended.push((read, Err(stop))),
            }
        }
        running = still;
    }
    let never = || Stop::Failed(format!("no answer passed unharmed with {MOST_BYTES} bytes allowed"));
    ended.extend(running.into_iter().map(|(read, _)| (read, Err(never()))));
    ended
}

/// The first cut that a read survives must have spared it.
fn spared(after: usize, told: &str, truth: &str) -> Checked {
    ensure(after > 0, || format!("the answer was cut off whole, and the read brought {told:?}"))?;
    ensure(told == truth, || format!("cut after {after} byte(s), the read brought {told:?}, not {truth:?}"))
}

/// All reads at once, as a bot makes them, and so that their time-outs pass together. Names every one that claims to
/// know.
async fn blinded(bench: &Bench<'_>, disturbance: Disturbance, known: &Known) -> Checked {
    for read in Read::ALL {
        truth(bench, read, known).await?;
    }
    bench.disturb(Calls::Reads, disturbance).await?;
    let told = together(Read::ALL.into_iter().map(|read| digest(bench, read, known))).await;
    let mut claims = Vec::new();
    for (read, told) in Read::ALL.into_iter().zip(told) {
        match told {
            Ok(Err(_)) => {}
            Ok(Ok(told)) => claims.push(format!("{} brought {told:?}", read.name())),
            Err(Stop::Failed(late)) => claims.push(late),
            Err(skipped) => return Err(skipped),
        }
    }
    ensure(claims.is_empty(), || claims.join("; "))
}

/// Runs all of them on this task and returns their results in order.
async fn together<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, result) in running.iter_mut().filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *result = Some(ready);
            }
        }
        if running.iter().all(|(_, result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
}

/// A fresh working order beside the known ones, which may have ended by now.
async fn unknown_word(bench: &mut Bench<'_>, known: &Known) -> Checked {
    let request = bench.resting()?;
    let working = bench.place(&request).await?;
    bench.rig().settle().await;
    bench.disturb(Calls::Reads, Disturbance::UnknownWord).await?;
    for id in [Some(&working), Some(&known.id), known.filled.as_ref()].into_iter().flatten() {
        let told = bench.timed("reading an order", bench.broker().order(id)).await?;
        let safe = |order: &Order| !order.status.is_terminal() && order.progress() == Progress::Working;
        ensure(told.as_ref().map_or(true, safe), || format!("an order in an unknown state is reported as {told:?}"))?;
    }
    let list = bench.timed("reading the orders", bench.broker().orders()).await?;
    let ended = list.as_ref().ok().and_then(|list| list.orders().iter().find(|order| order.status.is_terminal()));
    ensure(ended.is_none(), || format!("an order in an unknown state is listed as {ended:?}"))?;
    let clock = bench.timed("reading the market clock", bench.broker().market_clock()).await?;
    let safe = clock.as_ref().map_or(true, |clock| clock.state != MarketState::Open);
    ensure(safe, || format!("a market in an unknown state is reported as {clock:?}"))
}
