//! A log that was written by the rules and then damaged: what is read is what was written, or an error; and a salvage
//! changes and hides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use backstop_wal::sim::{Image, SimStorage};
use backstop_wal::{Append, Claim, Entry, Log, Options, ReadError, Reader, SalvageError, Storage, salvage};

/// What the fuzzer says, byte by byte; then zeros.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn place(&mut self, length: usize) -> usize {
        (self.next() << 8 | self.next()) % length.max(1)
    }
}

/// Records and checkpoints, by their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    records: BTreeMap<u64, Vec<u8>>,
    checkpoints: BTreeMap<u64, Vec<u8>>,
    lost: Vec<(u64, u64)>,
}

pub(crate) fn check(data: &[u8]) {
    let mut script = Script(data);
    let (written, image, closed) = write(&mut script);
    let mut damaged = image.clone();
    let one_bit = damage(&mut damaged, &mut script);
    let disk = SimStorage::new(damaged);
    for from in [Reader::from_checkpoint, Reader::from_oldest] {
        let whole = read(from, &SimStorage::new(image.clone())).expect("an undamaged log is read");
        let Ok(found) = read(from, &disk) else { continue };
        assert!(is_part(&found, &written), "{found:?} of {written:?}");
        assert!(found.lost.is_empty());
        // In a log that was closed no bit is lost in silence. Two may be: those of a record, and of the mark that proves it.
        assert!(!(closed && one_bit) || found == whole || begins_elsewhere(&found, &whole), "{found:?} of {whole:?}");
    }
    let storage: Arc<dyn Storage> = Arc::new(disk);
    let target = SimStorage::default();
    match salvage(&storage, Arc::new(target.clone()), &options()) {
        Ok(_) => {
            let found = read(Reader::from_oldest, &target).expect("a copy is sound");
            assert!(is_part(&found, &written), "{found:?} of {written:?}");
            // From the first on there is no number of which nothing is said, but behind the last.
            let (first, last) = (found.records.keys().next(), found.records.keys().next_back());
            if let (Some(first), Some(last)) = (first, last) {
                for seq in *first..=*last {
                    let is_lost = found.lost.iter().any(|(from, to)| (*from..*to).contains(&seq));
                    assert!(found.records.contains_key(&seq) != is_lost, "{seq} in {found:?}");
                }
            }
        }
        Err(SalvageError::Nothing { .. } | SalvageError::Read(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

fn is_part(found: &Content, written: &Content) -> bool {
    found.records.iter().all(|(seq, bytes)| written.records.get(seq) == Some(bytes))
        && found.checkpoints.iter().all(|(seq, state)| written.checkpoints.get(seq) == Some(state))
}

/// Whether both end alike. With a damaged checkpoint reading begins at the one before, if that is there.
fn begins_elsewhere(found: &Content, whole: &Content) -> bool {
    found.records.last_key_value() == whole.records.last_key_value()
}

/// Writes a log: what it holds, how the disk then is, and whether the log was closed.
fn write(script: &mut Script<'_>) -> (Content, Image, bool) {
    let disk = SimStorage::default();
    let open = || options().open(Arc::new(disk.clone()), |_| {}).map(|(log, _)| log).expect("nothing was damaged");
    let mut written = Content::default();
    let mut log = open();
    let mut next = 1;
    for _ in 0..script.next() % 24 {
        match script.next() {
            0..140 => next = append(&log, next, 1, script, &mut written),
            140..180 => next = append(&log, next, 3, script, &mut written),
            180..210 => {
                let state = format!("all before {next}").into_bytes();
                log.checkpoint(&state).expect("there is room");
                written.checkpoints.insert(next, state);
            }
            210..230 => drop(log.remove_history((script.next() % 3) as u64).expect("the disk does as it is told")),
            230..245 => {
                drop(log);
                log = open();
            }
            _ => {
                log.close().expect("the disk does as it is told");
                log = open();
            }
        }
    }
    let closed = !script.next().is_multiple_of(4);
    if closed {
        log.close().expect("the disk does as it is told");
    } else {
        drop(log);
    }
    (written, disk.image(), closed)
}

fn append(log: &Log, next: u64, count: u64, script: &mut Script<'_>, written: &mut Content) -> u64 {
    let how = if script.next().is_multiple_of(2) { Append::DURABLE } else { Append::BUFFERED };
    let record = |seq: u64, length: usize| format!("record {seq} {}", "x".repeat(length)).into_bytes();
    let records: Vec<Vec<u8>> = (next..next + count).map(|seq| record(seq, script.next() % 200)).collect();
    match records.as_slice() {
        [one] => log.append(one, how),
        all => log.append_batch(&all.iter().map(Vec::as_slice).collect::<Vec<_>>(), how),
    }
    .expect("there is room");
    written.records.extend((next..).zip(records));
    next + count
}

/// Damages the disk: some bits, or one burst, all of which a checksum surely notices; or worse. Says whether it was one bit
/// only.
fn damage(image: &mut Image, script: &mut Script<'_>) -> bool {
    let worse = script.next();
    let more = script.next() % 3;
    for _ in 0..=more {
        let Some(name) = image.keys().nth(script.next() % image.len().max(1)).cloned() else { break };
        let Some(bytes) = image.get_mut(&name).filter(|bytes| !bytes.is_empty()) else { break };
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        let at = script.place(used);
        match worse {
            0..128 => bytes[at] ^= 1 << (script.next() % 8),
            128..170 => {
                let to = (at + 1 + script.next() * 4).min(bytes.len());
                bytes[at..to].fill(0);
            }
            170..200 => bytes.truncate(at),
            200..230 => drop(image.remove(&name)),
            _ => {
                let to = (at + 4).min(bytes.len());
                bytes[at..to].iter_mut().for_each(|byte| *byte ^= script.next().to_le_bytes()[0]);
                return false;
            }
        }
    }
    worse < 128 && more == 0
}

fn read(from: fn(Arc<dyn Storage>) -> Result<Reader, ReadError>, disk: &SimStorage) -> Result<Content, ReadError> {
    let mut content = Content::default();
    from(Arc::new(disk.clone()))?.read(|entry| match entry {
        Entry::Record { seq, bytes } => assert_eq!(content.records.insert(seq, bytes.to_vec()), None),
        Entry::Checkpoint { seq, state } => assert_eq!(content.checkpoints.insert(seq, state.to_vec()), None),
        Entry::Lost { seq, count } => content.lost.push((seq, seq + count.unwrap_or(1))),
    })?;
    Ok(content)
}

fn options() -> Options {
    let claim = Claim { label: "fuzz".to_owned(), since: backstop_wal::Timestamp::UNIX_EPOCH };
    Options::new(claim).segment_len(1024).reserve(0)
}
