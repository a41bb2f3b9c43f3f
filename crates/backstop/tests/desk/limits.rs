//! Each limit at its bound, through the desk, and what counts for it.

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::{Decimal, Field, OrderKind, Quantity, Quotes};
use backstop::limits::{Breach, Collar, Config, Rate};
use backstop::{Desk, DeskConfig, EntryEnd, ExitEnd, MemoryJournal, Refusal, SlotId};
use backstop_sim::{FaultKind, FaultPlan};

use crate::bench::{Bench, Enter, Planned, SlowJournal, config, enter, flatten, leave, limits, look, plan, spy};

pub(crate) fn with(limits: Config) -> DeskConfig {
    DeskConfig { limits: Some(limits), ..config() }
}

/// Everything that stands against an entry by limits; nothing if it passed them.
pub(crate) fn breaches(end: &EntryEnd) -> Vec<Breach> {
    match end {
        EntryEnd::Refused(Refusal::Limits(refused)) => refused.breaches().to_vec(),
        EntryEnd::Refused(other) => panic!("{other}"),
        _ => Vec::new(),
    }
}

/// Which limit it is.
pub(crate) fn name(breach: &Breach) -> String {
    format!("{breach:?}").split([' ', '{']).next().unwrap().to_owned()
}

/// The price that a plan is to be filled at.
fn price(plan: &Planned) -> Decimal {
    match plan.kind {
        OrderKind::Limit { price } => price,
        _ => panic!("{plan:?}"),
    }
}

/// How far that is from the middle of the market.
fn away(plan: &Planned) -> Decimal {
    price(plan) - plan.view.quotes().get(&spy()).unwrap().mid().unwrap()
}

/// Waits until the position could only be left at a loss, and returns that.
async fn fall(desk: &Desk, slot: &SlotId) -> Decimal {
    for _ in 0..1_000 {
        let bid = look(desk).await.quotes().get(&spy()).unwrap().bid.price.value().unwrap();
        let lost = (desk.state().held(slot).unwrap().legs().first().unwrap().price - bid) * Decimal::TEN;
        if lost > Decimal::ONE {
            return lost;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the price does not fall");
}

const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

type Bound = fn(&mut Config, &Planned, bool);

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn an_order_at_its_bound_passes_and_one_beyond_it_is_refused_with_figure_and_bound() {
    let bounds: [(&str, Bound); 4] = [
        ("quantity", |config, _, beyond| config.order_quantity = if beyond { 9 } else { 10 }),
        ("notional", |config, plan, beyond| {
            config.order_notional = price(plan) * Decimal::TEN - if beyond { CENT } else { Decimal::ZERO };
        }),
        ("exposure", |config, plan, beyond| {
            config.gross_notional = price(plan) * Decimal::TEN - if beyond { CENT } else { Decimal::ZERO };
            config.order_notional = config.gross_notional;
        }),
        ("collar", |config, plan, beyond| {
            let least = away(plan) - if beyond { CENT } else { Decimal::ZERO };
            config.collar = Collar { bps: 1, least };
        }),
    ];
    for (name, bound) in bounds {
        for beyond in [false, true] {
            let bench = Bench::new(1, FaultPlan::none());
            let desk = bench.desk().await;
            let plan = plan(&desk).await;
            let mut config = limits();
            bound(&mut config, &plan, beyond);
            desk.tighten(config.clone(), "ann", "test").await.unwrap();
            let worth = price(&plan) * Decimal::TEN;
            let expected = match name {
                "quantity" => vec![Breach::OrderQuantity { symbol: spy(), asked: 10, limit: 9 }],
                "notional" => vec![Breach::OrderNotional { notional: worth, limit: worth - CENT }],
                "exposure" => vec![
                    Breach::OrderNotional { notional: worth, limit: worth - CENT },
                    Breach::GrossNotional { notional: worth, limit: worth - CENT },
                ],
                _ => {
                    let (away, limit) = (away(&plan), config.collar.least.normalize());
                    vec![Breach::Collar { price: price(&plan), middle: price(&plan) - away, away, limit }]
                }
            };
            let end = desk.try_to(desk.slot(1).unwrap(), plan).await;
            assert_eq!(breaches(&end), if beyond { expected } else { vec![] }, "{name}: {end:?}");
            assert_eq!(bench.requests(), usize::from(!beyond), "{name}");
        }
    }
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn a_market_order_has_a_collar_too() {
    let bench = Bench::new(1, FaultPlan::none());
    let narrow = Config { collar: Collar { bps: 1, least: Decimal::new(5, 2) }, ..limits() };
    let desk = bench.open_as(with(narrow), Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    bench.begin(&desk).await;
    let lower: fn(&mut Quotes) = |quotes| {
        let side = &mut quotes.quotes.first_mut().unwrap().bid;
        side.price = Field::Value(side.price.value().unwrap() - Decimal::ONE);
    };
    *bench.broker.rewrite_quotes.lock() = Some(lower);
    let mut market = plan(&desk).await;
    market.kind = OrderKind::Market;
    let end = desk.try_to(desk.slot(1).unwrap(), market).await;
    assert!(matches!(&breaches(&end)[..], [Breach::Collar { .. }]), "{end:?}");
    assert!(matches!(&end, EntryEnd::Refused(refusal) if refusal.is_passing()), "{end:?}");
    *bench.broker.rewrite_quotes.lock() = None;
    let mut market = plan(&desk).await;
    market.kind = OrderKind::Market;
    let end = desk.try_to(desk.slot(1).unwrap(), market).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn what_is_open_and_what_nobody_knows_the_end_of_count_alike() {
    for is_lost in [false, true] {
        let bench = Bench::new(1, FaultPlan::none());
        let one = Config { positions: 1, positions_per_underlying: 1, ..limits() };
        let desk = bench.open_as(with(one), Arc::new(MemoryJournal::default()), &[]).await.unwrap();
        bench.begin(&desk).await;
        if is_lost {
            bench.inject(FaultKind::RequestLost);
        }
        let (_, end) = enter(&desk, 1).await;
        assert_eq!(matches!(end, EntryEnd::Unresolved { .. }), is_lost, "{end:?}");
        let (_, end) = enter(&desk, 2).await;
        let of_symbol = Breach::PositionsPerUnderlying { underlying: spy(), open: 1, limit: 1 };
        assert_eq!(breaches(&end), [Breach::Positions { open: 1, limit: 1 }, of_symbol], "lost: {is_lost}");
        let used = desk.state().limits_used(bench.clock.wall());
        assert!(used.iter().any(|row| row.name == "repeats" && row.used == Decimal::ONE), "lost: {is_lost}: {used:?}");
        // And in value: no cent more than what is there, or may be.
        let next = plan(&desk).await;
        let worth = price(&next) * Decimal::TEN;
        let state = desk.state();
        let ask = next.view.quotes().get(&spy()).unwrap().ask.price.value().unwrap();
        let held = state
            .book
            .positions()
            .values()
            .map(|position| position.legs().first().unwrap().price.max(ask) * Decimal::TEN);
        let unknown = state.operations.values().map(|operation| operation.notional);
        let notional = held.chain(unknown).sum::<Decimal>() + worth;
        let gross = |gross_notional| Config {
            positions: 1,
            positions_per_underlying: 1,
            gross_notional,
            order_notional: worth,
            ..limits()
        };
        desk.tighten(gross(notional), "ann", "test").await.unwrap();
        assert_eq!(breaches(&desk.try_to(desk.slot(2).unwrap(), next.clone()).await).len(), 2);
        let limit = notional - CENT;
        desk.tighten(gross(limit), "ann", "test").await.unwrap();
        let told = breaches(&desk.try_to(desk.slot(2).unwrap(), next).await);
        assert!(told.contains(&Breach::GrossNotional { notional, limit }), "lost: {is_lost}: {told:?}");
    }
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn what_may_still_be_filled_counts_as_an_execution_until_it_is_known_not_to_be() {
    let bench = Bench::new(1, FaultPlan::none());
    let two = Config { repeats: 2, ..limits() };
    let desk = bench.open_as(with(two), Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    bench.begin(&desk).await;
    bench.inject(FaultKind::RequestLost);
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Unresolved { .. }), "{end:?}");
    let (_, end) = enter(&desk, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let one_too_many = [Breach::Repeats { kind: backstop::limits::Kind::new("test"), executed: 2, limit: 2 }];
    assert_eq!(breaches(&enter(&desk, 3).await.1), one_too_many);
    // The later order shows that the lost one was never placed.
    tokio::time::sleep(crate::bench::SETTLE).await;
    desk.reconcile().await.unwrap();
    let (_, end) = enter(&desk, 3).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    assert_eq!(breaches(&enter(&desk, 4).await.1), one_too_many);
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn entries_executions_look_alikes_and_messages_are_counted_over_restarts() {
    type Allow = fn(&mut Config);
    let one: [(&str, Allow); 4] = [
        ("entries", |config| config.entries = 1),
        ("repeats", |config| config.repeats = 1),
        ("look-alikes", |config| config.look_alikes = Rate { count: 1, seconds: 30 }),
        // The entry, and the exit, which no limit stops.
        ("messages", |config| config.messages = Rate { count: 2, seconds: 30 }),
    ];
    for (name, allow) in one {
        let bench = Bench::new(1, FaultPlan::none());
        let mut config = limits();
        allow(&mut config);
        // A look-alike that can never be one too many is a contradiction.
        config.look_alikes.count = config.look_alikes.count.min(config.entries);
        config.look_alikes.seconds = if name == "entries" { 1 } else { config.look_alikes.seconds };
        let journal = Arc::new(MemoryJournal::default());
        let desk = bench.open_as(with(config.clone()), journal.clone(), &[]).await.unwrap();
        bench.begin(&desk).await;
        let (slot, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{name}: {end:?}");
        let end = leave(&desk, &slot).await;
        assert!(matches!(end, ExitEnd::Closed), "{name}: {end:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let expected = vec![match name {
            "entries" => Breach::Entries { entries: 1, limit: 1 },
            "repeats" => Breach::Repeats { kind: backstop::limits::Kind::new("test"), executed: 1, limit: 1 },
            "look-alikes" => Breach::LookAlikes { sent: 1, limit: 1, seconds: 30 },
            _ => Breach::Messages { sent: 2, limit: 2, seconds: 30 },
        }];
        assert_eq!(breaches(&enter(&desk, 2).await.1), expected, "{name}");
        drop(desk);
        let history = journal.batches();
        let next = Arc::new(MemoryJournal::default());
        let again = bench.open_as(with(config), next, &history).await.unwrap();
        bench.begin(&again).await;
        assert_eq!(breaches(&enter(&again, 2).await.1), expected, "{name} after a restart");
        match name {
            "entries" => {
                let (slot, mut other) = (again.slot(2).unwrap(), plan(&again).await);
                other.legs.first_mut().unwrap().quantity = Quantity::new(3).unwrap();
                assert_eq!(breaches(&again.try_to(slot, other).await), expected);
                continue;
            }
            "repeats" => again.allow_repeats("ann", "it does what it should").await.unwrap(),
            _ => tokio::time::sleep(Duration::from_secs(30)).await,
        }
        let (_, end) = enter(&again, 2).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{name}: {end:?}");
    }
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn entries_at_once_do_not_pass_a_limit_together() {
    type Allow = fn(&mut Config, Decimal);
    let one: [(&str, Allow); 5] = [
        ("entries", |config, _| (config.entries, config.look_alikes.count) = (1, 1)),
        ("repeats", |config, _| config.repeats = 1),
        ("look-alikes", |config, _| config.look_alikes.count = 1),
        ("messages", |config, _| config.messages.count = 1),
        ("exposure", |config, worth| {
            (config.gross_notional, config.order_notional) = (worth + worth - CENT, worth);
        }),
    ];
    for (name, allow) in one {
        let bench = Bench::new(1, FaultPlan::none());
        // While one intent is being written, the other entry is judged.
        let desk = bench.ready(Arc::new(SlowJournal), &[]).await;
        let plan = plan(&desk).await;
        let mut config = limits();
        allow(&mut config, plan.reserve);
        desk.tighten(config, "ann", "test").await.unwrap();
        let enter = |number| desk.try_to(desk.slot(number).unwrap(), plan.clone());
        let ends = tokio::join!(enter(1), enter(2));
        let refused = [&ends.0, &ends.1].into_iter().filter(|end| !breaches(end).is_empty()).count();
        assert_eq!((refused, bench.requests()), (1, 1), "{name}: {ends:?}");
    }
}

// proves: LIMIT-2, HALT-2
#[tokio::test(start_paused = true)]
async fn a_session_that_has_lost_its_limit_on_paper_or_for_good_is_halted_until_somebody_resumes() {
    for is_realized in [false, true] {
        let bench = Bench::new(1, FaultPlan::none());
        let journal = Arc::new(MemoryJournal::default());
        let desk = bench.ready(journal.clone(), &[]).await;
        let (slot, end) = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
        let on_paper = fall(&desk, &slot).await;
        let lost = if is_realized {
            let end = leave(&desk, &slot).await;
            assert!(matches!(end, ExitEnd::Closed), "{end:?}");
            Decimal::from(1_000_000) - bench.sim().ledger().cash
        } else {
            on_paper
        };
        assert!(lost > Decimal::ZERO, "{lost}");
        desk.tighten(Config { loss: lost + CENT, ..limits() }, "ann", "test").await.unwrap();
        assert!(desk.state().halted().is_none(), "a cent is left");
        desk.tighten(Config { loss: lost, ..limits() }, "ann", "test").await.unwrap();
        let reason = desk.state().halted().map(|pull| (pull.by.clone(), pull.reason.clone())).unwrap();
        assert!(reason.0 == "the desk" && reason.1.contains("has lost"), "{reason:?}");
        // A restart finds it halted, and after a resume the session's limit still holds; the next session has its own.
        drop(desk);
        let loss = with(Config { loss: lost, ..limits() });
        let again = bench.open_as(loss, Arc::new(MemoryJournal::default()), &journal.batches()).await.unwrap();
        bench.begin(&again).await;
        let (_, end) = enter(&again, 2).await;
        assert!(matches!(end, EntryEnd::Refused(Refusal::Halted { .. })), "{end:?}");
        again.resume("ann", "seen").await.unwrap();
        if is_realized {
            let told = breaches(&enter(&again, 2).await.1);
            assert_eq!(told, [Breach::Loss { lost, limit: lost }]);
            assert!(again.state().halted().is_none(), "what somebody has resumed from halts nobody again");
        }
        flatten(&again).await;
    }
}

// proves: HALT-2
#[tokio::test(start_paused = true)]
async fn a_loss_on_paper_halts_at_the_look_that_shows_it_and_exits_pass() {
    let bench = Bench::new(1, FaultPlan::none());
    let little = with(Config { loss: Decimal::from(15), ..limits() });
    let desk = bench.open_as(little, Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    bench.begin(&desk).await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    look(&desk).await;
    assert!(desk.state().halted().is_none());
    let fallen: fn(&mut Quotes) = |quotes| {
        let side = &mut quotes.quotes.first_mut().unwrap().bid;
        side.price = Field::Value(side.price.value().unwrap() - Decimal::TWO);
    };
    *bench.broker.rewrite_quotes.lock() = Some(fallen);
    desk.quotes(&[spy()]).await.unwrap();
    assert!(desk.state().halted().is_some_and(|pull| pull.reason.contains("has lost 15")), "{:?}", desk.state().halts);
    *bench.broker.rewrite_quotes.lock() = None;
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Closed), "{end:?}");
}

// proves: LIMIT-2
#[tokio::test(start_paused = true)]
async fn while_nobody_has_looked_at_what_is_held_nobody_knows_the_loss_and_nothing_is_entered() {
    let bench = Bench::new(1, FaultPlan::none());
    let journal = Arc::new(MemoryJournal::default());
    let desk = bench.ready(journal.clone(), &[]).await;
    let good = plan(&desk).await;
    let (_, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    let again = bench.ready(Arc::new(MemoryJournal::default()), &journal.batches()).await;
    let end = again.try_to(again.slot(2).unwrap(), good).await;
    assert_eq!(breaches(&end), [Breach::NoMark { symbol: spy() }]);
    assert!(matches!(&end, EntryEnd::Refused(refusal) if refusal.is_passing()), "{end:?}");
    let (_, end) = enter(&again, 2).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
}

// proves: LIMIT-2, DESK-4
#[tokio::test(start_paused = true)]
async fn all_that_stands_against_an_entry_is_told_at_once_and_none_of_it_stops_an_exit() {
    let bench = Bench::new(1, FaultPlan::none());
    let both = Config { underlyings: [spy(), "QQQ".parse().unwrap()].into(), ..limits() };
    let desk = bench.open_as(with(both), Arc::new(MemoryJournal::default()), &[]).await.unwrap();
    bench.begin(&desk).await;
    let (slot, end) = enter(&desk, 1).await;
    assert!(matches!(end, EntryEnd::Opened(_)), "{end:?}");
    fall(&desk, &slot).await;
    let nothing = Config {
        order_quantity: 1,
        order_notional: CENT,
        gross_notional: CENT,
        collar: Collar { bps: 1, least: CENT },
        positions: 1,
        positions_per_underlying: 1,
        entries: 1,
        loss: CENT,
        repeats: 1,
        look_alikes: Rate { count: 1, seconds: 3_600 },
        messages: Rate { count: 1, seconds: 3_600 },
        underlyings: ["QQQ".parse().unwrap()].into(),
    };
    desk.tighten(nothing, "ann", "test").await.unwrap();
    desk.resume("ann", "the loss is seen").await.unwrap();
    let unpriced = [
        "OrderQuantity",
        "NotAllowed",
        "Positions",
        "PositionsPerUnderlying",
        "Entries",
        "Loss",
        "Repeats",
        "LookAlikes",
        "Messages",
    ];
    let priced = ["OrderNotional", "Collar", "GrossNotional"];
    let fresh = plan(&desk).await;
    let told = breaches(&desk.try_to(desk.slot(2).unwrap(), fresh.clone()).await);
    let mut names: Vec<String> = told.iter().map(name).collect();
    names.sort_unstable();
    let mut expected: Vec<&str> = unpriced.into_iter().chain(priced).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    // Without a fresh price, what needs none.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = breaches(&desk.try_to(desk.slot(2).unwrap(), fresh).await);
    assert_eq!(told.iter().map(name).collect::<Vec<_>>(), unpriced);
    assert_eq!(bench.requests(), 1);
    let end = leave(&desk, &slot).await;
    assert!(matches!(end, ExitEnd::Closed), "{end:?}");
    assert_eq!(bench.held(), Decimal::ZERO);
}
