//! What is on the disk, and what only seems to be.

use std::collections::{BTreeMap, BTreeSet};

use super::recording::Operation;

pub(super) const SECTOR: usize = 512;

/// A disk after a crash: the files that have names, with their content.
pub type Image = BTreeMap<String, Vec<u8>>;

/// Something that a crash may roll back, and all it can be found to be.
#[derive(Debug, Clone)]
pub(super) struct Cell<T> {
    durable: T,
    /// Written, and its sync failed: there or not, and no later sync helps.
    limbo: Vec<(usize, T)>,
    /// Written and not synced yet, with the number of the operation.
    pending: Vec<(usize, T)>,
}

impl<T> Cell<T> {
    fn new(durable: T) -> Self {
        Self { durable, limbo: Vec::new(), pending: Vec::new() }
    }

    pub(super) fn latest(&self) -> &T {
        self.version(self.versions() - 1)
    }

    pub(super) fn versions(&self) -> usize {
        1 + self.limbo.len() + self.pending.len()
    }

    fn later(&self) -> impl Iterator<Item = &(usize, T)> {
        self.limbo.iter().chain(&self.pending)
    }

    /// The durable one is version 0.
    pub(super) fn version(&self, index: usize) -> &T {
        let later = index.checked_sub(1).and_then(|index| self.later().nth(index));
        later.map_or(&self.durable, |(_, value)| value)
    }

    /// With which operation each version came, the durable one first.
    pub(super) fn times(&self) -> Vec<usize> {
        std::iter::once(0).chain(self.later().map(|(time, _)| *time)).collect()
    }

    fn write(&mut self, time: usize, value: T) {
        self.pending.push((time, value));
    }

    fn sync(&mut self) {
        if let Some((_, last)) = self.pending.pop() {
            self.durable = last;
            self.pending.clear();
            self.limbo.clear();
        }
    }

    fn fail_sync(&mut self) {
        self.limbo.append(&mut self.pending);
    }

    /// Whether the system shows what it could not make durable.
    fn is_shown_in_limbo(&self) -> bool {
        self.pending.is_empty() && !self.limbo.is_empty()
    }
}

/// The content of a sector after a write, and which of its bytes that write touched.
#[derive(Debug, Clone)]
pub(super) struct Sector {
    pub(super) bytes: Vec<u8>,
    pub(super) touched: std::ops::Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    /// What readers are shown.
    pub(super) view: Vec<u8>,
    pub(super) length: Cell<usize>,
    pub(super) sectors: BTreeMap<usize, Cell<Sector>>,
}

/// A directory with its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<String, Cell<Option<usize>>>,
    /// How many operations there were.
    time: usize,
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
        self.time += 1;
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
                    inode.length.write(self.time, *length);
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
            Operation::Evict { sectors } => self.inodes.iter_mut().for_each(|inode| inode.evict(*sectors)),
            Operation::Lock { .. } | Operation::Note(_) => {}
        }
    }

    fn point(&mut self, name: &str, file: Option<usize>) {
        self.names.entry(name.to_owned()).or_insert_with(|| Cell::new(None)).write(self.time, file);
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
            inode.length.write(self.time, end);
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
            // On top of what the system shows, which after a failed sync need not be what was written last.
            let mut sector = inode.view[index * SECTOR..inode.view.len().min((index + 1) * SECTOR)].to_vec();
            sector.resize(SECTOR, 0);
            let touched = at - index * SECTOR..upto - index * SECTOR;
            cell.write(self.time, Sector { bytes: sector, touched });
            at = upto;
        }
    }
}

impl Inode {
    /// Shows what the disk has instead of what a failed sync left in memory, of the sectors with a bit in `sectors` (the
    /// number of the sector modulo 8). It turns out to have nothing of it, and what was read once does not change any more.
    fn evict(&mut self, sectors: u8) {
        for (index, cell) in &mut self.sectors {
            let from = index * SECTOR;
            if cell.is_shown_in_limbo() && sectors >> (index % 8) & 1 == 1 && from < self.view.len() {
                let upto = self.view.len().min(from + SECTOR);
                self.view[from..upto].copy_from_slice(&cell.durable.bytes[..upto - from]);
                cell.limbo.clear();
            }
        }
        if self.length.is_shown_in_limbo() && sectors == u8::MAX {
            self.view.truncate(self.length.durable);
            self.length.limbo.clear();
        }
    }
}
