//! One entry a day, over crashes. `trade-guard DIRECTORY ending`: eight callers ask at once, one gets in and ends as told:
//! `executed`, `not-executed`, or `crash`, after which nobody gets in until `resolve NAME REASON` says that no order was sent.

use std::error::Error;
use std::num::NonZeroU16;
use std::sync::Arc;

use backstop_clock::{Clock, SystemClock};
use backstop_trade_guard::{Grounds, Key, Scope, Session, TradeGuard, Verdict, WalStore};
use backstop_wal::{Claim, DirStorage, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [directory, ending, rest @ ..] = args.as_slice() else {
        return Err("usage: trade-guard DIRECTORY ENDING".into());
    };
    let clock = Arc::new(SystemClock::new());
    let claim = Claim { label: "example bot".to_owned(), since: clock.wall() };
    let (store, _) = WalStore::open(Arc::new(DirStorage::create_or_open(directory)?), &Options::new(claim))?;
    let guard = TradeGuard::open(NonZeroU16::MIN, clock.clone(), Arc::new(store))?;

    if let ("resolve", [name, reason @ ..]) = (*ending, rest) {
        for open in guard.unresolved() {
            guard.resolve(open.attempt, Verdict::NotExecuted, &Grounds::operator(name, &reason.join(" "))?)?;
            println!("resolved by {name}: {}", open.attempt.key);
        }
        return Ok(());
    }

    let today = clock.wall().to_zoned(jiff::tz::TimeZone::UTC).date(); // a bot asks its broker which day it is
    let key = Key::new(Scope::new("scalper:SPY")?, Session::of(today));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| guard.try_enter(&key))).collect();
        callers.into_iter().filter_map(|caller| caller.join().ok()).collect()
    });
    for answer in answers {
        match answer {
            Err(refusal) => println!("refused: {refusal}"),
            Ok(permit) => {
                println!("inside: send the order"); // by one of the eight
                match *ending {
                    "executed" => permit.executed()?,
                    "not-executed" => permit.not_executed("the broker rejected it")?,
                    _ => std::process::abort(), // after the order left
                }
            }
        }
    }
    Ok(())
}
