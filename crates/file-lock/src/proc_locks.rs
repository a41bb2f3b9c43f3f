//! Reading Linux' list of all file locks, `/proc/locks` (`proc_locks(5)`).

use std::fs::File;
use std::io::{self, Read};

/// One lock that is held with `flock(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flock {
    /// Who took it. The list leaves out processes that the reader cannot see (another container).
    pub(crate) pid: Option<u32>,
    /// Major and minor number. Of the file system underneath, where several are stacked (overlay, btrfs).
    pub(crate) device: (u64, u64),
    pub(crate) inode: u64,
}

/// The list as it was at one moment; `None` when the system has none, or it would not stand still.
///
/// The kernel composes it anew for each `read(2)` and finds its place again by counting locks, so one that is released
/// between two reads hides another. `std::fs::read_to_string` begins with small reads: on a busy machine one look in
/// twenty missed a lock that was held. A large read gets a page of the list, which is mostly all of it; what is longer
/// is read until it says the same twice.
pub(crate) fn list() -> Option<String> {
    let mut before = None;
    for _ in 0..MAX_READINGS {
        let (text, reads) = read_once().ok()?;
        if reads <= 1 || before.as_ref() == Some(&text) {
            return Some(text);
        }
        before = Some(text);
    }
    None
}

const MAX_READINGS: u32 = 16;

fn read_once() -> io::Result<(String, u32)> {
    let mut file = File::open("/proc/locks")?;
    let (mut bytes, mut buffer, mut reads) = (Vec::new(), vec![0; 64 * 1024], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((String::from_utf8_lossy(&bytes).into_owned(), reads)),
            Ok(n) => {
                bytes.extend(buffer.iter().take(n));
                reads += 1;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// All locks of `text` that are held. Those that are waited for, other kinds of locks, and lines that do not read like
/// the manual says are left out.
pub(crate) fn flocks(text: &str) -> impl Iterator<Item = Flock> {
    text.lines().filter_map(parse)
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:131842 0 EOF`; a waiter has `->` before its kind.
fn parse(line: &str) -> Option<Flock> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let mut words = words.skip(2);
    let pid = words.next()?.parse().ok();
    let mut file = words.next()?.split(':');
    let device = (hexadecimal(file.next()?)?, hexadecimal(file.next()?)?);
    let inode = file.next()?.parse().ok()?;
    Some(Flock { pid, device, inode })
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
