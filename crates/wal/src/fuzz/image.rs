//! Whatever lies in a directory: reading it ends, costs in proportion to its length, changes nothing, and what a salvage
//! makes of it is a log.

use std::sync::Arc;

use backstop_wal::sim::{Image, SimStorage};
use backstop_wal::{Claim, DumpError, Entry, Options, ReadError, Reader, SalvageError, Storage, dump, salvage, verify};

use super::counting::Counting;

/// The log that a simulated disk has.
const LOG: u64 = 0x6c6f_6720_6964_0001;
const SEGMENT: usize = 1024;

/// Checks what `data` says: bytes as they are, or frames whose checksums are made right.
pub(crate) fn check(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let mut image = Image::new();
    // The first byte: how many segments there are, whether headers and frames are made right, where numbers begin.
    let count = usize::from(how & 3) + 1;
    let first = if how & 0x10 == 0 { 1 } else { 6 };
    for (number, part) in (first..).zip(data.chunks(data.len().div_ceil(count).max(1))) {
        let mut bytes = if how & 8 == 0 { part.to_vec() } else { frames(part) };
        if how & 4 != 0 {
            bytes.splice(0..0, header(number, (64 + bytes.len()).max(SEGMENT)));
            bytes.resize(bytes.len().max(SEGMENT), 0);
        }
        image.insert(format!("{number:020}.wal"), bytes);
    }
    check_image(&image);
}

fn check_image(image: &Image) {
    let disk = SimStorage::new(image.clone());
    let length: usize = image.values().map(|bytes| bytes.len() + 64).sum();
    for from in [Reader::from_checkpoint, Reader::from_oldest] {
        read(from, &disk, length as u64);
    }
    let counting = Counting::new(disk.clone());
    let verified = verify(Arc::clone(&counting) as _);
    let mut text = Vec::new();
    let dumped = dump(Arc::clone(&counting) as _, &mut text);
    assert_eq!(verified.is_ok(), !matches!(dumped, Err(DumpError::Read(_))), "both read it all: {verified:?}");
    let damaged: Arc<dyn Storage> = Arc::clone(&counting) as _;
    let target = SimStorage::default();
    let salvaged = salvage(&damaged, Arc::new(target.clone()), &options());
    assert_eq!(disk.image(), *image, "nobody writes here");
    // A segment is looked at from its beginning by whoever looks for a checkpoint, and a few times at its end.
    let (read, most) = (counting.bytes_read(), 100 * length as u64);
    assert!(read <= most, "{read} bytes read of {length}");
    match salvaged {
        Ok(salvaged) => {
            let found = verify(Arc::new(target.clone())).expect("a copy is sound");
            assert_eq!((found.records, found.checkpoints), (salvaged.records, salvaged.checkpoints));
            assert_eq!(options().open(Arc::new(target.clone()), |_| {}).is_ok(), salvaged.complete);
            let opened = options().accept_lost().open(Arc::new(target), |_| {});
            assert!(opened.is_ok(), "{:?}", opened.err());
        }
        Err(SalvageError::Nothing { .. } | SalvageError::Read(_)) => {}
        Err(error) => panic!("{error}"),
    }
    // Opening may write, but only where it succeeds.
    if options().open(Arc::new(disk.clone()), |_| {}).is_err() {
        assert_eq!(disk.image(), *image, "a log that is refused stays as it is");
    } else {
        assert!(options().open(Arc::new(disk), |_| {}).is_ok(), "what was opened once opens again");
    }
}

/// Reads with numbers that rise by one.
fn read(from: fn(Arc<dyn Storage>) -> Result<Reader, ReadError>, disk: &SimStorage, length: u64) {
    let Ok(mut reader) = from(Arc::new(disk.clone())) else { return };
    let (mut next, mut shown) = (None, 0);
    let mut expect = |seq, then| {
        assert!(next.is_none_or(|next| next == seq), "{seq} where {next:?} should come");
        next = Some(then);
    };
    let read = reader.read(|entry| match entry {
        Entry::Record { seq, bytes } => {
            shown += bytes.len() as u64;
            expect(seq, seq + 1);
        }
        Entry::Checkpoint { seq, state } => {
            shown += state.len() as u64;
            expect(seq, seq);
        }
        Entry::Lost { seq, count } => expect(seq, seq + count.unwrap_or(1)),
    });
    assert!(shown <= length, "{shown} bytes out of {length}");
    if read.is_ok() {
        let again = reader.read(|_| {});
        assert!(matches!(again, Ok(0)), "nothing was added: {again:?}");
    }
}

pub(crate) fn options() -> Options {
    let claim = Claim { label: "fuzz".to_owned(), since: backstop_wal::Timestamp::UNIX_EPOCH };
    Options::new(claim).segment_len(SEGMENT as u64)
}

fn header(number: u64, capacity: usize) -> Vec<u8> {
    let mut out = b"BSTPWAL\n\x01\0\0\0".to_vec();
    for field in [LOG, number, capacity as u64] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.resize(64, 0);
    out
}

/// Frames with the kinds, numbers and lengths that `data` says, and right checksums.
fn frames(mut data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(([kind, seq, length], rest)) = data.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        data = rest;
        // Above the kinds that there are: bytes between frames.
        if kind & 0x40 != 0 {
            out.extend_from_slice(payload);
            continue;
        }
        // A few numbers are at the end of all numbers.
        let seq = if *seq < 250 { u64::from(*seq) } else { u64::MAX >> (*seq - 249) };
        push_frame(&mut out, *kind, seq, &nested(*kind, payload));
    }
    out
}

/// What a restart has: its place, and copies that are frames too.
fn nested(kind: u8, payload: &[u8]) -> Vec<u8> {
    if kind & 0x3f != 5 {
        return payload.to_vec();
    }
    let Some(([segment, offset, fence, named], copies)) = payload.split_first_chunk() else { return payload.to_vec() };
    let mut out = Vec::new();
    for field in [u64::from(*segment), u64::from(*offset) * 4, u64::from(*fence), u64::from(*named)] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend(frames(copies));
    out
}

fn push_frame(out: &mut Vec<u8>, kind: u8, seq: u64, payload: &[u8]) {
    let [a, b, c, ..] = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    let mut covered = vec![a, b, c, kind];
    covered.extend_from_slice(&seq.to_le_bytes());
    covered.extend_from_slice(payload);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&LOG.to_le_bytes()), &covered);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&covered);
}
