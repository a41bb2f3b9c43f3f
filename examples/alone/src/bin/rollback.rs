//! Cash that cannot be spent twice, and an undo that takes back one trade and no other.

use std::error::Error;
use std::thread;

use backstop_rollback::{CannotUndo, Caps, Decimal, Evidence, Hold, Ledger, Part, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let caps = Caps { positions: 4, per_symbol: 4, per_order: 600.into(), in_all: 2_000.into() };
    let ledger = &Ledger::new(caps);
    ledger.deposit(1_000.into())?;
    let hold = &Hold { symbol: "SPY".to_owned(), quantity: Decimal::ONE, worst: 561.into(), margin: Decimal::ZERO };

    // Two trades see the same cash. One gets it.
    let reserved = thread::scope(|scope| {
        let trades = ["bs-1", "bs-2"].map(|key| (key, scope.spawn(move || ledger.reserve(key, hold))));
        trades.map(|(key, trade)| (key, trade.join()))
    });
    let mut orders = Vec::new();
    for (key, reserved) in reserved {
        match reserved.map_err(|_| "a thread panicked")? {
            Ok(reservation) => orders.push(reservation),
            Err(refused) => println!("{key} is not sent: {refused}"),
        }
    }
    println!("free: {}", ledger.snapshot().balances().free);

    // It is sent, and the answer is lost: what it may cost stays set aside, whoever drops it.
    let in_flight = orders.pop().ok_or("nobody got it")?.send();
    drop(in_flight);
    println!("free while nobody knows: {}", ledger.snapshot().balances().free);

    // The next one never leaves: its cash comes back by itself.
    ledger.deposit(200.into())?;
    let unsent = ledger.reserve("bs-3", hold)?;
    println!("free with the next one: {}", ledger.snapshot().balances().free);
    drop(unsent);
    let mut filled = ledger.reserve("bs-4", hold)?.send();
    filled.fill(Part { quantity: Decimal::ONE, paid: Decimal::new(56_010, 2), fee: Decimal::new(35, 2) })?;
    filled.end(&Evidence::new("order 17 is filled")?)?; // at its real price; the rest is free again
    println!("free after a fill: {}", ledger.snapshot().balances().free);

    // A book that two trades change at once. The first fails and is taken back; the second stays.
    let book = Store::new(Vec::<&str>::new());
    let mut failing = book.begin();
    failing.apply(open("SPY"))?;
    let mut other = book.begin();
    other.apply(open("QQQ"))?;
    other.commit()?;
    drop(failing);
    println!("held: {:?}", book.read(Clone::clone)?);
    Ok(())
}

type Undo = Box<dyn FnOnce(&mut Vec<&'static str>) -> Result<(), CannotUndo> + Send>;

/// A change, and how to take it back.
fn open(name: &'static str) -> impl FnOnce(&mut Vec<&'static str>) -> Result<((), Undo), CannotUndo> {
    move |held| {
        held.push(name);
        let close: Undo = Box::new(move |held| {
            let at = held.iter().position(|held| *held == name);
            held.remove(at.ok_or_else(|| CannotUndo::new(format!("{name} is gone")))?);
            Ok(())
        });
        Ok(((), close))
    }
}
