//! The kill switch: a directory that any process may pull, that a restart does not put back, and that takes a name and a
//! reason to put back (HALT-1, HALT-2).
//!
//! Each pull and each resume is a file of its own that is never changed, so nobody has to wait for anybody: no lock is
//! taken, and a process that hangs in the middle of its own write keeps no other from pulling. A resume names the pulls
//! that it takes back; one that came meanwhile stands. Whatever cannot be read, is missing or does not belong there counts
//! as a pull (law 5), and only a resume that names it takes it back.
//!
//! What it costs to ask does not grow with what was: a resume says up to which number everything is settled, and then takes
//! the files away that count for nothing any more, but for the newest. What does not stand any more is in the journals of
//! the desks that have seen it.

mod record;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backstop_wal::{Access, DirStorage, Storage, StorageFile};
use jiff::Timestamp;
use parking_lot::Mutex;

use record::{Kind, Name, Written};
use standing::Memory;

pub use record::{Level, Pull, PullId};
pub(crate) use standing::strongest;
pub use standing::{Resumed, Standing};

/// The most that a record is read of.
const MOST: u64 = 1 << 20;
/// So many of the newest records are kept in any case: for people, and for processes that have not looked for a while.
const KEPT: u64 = 64;
/// How often the directory is read again because files went away meanwhile.
const LOOKS: u32 = 5;
/// How often one read or write may be interrupted by signals.
const TRIES: u32 = 100;

/// The kill switch in a directory of its own. Any number of processes may have it open.
#[derive(Debug)]
pub struct Switch {
    storage: Arc<dyn Storage>,
    memory: Mutex<Memory>,
    nonce: AtomicU64,
    kept: u64,
}

/// A pull that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its name.
    pub id: PullId,
    /// Who and why could not be written (a full disk, for one): the switch is pulled, and tells nobody why.
    pub without_reason: Option<String>,
}

/// A pull that stands for this process and is not written yet.
#[must_use = "nobody else knows of it until it is written"]
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    kind: Kind,
    nonce: u64,
    pull: Pull,
}

/// Why the switch was not moved, or not for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchError {
    /// The system refused. After a pull this process counts the switch as pulled all the same; another may not.
    #[error("cannot {action} the kill switch in {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Resuming takes a name and a reason (HALT-2).
    #[error("resuming takes a name and a reason, and one of the two is empty")]
    Nameless,
    /// The runtime is shutting down.
    #[error("the runtime shut down while the kill switch was being written; ask it how it stands")]
    Interrupted,
}

impl Switch {
    /// The switch in the directory `path`, which is made if there is none; its parent must exist.
    ///
    /// # Errors
    /// [`SwitchError::Io`].
    pub fn open(path: &Path) -> Result<Self, SwitchError> {
        let opened = DirStorage::create_or_open(path);
        let failed = |source| SwitchError::Io { action: "open", path: path.to_owned(), source };
        let storage = opened.map_err(failed)?;
        let nonce = storage.entropy();
        Ok(Self::open_in(Arc::new(storage), nonce))
    }

    /// The same in any storage. No two may be opened with the same `nonce`.
    pub(crate) fn open_in(storage: Arc<dyn Storage>, nonce: u64) -> Self {
        Self { storage, memory: Mutex::default(), nonce: AtomicU64::new(nonce), kept: KEPT }
    }

    /// How the switch in the directory `path` stands, for a process that must change nothing; where there is no such
    /// directory, nobody has pulled it. `known` and `newest` as for [`remember`](Switch::remember).
    ///
    /// # Errors
    /// [`SwitchError::Io`] when the directory is there and cannot be opened: count that as pulled.
    pub fn read(path: &Path, known: &BTreeMap<PullId, Pull>, newest: u64) -> Result<Standing, SwitchError> {
        match DirStorage::open(path) {
            Ok(storage) => {
                let nonce = storage.entropy();
                let switch = Self::open_in(Arc::new(storage), nonce);
                switch.remember(known, newest);
                Ok(switch.standing())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut memory = Memory::default();
                memory.remember(known, newest);
                Ok(memory.standing(&[], None))
            }
            Err(source) => Err(SwitchError::Io { action: "open", path: path.to_owned(), source }),
        }
    }

    /// What a journal knows of the switch: pulls that stood when it was last asked, and the number of its newest record.
    /// Were they deleted since, they stand all the same.
    pub fn remember(&self, known: &BTreeMap<PullId, Pull>, newest: u64) {
        self.memory.lock().remember(known, newest);
    }

    /// How the switch stands, by the directory as it is now: one reading of its names, and of the records that are new.
    ///
    /// What this process has pulled stands from the moment on in which it asked for it, written or not.
    pub fn standing(&self) -> Standing {
        self.look().1
    }

    /// The names of the directory's files, and what they come to.
    fn look(&self) -> (Vec<String>, Standing) {
        let mut memory = self.memory.lock();
        let mut tries = 0;
        loop {
            tries += 1;
            // HALT-1: the names themselves, each time. The directory's own time would be cheaper to ask for, and does not
            // tell of a second change within one tick of the clock.
            let names = match self.storage.names() {
                Ok(names) => names,
                Err(error) => return (Vec::new(), memory.standing(&[], Some(&error))),
            };
            if let Some(standing) = memory.unchanged(&names) {
                return (names, standing);
            }
            let mut is_gone = false;
            for text in names.iter().filter(|text| !memory.has(text)).cloned().collect::<Vec<_>>() {
                let Some(name) = Name::parse(&text) else { continue };
                match self.load(&text, name) {
                    Ok(written) => memory.keep(&text, name, written),
                    // One that cannot be read now may be readable the next time, and counts as a pull until then.
                    Err(error) => is_gone |= error.kind() == io::ErrorKind::NotFound,
                }
            }
            // A resume has taken it away meanwhile.
            if is_gone && tries < LOOKS {
                continue;
            }
            let standing = memory.standing(&names, None);
            return (names, standing);
        }
    }

    /// Pulls the switch. Never waits for anybody.
    ///
    /// On a full disk the reason may be lost, never the pull: the name of its record is enough.
    ///
    /// # Errors
    /// [`SwitchError::Io`]: nobody else may know. This process counts it as pulled all the same.
    ///
    /// # Durability
    /// The pull is on disk when this returns `Ok`, and every other process sees it from then on.
    pub fn pull(&self, level: Level, by: &str, reason: &str, at: Timestamp) -> Result<Pulled, SwitchError> {
        let pull = Pull { level, by: by.to_owned(), reason: reason.to_owned(), since: Some(at) };
        self.write(&self.ask(pull))
    }

    /// The first half of [`pull`](Switch::pull): from here on it stands for this process.
    pub(crate) fn ask(&self, pull: Pull) -> Asked {
        let kind = match pull.level {
            Level::Halt => Kind::Halt,
            Level::Freeze => Kind::Freeze,
        };
        let nonce = self.next_nonce();
        self.memory.lock().ask(Name { number: 0, kind, nonce }.id(), pull.clone());
        Asked { kind, nonce, pull }
    }

    /// The second half: from here on it stands for everybody.
    pub(crate) fn write(&self, Asked { kind, nonce, pull }: &Asked) -> Result<Pulled, SwitchError> {
        let Pull { by, reason, since, .. } = pull;
        let written = Written::new(*kind, by, reason, since.unwrap_or_default());
        let pulled = self.publish(*kind, *nonce, &written)?;
        // Seen among the others it can be found settled later, when its file is gone.
        let _seen = self.look();
        Ok(pulled)
    }

    /// Takes back every pull that stands, and returns them. Nothing stands: nothing is written.
    ///
    /// # Errors
    /// [`SwitchError`]: what stood, stands, or will again after a crash.
    ///
    /// # Durability
    /// On disk when this returns `Ok`.
    pub fn resume(&self, by: &str, reason: &str, at: Timestamp) -> Result<BTreeMap<PullId, Pull>, SwitchError> {
        // HALT-2: somebody answers for it.
        if by.trim().is_empty() || reason.trim().is_empty() {
            return Err(SwitchError::Nameless);
        }
        let (names, standing) = self.look();
        if let Some(error) = standing.unreadable() {
            return Err(self.failed("read", io::Error::other(error.to_owned())));
        }
        let lifts: Vec<PullId> = standing.pulls().keys().cloned().collect();
        if lifts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let settled = newest_of(&names).saturating_sub(self.kept);
        let lifted_before = standing.held_down().iter().cloned().collect();
        let written = Written { lifts, settled, lifted_before, ..Written::new(Kind::Resume, by, reason, at) };
        let _resumed = self.publish(Kind::Resume, self.next_nonce(), &written)?;
        self.forget(&names, &written);
        Ok(standing.into_pulls())
    }

    /// Takes the files away, of those that there were before it, that count for nothing since `resume` is on disk: in
    /// whatever order they go, and if only some of them go, it says the same.
    fn forget(&self, names: &[String], resume: &Written) {
        let lifted: BTreeSet<&PullId> = resume.lifted().collect();
        let old = names.iter().filter_map(|text| Some((text, Name::parse(text)?)));
        for (text, name) in old.filter(|(_, name)| name.number <= resume.settled) {
            if name.kind == Kind::Resume || lifted.contains(&name.id()) {
                // One that stays is taken away by the next resume.
                let _stays = self.storage.remove(text);
            }
        }
    }

    /// Whether somebody has taken back a pull by this one for this reason.
    pub(crate) fn was_taken_back(&self, by: &str, reason: &str) -> bool {
        self.memory.lock().was_taken_back(&Written::new(Kind::Halt, by, reason, Timestamp::default()))
    }

    fn load(&self, text: &str, name: Name) -> io::Result<Written> {
        let file = self.storage.open(text, Access::Read)?;
        let length = usize::try_from(file.length()?.min(MOST)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        read_full(&*file, &mut bytes)?;
        Written::from_bytes(&bytes, name)
    }

    /// Writes one record whole, under a name that nobody else has, and makes it durable.
    fn publish(&self, kind: Kind, nonce: u64, written: &Written) -> Result<Pulled, SwitchError> {
        let names = self.storage.names().map_err(|source| self.failed("read", source))?;
        let name = Name { number: newest_of(&names).saturating_add(1), kind, nonce };
        let beside = name.beside();
        let file = self.storage.create(&beside).map_err(|source| self.failed("write", source))?;
        // Complete before it has its name, so that nobody ever sees half a record.
        let content = write_full(&*file, &written.to_bytes()).and_then(|()| file.sync_data());
        let without_reason = match (content, kind) {
            (Ok(()), _) => None,
            // HALT-1: the name alone pulls.
            (Err(error), Kind::Halt | Kind::Freeze) => Some(error.to_string()),
            (Err(source), Kind::Resume) => {
                // What stays behind has a name that counts for nothing.
                let _left_over = self.storage.remove(&beside);
                return Err(self.failed("write", source));
            }
        };
        self.storage.rename(&beside, &name.to_string()).map_err(|source| self.failed("name a record of", source))?;
        self.storage.sync_directory().map_err(|source| self.failed("sync", source))?;
        Ok(Pulled { id: name.id(), without_reason })
    }

    fn next_nonce(&self) -> u64 {
        // Relaxed: it only has to differ from call to call.
        self.nonce.fetch_add(1, Ordering::Relaxed)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> SwitchError {
        SwitchError::Io { action, path: self.storage.place().to_owned(), source }
    }
}

/// The greatest number of a record; zero without one.
fn newest_of(names: &[String]) -> u64 {
    names.iter().filter_map(|text| Name::parse(text)).map(|name| name.number).max().unwrap_or(0)
}

fn write_full(file: &dyn StorageFile, bytes: &[u8]) -> io::Result<()> {
    let (mut done, mut tries) = (0, 0);
    while let Some(rest) = bytes.get(done..)
        && !rest.is_empty()
    {
        match file.write_at(rest, done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_full(file: &dyn StorageFile, buffer: &mut [u8]) -> io::Result<()> {
    let (mut done, mut tries) = (0, 0);
    while let Some(rest) = buffer.get_mut(done..)
        && !rest.is_empty()
    {
        match file.read_at(rest, done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
