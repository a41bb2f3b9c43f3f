//! Real processes under `strace(1)`: what they ask of the kernel, and what comes of its refusals.

use std::path::Path;
use std::process::Command;

use crate::effort::skipped;

/// Whether there is an `strace` that may trace; if not, it is said that `what` was skipped.
pub fn has_strace(what: &str) -> bool {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        skipped(what, "no strace here that may trace (Debian: apt-get install strace)");
    }
    works
}

/// `command` with strace in front of it, told `options` and to write to `trace`: file descriptors with their paths, all
/// threads, arguments in full.
pub fn under_strace<'a>(command: &Command, trace: &Path, options: impl IntoIterator<Item = &'a str>) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-s", "4096", "-o"]).arg(trace).args(options);
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// One line of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The name of the call.
    pub name: &'a str,
    /// Everything between its brackets.
    pub arguments: &'a str,
    /// What it returned, with strace's remarks.
    pub result: &'a str,
}

impl<'a> Call<'a> {
    /// The call that a line shows from beginning to end.
    pub fn of(line: &'a str) -> Option<Self> {
        // With -f each line begins with the number of the thread.
        let line = line.split_once(' ').filter(|(first, _)| first.bytes().all(|byte| byte.is_ascii_digit()));
        let (name, rest) = line?.1.trim_start().split_once('(')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let (arguments, result) = rest.rsplit_once(" = ")?;
        is_name.then_some(Self { name, arguments: arguments.trim_end().strip_suffix(')')?, result: result.trim_end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_and_what_is_no_whole_call_is_left() {
        let call = Call::of("17   pwrite64(3</tmp/a b/1.wal>, \"x = (1)\", 7, 64) = 7").unwrap();
        assert_eq!((call.name, call.result), ("pwrite64", "7"));
        assert!(call.arguments.starts_with("3</tmp") && call.arguments.ends_with("64"));
        let refused = Call::of("17 fsync(3</x>)  = -1 EIO (Input/output error) (INJECTED)").unwrap();
        assert_eq!(refused.result, "-1 EIO (Input/output error) (INJECTED)");
        for line in ["17 +++ exited with 0 +++", "17 fsync(3 <unfinished ...>", "17 <... fsync resumed>) = 0", ""] {
            assert_eq!(Call::of(line), None, "{line}");
        }
    }
}
