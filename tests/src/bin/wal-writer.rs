//! A process that appends to a log until it is told to stop, is killed, or the disk fails, and prints what was
//! acknowledged. `wal-writer DIR SEED ACTIONS WRITERS SEGMENT_LEN [unsynced]`
#![expect(clippy::print_stderr, reason = "how a process says why it ended")]

use std::error::Error;
use std::iter::successors;
use std::path::PathBuf;
use std::process::ExitCode;

use backstop_tests::workload::{Script, Session};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(session) = session(&arguments) else {
        eprintln!("usage: wal-writer DIR SEED ACTIONS WRITERS SEGMENT_LEN [unsynced]");
        return ExitCode::from(2);
    };
    // Its buffer ends at each line.
    match session.run(&mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let chain = successors(Some(&error as &dyn Error), |error| (*error).source());
            eprintln!("wal-writer: {}", chain.map(ToString::to_string).collect::<Vec<_>>().join(": "));
            ExitCode::FAILURE
        }
    }
}

fn session(arguments: &[String]) -> Option<Session> {
    let (path, numbers) = arguments.split_first()?;
    let number = |at: usize| numbers.get(at)?.parse::<u64>().ok();
    Some(Session {
        path: PathBuf::from(path),
        script: Script { seed: number(0)? },
        actions: number(1)?,
        writers: usize::try_from(number(2)?).ok()?.max(1),
        segment_len: number(3)?,
        unsynced: numbers.get(4).is_some_and(|word| word == "unsynced"),
    })
}
