//! Which quotes may be traded on? Type `SPY 560.10 560.12 0`: symbol, bid, ask, and how many seconds old its stamps are.
//! `-` is a field that the source left out. It says whether one may buy on that, or why not.

use std::error::Error;

use backstop_clock::{Clock, SystemClock};
use backstop_quote::{
    Feed, Field, Market, MarketState, Need, Now, Policy, PolicyConfig, Quote, QuoteSide, Received, Symbol,
};
use jiff::SignedDuration;

fn main() -> Result<(), Box<dyn Error>> {
    let clock = SystemClock::new();
    let mut feed = Feed::new(Policy::new(PolicyConfig::tradier())?);

    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [symbol, bid, ask, age] = words.as_slice() else {
            println!("type SYMBOL BID ASK AGE, not {line:?}");
            continue;
        };
        let quote = read(&clock, symbol, bid, ask, age)?;
        feed.follow(&quote.symbol, clock.mono())?;
        // What the feed refuses here can never become fresh; the one before it is out of force, too.
        if let Err(refusal) = feed.receive(&quote) {
            println!("refused: {refusal}");
            continue;
        }
        let market = Market { state: MarketState::Open, asked: clock.mono() }; // by the broker's clock
        match feed.fresh(&quote.symbol, Need::Buy, &market, Now::of(&clock)) {
            // Ask `at` once more right before the order leaves.
            Ok(fresh) => println!("fresh: {:?}", fresh.at(Now::of(&clock))?.ask.price),
            Err(refusal) => println!("not fresh: {refusal}"),
        }
    }
    Ok(())
}

/// What an adapter does: what the source said, and nothing filled in.
fn read(clock: &SystemClock, symbol: &str, bid: &str, ask: &str, age: &str) -> Result<Quote, Box<dyn Error>> {
    let stamp = clock.wall().checked_sub(SignedDuration::from_secs(age.parse()?))?;
    let side = |price: &str| QuoteSide {
        price: match price {
            "-" => Field::Missing,
            text => text.parse().map_or(Field::Unreadable, Field::Value),
        },
        size: Field::Missing,
        at: Field::Value(stamp),
    };
    let received = Received { mono: clock.mono(), wall: clock.wall() };
    let (last, last_at) = (Field::Missing, Field::Missing);
    Ok(Quote { symbol: symbol.parse::<Symbol>()?, bid: side(bid), ask: side(ask), last, last_at, received })
}
