use std::time::Duration;

use super::*;
use crate::fixture::at;

const THREE: Repeat = Repeat { reads: 3, spacing: Duration::from_secs(30), over: Duration::from_mins(5) };

fn count(asked: &[u64]) -> Count {
    let mut count = None;
    for second in asked {
        Count::add(&mut count, at(*second), THREE, None);
    }
    count.unwrap()
}

#[test]
fn reads_count_when_they_are_spaced_and_not_a_second_sooner() {
    assert_eq!(count(&[0]).reads(), 1);
    assert_eq!(count(&[0, 29]).reads(), 1);
    assert_eq!(count(&[0, 30]).reads(), 2);
    // The space is to the last one that counted.
    assert_eq!(count(&[0, 29, 58]).reads(), 2);
    assert_eq!(count(&[0, 29, 30]).reads(), 2);
}

#[test]
fn the_same_read_again_and_an_older_one_change_nothing() {
    assert_eq!(count(&[100, 100, 100]), count(&[100]));
    assert_eq!(count(&[100, 40]), count(&[100]));
    assert_eq!(count(&[100, 140, 100, 140]), count(&[100, 140]));
}

#[test]
fn enough_reads_over_a_long_enough_time_are_a_tally() {
    assert_eq!(count(&[0, 300]).complete(THREE), None, "two reads");
    assert_eq!(count(&[0, 30, 60, 90, 120]).complete(THREE), None, "two minutes");
    assert_eq!(count(&[0, 30, 299]).complete(THREE), None, "a second too short");
    let tally = count(&[0, 30, 300]).complete(THREE).unwrap();
    assert_eq!((tally.reads, tally.first, tally.last), (3, at(0).wall, at(300).wall));
}

#[test]
fn a_tally_keeps_a_few_of_its_witnesses() {
    let mut count = None;
    for number in 0..100_u64 {
        let witness = Witness::Balances { total_cash: Decimal::from(number) };
        Count::add(&mut count, at(number * 30), THREE, Some(witness));
    }
    assert_eq!(count.unwrap().complete(THREE).unwrap().witnesses.len(), WITNESSES);
}

#[test]
fn of_two_tallies_together_counts_what_both_can_say() {
    let tally = |asked: &[u64]| count(asked).complete(Repeat { over: Duration::ZERO, reads: 1, ..THREE }).unwrap();
    let (long, short) = (tally(&[0, 60, 120, 180]), tally(&[60, 90, 120]));
    let wanted = (3, at(60).wall, at(120).wall);
    for both in [long.clone().weaker(short.clone()), short.weaker(long)] {
        assert_eq!((both.reads, both.first, both.last), wanted);
    }
}
