//! What the kernel is asked for, and what comes of its refusals: another process under `strace(1)`.
//!
//! Skipped, aloud, where there is no strace or it may not trace.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{command, said};

/// A folder, the path of a lock in it, and strace; `None` where that does not work.
fn setup() -> Option<(tempfile::TempDir, PathBuf)> {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        skipped("SKIPPED: the lock's system calls: no strace here that may trace (Debian: apt-get install strace)");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().canonicalize().unwrap().join("lock");
    Some((dir, lock))
}

/// Says so past the harness, which would swallow it, and in the file that `cargo xtask test` prints at its end.
fn skipped(line: &str) {
    let _unheard = writeln!(std::io::stderr(), "{line}");
    if let Some(path) = std::env::var_os("BACKSTOP_SKIPPED") {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        let _unheard = file.and_then(|mut file| writeln!(file, "{line}"));
    }
    assert!(std::env::var_os("BACKSTOP_SKIP_NOTHING").is_none(), "{line}");
}

/// Runs a process that takes the lock once, with strace told `options`; what it said, and the trace.
fn traced(lock: &Path, options: &[&str]) -> (String, String) {
    let trace = lock.with_extension("trace");
    let role = command("take", lock, lock);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(&trace).args(options).arg(role.get_program()).args(role.get_args());
    strace.envs(role.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = strace.output().unwrap();
    (said(&output.stdout), fs::read_to_string(&trace).unwrap())
}

/// Like [`traced`], with the calls on the lock file itself made to fail as `fault` says.
fn with_fault(lock: &Path, fault: &str) -> String {
    let call = fault.split(':').next().unwrap();
    let inject = format!("inject={fault}");
    traced(lock, &["-P", lock.to_str().unwrap(), "-e", &format!("trace={call}"), "-e", &inject]).0
}

// proves: LOCK-2
#[test]
fn neither_taking_nor_releasing_nor_refusing_removes_or_shortens_the_file() {
    let Some((_dir, lock)) = setup() else { return };
    let calls = ["-e", "trace=%file,%desc"];
    let mut traces = traced(&lock, &calls).1;
    traces += &traced(&lock, &calls).1;
    let held = crate::acquire(&lock).unwrap();
    let (said, trace) = traced(&lock, &calls);
    assert_eq!(said, "Held");
    traces += &trace;
    drop(held);
    let name = lock.to_str().unwrap();
    let of_lock: Vec<_> = traces
        .lines()
        .filter(|line| line.contains(&format!("{name}\"")) || line.contains(&format!("{name}>")))
        .collect();
    assert!(of_lock.iter().filter(|line| line.contains("flock(")).count() >= 3, "the trace shows no locks:\n{traces}");
    let harmful = ["unlink", "rename", "truncate", "O_TRUNC", "link("];
    let found: Vec<_> = of_lock.iter().filter(|line| harmful.iter().any(|word| line.contains(word))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

// proves: LOCK-1
#[test]
fn whatever_the_kernel_refuses_with_it_never_means_taken() {
    let Some((_dir, lock)) = setup() else { return };
    assert_eq!(traced(&lock, &["-e", "trace=none"]).0, "taken");
    for call in ["flock", "openat", "fstat,statx,newfstatat", "fstatfs", "pread64", "pwrite64", "fdatasync"] {
        for error in ["EIO", "ENOLCK", "EMFILE", "EACCES", "ENOSPC", "EINTR"] {
            // A call that was interrupted is made again, so it is interrupted once only.
            let when = if error == "EINTR" { "1" } else { "1+" };
            let said = with_fault(&lock, &format!("{call}:error={error}:when={when}"));
            let again = error == "EINTR" && said == "taken";
            assert!(said == "Io" || again, "{call} failed with {error}, and the process said {said:?}");
        }
    }
    // What is asked only where there is no file yet: its folder is opened, and it is made; the folder is synced.
    for (n, fault) in ["openat:error=EACCES:when=2+", "openat:error=EMFILE:when=2+"].into_iter().enumerate() {
        assert_eq!(with_fault(&lock.with_extension(n.to_string()), fault), "Io", "{fault}");
    }
    for error in ["EIO", "ENOSPC"] {
        let fault = format!("inject=fsync:error={error}");
        let made = lock.with_extension(error);
        assert_eq!(traced(&made, &["-e", "trace=fsync", "-e", &fault]).0, "Io", "{fault}");
        assert_eq!(fs::read(&made).unwrap(), b"", "a record in a file whose name may be lost");
    }
    // What the kernel says for "somebody has it" is a refusal, not an error.
    assert_eq!(with_fault(&lock, "flock:error=EAGAIN"), "Held");
}

// proves: LOCK-5
#[test]
fn the_record_is_synced_before_the_caller_sees_its_number_and_the_name_before_the_first_record() {
    let Some((_dir, lock)) = setup() else { return };
    let (said, trace) = traced(&lock, &["-e", "trace=pwrite64,fdatasync,fsync,write"]);
    assert_eq!(said, "taken");
    let at = |what: &str| {
        trace.lines().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}:\n{trace}"))
    };
    let (file, folder) = (format!("<{}>", lock.display()), format!("<{}>", lock.parent().unwrap().display()));
    let synced_folder = trace.lines().position(|line| line.contains("fsync(") && line.contains(&folder)).unwrap();
    let written = trace.lines().position(|line| line.contains("pwrite64(") && line.contains(&file)).unwrap();
    let synced = trace.lines().position(|line| line.contains("fdatasync(") && line.contains(&file)).unwrap();
    assert!(synced_folder < written && written < synced && synced < at("@taken"), "{trace}");
}

// proves: LOCK-7
#[test]
fn a_network_file_system_is_refused_before_anything_is_made_there() {
    let Some((_dir, lock)) = setup() else { return };
    // The first word of the answer is the kind of file system: that of NFS, and that of ext4.
    let on = |magic: &str| {
        let poke = format!("inject=fstatfs,statfs:poke_exit=@arg2={magic}");
        traced(&lock, &["-e", "trace=fstatfs,statfs", "-e", &poke]).0
    };
    assert_eq!(on("6969000000000000"), "NetworkFs");
    assert!(!lock.exists());
    assert_eq!(on("53ef000000000000"), "taken");
    assert_eq!(on("6969000000000000"), "NetworkFs");
}
