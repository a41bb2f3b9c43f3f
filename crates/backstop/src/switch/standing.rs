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
    /// What would stand, had nobody taken it back.
    held_down: BTreeSet<PullId>,
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

    /// Every resume whose record is kept: the newest ones.
    pub(crate) fn resumes(&self) -> &BTreeMap<PullId, Resumed> {
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

    pub(super) fn held_down(&self) -> &BTreeSet<PullId> {
        &self.held_down
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
    stood: BTreeMap<PullId, Stood>,
    newest: u64,
    /// What the directory showed last, all of which could be read, and what that came to.
    last: Option<(Vec<String>, Standing)>,
}

/// A pull that stood.
#[derive(Debug)]
struct Stood {
    pull: Pull,
    /// The number of the newest record when it was last seen to stand: a resume that has settled all up to there has taken
    /// it back. None is great enough while nobody else knows of it.
    seen_at: u64,
}

impl Memory {
    pub(super) fn remember(&mut self, known: &BTreeMap<PullId, Pull>, newest: u64) {
        let known = known.iter().filter(|(id, _)| !id.is_fault());
        self.stood.extend(known.map(|(id, pull)| (id.clone(), Stood { pull: pull.clone(), seen_at: newest })));
        self.newest = self.newest.max(newest);
        self.last = None;
    }

    pub(super) fn ask(&mut self, id: PullId, pull: Pull) {
        self.stood.insert(id, Stood { pull, seen_at: u64::MAX });
        self.last = None;
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.read.contains_key(file)
    }

    pub(super) fn keep(&mut self, file: &str, name: Name, written: Written) {
        self.read.insert(file.to_owned(), (name, written));
    }

    /// How it stood when the directory showed just these files, if nothing has come to it since.
    pub(super) fn unchanged(&self, files: &[String]) -> Option<Standing> {
        self.last.as_ref().filter(|(before, _)| before == files).map(|(_, standing)| standing.clone())
    }

    /// Whether a resume names a pull with the words of `like`, as far as records were read and are kept.
    pub(super) fn was_taken_back(&self, like: &Written) -> bool {
        let resumes = || self.read.values().filter(|(name, _)| name.kind == Kind::Resume);
        let pulls = self.read.values().filter(|(name, written)| {
            level_of(name.kind).is_some() && written.by == like.by && written.reason == like.reason
        });
        pulls
            .map(|(name, _)| name.id())
            .any(|id| resumes().any(|(_, resume)| resume.lifted().any(|other| *other == id)))
    }

    /// The fold. `files`: what the directory shows now, or `failed`: why it shows nothing.
    pub(super) fn standing(&mut self, files: &[String], failed: Option<&io::Error>) -> Standing {
        let there: BTreeSet<&str> = files.iter().map(String::as_str).collect();
        let numbers: BTreeSet<u64> =
            files.iter().filter_map(|file| Name::parse(file)).map(|name| name.number).collect();
        self.newest = self.newest.max(numbers.last().copied().unwrap_or(0));
        let settled = self.read.values().map(|(_, written)| written.settled).max().unwrap_or(0);
        if failed.is_none() {
            self.read.retain(|file, (name, _)| name.number > settled || there.contains(file.as_str()));
        }
        let lifted: BTreeSet<PullId> = self.read.values().flat_map(|(_, written)| written.lifted()).cloned().collect();
        let mut resumes = BTreeMap::new();
        let mut shown: BTreeMap<PullId, Pull> = BTreeMap::new();
        for (name, Written { by, reason, at, lifts, .. }) in self.read.values() {
            let (id, by, reason, at) = (name.id(), by.clone(), reason.clone(), *at);
            if let Some(level) = level_of(name.kind) {
                shown.insert(id, Pull { level, by, reason, since: Some(at) });
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
            let before = self.stood.get(&id).map(|stood| stood.pull.clone());
            shown.insert(id, before.unwrap_or_else(|| wrong(level, text)));
        }
        // What stood and was deleted since stands all the same, unless a resume says that it came to rest before.
        self.stood.retain(|id, stood| !lifted.contains(id) && (shown.contains_key(id) || stood.seen_at > settled));
        let seen_at = self.newest;
        for (id, pull) in shown.iter().filter(|(id, _)| !lifted.contains(*id)) {
            self.stood.insert(id.clone(), Stood { pull: pull.clone(), seen_at });
        }
        let faults = self.faults(&numbers, settled, failed);
        let pulls = self.stood.iter().map(|(id, stood)| (id.clone(), stood.pull.clone()));
        let pulls = pulls
            .chain(faults.iter().filter(|(id, _)| !lifted.contains(*id)).map(|(id, pull)| (id.clone(), pull.clone())));
        let pulls = pulls.collect();
        let held_down = shown.into_keys().chain(faults.into_keys()).filter(|id| lifted.contains(id)).collect();
        let unreadable = failed.map(ToString::to_string);
        let standing = Standing { pulls, resumes, newest: self.newest, unreadable, held_down };
        let is_whole = failed.is_none() && files.iter().all(|file| Name::parse(file).is_none() || self.has(file));
        self.last = is_whole.then(|| (files.to_vec(), standing.clone()));
        standing
    }

    /// What is wrong with the switch as a whole.
    fn faults(&self, there: &BTreeSet<u64>, settled: u64, failed: Option<&io::Error>) -> BTreeMap<PullId, Pull> {
        let mut faults = Vec::new();
        if let Some(error) = failed {
            faults.push(("unreadable".to_owned(), format!("its directory cannot be read: {error}")));
        } else {
            // Every writer counts on from the greatest number that it sees: one that is not there was taken away.
            let kept = || there.iter().copied().filter(|number| *number > settled);
            let gaps = std::iter::once(settled).chain(kept()).zip(kept()).filter(|(before, at)| before + 1 < *at);
            faults.extend(gaps.map(|(before, at)| {
                (format!("missing-{at}"), format!("records between {before} and {at} are missing"))
            }));
            let newest = there.last().copied().unwrap_or(0);
            if newest < self.newest {
                let text = format!("its records end at {newest}, and once reached to {}", self.newest);
                faults.push((format!("lost-{}", self.newest), text));
            }
        }
        let wrong = |text| wrong(Level::Halt, format!("the kill switch is damaged: {text}"));
        faults.into_iter().map(|(what, text)| (PullId::of_fault(&what), wrong(text))).collect()
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
