//! Waiting for the moment at which a lock may have become free, without taking processor time until then.

use std::path::Path;
use std::thread;
use std::time::Duration;

/// The first pause between two attempts, and again after each sign of a change.
const SHORTEST: Duration = Duration::from_micros(50);
/// The longest one where the kernel tells of changes. It does not tell of all: the holder may have been forked, and the
/// descriptor that is closed not be the last one.
const LONGEST_WATCHED: Duration = Duration::from_millis(50);
/// The longest one where it does not.
const LONGEST_BLIND: Duration = Duration::from_millis(2);

/// Pauses between attempts: each twice as long as the one before it, cut short by any sign that the holder closed the
/// file, or that somebody moved it.
///
/// `flock(2)` itself could wait, but not for a limited time, not on a file that may be replaced meanwhile, and not so
/// that a caller could change its mind. `inotify(7)` tells when a descriptor that could write is closed, also by the death of
/// its process, some microseconds before the lock of it is released.
pub(crate) struct Watch {
    events: events::Events,
    pause: Duration,
}

impl Watch {
    /// Watches the file at `path`. Where that cannot be done, pauses are short instead.
    pub(crate) fn of(path: &Path) -> Self {
        Self { events: events::Events::of(path), pause: SHORTEST }
    }

    /// Returns after the next pause, after `at_most`, or as soon as something happened to the file.
    pub(crate) fn pause(&mut self, at_most: Duration) {
        let pause = self.pause.min(at_most);
        self.pause = match self.events.wait(pause) {
            Some(true) => SHORTEST,
            Some(false) => self.pause.saturating_mul(2).min(LONGEST_WATCHED),
            None => {
                thread::park_timeout(pause);
                self.pause.saturating_mul(2).min(LONGEST_BLIND)
            }
        };
    }
}

#[cfg(target_os = "linux")]
mod events {
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::mpsc::{self, Sender};
    use std::thread;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::{Errno, read};

    /// What the kernel says of the file; `None` once it cannot be asked.
    pub(super) struct Events(Option<Inotify>);

    struct Inotify {
        // Dropped before `end`, so that the other thread has the last one.
        fd: Arc<OwnedFd>,
        _end: Sender<()>,
    }

    impl Events {
        pub(super) fn of(path: &Path) -> Self {
            Self(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok().and_then(|fd| {
                let flags =
                    WatchFlags::CLOSE_WRITE | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF;
                inotify::add_watch(&fd, path, flags).ok()?;
                // The kernel takes 10 to 30 ms to close what watched a file. Another thread does that, or whoever waited
                // would have the lock and not yet be told; started now, when there is time.
                let (fd, (end, ended)) = (Arc::new(fd), mpsc::channel());
                let last = Arc::clone(&fd);
                let closer = move || {
                    let _disconnected = ended.recv();
                    drop(last);
                };
                thread::Builder::new().name("backstop-lock-watch".to_owned()).spawn(closer).ok()?;
                Some(Inotify { fd, _end: end })
            }))
        }

        /// Whether something happened before `timeout` was over; `None` when that cannot be told.
        pub(super) fn wait(&mut self, timeout: Duration) -> Option<bool> {
            let fd = &*self.0.as_ref()?.fd;
            let timeout = Timespec::try_from(timeout).ok()?;
            match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => return Some(false),
                Ok(_) => {}
                Err(_) => {
                    self.0 = None;
                    return None;
                }
            }
            // What it says is of no interest: the next attempt finds out for itself.
            let mut events = [0; 4096];
            while matches!(read(fd, &mut events), Ok(length) if length > 0) {}
            Some(true)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod events {
    use std::path::Path;
    use std::time::Duration;

    /// This system has no `inotify(7)`.
    pub(super) struct Events;

    impl Events {
        pub(super) fn of(_: &Path) -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "the same call everywhere")]
        pub(super) fn wait(&mut self, _: Duration) -> Option<bool> {
            None
        }
    }
}
