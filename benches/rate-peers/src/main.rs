//! Backstop's request budget beside what a user would take instead, and beside the least that is exact, all in one run.
//!
//! A workspace of its own, so that nobody else compiles the peers:
//!
//! ```sh
//! cargo run --release --manifest-path benches/rate-peers/Cargo.toml
//! ```

mod overgrant;
mod report;
mod speed;
mod subjects;

use std::process::ExitCode;

use crate::report::Report;

const USAGE: &str = "usage: backstop-rate-peers [--json] [--quick]
  --json    one object a line, {\"id\": …, \"values\": […]}: the medians of the parts of the run in nanoseconds, or grants
  --quick   a tenth of the batches, and one of the windows";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = arguments.iter().find(|word| !matches!(word.as_str(), "--json" | "--quick")) {
        eprintln!("{unknown:?} is not an option\n{USAGE}");
        return ExitCode::from(2);
    }
    let is = |option: &str| arguments.iter().any(|word| word == option);
    let report = Report { is_json: is("--json") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    speed::run(&report, is("--quick"));
    overgrant::run(&report, is("--quick"));
    ExitCode::SUCCESS
}
