//! `demo`: a naive bot and one on Backstop side by side, as real processes.

use std::fs;

use serde_json::Value;

use super::{Running, code, paper_trader, status, text};

/// With it the answer to the first order is lost, whatever else happens: whoever sends it again has it twice.
const SEED: &str = "7";

#[test]
fn the_naive_bot_is_harmed_and_the_one_on_backstop_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (kept, picture) = (dir.path().join("kept"), dir.path().join("demo.svg"));
    let mut demo = paper_trader(dir.path());
    demo.args(["--json", "demo", "--seed", SEED, "--entries", "4", "--keep"]).arg(&kept).arg("--svg").arg(&picture);
    let output = demo.output().unwrap();
    let (said, ended) = (text(&output), code(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let result = lines.last().unwrap();
    assert_eq!(result["type"], "result");
    assert!(lines.iter().rev().skip(1).all(|line| line["type"] == "event"), "{said}");

    let (naive, backstop) = (&result["naive"], &result["backstop"]);
    assert_eq!(backstop["harms"], serde_json::json!([]), "{said}");
    // An answer that proves nothing may leave something unresolved; then it says so, and so does the demo.
    assert!([0, 4].contains(&ended) && backstop["exit_code"] == ended, "{said}");
    assert_eq!(backstop["second"], serde_json::json!({ "refused": true, "exit_code": 3 }), "{said}");
    // Killed twice in the middle of it, it has sent one order a slot, and was not spared anything.
    assert_eq!(backstop["measures"]["most_orders_a_slot"], 1, "{said}");
    assert_eq!(result["kills"].as_array().unwrap().len(), 2);
    assert!(!backstop["faults"].as_object().unwrap().is_empty(), "{said}");
    assert!(!naive["measures"]["duplicate_entries"].as_array().unwrap().is_empty(), "{said}");
    assert!(naive["harms"].as_array().unwrap().contains(&Value::from("duplicate_entries")), "{said}");

    let drawn = fs::read_to_string(picture).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("Backstop: no harm") && drawn.len() < 40_000);
    let again = paper_trader(dir.path()).args(["demo", "--keep"]).arg(&kept).output().unwrap();
    assert_eq!(code(&again), 2, "what was kept is not traded over: {}", text(&again));
}

#[test]
fn ended_early_it_ends_both_bots_and_shows_what_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let mut demo = paper_trader(dir.path());
    let mut running = Running::start(demo.args(["demo", "--seed", SEED, "--keep"]).arg(&kept));
    running.await_line("slot(s)");
    running.signal("INT");
    let (code, text) = running.finish();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ended early") && text.contains("ways in which it was harmed"), "{text}");
    assert_eq!(status(&kept.join("backstop"))["lock"]["held"], Value::from(false), "{text}");
}
