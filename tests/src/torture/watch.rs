//! The moments that a strike waits for, seen from outside: time, records in the journal, writes of the simulator.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::park_timeout;
use std::time::Duration;

use backstop_clock::{Clock, Mono, SystemClock};

use super::Trouble;
use super::schedule::Moment;
use super::world::World;

/// Between two looks; a record is followed by its request within about as long.
const LOOK: Duration = Duration::from_micros(700);
/// As many looks apart the simulator is asked over its socket.
const ASK_EVERY: u32 = 20;

/// What a segment begins with, written to or not.
const HEADER: u64 = 64;

/// Follows the journal of one life.
#[derive(Debug)]
pub(super) struct Tail {
    dir: PathBuf,
    segment: u64,
    /// Where the newest segment has not been written to yet. It is zeros from there on.
    end: u64,
}

impl Tail {
    /// From the end of what is there.
    pub(super) fn of(dir: PathBuf) -> Self {
        let segments = fs::read_dir(&dir).into_iter().flatten().flatten();
        let numbers = segments.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".wal")?.parse().ok());
        let mut tail = Self { dir, segment: 1, end: HEADER };
        let in_use = numbers.filter(|number| !written(&tail.path(*number), HEADER).is_empty()).max();
        tail.segment = in_use.unwrap_or(1);
        while !tail.news().is_empty() {}
        tail
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(format!("{segment:020}.wal"))
    }

    /// What was written since the last look, as far as it is one piece.
    pub(super) fn news(&mut self) -> Vec<u8> {
        let bytes = written(&self.path(self.segment), self.end);
        if !bytes.is_empty() {
            self.end += bytes.len() as u64;
            return bytes;
        }
        // The next one is there with its header long before it is written to, and may be left out when a log is opened.
        for next in [self.segment + 1, self.segment + 2] {
            let bytes = written(&self.path(next), HEADER);
            if !bytes.is_empty() {
                (self.segment, self.end) = (next, HEADER + bytes.len() as u64);
                return bytes;
            }
        }
        Vec::new()
    }
}

/// The bytes from `from` to the last one that is not zero.
fn written(path: &Path, from: u64) -> Vec<u8> {
    let mut bytes = vec![0; 4 << 10];
    let read = File::open(path).and_then(|file| file.read_at(&mut bytes, from)).unwrap_or(0);
    bytes.truncate(read);
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|part| *part == needle).count()
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// With the moment.
    Moment,
    /// The moment did not come in time.
    Late,
    /// The life was over first.
    Ended,
}

/// Waits for `moment`, at most `limit`. `at_each_look` says whether the life is over.
pub(super) fn wait(
    world: &World,
    clock: &SystemClock,
    tail: &mut Tail,
    moment: &Moment,
    limit: Duration,
    mut at_each_look: impl FnMut(Mono) -> Result<bool, Trouble>,
) -> Result<Came, Trouble> {
    let began = clock.mono();
    let mut left = match moment {
        Moment::Journal { nth, .. } | Moment::Account { nth, .. } => usize::try_from(*nth).unwrap_or(usize::MAX),
        Moment::After { .. } | Moment::Fault { .. } => 1,
    };
    let needle =
        if let Moment::Journal { record, .. } = moment { format!("\"type\":\"{record}\"") } else { String::new() };
    let account = world.account();
    let identity = || fs::metadata(&account).ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec()));
    let mut before = identity();
    let faults = if matches!(moment, Moment::Fault { .. }) { world.simulator.faults()? } else { 0 };
    for look in 0_u32.. {
        let now = clock.mono();
        let news = tail.news();
        left = left.saturating_sub(match moment {
            Moment::After { ms } => usize::from(now.since(began) >= Duration::from_millis(*ms)),
            Moment::Journal { .. } => count(&news, needle.as_bytes()),
            Moment::Account { .. } => {
                let seen = identity();
                usize::from(std::mem::replace(&mut before, seen) != seen)
            }
            Moment::Fault { .. } if look.is_multiple_of(ASK_EVERY) => usize::from(world.simulator.faults()? > faults),
            Moment::Fault { .. } => 0,
        });
        if left == 0 {
            break;
        }
        if at_each_look(now)? {
            return Ok(Came::Ended);
        }
        if now.since(began) >= limit {
            return Ok(Came::Late);
        }
        park_timeout(LOOK);
    }
    if let Moment::Journal { us, .. } | Moment::Account { us, .. } | Moment::Fault { us } = moment {
        park_timeout(Duration::from_micros(*us));
    }
    Ok(Came::Moment)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_tail_tells_what_was_written_since_the_last_look_over_segments() {
        let dir = tempfile::tempdir().unwrap();
        let segment = |number: u64| {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(dir.path().join(format!("{number:020}.wal")));
            let file = file.unwrap();
            file.set_len(1 << 20).unwrap();
            file
        };
        let head = [b'h'; 64];
        let mut first = segment(1);
        first.write_all(&head).unwrap();
        first.write_all(b"old").unwrap();
        let mut second = segment(2);
        second.write_all(&head).unwrap();
        let mut tail = Tail::of(dir.path().to_owned());
        assert_eq!((tail.segment, tail.news()), (1, Vec::new()));
        first.write_all(br#"x"type":"intent" "type":"intent""#).unwrap();
        let news = tail.news();
        assert_eq!(count(&news, br#""type":"intent""#), 2);
        // The spare one has a header, and is none that is written to.
        assert_eq!((tail.news(), tail.segment), (Vec::new(), 1));
        second.write_all(b"next").unwrap();
        assert_eq!((tail.news(), tail.segment, tail.news()), (b"next".to_vec(), 2, Vec::new()));
        // A new log has no file yet.
        let mut none = Tail::of(dir.path().join("none"));
        assert_eq!((none.news(), none.segment), (Vec::new(), 1));
    }
}
