use std::collections::BTreeMap;

use super::*;
use crate::demo::samples::{Belief, Net};

fn sample(at_ms: u64, held: i64, tracked: i64) -> Sample {
    let net = |quantity: i64| -> Net { BTreeMap::from([("SPY".parse().unwrap(), Decimal::from(quantity))]) };
    let belief = Belief { cash: None, tracked: net(tracked), followed: Vec::new() };
    Sample { at: Duration::from_millis(at_ms), is_up: true, held: net(held), belief }
}

fn of(samples: &[Sample], duplicates: Vec<Duration>) -> String {
    let panel = Panel { title: "one", verdict: "no harm".to_owned(), samples, duplicates };
    drawn(&[panel], &[Duration::from_secs(2)], Some(Duration::from_secs(4)), Duration::from_secs(10), "seed 1")
}

#[test]
fn steps_are_drawn_where_something_changed_and_what_nobody_watches_is_shaded() {
    let samples = [sample(0, 0, 0), sample(1_000, 4, 0), sample(5_000, 4, 4), sample(10_000, 4, 4)];
    let svg = of(&samples, vec![Duration::from_secs(5)]);
    assert!(svg.contains("<path class=\"held\" d=\"M0 132H80V0H804\"/>"), "{svg}");
    assert!(svg.contains("<path class=\"believed\" d=\"M0 132H402V0H804\"/>"), "{svg}");
    assert!(svg.contains("<path class=\"unwatched\" d=\"M80 132V0H402V132Z\"/>"), "{svg}");
    assert!(svg.contains("<polygon class=\"dup\" points=\"402,120 397,130 407,130\"/>"), "{svg}");
    for word in ["killed", "second started", "one: no harm", "seed 1"] {
        assert!(svg.contains(word), "{word}: {svg}");
    }
}

#[test]
fn nothing_is_shaded_or_marked_where_nothing_is_wrong() {
    let svg = of(&[sample(0, 2, 2), sample(9_000, 2, 2)], Vec::new());
    let body = svg.split_once("<g ").unwrap().1;
    assert!(!body.contains("unwatched") && !body.contains("dup"), "{svg}");
    // Nothing was ever held: there is a picture all the same.
    assert!(of(&[], Vec::new()).ends_with("</svg>\n"));
}

#[test]
fn what_lasts_to_the_end_is_shaded_to_the_end_and_sizes_of_it_apart() {
    let svg = of(&[sample(0, 2, 0), sample(5_000, 4, 0), sample(10_000, 4, 0)], Vec::new());
    assert!(svg.contains("<path class=\"unwatched\" d=\"M0 132V66H402V0H804V132Z\"/>"), "{svg}");
}

#[test]
fn the_longest_demo_makes_a_small_picture_of_elements_that_are_closed() {
    let samples: Vec<Sample> =
        (0..2_500).map(|step| sample(step * 200, i64::try_from(step * 7 % 23).unwrap(), 3)).collect();
    let svg = of(&samples, (0..200).map(Duration::from_secs).collect());
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    let (opened, closed) = (svg.matches('<').count(), svg.matches("/>").count() + svg.matches("</").count() * 2);
    assert_eq!(opened, closed);
    for float in ["NaN", "inf", "."] {
        let body = svg.split_once("</style>").unwrap().1;
        assert!(!body.contains(float), "whole pixels only");
    }
}
