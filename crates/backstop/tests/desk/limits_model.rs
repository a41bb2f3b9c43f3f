//! The desk's limits against a model that knows nothing of records: it counts what it was told came of each step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backstop::broker::Quantity;
use backstop::clock::Timestamp;
use backstop::limits::{Config, Rate};
use backstop::{Batch, Desk, EntryEnd, MemoryJournal, SlotId};
use backstop_sim::FaultPlan;
use jiff::SignedDuration;

use crate::bench::{Bench, Enter, leave, limits, plan};
use crate::dice::Dice;
use crate::limits::{breaches, name, with};

const SLOTS: u32 = 60;

fn config() -> Config {
    Config {
        order_quantity: 3,
        positions: 2,
        positions_per_underlying: 2,
        entries: 8,
        repeats: 4,
        look_alikes: Rate { count: 1, seconds: 20 },
        messages: Rate { count: 5, seconds: 60 },
        ..limits()
    }
}

/// What was done, as a bystander saw it.
#[derive(Debug, Default)]
struct Model {
    entries: Vec<(Timestamp, u32)>,
    messages: Vec<Timestamp>,
    open: Vec<SlotId>,
    executed: usize,
}

impl Model {
    /// The limits that an entry of so many would break now.
    fn broken(&self, quantity: u32, now: Timestamp) -> BTreeSet<String> {
        let within = |at: &Timestamp, seconds| now.duration_since(*at) < SignedDuration::from_secs(seconds);
        let alike = self.entries.iter().filter(|(at, other)| *other == quantity && within(at, 20)).count();
        let messages = self.messages.iter().filter(|at| within(at, 60)).count();
        let broken = [
            ("OrderQuantity", quantity > 3),
            ("Positions", self.open.len() >= 2),
            ("PositionsPerUnderlying", self.open.len() >= 2),
            ("Entries", self.entries.len() >= 8),
            ("Repeats", self.executed >= 4),
            ("LookAlikes", alike >= 1),
            ("Messages", messages >= 5),
        ];
        broken.into_iter().filter(|(_, is_broken)| *is_broken).map(|(name, _)| name.to_owned()).collect()
    }
}

async fn start(bench: &Bench, journal: &Arc<MemoryJournal>, history: &[Batch]) -> Desk {
    let desk = bench.open_as(with(config()), journal.clone(), history).await.unwrap();
    desk.recover().await.unwrap();
    desk.read_cash().await.unwrap();
    let day = desk.market_clock().await.unwrap().date;
    desk.begin_session(day, SLOTS, None).await.unwrap();
    desk
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn over_random_entries_exits_waits_and_restarts_the_desk_refuses_what_a_bystander_would() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut restarts = 0;
    for seed in 0..40 {
        let (bench, mut dice, mut model) = (Bench::new(seed, FaultPlan::none()), Dice(seed), Model::default());
        let mut history: Vec<Batch> = Vec::new();
        let mut journal = Arc::new(MemoryJournal::default());
        let mut desk = start(&bench, &journal, &[]).await;
        let mut slot = 1;
        for step in 0..50 {
            match dice.roll(11) {
                0..=4 => {
                    let quantity = u32::try_from(dice.roll(4)).unwrap() + 1;
                    let mut planned = plan(&desk).await;
                    planned.legs.first_mut().unwrap().quantity = Quantity::new(quantity).unwrap();
                    let now = bench.clock.wall();
                    let id = desk.slot(slot).unwrap();
                    let end = desk.try_to(id.clone(), planned).await;
                    let told: BTreeSet<String> = breaches(&end).iter().map(name).collect();
                    assert_eq!(told, model.broken(quantity, now), "seed {seed}, step {step}: {end:?} {model:?}");
                    seen.extend(told.iter().cloned());
                    if told.is_empty() {
                        assert!(matches!(end, EntryEnd::Opened(_)), "seed {seed}, step {step}: {end:?}");
                        model.entries.push((now, quantity));
                        model.messages.push(now);
                        model.executed += 1;
                        model.open.push(id);
                        slot += 1;
                    }
                }
                5 | 6 => {
                    let Some(id) = model.open.first().cloned() else { continue };
                    model.messages.push(bench.clock.wall());
                    let end = leave(&desk, &id).await;
                    assert!(matches!(end, backstop::ExitEnd::Closed), "seed {seed}, step {step}: {end:?}");
                    model.open.remove(0);
                }
                7 => {
                    desk.allow_repeats("ann", "seen").await.unwrap();
                    model.executed = 0;
                }
                8 | 9 => tokio::time::sleep(Duration::from_secs(dice.roll(30) + 1)).await,
                _ => {
                    history.extend(journal.batches());
                    journal = Arc::new(MemoryJournal::default());
                    drop(desk);
                    desk = start(&bench, &journal, &history).await;
                    restarts += 1;
                }
            }
        }
    }
    assert_eq!(seen.len(), 7, "each limit was reached: {seen:?}");
    assert!(restarts > 40, "{restarts}");
}
