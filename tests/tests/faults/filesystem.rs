//! A file system of its own on a loop device, which can be made to crash without the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use backstop_tests::skipped;

use super::writer::in_memory;

/// The request of ext4 and XFS to drop what is not on the disk and to refuse everything from then on, with the flag that
/// leaves the journal unwritten too. There is no command that asks ext4 for it.
const SHUTDOWN: &str = "open(my $dir, '<', $ARGV[0]) or die qq(open: $!); my $flag = pack('I', 2); \
                        ioctl($dir, 0x8004587d, $flag) or die qq(ioctl: $!);";

/// A mounted file system, unmounted when it is dropped.
#[derive(Debug)]
pub(crate) struct FileSystem {
    image: PathBuf,
    root: PathBuf,
    dir: Option<tempfile::TempDir>,
}

impl FileSystem {
    /// A new one of `kind`; where that cannot be had, it is said that `what` was skipped.
    pub(crate) fn new(kind: &str, what: &str) -> Option<Self> {
        // The least that XFS takes.
        Self::of_size(kind, 320 << 20, what)
    }

    /// The same with so many bytes.
    pub(crate) fn of_size(kind: &str, bytes: u64, what: &str) -> Option<Self> {
        match Self::make(kind, bytes) {
            Ok(made) => Some(made),
            Err(why) => {
                skipped(what, &why);
                None
            }
        }
    }

    fn make(kind: &str, bytes: u64) -> Result<Self, String> {
        let user = run(Command::new("id").arg("-u"))?;
        if user.trim() != "0" {
            return Err("only root may mount".to_owned());
        }
        let dir = in_memory();
        let path = dir.path().canonicalize().unwrap();
        let made = Self { image: path.join("image"), root: path.join("root"), dir: Some(dir) };
        let image = fs::File::create(&made.image).unwrap();
        image.set_len(bytes).unwrap();
        fs::create_dir(&made.root).unwrap();
        let force = if kind == "xfs" { "-f" } else { "-F" };
        run(Command::new(format!("mkfs.{kind}")).args(["-q", force]).arg(&made.image))?;
        made.mount()?;
        // A kernel may know no such request.
        made.shut_down()?;
        made.remount()?;
        Ok(made)
    }

    /// Where its files are.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The crash: what was not synced is gone, and whoever goes on is refused. Then the journal is recovered, as after
    /// any crash. `meanwhile` ends whoever still has files open.
    pub(crate) fn crash<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        self.shut_down().unwrap();
        let told = meanwhile();
        self.remount().unwrap();
        told
    }

    /// Does `work` with the disk while it is not mounted. Then the journal is recovered, if it has to be.
    pub(crate) fn unmounted<T>(&self, work: impl FnOnce(&Path) -> T) -> T {
        self.unmount().unwrap();
        let told = work(&self.image);
        self.mount().unwrap();
        told
    }

    /// Makes everything durable.
    pub(crate) fn sync(&self) {
        run(Command::new("sync").arg("-f").arg(&self.root)).unwrap();
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.root)).map(drop)
    }

    /// A process that another thread is just starting has our files until it runs, so it is tried again for a second.
    fn unmount(&self) -> Result<(), String> {
        let unmount = || run(Command::new("umount").arg(&self.root)).map(drop);
        for _ in 0..50 {
            if unmount().is_ok() {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        unmount()
    }

    fn remount(&self) -> Result<(), String> {
        self.unmount()?;
        self.mount()
    }

    fn shut_down(&self) -> Result<(), String> {
        run(Command::new("perl").args(["-e", SHUTDOWN]).arg(&self.root)).map(drop)
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        if !is_mounted(&self.root) || self.unmount().is_ok() {
            return;
        }
        let _lazily = run(Command::new("umount").arg("-l").arg(&self.root));
        // Nothing that is mounted may be deleted.
        if let Some(dir) = self.dir.take().filter(|_| is_mounted(&self.root)) {
            let _kept = dir.keep();
        }
    }
}

fn is_mounted(root: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at) == root))
}

/// What `command` printed, or why it did not work.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(format!("{name}: {}", text(&output.stderr))) }
}
