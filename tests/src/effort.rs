//! How much a run of the suites does, and what it leaves out.

use std::fs::OpenOptions;
use std::io::Write;

/// Whether `BACKSTOP_DEEP` asks for the long form.
pub fn is_deep() -> bool {
    std::env::var_os("BACKSTOP_DEEP").is_some_and(|value| value != "0")
}

/// `usual`, or `deep` in the long form.
pub fn effort(usual: u64, deep: u64) -> u64 {
    if is_deep() { deep } else { usual }
}

/// The seed of everything random: `BACKSTOP_SEED`, or the same in each run. A test that fails names it.
pub fn seed() -> u64 {
    std::env::var("BACKSTOP_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Says aloud that `what` was not tried, and why: on standard error, past the harness, which would swallow it, and into
/// the file that `BACKSTOP_SKIPPED` names, which `cargo xtask test` prints at its end.
///
/// # Panics
/// If `BACKSTOP_SKIP_NOTHING` is set: on a machine that is known to have everything, a step that is left out is a failure.
pub fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: {what}: {why}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("BACKSTOP_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _unheard = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    assert!(std::env::var_os("BACKSTOP_SKIP_NOTHING").is_none(), "{line}");
}
