use backstop_broker::{ClientOrderId, Leg, OrderKind, Quantity, TimeInForce};
use proptest::prelude::*;

use super::*;
use crate::check::tests::config;
use crate::config::Rate;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_625_200_000 + millis).unwrap()
}

fn buy(quantity: u32) -> OrderRequest {
    let leg = Leg {
        symbol: "SPY".parse().unwrap(),
        side: Side::Buy,
        effect: PositionEffect::Open,
        quantity: Quantity::new(quantity).unwrap(),
    };
    let id = ClientOrderId::new("bs-1").unwrap();
    OrderRequest::new(id, "SPY".parse().unwrap(), vec![leg], OrderKind::Market, TimeInForce::Day).unwrap()
}

// proves: LIMIT-2
#[test]
fn a_look_alike_counts_for_as_long_as_was_said_and_another_quantity_is_none() {
    let mut counters = Counters::default();
    counters.entry(&buy(3), at(0));
    for (millis, count) in [(0, 1), (29_999, 1), (30_000, 0), (-5_000, 1)] {
        assert_eq!(counters.look_alikes(&buy(3), 30, at(millis)), count, "after {millis} ms");
    }
    assert_eq!(counters.look_alikes(&buy(4), 30, at(1)), 0);
}

proptest! {
    /// Sends whenever that is allowed, by a clock that jumps both ways.
    // proves: LIMIT-2
    #[test]
    fn in_no_span_are_there_more_messages_than_allowed(steps in prop::collection::vec(-20_000_i64..40_000, 1..200)) {
        let (mut counters, config) = (Counters::default(), config());
        let Rate { count, seconds } = config.messages;
        // What the clock says, and what time it is: time does not run back.
        let (mut shown, mut real, mut sent) = (0, 0, Vec::new());
        for step in steps {
            shown += step;
            real += step.max(0);
            for _ in 0..=count {
                if counters.recent_messages(seconds, at(shown)) < count {
                    counters.message(at(shown));
                    counters.forget(&config);
                    sent.push(real);
                }
            }
            prop_assert!(counters.messages.len() <= usize::try_from(count).unwrap());
        }
        for from in &sent {
            let within = sent.iter().filter(|to| (*from..*from + i64::from(seconds) * 1_000).contains(*to)).count();
            prop_assert!(within <= usize::try_from(count).unwrap(), "{within} messages from {from} ms on");
        }
    }

    #[test]
    fn look_alikes_that_are_over_are_forgotten(steps in prop::collection::vec(0_i64..20_000, 1..100)) {
        let (mut counters, mut time) = (Counters::default(), 0);
        for step in steps {
            time += step;
            counters.entry(&buy(1), at(time));
            counters.forget(&config());
            let oldest = counters.orders.front().unwrap().0;
            prop_assert!(oldest > at(time - 30_000));
        }
    }
}
