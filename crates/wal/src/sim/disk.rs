//! What is on the disk, what only seems to be, and what a crash may leave of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Dice;
use super::recording::Operation;

const SECTOR: usize = 512;

/// A disk after a crash: the files that have names, with their content.
pub type Image = BTreeMap<String, Vec<u8>>;

/// How many of the disks that a crash may leave are built.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// With at most this many uncertain places (sectors, lengths, names) every combination of all-old and all-new is
    /// built.
    pub exhaustive_up_to: u32,
    /// How many combinations are drawn beside the systematic ones.
    pub random: u32,
}

/// Something that a crash may roll back, and all it can be found to be.
#[derive(Debug, Clone)]
struct Cell<T> {
    durable: T,
    /// Written, and its sync failed: there or not, and no later sync helps.
    limbo: Vec<T>,
    /// Written and not synced yet.
    pending: Vec<T>,
}

impl<T> Cell<T> {
    fn new(durable: T) -> Self {
        Self { durable, limbo: Vec::new(), pending: Vec::new() }
    }

    fn latest(&self) -> &T {
        self.pending.last().or(self.limbo.last()).unwrap_or(&self.durable)
    }

    fn versions(&self) -> usize {
        1 + self.limbo.len() + self.pending.len()
    }

    fn version(&self, index: usize) -> &T {
        let later = self.limbo.iter().chain(&self.pending);
        index.checked_sub(1).and_then(|index| later.into_iter().nth(index)).unwrap_or(&self.durable)
    }

    fn write(&mut self, value: T) {
        self.pending.push(value);
    }

    fn sync(&mut self) {
        if let Some(last) = self.pending.pop() {
            self.durable = last;
            self.pending.clear();
            self.limbo.clear();
        }
    }

    fn fail_sync(&mut self) {
        self.limbo.append(&mut self.pending);
    }
}

/// The content of a sector after a write, and which of its bytes that write touched.
#[derive(Debug, Clone)]
struct Sector {
    bytes: Vec<u8>,
    touched: std::ops::Range<usize>,
}

#[derive(Debug, Clone)]
struct Inode {
    /// What readers are shown.
    view: Vec<u8>,
    length: Cell<usize>,
    sectors: BTreeMap<usize, Cell<Sector>>,
}

/// A directory with its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, Cell<Option<usize>>>,
}

/// One place of which a crash may leave an older state.
#[derive(Debug, Clone)]
enum Place {
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
    /// Only this many thousandths of the write that made this version arrived.
    Cut(usize, usize),
}

impl Disk {
    pub(super) fn from_image(image: &Image) -> Self {
        let mut disk = Self::default();
        for (name, bytes) in image {
            disk.names.insert(name.clone(), Cell::new(Some(disk.inodes.len())));
            let inode = Inode { view: bytes.clone(), length: Cell::new(bytes.len()), sectors: BTreeMap::new() };
            // A sector that was never written since is taken from here.
            let sectors = bytes.chunks(SECTOR).enumerate().map(|(index, chunk)| {
                let mut bytes = chunk.to_vec();
                bytes.resize(SECTOR, 0);
                (index, Cell::new(Sector { bytes, touched: 0..0 }))
            });
            disk.inodes.push(Inode { sectors: sectors.collect(), ..inode });
        }
        disk
    }

    pub(super) fn lookup(&self, name: &str) -> Option<usize> {
        self.names.get(name).and_then(|cell| *cell.latest())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().filter(|(_, cell)| cell.latest().is_some()).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn view(&self, file: usize) -> &[u8] {
        self.inodes.get(file).map_or(&[], |inode| &inode.view)
    }

    pub(super) fn next_file(&self) -> usize {
        self.inodes.len()
    }

    /// The bytes that the files with names take, for a disk with a limit.
    pub(super) fn used(&self) -> usize {
        let named: BTreeSet<usize> = self.names.values().filter_map(|cell| *cell.latest()).collect();
        named.into_iter().map(|file| self.view(file).len()).sum()
    }

    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { name } => {
                let file = self.inodes.len();
                self.inodes.push(Inode { view: Vec::new(), length: Cell::new(0), sectors: BTreeMap::new() });
                self.point(name, Some(file));
            }
            Operation::Write { file, offset, bytes } => self.write(*file, *offset, bytes),
            Operation::Allocate { file, length } => {
                if let Some(inode) = self.inodes.get_mut(*file)
                    && inode.view.len() < *length
                {
                    inode.view.resize(*length, 0);
                    inode.length.write(*length);
                }
            }
            Operation::Sync { file } => self.each_cell_of(*file, Cell::sync, Cell::sync),
            Operation::SyncFailed { file } => self.each_cell_of(*file, Cell::fail_sync, Cell::fail_sync),
            Operation::Rename { from, to } => {
                let file = self.lookup(from);
                self.point(to, file);
                self.point(from, None);
            }
            Operation::Remove { name } => self.point(name, None),
            Operation::SyncDirectory => self.names.values_mut().for_each(Cell::sync),
            Operation::SyncDirectoryFailed => self.names.values_mut().for_each(Cell::fail_sync),
            Operation::Note(_) => {}
        }
    }

    fn point(&mut self, name: &str, file: Option<usize>) {
        self.names.entry(name.to_owned()).or_insert_with(|| Cell::new(None)).write(file);
    }

    fn each_cell_of(&mut self, file: usize, length: fn(&mut Cell<usize>), sector: fn(&mut Cell<Sector>)) {
        if let Some(inode) = self.inodes.get_mut(file) {
            length(&mut inode.length);
            inode.sectors.values_mut().for_each(sector);
        }
    }

    fn write(&mut self, file: usize, offset: usize, bytes: &[u8]) {
        let Some(inode) = self.inodes.get_mut(file) else { return };
        let end = offset + bytes.len();
        if inode.view.len() < end {
            inode.view.resize(end, 0);
            inode.length.write(end);
        }
        inode.view[offset..end].copy_from_slice(bytes);
        let mut at = offset;
        while at < end {
            let index = at / SECTOR;
            let upto = ((index + 1) * SECTOR).min(end);
            let cell = inode
                .sectors
                .entry(index)
                .or_insert_with(|| Cell::new(Sector { bytes: vec![0; SECTOR], touched: 0..0 }));
            let mut sector = cell.latest().bytes.clone();
            let touched = at - index * SECTOR..upto - index * SECTOR;
            sector[touched.clone()].copy_from_slice(&bytes[at - offset..upto - offset]);
            cell.write(Sector { bytes: sector, touched });
            at = upto;
        }
    }

    /// Builds disks that a crash at this moment may leave, the one where nothing is lost first.
    pub(super) fn crashes(&self, depth: Depth, dice: &mut Dice, visit: &mut dyn FnMut(&Image)) {
        let places = self.uncertain();
        let newest: Vec<Choice> = places.iter().map(|(_, versions)| Choice::Version(versions - 1)).collect();
        let oldest: Vec<Choice> = places.iter().map(|_| Choice::Version(0)).collect();
        let mut build = |choices: &[Choice]| visit(&self.image(&places, choices));
        build(&newest);
        if places.is_empty() {
            return;
        }
        if places.len() <= depth.exhaustive_up_to as usize {
            for mask in 0..(1_usize << places.len()) - 1 {
                let pick = |(at, new): (usize, &Choice)| if mask >> at & 1 == 1 { *new } else { Choice::Version(0) };
                build(&newest.iter().enumerate().map(pick).collect::<Vec<_>>());
            }
        } else {
            build(&oldest);
            for at in 1..places.len() {
                build(&[&newest[..at], &oldest[at..]].concat());
                build(&[&oldest[..at], &newest[at..]].concat());
            }
            for at in 0..places.len() {
                build(&with(&newest, at, Choice::Version(0)));
                build(&with(&oldest, at, newest[at]));
            }
        }
        for (at, (place, versions)) in places.iter().enumerate() {
            for version in 1..*versions {
                if let Place::Sector(..) = place {
                    for torn in torn(version, dice) {
                        build(&with(&newest, at, torn));
                        build(&with(&oldest, at, torn));
                    }
                } else if version + 1 < *versions {
                    build(&with(&newest, at, Choice::Version(version)));
                }
            }
        }
        for _ in 0..depth.random {
            let draw = |(place, versions): &(Place, usize)| {
                let version = dice.below(*versions);
                let is_sector = matches!(place, Place::Sector(..));
                if is_sector && version > 0 && dice.below(4) == 0 {
                    let choices = torn(version, dice);
                    choices[dice.below(choices.len())]
                } else {
                    Choice::Version(version)
                }
            };
            let choices: Vec<Choice> = places.iter().map(draw).collect();
            build(&choices);
        }
    }

    /// The places of which more than one state may be found, as far as a name leads there.
    fn uncertain(&self) -> Vec<(Place, usize)> {
        let mut places = Vec::new();
        let mut files = BTreeSet::new();
        for (name, cell) in &self.names {
            files.extend((0..cell.versions()).filter_map(|version| *cell.version(version)));
            if cell.versions() > 1 {
                places.push((Place::Name(name.clone()), cell.versions()));
            }
        }
        for file in files {
            let Some(inode) = self.inodes.get(file) else { continue };
            if inode.length.versions() > 1 {
                places.push((Place::Length(file), inode.length.versions()));
            }
            let sectors = inode.sectors.iter().filter(|(_, cell)| cell.versions() > 1);
            places.extend(sectors.map(|(index, cell)| (Place::Sector(file, *index), cell.versions())));
        }
        places
    }

    fn image(&self, places: &[(Place, usize)], choices: &[Choice]) -> Image {
        let mut names: BTreeMap<&str, Option<usize>> =
            self.names.iter().map(|(name, cell)| (name.as_str(), *cell.latest())).collect();
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        for ((place, _), choice) in places.iter().zip(choices) {
            match (place, choice) {
                (Place::Name(name), Choice::Version(version)) => {
                    names.insert(name, self.names.get(name).and_then(|cell| *cell.version(*version)));
                }
                (Place::Length(file), Choice::Version(version)) => {
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
        for ((place, _), choice) in places.iter().zip(choices) {
            if let Place::Sector(file, index) = place
                && let Some(bytes) = contents.get_mut(file)
                && let Some(target) = bytes.get_mut(index * SECTOR..)
                && let Some(cell) = self.inodes[*file].sectors.get(index)
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

fn with(choices: &[Choice], at: usize, choice: Choice) -> Vec<Choice> {
    let mut changed = choices.to_vec();
    changed[at] = choice;
    changed
}

fn torn(version: usize, dice: &mut Dice) -> [Choice; 4] {
    let fill = u8::try_from(dice.below(255)).unwrap_or(0) + 1;
    [
        Choice::Zeros(version),
        Choice::Garbage(version, fill),
        Choice::Cut(version, dice.below(1000)),
        Choice::Cut(version, dice.below(1000)),
    ]
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
        Choice::Cut(_, thousandths) => {
            let from = touched.start + touched.len() * thousandths / 1000;
            bytes[from..touched.end].copy_from_slice(&old[from..touched.end]);
        }
    }
    bytes
}
