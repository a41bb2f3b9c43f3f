//! Every block that reaches the disk is recorded, and the disk as it was at any of these moments is recovered and read.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use backstop_tests::workload::{Session, mix};
use backstop_tests::{effort, seed, skipped};

use super::checker::{Crash, Said, check};
use super::filesystem::FileSystem;
use super::machine::{boot, has_machine, shell};
use super::writer::{in_memory, lines_of_writer, session};

/// The machine's part: the disk behind a device that records what is written to it on a second disk; and behind each
/// line of the writer, a mark in the record. Whatever is told there was acknowledged before.
const SCRIPT: &str = r#"
export DM_DISABLE_UDEV=1
for module in dm-mod dm-log-writes; do
  insmod "$(find /usr/lib/uml/modules -name $module.ko | head -n 1)" || exit 1
done
dmsetup create log --table "0 $(blockdev --getsz /dev/ubda) log-writes /dev/ubda /dev/ubdb" || exit 1
mount /dev/mapper/log /run/disk || exit 1
WRITER | while read -r word seq writer action; do dmsetup message log 0 mark "$word/$seq/$writer/$action"; done
umount /run/disk
dmsetup remove log && echo recorded
"#;

/// One entry of the record (`drivers/md/dm-log-writes.c`): its head has a sector of its own, what was written follows.
struct Entry {
    /// Where it belongs on the disk, in bytes.
    to: u64,
    /// Where it is in the record, and how long.
    from: u64,
    length: u64,
    /// The line of the writer, in a mark.
    mark: Option<String>,
}

const MAGIC: u64 = 0x6a_736677_736872;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

fn numbers<const N: usize>(record: &File, at: u64) -> [u64; N] {
    std::array::from_fn(|index| {
        let mut bytes = [0; 8];
        record.read_exact_at(&mut bytes, at + 8 * index as u64).unwrap();
        u64::from_le_bytes(bytes)
    })
}

/// What the record holds, in order.
fn entries(record: &File) -> Vec<Entry> {
    let [magic, version, count, sector] = numbers(record, 0);
    let sector = sector & 0xffff_ffff;
    assert_eq!((magic, version), (MAGIC, 1));
    let mut at = sector;
    let mut found = Vec::new();
    for _ in 0..count {
        let [to, sectors, flags, text] = numbers(record, at);
        let mut mark = vec![0; usize::try_from(text).unwrap()];
        record.read_exact_at(&mut mark, at + 32).unwrap();
        // A message cannot have blanks.
        let line =
            |mark| String::from_utf8(mark).unwrap().replace('/', " ").trim_end_matches(['\0', ' ']).to_owned() + "\n";
        let mark = (flags & MARK != 0).then(|| lines_of_writer(&line(mark)));
        let length = if flags & DISCARD == 0 { sectors * sector } else { 0 };
        found.push(Entry { to: to * sector, from: at + sector, length, mark });
        at += sector + length;
    }
    found
}

/// Copies a part of one file to another.
fn copy(from: &File, to: &File, at: u64, target: u64, length: u64) {
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    from.read_exact_at(&mut bytes, at).unwrap();
    to.write_all_at(&bytes, target).unwrap();
}

/// Copies a file that is mostly holes, and leaves them.
fn copy_with_holes(from: &Path, to: &Path) {
    const HOLE: [u8; 4096] = [0; 4096];
    let bytes = fs::read(from).unwrap();
    let to = File::create(to).unwrap();
    to.set_len(bytes.len() as u64).unwrap();
    for (number, block) in bytes.chunks(HOLE.len()).enumerate().filter(|(_, block)| *block != &HOLE[..block.len()]) {
        to.write_all_at(block, (number * HOLE.len()) as u64).unwrap();
    }
}

/// A writer at work on `disk`, recorded in `record`.
fn work(disk: &FileSystem, session: &Session, base: &Path, record: &Path) -> Result<(), String> {
    File::create(record).unwrap().set_len(1 << 30).unwrap();
    let inside = Session { path: Path::new("/run/disk").join(session.path.file_name().unwrap()), ..session.clone() };
    let dir = tempfile::tempdir().unwrap();
    let script = SCRIPT.replace("WRITER", &shell(&inside));
    let output = disk.unmounted(|image| {
        copy_with_holes(image, base);
        boot(dir.path(), &[image, record], &script).end()
    });
    if output.contains("recorded") { Ok(()) } else { Err(output) }
}

// proves: WAL-1, WAL-2, WAL-6
#[test]
fn at_each_moment_the_blocks_on_the_disk_hold_what_was_acknowledged() {
    let states = effort(100, 3_000);
    let what = format!("{states} states of a recorded disk");
    if !has_machine(&what) {
        return;
    }
    let Some(disk) = FileSystem::of_size("ext4", 32 << 20, &what) else { return };
    let session = Session { actions: effort(60, 1_000), ..session(&disk.root().join("log"), mix(seed(), [8, 0, 0])) };
    let dir = in_memory();
    let (state, record) = (dir.path().join("state"), dir.path().join("record"));
    if let Err(output) = work(&disk, &session, &state, &record) {
        skipped(&what, &format!("the machine did not record: {output}"));
        return;
    }
    let record = File::open(record).unwrap();
    let entries = entries(&record);
    let acks = entries.iter().filter(|entry| entry.mark.is_some()).count() as u64;
    assert!(acks > session.actions, "{acks} marks in {} entries", entries.len());

    let state_file = File::options().write(true).open(&state).unwrap();
    let (mut lines, mut next) = (String::new(), 0);
    let all = entries.len() as u64;
    for number in 0..states {
        // Spread evenly, each anywhere in its part.
        let upto = (number * all + mix(seed(), [number, 9, 0]) % all) / states;
        for entry in &entries[next..usize::try_from(upto).unwrap()] {
            copy(&record, &state_file, entry.from, entry.to, entry.length);
            lines.extend(entry.mark.as_deref());
        }
        next = usize::try_from(upto).unwrap();
        disk.unmounted(|image| copy_with_holes(&state, image));
        let mut said = Said::default();
        // The writer does not wait for the marks.
        said.lags();
        let found = said.hear(&lines).and_then(|()| check(&session, &mut said, Crash::Machine));
        assert_eq!(found, Ok(()), "after {upto} of {all} blocks, BACKSTOP_SEED={}", seed());
    }
}
