//! One budget for several processes: all their grants in a file (RATE-6).
//!
//! Each process has the whole budget in memory. Before it grants anything it locks the file and charges what others wrote
//! since it looked last; having granted, it writes that, and unlocks. So all decide over the same grants, one at a time.
//!
//! ```text
//! 0     8 bytes  magic, written last when the file is made
//! 8     8        fingerprint of the limits
//! 16   16        which start of the machine it is of; zeros where that is not known
//! 32    8 each   units ever written, for each ring: the total's if there is one, then that of each class with windows
//! 512   8 each   the rings, in the same order: for each unit when it was granted, in nanoseconds since 1970
//! ```
//!
//! All numbers are little endian. A unit is written before its count, so a process that is killed in between has granted
//! nothing, and the next one writes over it; meanwhile the oldest unit counts as that new one, which is the safe side.
//! Nothing is synced: the file outlives processes, and after the machine has started anew its windows count as full.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use backstop_clock::Timestamp;

use self::file::{Locked, WindowFile};
use crate::limits::Limits;
use crate::request::{Class, Request};
use crate::start::Start;
use crate::tick::Tick;
use crate::window::Window;

/// Where the rings begin: behind the head and the most counts that there can be.
const RINGS: u64 = 512;
const COUNTS: u64 = 32;
const WORD: u64 = 8;
const MAGIC: u64 = u64::from_le_bytes(*b"BSRATE01");
/// How often opening tries to get in between others: there is nobody yet who could wait.
const OPENING: u32 = 50;
/// Instead of it while the file is being made.
const MAKING: u64 = u64::from_le_bytes(*b"BSRATE00");

/// Why the budget cannot be shared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// The file holds something that is no window. Nothing was changed.
    #[error("{} is not a window of this crate; give another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Others share it under other limits. Nothing was changed.
    #[error("{} is shared under other limits; give all who share a token the same", path.display())]
    OtherLimits {
        /// The file.
        path: PathBuf,
    },
    /// Somebody keeps it locked, or keeps replacing it.
    #[error("{} is kept busy; find out which process holds it or replaces it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whose windows a ring is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    Total,
    Of(Class),
}

/// What others were granted: of which ring, and when; the oldest first.
pub(crate) type News = Vec<(Ring, Vec<u64>)>;

#[derive(Debug)]
pub(crate) struct Shared {
    file: WindowFile,
    fingerprint: u64,
    boot: [u64; 2],
    rings: Vec<Place>,
    probes: bool,
    /// What exits were granted while it could not be used, to be written as soon as it can.
    owed: Vec<Request>,
    /// Since when it was found locked by somebody else, each time.
    busy: Option<Tick>,
    /// It is not the one that was looked at before, or was made anew: what it holds says nothing of what was granted.
    lost: bool,
}

#[derive(Debug)]
struct Place {
    ring: Ring,
    /// Where its units begin in the file, and how many there are room for.
    at: u64,
    places: u64,
    /// How many units were known here when it was looked at last.
    known: u64,
}

/// The budget, locked against all other processes until this is dropped.
pub(crate) struct Session<'a> {
    locked: Locked<'a>,
    rings: &'a mut [Place],
    owed: &'a mut Vec<Request>,
    /// It was made in here.
    made: bool,
    lost: &'a mut bool,
}

impl Shared {
    /// The window at `path`, made if there is none. A new one counts as full at `now`, unless nobody has used the token.
    pub(crate) fn open(path: &Path, limits: &Limits, start: Start, now: Timestamp) -> Result<Self, SharedError> {
        let mut rings = Vec::new();
        let mut at = RINGS;
        let total = std::iter::once((Ring::Total, &limits.total));
        let own = limits.classes.iter().zip(0..).map(|(windows, class)| (Ring::Of(Class::nth(class)), windows));
        for (ring, windows) in total.chain(own) {
            let places = windows.iter().map(Window::max).max().map_or(0, u64::from);
            if places > 0 {
                rings.push(Place { ring, at, places, known: 0 });
                at += places * WORD;
            }
        }
        let (file, fingerprint) = (WindowFile::open(path)?, limits.fingerprint());
        let (boot, owed) = (file::boot(), Vec::new());
        let mut shared = Self { file, fingerprint, boot, rings, probes: false, owed, busy: None, lost: false };
        for _ in 1..OPENING {
            match shared.make_or_find(start, now) {
                Err(SharedError::Busy { .. }) => {}
                opened => return opened.map(|()| shared),
            }
        }
        shared.make_or_find(start, now)?;
        Ok(shared)
    }

    fn make_or_find(&mut self, start: Start, now: Timestamp) -> Result<(), SharedError> {
        let session = self.begin_as(matches!(start, Start::Unused), now)?;
        let probes = session.made && matches!(start, Start::Probe);
        if probes {
            // RATE-5: full for everybody but this one, which asks the server.
            session.rings.iter_mut().for_each(|place| place.known = place.places);
        }
        drop(session);
        self.probes |= probes;
        // Nobody here has known anything that could be lost.
        self.lost = false;
        Ok(())
    }

    /// Whether this process made the window, knowing nothing, and is to ask the server what is left.
    pub(crate) fn probes(&self) -> bool {
        self.probes
    }

    /// Since when somebody else has had it whenever it was asked for: now, if it was free the last time.
    pub(crate) fn busy_since(&mut self, now: Tick) -> Tick {
        *self.busy.get_or_insert(now)
    }

    /// As if the disk was full, or not any more.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn reopen(&mut self, read_only: bool) -> io::Result<()> {
        self.file.reopen(read_only)
    }

    /// Keeps in mind that `request` was granted and is not written.
    pub(crate) fn owe(&mut self, request: Request) {
        owe(&mut self.owed, &self.rings, request);
    }

    /// Locks it. `Busy` when somebody else has it for longer than granting takes.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Result<Session<'_>, SharedError> {
        self.begin_as(false, now)
    }

    fn begin_as(&mut self, unused: bool, now: Timestamp) -> Result<Session<'_>, SharedError> {
        let Self { file, fingerprint, boot, rings, owed, busy, lost, .. } = self;
        let (locked, replaced) = file.lock()?;
        *busy = None;
        let mut session = Session { locked, rings, owed, made: false, lost };
        if replaced {
            *session.lost = true;
            // Another file, with counts of its own: all that is in it is news.
            session.rings.iter_mut().for_each(|place| place.known = 0);
        }
        let head = [0, 1, 2, 3].map(|word| session.locked.read(word * WORD));
        let [magic, limits, boot_high, boot_low] = head;
        let known_boot = [boot_high?, boot_low?];
        match magic? {
            MAGIC if limits? != *fingerprint => return Err(session.locked.other_limits()),
            MAGIC if known_boot == *boot && session.is_whole() => {}
            // Somebody cut it short, and with it what was granted, whatever is said of the token.
            MAGIC if known_boot == *boot => session.make(*fingerprint, *boot, false, now)?,
            // Of an earlier start of the machine (RATE-5): what was granted may not have reached the disk.
            MAGIC | MAKING => session.make(*fingerprint, *boot, unused, now)?,
            _ if session.locked.length() == 0 => session.make(*fingerprint, *boot, unused, now)?,
            _ => return Err(session.locked.foreign()),
        }
        Ok(session)
    }
}

impl Session<'_> {
    fn is_whole(&self) -> bool {
        let end = self.rings.last().map_or(RINGS, |last| last.at + last.places * WORD);
        self.locked.length() >= end
    }

    /// What others were granted since this was asked last.
    pub(crate) fn news(&mut self) -> Result<News, SharedError> {
        let (mut news, mut counts) = (Vec::new(), Vec::with_capacity(self.rings.len()));
        for (number, place) in (0..).zip(self.rings.iter()) {
            let count = self.locked.read(COUNTS + number * WORD)?;
            // What no longer has room matters to no window. A count that went back is another file's.
            let from = if count < place.known { 0 } else { place.known };
            let from = from.max(count.saturating_sub(place.places));
            counts.push(count);
            if from < count {
                // In one piece, or in two where the ring begins anew in between.
                let to_the_end = (place.places - from % place.places).min(count - from);
                let mut units = self.locked.read_all(place.unit(from), to_the_end)?;
                units.extend(self.locked.read_all(place.at, count - from - to_the_end)?);
                news.push((place.ring, units));
            }
        }
        // RATE-6: known only once all of it was read. What a failed reading took for known, nobody would ever count.
        self.rings.iter_mut().zip(counts).for_each(|(place, count)| place.known = count);
        Ok(news)
    }

    /// Whether what others were granted has been lost since this was asked last.
    pub(crate) fn take_lost(&mut self) -> bool {
        std::mem::take(self.lost)
    }

    /// See [`Shared::owe`].
    pub(crate) fn owe(&mut self, request: Request) {
        owe(self.owed, self.rings, request);
    }

    /// Writes what exits were granted while that could not be done, as if it had been now: later than it was.
    pub(crate) fn pay(&mut self, wall: Timestamp) -> Result<(), SharedError> {
        while let Some(request) = self.owed.last().copied() {
            self.append(request, wall)?;
            self.owed.pop();
        }
        Ok(())
    }

    /// RATE-6: writes what was granted at `wall`, before anybody acts on it.
    pub(crate) fn append(&mut self, request: Request, wall: Timestamp) -> Result<(), SharedError> {
        let stamp = stamp(wall);
        for (number, place) in (0..).zip(self.rings.iter_mut()) {
            if place.ring != Ring::Total && place.ring != Ring::Of(request.class) {
                continue;
            }
            for _ in 0..request.weight.get() {
                self.locked.write(place.unit(place.known), stamp)?;
                self.locked.write(COUNTS + number * WORD, place.known + 1)?;
                place.known += 1;
            }
        }
        Ok(())
    }

    /// Makes the file anew: with windows that are full at `now`, or empty.
    fn make(&mut self, fingerprint: u64, boot: [u64; 2], unused: bool, now: Timestamp) -> Result<(), SharedError> {
        // Whoever comes after one that was killed in here makes it anew.
        self.locked.write(0, MAKING)?;
        for (number, place) in (0..).zip(self.rings.iter_mut()) {
            self.locked.write_all(place.at, (0..place.places).map(|_| stamp(now)))?;
            self.locked.write(COUNTS + number * WORD, if unused { 0 } else { place.places })?;
            place.known = 0;
        }
        for (word, number) in (1..).zip([fingerprint].into_iter().chain(boot)) {
            self.locked.write(word * WORD, number)?;
        }
        self.made = true;
        *self.lost = true;
        self.locked.write(0, MAGIC)
    }

    /// RATE-5: the server said that of `class` no more than `units` are used: the windows that were taken for full are not.
    /// Nothing changes where others were granted something meanwhile.
    pub(crate) fn learnt(&mut self, class: Class, units: u64, wall: Timestamp) -> Result<(), SharedError> {
        for (number, place) in (0..).zip(self.rings.iter_mut()).filter(|(_, place)| place.ring == Ring::Of(class)) {
            if self.locked.read(COUNTS + number * WORD)? != place.known {
                continue;
            }
            let units = units.min(place.places);
            self.locked.write_all(place.at, (0..units).map(|_| stamp(wall)))?;
            self.locked.write(COUNTS + number * WORD, units)?;
            place.known = units;
        }
        Ok(())
    }
}

/// More than all rings have room for is not worth writing.
fn owe(owed: &mut Vec<Request>, rings: &[Place], request: Request) {
    if (owed.len() as u64) < rings.iter().map(|place| place.places).sum() {
        owed.push(request);
    }
}

impl Place {
    fn unit(&self, number: u64) -> u64 {
        self.at + number % self.places * WORD
    }
}

/// Nanoseconds since 1970; a clock that shows less shows that.
pub(crate) fn stamp(wall: Timestamp) -> u64 {
    u64::try_from(wall.as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
