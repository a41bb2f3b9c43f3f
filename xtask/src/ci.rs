//! All steps in order, each with its time and verdict.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::Task;

pub(crate) fn run(tasks: &[Task], root: &Path) -> ExitCode {
    let began = now();
    let mut lines = Vec::new();
    for (done, task) in tasks.iter().enumerate() {
        println!("\n== {} ==", task.name);
        let start = now();
        let verdict = (task.run)(root);
        let seconds = seconds(start.elapsed());
        match verdict {
            Ok(remark) => {
                println!("{}: {remark}", task.name);
                lines.push(format!("  {:<11} {seconds:>8}  {}", task.name, remark.lines().next().unwrap_or_default()));
            }
            Err(complaints) => {
                for complaint in complaints {
                    println!("{}: {complaint}", task.name);
                }
                lines.push(format!("  {:<11} {seconds:>8}  FAILED; repeat it alone: cargo xtask {0}", task.name));
                lines
                    .extend(tasks.iter().skip(done + 1).map(|left| format!("  {:<11} {:>8}  not run", left.name, "-")));
                close(&lines, "FAILED", began.elapsed());
                return ExitCode::FAILURE;
            }
        }
    }
    close(&lines, "ok", began.elapsed());
    ExitCode::SUCCESS
}

fn close(lines: &[String], verdict: &str, took: Duration) {
    println!("\n== ci ==\n{}\nci: {verdict}, {}", lines.join("\n"), seconds(took));
}

/// In tenths, without a float.
fn seconds(took: Duration) -> String {
    format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100)
}

#[expect(clippy::disallowed_methods, reason = "a developer's stopwatch; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}
