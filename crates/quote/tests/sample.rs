//! The example that counts refusals, over a sample with one of each that recordings show.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../examples/refusals/recorded.rs"]
mod recorded;
#[path = "../examples/refusals/tally.rs"]
mod tally;

use std::collections::BTreeMap;
use std::path::Path;

use recorded::Recording;
use tally::{Tally, Wanted};

fn sample(wanted: Wanted) -> Tally {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/refusals/sample.csv");
    Tally::of(&Recording::read(&path).unwrap(), wanted).unwrap()
}

fn counts(of: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    of.iter().copied().collect()
}

#[test]
fn each_refusal_is_counted_under_its_name() {
    let received = counts(&[
        ("accepted", 9),
        ("backwards", 1),
        ("clock ahead", 1),
        ("crossed", 1),
        ("empty", 1),
        ("enormous", 1),
        ("implausible", 1),
        ("jumped", 1),
        ("late", 2),
        ("negative", 1),
        ("no stamp", 1),
        ("received backwards", 1),
        ("too wide", 1),
        ("unreadable", 1),
    ]);
    assert_eq!(sample(Wanted::default()).received, received);
}

#[test]
fn a_look_once_a_second_shows_age_and_silence() {
    let looked = |wanted| sample(wanted).looked;
    assert!(looked(Wanted::default()).contains_key("connection silent"));
    let strict = looked(Wanted { max_age_seconds: Some(2), max_spread_bps: Some(50) });
    assert!(strict.contains_key("stale"), "{strict:?}");
}

#[test]
fn it_prints_a_table_and_json() {
    let tallies = [sample(Wanted::default())];
    let table = tally::table(&tallies);
    assert!(table.contains("sample\n  received") && table.contains("crossed"), "{table}");
    assert_eq!(tally::json(&tallies)[0]["received"]["crossed"], 1);
}
