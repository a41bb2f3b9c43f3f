//! A lock file on a disk that keeps what POSIX promises and nothing else.

use std::cell::RefCell;
use std::io;

use crate::record::Medium;

/// What a crash leaves of the file; `None` where its name was lost, and the file with it.
pub(super) type Left = Option<Vec<u8>>;

/// The file, as the system shows it, and what of it is durable.
#[derive(Debug, Default)]
pub(super) struct Disk(RefCell<State>);

#[derive(Debug, Clone, Default)]
struct State {
    view: Vec<u8>,
    durable: Vec<u8>,
    /// Written and not synced.
    pending: Vec<(usize, Vec<u8>)>,
    is_named: bool,
    /// What was there before each operation.
    past: Vec<Self>,
}

impl Disk {
    /// As a crash left it, or made anew.
    pub(super) fn after(crash: &Left) -> Self {
        let is_named = crash.is_some();
        let bytes = crash.clone().unwrap_or_default();
        Self(RefCell::new(State { view: bytes.clone(), durable: bytes, is_named, ..State::default() }))
    }

    pub(super) fn sync_name(&self) {
        self.step();
        self.0.borrow_mut().is_named = true;
    }

    fn step(&self) {
        let mut state = self.0.borrow_mut();
        let now = State { past: Vec::new(), ..state.clone() };
        state.past.push(now);
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().view.clone()
    }

    /// What a crash before any operation so far may have left.
    pub(super) fn left_on_the_way(&self) -> Vec<Left> {
        self.0.borrow().past.iter().flat_map(State::left).collect()
    }

    /// What a crash may leave now.
    pub(super) fn left(&self) -> Vec<Left> {
        self.0.borrow().left()
    }
}

impl State {
    /// A write that is not durable may have arrived up to any byte or from any byte on, as zeros, or as garbage.
    fn left(&self) -> Vec<Left> {
        let mut found = vec![self.durable.clone(), self.view.clone()];
        for (offset, bytes) in &self.pending {
            let mut push = |from: usize, piece: &[u8]| {
                let mut torn = self.durable.clone();
                torn.resize(torn.len().max(from + piece.len()), 0);
                torn[from..from + piece.len()].copy_from_slice(piece);
                found.push(torn);
            };
            for cut in 0..bytes.len() {
                push(*offset, &bytes[..cut]);
                if cut % 16 == 0 {
                    push(offset + cut, &bytes[cut..]);
                }
            }
            push(*offset, &vec![0; bytes.len()]);
            push(*offset, &vec![0xa5; bytes.len()]);
        }
        let name_lost = if self.is_named { None } else { Some(None) };
        found.into_iter().map(Some).chain(name_lost).collect()
    }
}

impl Medium for Disk {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.0.borrow();
        let rest = state.view.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step();
        let mut state = self.0.borrow_mut();
        let from = usize::try_from(offset).unwrap();
        let length = state.view.len().max(from + bytes.len());
        state.view.resize(length, 0);
        state.view[from..from + bytes.len()].copy_from_slice(bytes);
        state.pending.push((from, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step();
        let mut state = self.0.borrow_mut();
        state.durable = state.view.clone();
        state.pending.clear();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.borrow().view.len() as u64)
    }
}
