//! The cash over whole sessions of a hostile broker and of a process that dies in between, held against what the records
//! themselves add up to, and in the end against the exchange's own books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{ClientOrderId, Decimal, OrderKind, Quantity};
use backstop::limits::Config as LimitsConfig;
use backstop::{Batch, Desk, DeskConfig, EntryEnd, MemoryJournal, Purpose, Record, Refusal, State};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, DyingJournal, Enter, config, flatten, leave, limits, plan};
use crate::dice::Dice;

const SLOTS: u32 = 12;

/// Each seed has rates of its own, so that some sessions are calm and some are not.
fn faults(dice: &mut Dice) -> FaultPlan {
    let mut faults = if dice.roll(3) == 0 { FaultPlan::none() } else { FaultPlan::hostile() };
    for kind in [
        FaultKind::PartialFill,
        FaultKind::PartialFillStuck,
        FaultKind::RejectedLater,
        FaultKind::AnswerLost,
        FaultKind::RequestLost,
        FaultKind::LateProcessing,
        FaultKind::CancelRace,
    ] {
        if dice.roll(2) == 0 {
            faults = faults.with_rate(kind, u16::try_from(dice.roll(250)).unwrap());
        }
    }
    faults
}

fn roomy() -> DeskConfig {
    let limits = LimitsConfig { positions: 20, positions_per_underlying: 20, order_quantity: 1_000, ..limits() };
    DeskConfig { limits: Some(limits), ..config() }
}

async fn begin(desk: &Desk) {
    while desk.recover().await.is_err() {}
    while desk.read_cash().await.is_err() {}
    let day = loop {
        if let Ok(clock) = desk.market_clock().await {
            break clock.date;
        }
    };
    while desk.begin_session(day, SLOTS, None).await.is_err() {}
}

/// One entry, and most often its exit. Of three entries at once one may find no cash.
async fn trade(desk: &Desk, number: u32, mut dice: Dice) -> u64 {
    let Some(slot) = desk.slot(number) else { return 0 };
    let mut short_of_cash = 0;
    for _ in 0..4 {
        let mut plan = plan(desk).await;
        let quantity = Quantity::new(1 + u32::try_from(dice.roll(30)).unwrap()).unwrap();
        plan.legs.iter_mut().for_each(|leg| leg.quantity = quantity);
        plan.kind = match dice.roll(4) {
            0 => OrderKind::Market,
            // Far from the market: works until it is canceled.
            1 => OrderKind::Limit { price: Decimal::ONE_HUNDRED },
            _ => plan.kind,
        };
        plan.reserve = Decimal::from(20_000 + dice.roll(600_000));
        match desk.try_to(slot.clone(), plan).await {
            EntryEnd::Refused(Refusal::Halted { .. }) => {
                let _resumed = desk.resume("ann", "the broker is known to be bad today").await;
            }
            EntryEnd::Refused(refusal) => {
                short_of_cash += u64::from(matches!(refusal, Refusal::Cash { free: Some(_), .. }));
                tokio::time::sleep(Duration::from_millis(500 + dice.roll(2_000))).await;
            }
            EntryEnd::Opened(_) if dice.roll(5) > 0 => {
                tokio::time::sleep(Duration::from_millis(dice.roll(4_000))).await;
                let _end = leave(desk, &slot).await;
                break;
            }
            _ => break,
        }
    }
    short_of_cash
}

async fn live(desk: Desk, mut dice: Dice) -> u64 {
    begin(&desk).await;
    let trading = async {
        let mut short_of_cash = 0;
        for number in (1..=SLOTS).step_by(3) {
            let mut trade = |more| trade(&desk, number + more, Dice(dice.roll(u64::MAX)));
            let ends = tokio::join!(trade(0), trade(1), trade(2));
            short_of_cash += ends.0 + ends.1 + ends.2;
        }
        short_of_cash
    };
    let comparing = async {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let _comparison = desk.reconcile().await;
        }
    };
    tokio::select! {
        biased;
        short_of_cash = trading => short_of_cash,
        () = comparing => 0,
    }
}

/// What the records add up to, by no code of the desk: after each batch, and as long as an order may live.
fn check(seed: u64, batches: &[Batch]) {
    let mut state = State::default();
    let mut cash: Option<Decimal> = None;
    let mut may_live: BTreeMap<ClientOrderId, Decimal> = BTreeMap::new();
    for (index, batch) in batches.iter().enumerate() {
        for record in &batch.records {
            match record {
                Record::CashRead { total } => {
                    assert_eq!(cash.unwrap_or(*total), *total, "seed {seed}, batch {index}: the account knew better");
                    cash = Some(*total);
                }
                Record::Intent { order, reserve, purpose: Purpose::Open, .. } => {
                    may_live.insert(order.client_order_id().clone(), *reserve);
                    let reserved: Decimal = may_live.values().copied().sum();
                    assert!(Some(reserved) <= cash, "seed {seed}, batch {index}: {reserved} of {cash:?}");
                }
                Record::Finished { client_order_id, fills, .. } => {
                    may_live.remove(client_order_id);
                    let flow = fills.iter().map(|fill| fill.cash().unwrap()).sum::<Decimal>();
                    cash = cash.map(|cash| (cash + flow).round_dp(6));
                }
                Record::Adopted { .. } => panic!("seed {seed}: nothing is done twice here, or comes too late"),
                _ => {}
            }
        }
        state.apply(batch).unwrap();
        let (account, balances) = (&state.account, state.account.books().balances());
        let reserved: Decimal = may_live.values().copied().sum();
        assert_eq!((account.cash(), account.reserved()), (cash, reserved), "seed {seed}, batch {index}");
        assert_eq!(account.free(), cash.map(|cash| cash - reserved), "seed {seed}, batch {index}");
        assert!(balances.is_conserved() && account.overdrawn().is_none(), "seed {seed}, batch {index}: {account:?}");
    }
}

/// What happened in a session, to be added up.
#[derive(Debug, Default)]
struct Seen {
    faults: BTreeMap<FaultKind, u64>,
    deaths: u64,
    in_flight: u64,
    filled: u64,
    short_of_cash: u64,
}

/// Trades one session over some deaths of the process, at random batches, until one life goes to its end.
async fn session(seed: u64) -> Seen {
    let mut dice = Dice(seed);
    let bench = Bench::new(seed, faults(&mut dice));
    let mut seen = Seen::default();
    let mut history: Vec<Batch> = Vec::new();
    for life in 0..4 {
        let batches = if life == 3 { usize::MAX } else { 4 + usize::try_from(dice.roll(60)).unwrap() };
        let journal = Arc::new(DyingJournal::new(batches, dice.roll(2) == 0));
        let living = Dice(dice.roll(u64::MAX));
        let desk = bench.open_as(roomy(), journal.clone(), &history).await;
        let lived = match desk {
            Ok(desk) => tokio::time::timeout(Duration::from_mins(15), live(desk, living)).await,
            Err(error) => panic!("seed {seed}: {error}"),
        };
        history.extend(journal.batches());
        let Ok(short_of_cash) = lived else {
            seen.deaths += 1;
            seen.in_flight += State::replay(&history).unwrap().operations.len() as u64;
            continue;
        };
        seen.short_of_cash += short_of_cash;
        break;
    }
    bench.sim().set_faults(FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.open_as(roomy(), journal.clone(), &history).await.unwrap();
    begin(&desk).await;
    for number in SLOTS + 1..=SLOTS + 2 {
        // Later orders, which show how far the broker's list reaches.
        let _short = trade(&desk, number, Dice(dice.roll(u64::MAX))).await;
    }
    flatten(&desk).await;
    history.extend(journal.batches());
    check(seed, &history);

    let (ledger, state) = (bench.sim().ledger(), desk.state());
    assert_eq!(state.account.cash(), Some(ledger.cash), "seed {seed}: to the cent");
    assert_eq!((state.account.free(), state.account.reserved()), (Some(ledger.cash), Decimal::ZERO), "seed {seed}");
    assert!(ledger.positions.is_empty() && state.net().is_empty(), "seed {seed}: {:?}", ledger.positions);
    assert_eq!(state.account.books().positions().count(), 0, "seed {seed}");
    seen.faults = ledger.faults;
    seen.filled = ledger.orders.iter().filter(|order| !order.fills.is_empty()).count() as u64;
    seen
}

// proves: TXN-3, TXN-6, DESK-3
#[tokio::test(start_paused = true)]
async fn over_fills_rejections_cancels_doubts_and_deaths_the_cash_is_the_exchanges_to_the_cent() {
    // BACKSTOP_SEED=n repeats one seed; BACKSTOP_SEEDS=n runs more of them.
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("BACKSTOP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BACKSTOP_SEEDS").unwrap_or(40),
    };
    let count = seeds.end - seeds.start;
    let mut all = Seen::default();
    for seed in seeds {
        let seen = session(seed).await;
        all.deaths += seen.deaths;
        all.in_flight += seen.in_flight;
        all.filled += seen.filled;
        all.short_of_cash += seen.short_of_cash;
        for (kind, times) in seen.faults {
            *all.faults.entry(kind).or_default() += times;
        }
    }
    if count == 1 {
        return;
    }
    assert!(all.deaths >= count && all.in_flight >= count / 4, "they hardly died in the middle: {all:?}");
    assert!(all.filled >= count * 4 && all.short_of_cash >= count / 4, "hardly anything was traded: {all:?}");
    for kind in [
        FaultKind::RequestLost,
        FaultKind::AnswerLost,
        FaultKind::LateProcessing,
        FaultKind::PartialFill,
        FaultKind::PartialFillStuck,
        FaultKind::RejectedLater,
        FaultKind::CancelRace,
    ] {
        assert!(all.faults.get(&kind).is_some_and(|times| *times >= 5), "{kind} hardly struck: {all:?}");
    }
}
