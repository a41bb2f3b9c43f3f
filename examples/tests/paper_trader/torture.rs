//! The short form of the torture: killed some dozens of times over a hostile broker. `backstop-tests` has the long one.

use std::path::PathBuf;

use backstop_tests::torture::{Place, Plan, run, written};
use backstop_tests::{effort, seed};

// proves: DESK-3, EXIT-1, LOCK-1, TXN-3
#[test]
fn killed_at_any_instant_over_a_hostile_broker_it_comes_back_to_the_truth() {
    let kills = u32::try_from(effort(28, 500)).unwrap();
    let plan = Plan { seed: seed(), kills, inspect_every: 14, settle_ms: 2_000, ..Plan::default() };
    let lives = plan.lives();
    let dir = tempfile::Builder::new().prefix("torture-").tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_paper-trader"));
    let place = Place { program, dir: dir.path().to_owned(), within: None };
    let report = run(&plan, &lives, &place, &|_| ()).unwrap();
    if !report.is_passed() {
        // What everybody said, and how to do it again.
        let dir = dir.keep();
        let schedule = dir.join("schedule.jsonl");
        std::fs::write(&schedule, written(&plan, &lives).unwrap()).unwrap();
        let again = format!("cargo run -p backstop-tests --bin torture -- --schedule {}", schedule.display());
        panic!("BACKSTOP_SEED={}, all of it in {}; again: {again}\n{report}", seed(), dir.display());
    }
}
