//! A put spread placed leg by leg, at a broker without combined orders. Its second leg is refused, and the first is sold
//! again; then the process dies between two legs, and the next one sells what the first had bought. The broker is the
//! simulator; time is virtual.
//!
//! ```sh
//! cargo run -p backstop-rollback --example legs
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

mod legs;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{Leg, PositionEffect, Quantity, Side};
use backstop_clock::ManualClock;
use backstop_rollback::{Finished, MemoryJournal, Retry, Saga, run};
use backstop_sim::{FaultKind, FaultPlan, SimBroker, SimConfig, SimHandle};
use tokio::time::{sleep, timeout};

use self::legs::{Legs, Timing, Venue, step};

const RETRY: Retry = Retry { attempts: 5, first: Duration::from_secs(1), longest: Duration::from_secs(30) };

/// What protects comes first: at no moment is the short leg alone.
fn spread(number: u32) -> Result<[(String, Leg); 2], Box<dyn Error>> {
    let leg = |symbol: &str, side| -> Result<Leg, Box<dyn Error>> {
        let (effect, quantity) = (PositionEffect::Open, Quantity::new(2)?);
        Ok(Leg { symbol: symbol.parse()?, side, effect, quantity })
    };
    Ok([
        (format!("bs-{number}-long"), leg("SPXW300118P05890000", Side::Buy)?),
        (format!("bs-{number}-short"), leg("SPXW300118P05900000", Side::Sell)?),
    ])
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(ManualClock::following_tokio("2030-01-02T15:00:00Z".parse()?));
    // Others trade here too: their orders show how far a list of orders reaches.
    let faults = FaultPlan::none().with_rate(FaultKind::ManualOrder, 1000);
    let broker = SimBroker::new(&SimConfig::new(1).with_clock(clock.clone()).with_faults(faults))?;
    let handle = broker.handle();
    let timing =
        Timing { poll: Duration::from_millis(200), fill: Duration::from_secs(15), settle: Duration::from_secs(30) };
    let venue = Venue { broker: Arc::new(broker), clock, timing, underlying: "SPX".parse()?, process: 1 };
    // Kept in a `SagaLog`, it outlives the process.
    let mut journal = MemoryJournal::default();
    let steps = |plan: &[(String, Leg)]| plan.iter().map(|(key, leg)| step(key, leg)).collect();

    println!("the second leg is refused:");
    let plan = spread(17)?;
    let saga = Saga::begin("entry-17", steps(&plan), &journal).await?;
    let mut legs = Legs::new(venue.clone(), BTreeMap::from(plan));
    tokio::spawn(refuse_the_next(handle.clone()));
    say(&run(saga, RETRY, &mut legs, &journal).await?, &handle);

    println!("the process dies between the legs:");
    let plan = spread(18)?;
    let saga = Saga::begin("entry-18", steps(&plan), &journal).await?;
    let mut legs = Legs::new(venue.clone(), BTreeMap::from(plan));
    let _dies = timeout(Duration::from_millis(150), run(saga, RETRY, &mut legs, &journal)).await;
    for saga in journal.unfinished() {
        println!("  the next one finds {saga}");
        let mut legs = Legs::inherit(Venue { process: 2, ..venue.clone() });
        say(&run(saga, RETRY, &mut legs, &journal).await?, &handle);
    }
    Ok(())
}

/// Has the broker take the next order but one with "ok", and reject it a moment later.
async fn refuse_the_next(handle: SimHandle) {
    while !handle.ledger().orders.iter().any(|order| !order.by_hand) {
        sleep(Duration::from_millis(10)).await;
    }
    handle.inject(FaultKind::RejectedLater, 1);
}

fn say(finished: &Finished, handle: &SimHandle) {
    match finished {
        Finished::Completed => println!("  the spread is open"),
        Finished::RolledBack { cause } => println!("  taken back: {cause}"),
        Finished::Unresolved(saga) => println!("  ALERT: {saga}"),
    }
    let ledger = handle.ledger();
    for order in ledger.orders.iter().filter(|order| !order.by_hand) {
        println!("  {} {}", order.tag.as_deref().unwrap_or_default(), order.state.name());
    }
    println!("  positions: {:?}", ledger.positions);
}
