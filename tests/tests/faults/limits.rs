//! The writer may make no file longer than so many bytes: what goes beyond is written in part, or refused.

use std::fs;
use std::process::{Command, Output};

use backstop_tests::workload::Session;
use backstop_tests::{effort, seed, skipped};

use super::checker::{Crash, check};
use super::strace::{Start, says_what_to_do};
use super::writer::{command, shown};

fn has_prlimit(what: &str) -> bool {
    let works = Command::new("prlimit").args(["--fsize=4096", "true"]).status().is_ok_and(|status| status.success());
    if !works {
        skipped(what, "no prlimit here (Debian: apt-get install util-linux)");
    }
    works
}

/// The writer's life with that limit. The signal that the kernel sends with the refusal is ignored.
fn limited(session: &Session, bytes: u64) -> Output {
    let writer = command(session);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec prlimit --fsize=\"$0\" \"$@\"", &bytes.to_string()]);
    shell.arg(writer.get_program()).args(writer.get_args()).output().unwrap()
}

/// How a life with a limit ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Well,
    /// The log was not opened.
    Refused,
    /// A write failed later.
    Failed {
        /// In the midst of a frame: a segment ends just where the limit is.
        torn: bool,
    },
}

/// A life with that limit, and what is left behind it.
fn live(start: &Start, bytes: u64) -> Result<Ended, String> {
    let Start { _dir, session, mut said } = start.copy();
    let is_new = !session.path.exists();
    let output = limited(&session, bytes);
    let words = String::from_utf8_lossy(&output.stdout);
    let wrong = |what: String| format!("at most {bytes} bytes: {what}\n{}", shown(&output));
    said.hear(&words).map_err(wrong)?;
    let ended = match output.status.code() {
        Some(0) => Ended::Well,
        Some(1) => {
            says_what_to_do(&output, session.path.to_str().unwrap()).map_err(wrong)?;
            if words.starts_with("opened") { Ended::Failed { torn: ends_at(&session, bytes) } } else { Ended::Refused }
        }
        _ => return Err(wrong("it ended as it never should".to_owned())),
    };
    match check(&session, &mut said, Crash::Process) {
        // The first record of the lock file is torn: whoever comes is stopped, and told to look.
        Err(what) if is_new && (1..512).contains(&bytes) && what.contains("Unreadable") => {}
        checked => checked.map_err(wrong)?,
    }
    Ok(ended)
}

/// Whether a segment was written to up to that byte and no further.
fn ends_at(session: &Session, bytes: u64) -> bool {
    let segments = fs::read_dir(&session.path).unwrap().map(|entry| entry.unwrap().path());
    segments.filter(|path| path.extension().is_some_and(|extension| extension == "wal")).any(|path| {
        let content = fs::read(path).unwrap();
        content.iter().rposition(|byte| *byte != 0).is_some_and(|last| last as u64 + 1 == bytes)
    })
}

// proves: WAL-1, WAL-2, WAL-4
#[test]
fn whatever_the_longest_file_may_be_nothing_acknowledged_is_lost_and_nothing_is_acknowledged_after() {
    if !has_prlimit("writes of the log's writer that are cut short") {
        return;
    }
    // Segments have 2048 bytes. Behind the lock's 1024 there is room for a limit that lets the log be opened and its
    // segments, which are there already, not be written to the end.
    let starts = [Start::nothing(), Start::after(2), Start::after(5), Start::after(9)];
    let limits = effort(120, 1_000);
    let (mut well, mut refused, mut failed, mut torn) = (0, 0, 0, 0);
    for start in &starts {
        for number in 0..limits {
            // From nothing at all to a little more than the log asks for.
            let ended = live(start, number * 2_200 / limits);
            match ended.unwrap_or_else(|what| panic!("BACKSTOP_SEED={}, {what}", seed())) {
                Ended::Well => well += 1,
                Ended::Refused => refused += 1,
                Ended::Failed { torn: is_torn } => {
                    failed += 1;
                    torn += u64::from(is_torn);
                }
            }
        }
    }
    let ended = format!("{well} ended well, {refused} were refused, {failed} failed, {torn} in the midst of a frame");
    assert!(well > 4 && refused > limits && failed > limits / 2 && torn > limits / 4, "{ended}");
}
