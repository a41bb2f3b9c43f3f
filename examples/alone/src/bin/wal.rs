//! The intent on disk before the order. Type `buy 2 SPY`, then `filled -1120.20`, the cash that it moved; kill it in
//! between and start it again: it says what was in the air, and asks.

use std::error::Error;
use std::io::stdin;
use std::path::PathBuf;
use std::sync::Arc;

use backstop_wal::{Claim, DirStorage, Journal, Options, Schema, Verdict};
use jiff::Timestamp;

enum Orders {}

impl Schema for Orders {
    type Kind = String; // what is done, and the client order id to look for it by: "bot-1795331700000: buy 2 SPY"
    type Fact = i64; // what came of it: cents
    type State = i64; // what all facts amount to: the cash

    fn apply(cash: &mut i64, cents: &i64) {
        *cash += cents;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).map_or(std::env::temp_dir().join("alone.wal"), PathBuf::from);
    let options = Options::new(Claim { label: "example bot".to_owned(), since: Timestamp::now() });
    let (journal, recovery, _) = Journal::<Orders>::open(Arc::new(DirStorage::create_or_open(&path)?), &options)?;
    let mut lines = stdin().lines().map_while(Result::ok);

    let counts = recovery.run(&journal, |order| {
        println!(
            "in the air: {} ({:?}); what does the broker say? `filled CASH`, `never`, or anything else",
            order.kind, order.state
        );
        match lines.next().as_deref().map(str::trim) {
            Some("never") => Verdict::RolledBack(vec![]),
            Some(line) => filled(line).map_or(Verdict::Unresolved, |cents| Verdict::Completed(vec![cents])),
            None => Verdict::Unresolved,
        }
    })?;
    println!(
        "{} settled, {} open; cash {} cents",
        counts.completed + counts.rolled_back,
        counts.unresolved,
        journal.state()
    );

    while let Some(line) = lines.next() {
        // Goes out with the order and comes back in the broker's lists: without it a lost answer cannot be looked up.
        let order = format!("bot-{}: {line}", Timestamp::now().as_millisecond());
        let in_progress = journal.begin(order.clone())?.start()?; // on disk when this returns
        println!("sent: {order}");
        match lines.next().as_deref().and_then(filled) {
            Some(cents) => in_progress.complete(&[cents])?, // the end and what came of it, in one batch
            None => drop(in_progress),                      // nobody knows: the next start asks
        }
        println!("cash {} cents", journal.state());
    }
    Ok(())
}

/// `filled -1120.20` in cents.
fn filled(line: &str) -> Option<i64> {
    let (whole, cents) = line.trim().strip_prefix("filled ")?.split_once('.')?;
    (cents.len() == 2).then(|| format!("{whole}{cents}").parse().ok())?
}
