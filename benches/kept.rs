//! What a bench without criterion leaves behind, beside criterion's own estimates: `cargo xtask bench` reads both.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Writes what was measured into `tmp/BENCH.jsonl` of the target directory: one object a line, `{"id": …, "values": […]}`.
pub(crate) fn keep<'a>(bench: &str, measured: impl IntoIterator<Item = &'a (String, Vec<u64>)>) {
    let mut lines = String::new();
    for (id, values) in measured {
        writeln!(lines, "{}", serde_json::json!({ "id": id, "values": values })).expect("to a string");
    }
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(bench).with_extension("jsonl"), lines).expect("a file");
}
