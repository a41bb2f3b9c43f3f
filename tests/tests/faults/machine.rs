//! A machine of its own: User-mode Linux, a kernel that is a process. Killing it is a power cut, since its page cache dies
//! with it and its disks are files here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use backstop_tests::skipped;
use backstop_tests::workload::Session;

use super::writer::{Life, command};

/// Whether there are such machines; if not, it is said that `what` was skipped.
pub(crate) fn has_machine(what: &str) -> bool {
    let version = Command::new("linux.uml").arg("--version").stdout(Stdio::null()).status();
    let works = version.is_ok_and(|status| status.success());
    if !works {
        skipped(what, "no linux.uml here (Debian: apt-get install user-mode-linux)");
    }
    works
}

/// Starts a machine that has `disks` as `/dev/ubda`, `/dev/ubdb`, …, sees all files here but cannot change them, and does
/// `script`; what that prints is heard. Its files are kept in `dir`. It ends with the script.
pub(crate) fn boot(dir: &Path, disks: &[&Path], script: &str) -> Life {
    let init = dir.join("init");
    let head = "#!/bin/sh\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
                mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mkdir /run/disk\n";
    fs::write(&init, format!("{head}{script}\n")).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    let mut machine = Command::new("linux.uml");
    machine.args(["mem=128M", "con=null", "con0=null,fd:1", "quiet"]);
    machine.args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "panic=-1"]);
    machine.arg(format!("uml_dir={}/", dir.display())).arg(format!("init={}", init.display()));
    for (number, disk) in disks.iter().enumerate() {
        machine.arg(format!("ubd{number}={}", disk.display()));
    }
    Life::of(machine)
}

/// How a shell starts the writer of `session`.
pub(crate) fn shell(session: &Session) -> String {
    let command = command(session);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ")
}
