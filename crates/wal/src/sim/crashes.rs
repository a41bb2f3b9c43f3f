//! What a crash may leave of a disk.

use std::collections::{BTreeMap, BTreeSet};

use super::Dice;
use super::disk::{Cell, Disk, Image, SECTOR, Sector};

/// How many of the disks that a crash may leave are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Every combination is built as long as there are at most two to the power of this many, so that with 12 it is every
    /// subset of up to 12 writes that were not synced; zeros, garbage and cuts in place of sectors among them, where they
    /// are not too many.
    pub exhaustive_up_to: u32,
    /// Beyond that, how many combinations are drawn beside the systematic ones: what was there at any moment, each write
    /// missing alone, each there alone.
    pub random: u32,
}

/// One place of which a crash may leave an older state.
#[derive(Debug, Clone)]
struct Place {
    at: At,
    /// With which operation each version came.
    times: Vec<usize>,
}

#[derive(Debug, Clone)]
enum At {
    Name(String),
    Length(usize),
    Sector(usize, usize),
}

/// Which state of a place a crash left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Version(usize),
    /// The bytes of the write that made this version are zeros.
    Zeros(usize),
    Garbage(usize, u8),
    /// Only this many bytes of the write that made this version arrived.
    Cut(usize, usize),
}

impl Place {
    fn newest(&self) -> Choice {
        Choice::Version(self.times.len() - 1)
    }

    fn versions(&self) -> Vec<Choice> {
        (0..self.times.len()).map(Choice::Version).collect()
    }

    fn is_sector(&self) -> bool {
        matches!(self.at, At::Sector(..))
    }

    /// What was there after the operation `time`.
    fn at_time(&self, time: usize) -> Choice {
        Choice::Version(self.times.iter().rposition(|own| *own <= time).unwrap_or(0))
    }
}

impl Disk {
    /// Builds disks that a crash at this moment may leave, the one where nothing is lost first.
    pub(super) fn crashes(&self, depth: Depth, dice: &mut Dice, visit: &mut dyn FnMut(&Image)) {
        let places = self.uncertain();
        let newest: Vec<Choice> = places.iter().map(Place::newest).collect();
        let oldest: Vec<Choice> = places.iter().map(|_| Choice::Version(0)).collect();
        let mut build = |choices: &[Choice]| visit(&self.image(&places, choices));
        build(&newest);
        if places.is_empty() {
            return;
        }
        let most = 1_usize << depth.exhaustive_up_to.min(20);
        let versions: Vec<Vec<Choice>> = places.iter().map(Place::versions).collect();
        let mut torn_too = versions.clone();
        for (place, choices) in places.iter().zip(&mut torn_too).filter(|(place, _)| place.is_sector()) {
            choices.extend(&self.torn(place, place.times.len() - 1, dice)[..3]);
        }
        if count(&torn_too).is_some_and(|count| count <= most) {
            return each_combination(&torn_too, &newest, &mut build);
        }
        if count(&versions).is_some_and(|count| count <= most) {
            each_combination(&versions, &newest, &mut build);
        } else {
            build(&oldest);
            let moments: BTreeSet<usize> = places.iter().flat_map(|place| &place.times).copied().collect();
            for moment in moments.iter().rev().skip(1) {
                build(&places.iter().map(|place| place.at_time(*moment)).collect::<Vec<_>>());
            }
            for (at, place) in places.iter().enumerate() {
                for version in 0..place.times.len() {
                    build(&with(&newest, at, Choice::Version(version)));
                    build(&with(&oldest, at, Choice::Version(version)));
                }
            }
        }
        for (at, place) in places.iter().enumerate().filter(|(_, place)| place.is_sector()) {
            for version in 1..place.times.len() {
                for torn in self.torn(place, version, dice) {
                    build(&with(&newest, at, torn));
                    build(&with(&oldest, at, torn));
                }
            }
        }
        for _ in 0..depth.random {
            let draw = |place: &Place| {
                let version = dice.below(place.times.len());
                if place.is_sector() && version > 0 && dice.below(4) == 0 {
                    let choices = self.torn(place, version, dice);
                    choices[dice.below(choices.len())]
                } else {
                    Choice::Version(version)
                }
            };
            build(&places.iter().map(draw).collect::<Vec<_>>());
        }
    }

    /// Builds the disks that are left when the newest write arrived up to any one of its bytes, with and without
    /// everything else that is not durable.
    pub(super) fn cuts(&self, visit: &mut dyn FnMut(&Image)) {
        let places = self.uncertain();
        let newest: Vec<Choice> = places.iter().map(Place::newest).collect();
        let oldest: Vec<Choice> = places.iter().map(|_| Choice::Version(0)).collect();
        let Some(last) = places.iter().filter_map(|place| place.times.last()).max() else { return };
        // Its sectors in order: those before the one that is cut arrived whole, those behind it not at all.
        let written = |place: &Place| place.is_sector() && place.times.last() == Some(last);
        for others in [&newest, &oldest] {
            let mut choices = others.clone();
            for (place, choice) in places.iter().zip(&mut choices).filter(|(place, _)| written(place)) {
                *choice = Choice::Version(place.times.len() - 2);
            }
            for (at, place) in places.iter().enumerate().filter(|(_, place)| written(place)) {
                for bytes in 0..self.written(place, place.times.len() - 1) {
                    visit(&self.image(&places, &with(&choices, at, Choice::Cut(place.times.len() - 1, bytes))));
                }
                choices[at] = place.newest();
            }
        }
    }

    /// The places of which more than one state may be found, as far as a name leads there.
    fn uncertain(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut files = BTreeSet::new();
        for (name, cell) in &self.names {
            files.extend((0..cell.versions()).filter_map(|version| *cell.version(version)));
            places.extend(place(cell, || At::Name(name.clone())));
        }
        for file in files {
            let Some(inode) = self.inodes.get(file) else { continue };
            places.extend(place(&inode.length, || At::Length(file)));
            places.extend(inode.sectors.iter().filter_map(|(index, cell)| place(cell, || At::Sector(file, *index))));
        }
        places
    }

    /// How many bytes of a sector the write of a version touched.
    fn written(&self, place: &Place, version: usize) -> usize {
        let At::Sector(file, index) = place.at else { return 0 };
        self.inodes[file].sectors.get(&index).map_or(0, |cell| cell.version(version).touched.len())
    }

    fn torn(&self, place: &Place, version: usize, dice: &mut Dice) -> [Choice; 4] {
        let fill = u8::try_from(dice.below(255)).unwrap_or(0) + 1;
        let length = self.written(place, version);
        [
            Choice::Zeros(version),
            Choice::Garbage(version, fill),
            Choice::Cut(version, dice.below(length)),
            Choice::Cut(version, dice.below(length)),
        ]
    }

    fn image(&self, places: &[Place], choices: &[Choice]) -> Image {
        let mut names: BTreeMap<&str, Option<usize>> =
            self.names.iter().map(|(name, cell)| (name.as_str(), *cell.latest())).collect();
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, choice) in places.iter().zip(choices) {
            match (&place.at, choice) {
                (At::Name(name), Choice::Version(version)) => {
                    names.insert(name, self.names.get(name).and_then(|cell| *cell.version(*version)));
                }
                (At::Length(file), Choice::Version(version)) => {
                    lengths.insert(*file, *self.inodes[*file].length.version(*version));
                }
                _ => {}
            }
        }
        let mut contents: BTreeMap<usize, Vec<u8>> = names
            .values()
            .flatten()
            .map(|file| {
                let mut bytes = self.inodes[*file].view.clone();
                if let Some(length) = lengths.get(file) {
                    bytes.resize(*length, 0);
                }
                (*file, bytes)
            })
            .collect();
        for (place, choice) in places.iter().zip(choices) {
            if let At::Sector(file, index) = place.at
                && let Some(bytes) = contents.get_mut(&file)
                && let Some(target) = bytes.get_mut(index * SECTOR..)
                && let Some(cell) = self.inodes[file].sectors.get(&index)
            {
                let found = found(cell, *choice);
                let count = target.len().min(SECTOR);
                target[..count].copy_from_slice(&found[..count]);
            }
        }
        let named = names.into_iter().filter_map(|(name, file)| Some((name.to_owned(), contents.get(&file?)?.clone())));
        named.collect()
    }
}

fn place<T>(cell: &Cell<T>, at: impl FnOnce() -> At) -> Option<Place> {
    (cell.versions() > 1).then(|| Place { at: at(), times: cell.times() })
}

/// How many combinations there are, if that can be said.
fn count(choices: &[Vec<Choice>]) -> Option<usize> {
    choices.iter().try_fold(1_usize, |count, choices| count.checked_mul(choices.len()))
}

/// Builds every combination but `known`.
fn each_combination(choices: &[Vec<Choice>], known: &[Choice], build: &mut dyn FnMut(&[Choice])) {
    for number in 0..count(choices).unwrap_or(0) {
        let mut rest = number;
        let digit = |choices: &Vec<Choice>| {
            let choice = choices[rest % choices.len()];
            rest /= choices.len();
            choice
        };
        let combination: Vec<Choice> = choices.iter().map(digit).collect();
        if combination != known {
            build(&combination);
        }
    }
}

fn with(choices: &[Choice], at: usize, choice: Choice) -> Vec<Choice> {
    let mut changed = choices.to_vec();
    changed[at] = choice;
    changed
}

/// What a crash left in a sector.
fn found(cell: &Cell<Sector>, choice: Choice) -> Vec<u8> {
    let (Choice::Version(version) | Choice::Zeros(version) | Choice::Garbage(version, _) | Choice::Cut(version, _)) =
        choice;
    let new = cell.version(version);
    let mut bytes = new.bytes.clone();
    let old = &cell.version(version.saturating_sub(1)).bytes;
    let touched = new.touched.clone();
    match choice {
        Choice::Version(_) => {}
        Choice::Zeros(_) => bytes[touched].fill(0),
        Choice::Garbage(_, fill) => {
            let mut dice = Dice::new(u64::from(fill));
            bytes[touched].fill_with(|| dice.roll().to_le_bytes()[0]);
        }
        Choice::Cut(_, count) => {
            let from = (touched.start + count).min(touched.end);
            bytes[from..touched.end].copy_from_slice(&old[from..touched.end]);
        }
    }
    bytes
}
