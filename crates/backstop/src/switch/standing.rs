//! How the switch stands: the fold of its records, of what is wrong with them, and of what a process remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::Timestamp;

use super::record::{Kind, Level, Name, Pull, PullId, Written, is_unfinished};

/// How the switch stands at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pulls: BTreeMap<PullId, Pull>,
    resumes: BTreeMap<PullId, Resumed>,
    newest: u64,
    unreadable: Option<String>,
}

/// A resume, and what it took back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Which pulls.
    pub lifts: Vec<PullId>,
}

impl Standing {
    /// How much is shut; `None`: nothing.
    pub fn level(&self) -> Option<Level> {
        self.pulls.values().map(|pull| pull.level).max()
    }

    /// The pull to show to whoever is turned away: the oldest of those that shut most.
    pub fn strongest(&self) -> Option<&Pull> {
        strongest(self.pulls.values())
    }

    /// Every pull that nobody took back. That the directory cannot be read is one as long as it lasts.
    pub fn pulls(&self) -> &BTreeMap<PullId, Pull> {
        &self.pulls
    }

    /// Every resume so far.
    pub fn resumes(&self) -> &BTreeMap<PullId, Resumed> {
        &self.resumes
    }

    /// The number of the newest record.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Why the directory cannot be read, if it cannot.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    pub(super) fn into_pulls(self) -> BTreeMap<PullId, Pull> {
        self.pulls
    }
}

/// Of several pulls the oldest of those that shut most.
pub(crate) fn strongest<'a>(pulls: impl Iterator<Item = &'a Pull>) -> Option<&'a Pull> {
    pulls.min_by_key(|pull| (std::cmp::Reverse(pull.level), pull.since.is_none(), pull.since))
}

/// What a process knows of the switch beside what the directory shows now.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Every record that was read, by the name of its file. Records are never changed.
    read: BTreeMap<String, (Name, Written)>,
    /// Pulls that stood once, or that this process asked for, and that no resume took back.
    stood: BTreeMap<PullId, Pull>,
    newest: u64,
}

impl Memory {
    pub(super) fn remember(&mut self, known: &BTreeMap<PullId, Pull>, newest: u64) {
        let known = known.iter().filter(|(id, _)| !id.is_fault());
        self.stood.extend(known.map(|(id, pull)| (id.clone(), pull.clone())));
        self.newest = self.newest.max(newest);
    }

    pub(super) fn ask(&mut self, id: PullId, pull: Pull) {
        self.stood.insert(id, pull);
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.read.contains_key(file)
    }

    pub(super) fn keep(&mut self, file: &str, name: Name, written: Written) {
        self.read.insert(file.to_owned(), (name, written));
    }

    /// Whether a resume names a pull with the words of `like`, as far as records were read.
    pub(super) fn was_taken_back(&self, like: &Written) -> bool {
        let resumes = || self.read.values().filter(|(name, _)| name.kind == Kind::Resume);
        let pulls = self.read.values().filter(|(name, written)| {
            level_of(name.kind).is_some() && written.by == like.by && written.reason == like.reason
        });
        pulls.map(|(name, _)| name.id()).any(|id| resumes().any(|(_, resume)| resume.lifts.contains(&id)))
    }

    /// The fold. `files`: what the directory shows now, or `failed`: why it shows nothing.
    pub(super) fn standing(&mut self, files: &[String], failed: Option<&io::Error>) -> Standing {
        let names: Vec<Name> = files.iter().filter_map(|file| Name::parse(file)).collect();
        let newest = names.iter().map(|name| name.number).max().unwrap_or(0);
        let mut resumes = BTreeMap::new();
        for (name, Written { by, reason, at, lifts, .. }) in self.read.values() {
            let (id, by, reason, at) = (name.id(), by.clone(), reason.clone(), *at);
            if let Some(level) = level_of(name.kind) {
                self.stood.insert(id, Pull { level, by, reason, since: Some(at) });
            } else {
                // It may have counted as a pull while it could not be read.
                self.stood.remove(&id);
                resumes.insert(id, Resumed { by, reason, at, lifts: lifts.clone() });
            }
        }
        for file in files.iter().filter(|file| !self.read.contains_key(*file) && !is_unfinished(file)) {
            // Law 5: nobody can say what it is, so it is a pull.
            let name = Name::parse(file);
            let level = name.and_then(|name| level_of(name.kind)).unwrap_or(Level::Halt);
            let text = format!("{file} in the directory of the kill switch cannot be read as one of its records");
            let id = name.map_or_else(|| PullId::of_file(file), Name::id);
            self.stood.entry(id).or_insert_with(|| wrong(level, text));
        }
        let mut faults = Vec::new();
        if let Some(error) = failed {
            faults.push(("unreadable".to_owned(), format!("its directory cannot be read: {error}")));
        } else {
            // Every writer counts on from the greatest number that it sees: one that is not there was taken away.
            let there: BTreeSet<u64> = names.iter().map(|name| name.number).collect();
            let gaps =
                std::iter::once(0).chain(there.iter().copied()).zip(&there).filter(|(before, at)| before + 1 < **at);
            faults.extend(gaps.map(|(before, at)| {
                (format!("missing-{at}"), format!("records between {before} and {at} are missing"))
            }));
            if newest < self.newest {
                let text = format!("its records end at {newest}, and once reached to {}", self.newest);
                faults.push((format!("lost-{}", self.newest), text));
            }
        }
        for id in resumes.values().flat_map(|resume| &resume.lifts) {
            self.stood.remove(id);
        }
        self.newest = self.newest.max(newest);
        let lifted = |id: &PullId| resumes.values().any(|resume| resume.lifts.contains(id));
        let faults = faults.into_iter().map(|(what, text)| (PullId::of_fault(&what), text));
        let faults = faults.filter(|(id, _)| !lifted(id));
        let faults = faults.map(|(id, text)| (id, wrong(Level::Halt, format!("the kill switch is damaged: {text}"))));
        // What stood and was deleted since stands all the same.
        let pulls = self.stood.iter().map(|(id, pull)| (id.clone(), pull.clone())).chain(faults).collect();
        Standing { pulls, resumes, newest: self.newest, unreadable: failed.map(ToString::to_string) }
    }
}

fn level_of(kind: Kind) -> Option<Level> {
    match kind {
        Kind::Halt => Some(Level::Halt),
        Kind::Freeze => Some(Level::Freeze),
        Kind::Resume => None,
    }
}

/// A pull that nobody made.
fn wrong(level: Level, reason: String) -> Pull {
    Pull { level, by: "nobody known".to_owned(), reason, since: None }
}
