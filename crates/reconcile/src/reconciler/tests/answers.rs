//! Answers that are bad, and days that are odd: what they look like here after the adapter has read them.

use backstop_broker::ReadError;
use jiff::Timestamp;

use crate::fixture::*;
use crate::{Doubt, DriftState, Evidence, Gate, Need, Plan, Reads, RowFault, Source, Verdict};

/// The second of a moment, as the world counts.
fn second(text: &str) -> u64 {
    let moment: Timestamp = text.parse().unwrap();
    u64::try_from(moment.as_second() - at(0).wall.as_second()).unwrap()
}

/// A world at another time of the year, with a position that the broker has shown.
fn on(day: &str, legs: &[(&str, i64)]) -> World {
    let mut world = World::new();
    world.now = second(day);
    world.restart(config());
    world.open("p", legs);
    world.wait(60);
    assert!(world.run().drift.is_empty());
    world
}

// proves: REC-2
#[test]
fn what_the_adapter_could_not_read_says_nothing_whatever_it_was() {
    let errors = || {
        let detail = || "positions".to_owned();
        [
            ReadError::Unreadable { detail: detail() },
            ReadError::Partial { detail: detail() },
            ReadError::Unauthorized { detail: detail() },
            ReadError::Server { status: 503, detail: detail() },
            ReadError::ConnectionLost { detail: detail() },
        ]
    };
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.by_hand("SPY", -5);
    for error in errors() {
        let run = world.run_for(30, |reads| reads.positions.answer = Err(error.clone()));
        assert!(run.closed.is_empty() && run.drift.is_empty() && !run.is_complete);
        assert!(run.needs.contains(&Need::Again { source: Source::Positions }));
        let Doubt::NotRead { source_of: Source::Positions, error: told } = &run.unread[0] else { panic!("{run:?}") };
        assert_eq!(*told, error.to_string());
    }
}

// proves: REC-2
#[test]
fn while_the_broker_is_down_for_an_hour_nothing_counts_and_afterwards_the_count_goes_on() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    drop(world.run_for(1, |_| {}));
    world.close("q", &[("QQQ", -1)]);
    world.by_hand("SPY", -5);
    // One vote for each of them.
    assert!(world.run_for(1, |_| {}).closed.is_empty());
    let down = |reads: &mut Reads| (reads.positions.answer, reads.orders.answer) = (failed(), failed());
    for minute in 0..60 {
        let run = world.run_for(1, down);
        assert!(run.closed.is_empty() && run.unread.len() == 2, "minute {minute}");
        let [pending] = run.pending.as_slice() else { panic!("{run:?}") };
        assert!(
            matches!(&pending.verdict, Verdict::CannotTell { doubts } if matches!(doubts[0], Doubt::NotRead { .. }))
        );
        assert_eq!(pending.alert, minute >= 1, "somebody is told");
        assert!(matches!(world.reconciler.gate(&symbol("SPY")), Gate::Shut { .. }), "and what differed stays shut");
    }
    let run = world.run_for(1, |_| {});
    let closed: Vec<_> = run.closed.iter().map(|proof| proof.position().as_str()).collect();
    assert_eq!(closed, ["q"]);
    assert_eq!(world.run_for(1, |_| {}).closed.len(), 2, "three votes over more than five minutes");
}

#[test]
fn a_list_with_a_row_twice_or_a_part_of_a_contract_or_the_wrong_sign_takes_nothing_out() {
    for (rows, wanted) in [
        (vec![row(PUT, "-1"), row(PUT, "-1"), row(LOWER_PUT, "1")], DriftState::Unclear { fault: RowFault::Several }),
        (vec![row(PUT, "-0.5"), row(LOWER_PUT, "1")], DriftState::Unclear { fault: RowFault::Fraction }),
        (vec![row(PUT, "1"), row(LOWER_PUT, "1")], DriftState::Flipped),
        (vec![row(PUT, "0"), row(LOWER_PUT, "1")], DriftState::BrokenSpread { positions: [id("p")].into() }),
    ] {
        let mut world = World::holding(config(), "p", &[(PUT, -1), (LOWER_PUT, 1)]);
        let run = world.run_for(30, |reads| reads.positions.answer = Ok(rows.clone()));
        assert_eq!(run.state_of(&symbol(PUT)), Some(&wanted));
        assert!(run.closed.is_empty() && run.corrections.is_empty());
        assert!(matches!(world.reconciler.gate(&symbol(PUT)), Gate::Shut { .. }));
    }
    // A symbol that nobody here knows is nobody's, and in nobody's way.
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.close("p", &[("SPY", -5)]);
    let unknown = |reads: &mut Reads| reads.positions.answer.as_mut().unwrap().push(row("ZZZZ.WS", "7"));
    drop(world.run_for(1, unknown));
    let run = world.run_for(1, unknown);
    assert_eq!((run.closed.len(), run.state_of(&symbol("ZZZZ.WS"))), (1, Some(&DriftState::Orphan)));
}

// proves: REC-8
#[test]
fn an_expiration_on_a_holiday_is_over_when_the_day_before_it_is() {
    // Good Friday of 2026: the option was last traded on Thursday.
    for option in ["SPXW260403P05900000", "SPXW260402P05900000"] {
        let mut world = on("2026-04-02T15:00:00Z", &[(option, -1)]);
        world.now = second("2026-04-02T20:59:59Z");
        assert!(world.run().drift.is_empty());
        world.now = second("2026-04-02T21:00:00Z");
        let run = world.run();
        let expired = DriftState::Expired { on: jiff::civil::date(2026, 4, 2) };
        assert_eq!(run.state_of(&symbol(option)), Some(&expired), "{option}");
        assert_eq!(run.drift[0].plan, Plan::AwaitSettlement);
        assert_eq!(run.verdict_of(&id("p")), Some(&Verdict::StillOpen));
        // Over the holiday it is gone.
        world.now = second("2026-04-03T15:00:00Z");
        world.held.clear();
        let run = world.run_for(7, |_| {});
        let [proof] = run.closed.as_slice() else { panic!("{run:?}") };
        assert!(matches!(proof.evidence(), Evidence::Expiry { .. }));
    }
}

// proves: REC-8
#[test]
fn an_expiration_on_a_day_that_closes_early_is_over_early() {
    let option = "SPXW261127P05900000";
    let mut world = on("2026-11-27T15:00:00Z", &[(option, -1), ("QQQ", 1)]);
    world.now = second("2026-11-27T18:59:59Z");
    world.move_held(option, 1);
    assert!(matches!(world.run().state_of(&symbol(option)), Some(DriftState::BrokenSpread { .. })));
    world.now = second("2026-11-27T19:00:00Z");
    let expired = DriftState::Expired { on: jiff::civil::date(2026, 11, 27) };
    assert_eq!(world.run().state_of(&symbol(option)), Some(&expired));
}

#[test]
fn a_list_of_orders_that_ends_at_the_date_roll_takes_the_witness_with_it() {
    let mut world = World::holding(config(), "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 1)]);
    world.by_hand("SPY", -5);
    drop(world.run_for(3, |_| {}));
    // The trade by hand is in no list of today.
    world.wait(86_400);
    world.orders.clear();
    let run = world.run_for(60, |_| {});
    assert_eq!(run.state_of(&symbol("SPY")), Some(&DriftState::Missing));
    assert!(run.closed.is_empty());
    assert!(run.needs.contains(&Need::ClosedLots { since: jiff::civil::date(2026, 1, 5) }), "{:?}", run.needs);
}
