use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

#[test]
fn a_message_is_as_old_as_it_is_slower_than_the_fastest() {
    let mut floor = Floor::default();
    floor.note(100 * SECOND, 7 * SECOND);
    assert_eq!(floor.age(100 * SECOND, 7 * SECOND), 0);
    assert_eq!(floor.age(100 * SECOND - 1, 7 * SECOND), 1);
    // A slower one changes nothing, a faster one does.
    floor.note(99 * SECOND, 7 * SECOND);
    assert_eq!(floor.age(99 * SECOND, 7 * SECOND), SECOND);
    floor.note(101 * SECOND, 7 * SECOND);
    assert_eq!(floor.age(99 * SECOND, 7 * SECOND), 2 * SECOND);
}

#[test]
fn clocks_may_drift_apart_by_one_part_in_4096_and_no_more() {
    let mut floor = Floor::default();
    floor.note(0, 0);
    // 4096 s later a message as fast as the first one by a clock that lost a second, and one that is later still.
    assert_eq!(floor.age(4095 * SECOND, 4096 * SECOND), 0);
    assert_eq!(floor.age(4095 * SECOND - 1, 4096 * SECOND), 1);
}

#[test]
fn a_queue_that_does_not_clear_does_not_become_normal() {
    let mut floor = Floor::default();
    floor.note(0, 0);
    for second in 1..=600 {
        floor.note((second - 5) * SECOND, second * SECOND);
    }
    let age = floor.age(595 * SECOND, 600 * SECOND);
    assert!(age > 4 * SECOND, "{age}");
}

proptest! {
    #[test]
    fn age_never_falls_with_time(
        notes in proptest::collection::vec((0..SECOND * 100, 0..SECOND * 100), 1..20),
        stamp in 0..SECOND * 100,
        now in 0..SECOND * 200,
        later in 0..SECOND * 10,
    ) {
        let mut floor = Floor::default();
        let mut before = i64::MIN;
        for (stamp_noted, received) in notes {
            floor.note(stamp_noted, received);
            let age = floor.age(stamp, now);
            prop_assert!(age >= before, "more messages never make it younger");
            prop_assert!(floor.age(stamp, now + later) >= age);
            before = age;
        }
    }

    #[test]
    fn no_numbers_panic(stamp in any::<i64>(), received in any::<i64>(), other in any::<i64>(), now in any::<i64>()) {
        let mut floor = Floor::default();
        floor.note(stamp, received);
        let _age = floor.age(other, now);
    }
}
