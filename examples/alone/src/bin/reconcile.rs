//! Is the position closed? Five shares were bought and sold again. The broker's list fails, then comes back empty, then once
//! more: only when evidence has come together is there a proof, and only a proof takes the position out of the book.

use std::error::Error;
use std::time::Duration;

use backstop_broker::{Fill, OrderList, PositionEffect, ReadError, Side};
use backstop_clock::{Clock, ManualClock};
use backstop_reconcile::{Book, Change, Config, Executed, Intent, Intents, Moment, Read, Reads, Reconciler, Stage};

fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::new("2026-01-05T15:00:00Z".parse()?); // a bot takes SystemClock
    let (mut book, mut intents) = (Book::new(), Intents::new());
    let mut reconciler = Reconciler::new(Config::new("bs-"), &book, Moment::of(&clock))?;

    let (spy, position) = ("SPY".parse()?, "morning".parse()?);
    for (label, number, side, effect) in
        [("bs-1-open", "1", Side::Buy, PositionEffect::Open), ("bs-1-close", "2", Side::Sell, PositionEffect::Close)]
    {
        let fill = Fill { symbol: "SPY".parse()?, side, effect, quantity: 5.into(), price: 560.into() };
        let executed = Executed::recorded(label.parse()?, number.parse()?, vec![fill]);
        book.book(&position, &spy, &executed, clock.wall())?;
        reconciler.observe(&book, Moment::of(&clock));
        let stage = Stage::AtRest { orders: [number.parse()?].into() };
        intents.insert(label.parse()?, Intent { position: position.clone(), legs: vec![], since: clock.wall(), stage });
    }
    println!("in the book: {}", book.positions().len());

    let answers = [Err(ReadError::TimedOut { detail: "no answer within 10 s".to_owned() }), Ok(vec![]), Ok(vec![])];
    for positions in answers {
        clock.advance(Duration::from_secs(30));
        let told = positions.as_ref().map_or_else(ToString::to_string, |rows| format!("{} rows", rows.len()));
        let reads = Reads {
            positions: Read::new(Moment::of(&clock), positions),
            orders: Read::new(Moment::of(&clock), Ok(OrderList::complete(vec![]))),
            balances: None,
            closed: None,
            settlements: vec![],
        };
        let run = reconciler.run(&book, &intents, &reads, Moment::of(&clock));
        println!("the broker's list: {told}; verdict: {:?}", run.verdict_of(&position));
        for proof in run.closed {
            // To be written down, with its evidence, before anybody relies on it.
            if let Change::Removed { position, evidence, .. } = book.remove(proof, clock.wall())? {
                println!("{position} removed on this evidence: {evidence:?}");
            }
        }
        println!("in the book: {}", book.positions().len());
    }
    Ok(())
}
