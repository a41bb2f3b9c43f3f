use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::{Batch, EntryEnd, MemoryJournal, Record};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, ENTRIES, enter, flatten, leave};

/// Trades one session, entries overlapping with exits and comparisons, and returns the faults that struck, and what was
/// written down.
pub(crate) async fn session(seed: u64) -> (BTreeMap<FaultKind, u64>, Vec<Batch>) {
    let bench = Bench::new(seed, FaultPlan::hostile());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let trading = async {
        for number in 1..=ENTRIES {
            // Quotes are hostile too: a refused slot is tried again, as a strategy would.
            for _ in 0..5 {
                let (slot, end) = enter(&desk, number).await;
                match end {
                    EntryEnd::Refused(refusal) if refusal.is_passing() => {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    EntryEnd::Opened(_) => {
                        tokio::time::sleep(Duration::from_secs(2)).await;
                        let _end = leave(&desk, &slot).await;
                        break;
                    }
                    EntryEnd::Refused(_) | EntryEnd::NotExecuted { .. } | EntryEnd::Unresolved { .. } => break,
                }
            }
        }
    };
    let comparing = async {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let _comparison = desk.reconcile().await;
        }
    };
    tokio::select! {
        () = trading => {}
        () = comparing => {}
    }
    flatten(&desk).await;
    let ledger = bench.sim().ledger();
    let opened = ledger.opening_orders_by_tag();
    assert!(opened.values().all(|count| *count == 1), "seed {seed}: {opened:?}");
    assert!(opened.len() <= ENTRIES as usize, "seed {seed}: {opened:?}");
    let mut intents: BTreeMap<String, usize> = BTreeMap::new();
    for record in journal.batches().iter().flat_map(|batch| &batch.records) {
        if let Record::Intent { order, .. } = record {
            *intents.entry(order.client_order_id().to_string()).or_default() += 1;
        }
    }
    for request in &ledger.requests {
        let left = intents.get_mut(request.tag.as_deref().unwrap()).filter(|left| **left > 0);
        *left.unwrap_or_else(|| panic!("seed {seed}: {request:?} has no intent of its own")) -= 1;
    }
    assert!(ledger.positions.is_empty(), "seed {seed}: {:?}", ledger.positions);
    assert_eq!(desk.state().account.cash(), Some(ledger.cash), "seed {seed}: to the cent");
    assert_eq!(desk.state().account.reserved(), Decimal::ZERO, "seed {seed}");
    assert!(desk.state().halted().is_none(), "seed {seed}: {:?}", desk.state().halted());
    (ledger.faults, journal.batches())
}

// proves: DESK-2, DESK-3, TXN-3, LIMIT-3
#[tokio::test(start_paused = true)]
async fn over_many_hostile_sessions_no_slot_has_two_orders_and_not_a_cent_is_lost() {
    // BACKSTOP_SEED=n repeats one seed; BACKSTOP_SEEDS=n runs more of them.
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("BACKSTOP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BACKSTOP_SEEDS").unwrap_or(300),
    };
    let alone = seeds.clone().count() == 1;
    let mut struck: BTreeMap<FaultKind, u64> = BTreeMap::new();
    for seed in seeds {
        for (kind, count) in session(seed).await.0 {
            *struck.entry(kind).or_default() += count;
        }
    }
    for kind in [
        FaultKind::RequestLost,
        FaultKind::AnswerLost,
        FaultKind::AnswerDelayed,
        FaultKind::LateProcessing,
        FaultKind::PositionsEmpty,
        FaultKind::PartialFill,
        FaultKind::RejectedLater,
        FaultKind::QuoteStale,
    ] {
        assert!(alone || struck.get(&kind).is_some_and(|count| *count >= 5), "{kind} hardly struck: {struck:?}");
    }
}
