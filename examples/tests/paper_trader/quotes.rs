//! What a user sees of quotes that may not be traded on.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::{code, paper_trader, quick, text};

/// Two minutes of a share at 50, each row stamped so many seconds before it was received.
pub(crate) fn recording(dir: &Path, late: u64) -> PathBuf {
    let mut rows = String::from("symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size\n");
    for row in 0..2_400 {
        let at = 1_700_000_000_000_000_u64 + row * 50_000;
        // The ask stands still, so an order at the ask of a moment ago is filled.
        let cents = 10 + row % 2;
        writeln!(rows, "TSTA,{},{at},50.{cents},5,50.12,5", at - late * 1_000_000).unwrap();
    }
    let file = dir.join("quotes.csv");
    fs::write(&file, rows).unwrap();
    file
}

fn replay(late: u64, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(&dir.path().join("state"));
    let file = recording(dir.path(), late);
    quick(&mut bot).args(["--faults", "none", "--quotes"]).arg(file).args(more).output().unwrap()
}

fn summary(output: &Output) -> Value {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.into_iter().find(|row| row["type"] == "summary").unwrap()
}

// proves: QUOTE-2
#[test]
fn a_delayed_source_is_recognized_and_said_and_traded_on_only_when_it_is_declared() {
    let refused = replay(901, &[]);
    assert!(text(&refused).contains("15 min old and go on: a delayed feed, refused as old"), "{}", text(&refused));
    assert!(text(&refused).contains("add --delayed-quotes"), "{}", text(&refused));
    assert!(text(&refused).contains("0 of 3 entries executed"), "{}", text(&refused));
    assert!(text(&refused).contains("looks for an entry without a fresh one: "), "{}", text(&refused));
    let counted = summary(&replay(901, &["--json"]));
    let (quotes, stale) = (&counted["quotes"], &counted["quotes"]["entries_refused"]["stamp stale"]);
    assert!(quotes["received"].as_u64().unwrap() >= stale.as_u64().unwrap(), "{counted}");
    assert!(stale.as_u64().unwrap() > 3, "{counted}");
    assert_eq!(quotes["refused"], serde_json::json!({}), "as they came they were in order: {counted}");

    let declared = replay(901, &["--delayed-quotes"]);
    assert_eq!(code(&declared), 0, "{}", text(&declared));
    assert!(text(&declared).contains("quotes may be 900s old, as was declared"), "{}", text(&declared));
    assert!(text(&declared).contains("go on: a delayed feed, declared as delayed by 900s"), "{}", text(&declared));
    assert!(text(&declared).contains("3 of 3 entries executed"), "{}", text(&declared));
    assert!(!text(&replay(0, &[])).contains("delayed"), "a live one is not taken for it");
}

#[test]
fn delayed_quotes_are_never_traded_on_with_real_money() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let output = paper_trader(&state)
        .args(["run", "--broker", "tradier", "--live", "--entries-per-day", "1", "--delayed-quotes", "15m"])
        .env("TRADIER_API_BASE", "https://api.tradier.com/v1")
        .env("TRADIER_ACCESS_TOKEN", "x")
        .env("TRADIER_ACCOUNT_ID", "VA000001")
        .output()
        .unwrap();
    assert!(code(&output) == 2 && text(&output).contains("--delayed-quotes"), "{}", text(&output));
    assert!(!state.exists(), "nothing was touched");
}

#[test]
fn the_summary_counts_what_was_refused_by_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut bot = paper_trader(&dir.path().join("state"));
    let faults = dir.path().join("faults.json");
    fs::write(&faults, r#"{"quote_crossed": 500, "quote_text": 300}"#).unwrap();
    let output = quick(&mut bot).args(["--json", "--strategy", "equity", "--faults"]).arg(&faults).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let counted = summary(&output);
    for reason in ["crossed", "unreadable"] {
        assert!(counted["quotes"]["refused"][reason].as_u64().unwrap() > 0, "{reason}: {counted}");
    }
}
