use std::path::Path;
use std::sync::Arc;

use backstop_file_lock::AcquireError;

use super::*;
use crate::crash::{open, options};
use crate::format::{Header, Kind, LogId, Place, Restart, push_frame};
use crate::hook::Hooked;
use crate::sim::{Depth, Image, SimStorage};
use crate::storage::{Access, StorageFile, Tenure};
use crate::sync::Mutex;
use crate::{Append, Claim, Entry, Log};

fn texts(reader: &mut Reader) -> Vec<String> {
    let mut found = Vec::new();
    reader
        .read(|entry| {
            if let Entry::Record { seq, bytes } = entry {
                found.push(format!("{seq} {}", bytes.escape_ascii()));
            }
        })
        .unwrap();
    found
}

// proves: WAL-5
#[test]
fn a_reader_beside_the_writer_sees_each_record_once_over_turns_and_restarts() {
    let storage = SimStorage::default();
    let (mut log, ..) = open(&storage).unwrap();
    let mut reader = Reader::from_checkpoint(Arc::new(storage.clone())).unwrap();
    let mut expected = 0;
    for number in 0..200_usize {
        let text = "x".repeat(number * 13 % 150);
        let how = if number % 3 == 0 { Append::BUFFERED } else { Append::DURABLE };
        log.append(text.as_bytes(), how).unwrap();
        if number % 5 != 1 {
            for found in texts(&mut reader) {
                let text = "x".repeat(expected * 13 % 150);
                expected += 1;
                assert_eq!(found, format!("{expected} {text}"));
            }
            assert_eq!(expected, number + 1);
        }
        if number % 7 == 0 {
            if number % 2 == 0 {
                log.close().unwrap();
            } else {
                drop(log);
            }
            log = open(&storage).unwrap().0;
        }
    }
    assert_eq!(verify(Arc::new(storage)).unwrap().records, 200);
}

#[test]
fn a_dump_shows_what_is_there() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    log.append_batch(&[b"{\"a\":1}", b"\0\n"], Append::DURABLE).unwrap();
    let mut out = Vec::new();
    dump(Arc::new(storage), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "1 record 1 7 {\\\"a\\\":1}\n1 record 2 2 \\x00\\n\n");
}

#[test]
fn where_there_is_no_log_a_reader_says_so_and_makes_none() {
    let storage = SimStorage::default();
    let error = Reader::from_checkpoint(Arc::new(storage.clone())).unwrap_err();
    assert!(matches!(error, ReadError::NoLog { .. }), "{error}");
    assert!(storage.image().is_empty());
    assert!(options().open(Arc::new(storage), |_| {}).is_ok());
}

type Happening = Box<dyn FnMut(&str) + Send>;

/// A disk on which something else happens right after a listing, or right before a file is opened.
struct Beside {
    disk: SimStorage,
    happens: Mutex<Happening>,
}

impl Beside {
    fn new(disk: &SimStorage, happens: impl FnMut(&str) + Send + 'static) -> Arc<Self> {
        Arc::new(Self { disk: disk.clone(), happens: Mutex::new(Box::new(happens)) })
    }
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.disk.fmt(f)
    }
}

impl Storage for Beside {
    fn place(&self) -> &Path {
        self.disk.place()
    }
    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.disk.lock(name, claim)
    }
    fn entropy(&self) -> u64 {
        self.disk.entropy()
    }
    fn names(&self) -> io::Result<Vec<String>> {
        let names = self.disk.names();
        (self.happens.lock())("list");
        names
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.disk.create(name)
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        (self.happens.lock())(name);
        self.disk.open(name, access)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

fn fill(log: &Log, count: usize) {
    for _ in 0..count {
        log.append(&[b'r'; 200], Append::DURABLE).unwrap();
    }
}

// proves: WAL-5
#[test]
fn what_is_removed_while_a_reader_begins_is_not_missed() {
    for from in [Reader::from_checkpoint, Reader::from_oldest] {
        let disk = SimStorage::default();
        let (log, ..) = open(&disk).unwrap();
        fill(&log, 10);
        let mut log = Some(log);
        let storage = Beside::new(&disk, move |what| {
            if let Some(log) = log.take_if(|_| what == "list") {
                log.checkpoint(b"state").unwrap();
                assert!(log.remove_history(0).unwrap() > 0);
                fill(&log, 1);
            }
        });
        assert_eq!(from(storage).unwrap().read(|_| {}).unwrap(), 2);
    }
}

// proves: WAL-5
#[test]
fn a_reader_whose_place_was_removed_is_told_so() {
    let disk = SimStorage::default();
    let (log, ..) = open(&disk).unwrap();
    fill(&log, 10);
    let mut reader = Reader::from_checkpoint(Arc::new(disk)).unwrap();
    log.checkpoint(b"state").unwrap();
    log.remove_history(0).unwrap();
    assert!(matches!(reader.read(|_| {}), Err(ReadError::Overtaken { .. })));
}

// proves: WAL-5
#[test]
fn a_segment_made_anew_and_filled_while_it_is_read_is_no_damage() {
    let disk = SimStorage::default();
    drop(open(&disk).unwrap());
    // The mark that proves how segment 1 begins was lost: the next opening makes the segment anew.
    let mut image = disk.image();
    image.get_mut("00000000000000000001.wal").unwrap()[112..].fill(0);
    let disk = SimStorage::new(image);
    let (beside, mut opens) = (disk.clone(), 0);
    let storage = Beside::new(&disk, move |what| {
        opens += u32::from(what == "00000000000000000002.wal");
        // First the search for a checkpoint, then the look at what comes next.
        if opens == 2 {
            opens += 1;
            fill(&open(&beside).unwrap().0, 8);
        }
    });
    assert_eq!(Reader::from_checkpoint(storage).unwrap().read(|_| {}).unwrap(), 8);
}

// proves: WAL-5
#[test]
fn no_segment_is_missing_at_any_moment_of_an_opening() {
    let disk = SimStorage::default();
    let (log, ..) = open(&disk).unwrap();
    fill(&log, 5);
    log.close().unwrap();
    let before = disk.names().unwrap();
    let storage = Hooked::new(disk.clone(), false);
    let calls = Arc::new(Mutex::new(0));
    let count = Arc::clone(&calls);
    storage.on_call(move |_| {
        *count.lock() += 1;
        let now = disk.names()?;
        let gone: Vec<_> = before.iter().filter(|name| !now.contains(name)).collect();
        assert!(gone.is_empty(), "{gone:?}: whoever listed it and does not find it takes it for lost");
        Ok(())
    });
    // The spare segment is too short by these options, and is replaced.
    drop(options().segment_len(2048).open(storage, |_| {}).unwrap());
    assert!(*calls.lock() > 5);
}

// proves: WAL-5
#[test]
fn segments_filled_between_two_looks_are_no_damage() {
    for at in 0..40 {
        let disk = SimStorage::default();
        let (log, ..) = open(&disk).unwrap();
        // The first segment is sealed and the next one empty, as a crash in the turn leaves them.
        fill(&log, 4);
        drop(log);
        let mut image = disk.image();
        image.get_mut("00000000000000000002.wal").unwrap()[64..].fill(0);
        let disk = SimStorage::new(image);
        let (beside, mut steps) = (disk.clone(), 0);
        let storage = Beside::new(&disk, move |_| {
            steps += 1;
            if steps == at {
                fill(&open(&beside).unwrap().0, 8);
            }
        });
        let mut reader = Reader::from_checkpoint(storage).unwrap();
        let first = reader.read(|_| {}).unwrap();
        let then = reader.read(|_| {}).unwrap();
        assert!([3, 11].contains(&first) && [0, 8].contains(&then), "{at}: {first} and {then}");
    }
}

// proves: WAL-3
#[test]
fn verifying_notices_each_segment_that_is_gone_or_blank() {
    for count in 1..12 {
        let disk = SimStorage::default();
        fill(&open(&disk).unwrap().0, count);
        let (log, ..) = open(&disk).unwrap();
        fill(&log, 4);
        if count % 3 == 0 {
            log.checkpoint(b"state").unwrap();
            fill(&log, 4);
        }
        log.close().unwrap();
        let image = disk.image();
        let ends = verify(Arc::new(SimStorage::new(image.clone()))).unwrap().end.0;
        for gone in 1..=ends {
            let name = segment::name(gone);
            let mut without = image.clone();
            without.remove(&name).unwrap();
            // The oldest of what a checkpoint stands for may have been removed on purpose.
            let on_purpose = gone == 1 && count % 3 == 0;
            let error = verify(Arc::new(SimStorage::new(without))).err();
            let named = error.as_ref().is_some_and(|error| error.to_string().contains(&name));
            assert!(named != on_purpose, "{count} records, {name} is gone: {error:?}");

            let mut blank = image.clone();
            blank.get_mut(&name).unwrap()[64..].fill(0);
            let found = verify(Arc::new(SimStorage::new(blank)));
            // What the last segment has may never have been written, as far as anybody can tell.
            assert!(gone == ends || found.is_err(), "{count} records, {name} is blank: {found:?}");
        }
    }
}

// proves: WAL-3
#[test]
fn what_a_crash_leaves_of_a_removal_has_no_gap() {
    let disk = SimStorage::default();
    let (log, ..) = open(&disk).unwrap();
    fill(&log, 16);
    log.checkpoint(b"state").unwrap();
    let before = disk.recording().steps();
    assert!(log.remove_history(0).unwrap() > 3);
    let mut left = std::collections::BTreeSet::new();
    disk.recording().crashes(Depth { exhaustive_up_to: 10, random: 0 }, 1, None, &mut |crash| {
        if crash.step > before {
            let found = verify(Arc::new(SimStorage::new(crash.image.clone())));
            assert!(found.is_ok(), "step {}: {found:?}", crash.step);
            left.insert(crash.image.len());
        }
        true
    });
    assert!(left.len() > 3, "{left:?}");
}

const LOG: LogId = LogId(0x6c6f_6720_6964_0001);

/// A segment that somebody forged who knows the log's id.
fn forged(index: u64, capacity: u64, frames: &[u8]) -> (String, Vec<u8>) {
    let mut bytes = Header { log: LOG, segment: index, capacity }.write();
    bytes.extend_from_slice(frames);
    bytes.resize(1024, 0);
    (segment::name(index), bytes)
}

// proves: WAL-3
#[test]
fn a_forged_way_from_segment_to_segment_ends() {
    let mut one = Vec::new();
    push_frame(&mut one, LOG, Kind::Record, true, 1, |out| out.push(1));
    push_frame(&mut one, LOG, Kind::Seal, false, 2, |_| {});
    // Torn, and then something that says the torn does not count: each look from segment 1 finds it whole and torn.
    let mut two = vec![7; 32];
    push_frame(&mut two, LOG, Kind::Restart, false, 2, |out| {
        Restart { void_from: Place { segment: 1, offset: 64 }, fence: 1, named: 2 }.push(out);
        push_frame(out, LOG, Kind::Record, false, 2, |out| out.push(2));
    });
    let image = Image::from([forged(1, 1024, &one), forged(2, 1024, &two)]);
    let error = verify(Arc::new(SimStorage::new(image))).unwrap_err();
    assert!(matches!(&error, ReadError::Damaged { path, .. } if path.ends_with(segment::name(2))), "{error}");
}

#[test]
fn a_length_that_no_writer_makes_is_damage_and_takes_no_memory() {
    for capacity in [0, 63, 1025, (1 << 24) + 8192, u64::MAX] {
        let storage = Arc::new(SimStorage::new(Image::from([forged(1, capacity, &[])])));
        let error = Reader::from_checkpoint(storage).unwrap_err();
        assert!(matches!(error, ReadError::Damaged { .. }), "{capacity}: {error}");
    }
}

// proves: WAL-6
#[test]
fn a_restart_that_leaves_out_the_checkpoint_it_makes_void_is_damage() {
    let restart =
        |out: &mut Vec<u8>| Restart { void_from: Place { segment: 9, offset: 64 }, fence: 1, named: 9 }.push(out);
    let mut frames = Vec::new();
    push_frame(&mut frames, LOG, Kind::Checkpoint, true, 5, |out| out.push(1));
    push_frame(&mut frames, LOG, Kind::Restart, false, 5, restart);
    let disk = SimStorage::new(Image::from([forged(9, 1024, &frames)]));
    let error = verify(Arc::new(disk.clone())).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    // The next opening would have made the segment anew, without it.
    let before = disk.image();
    assert!(open(&disk).is_err());
    assert_eq!(disk.image(), before);
}
