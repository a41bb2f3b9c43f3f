//! What docs/formats.md shows is what is on the disk: the bytes of a small log, the fields of the records in JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use backstop::{Level, Switch};
use backstop_clock::Timestamp;
use backstop_file_lock::{AcquireError, Lock};
use backstop_wal::{Access, Append, Claim, DirStorage, Options, Storage, StorageFile, Tenure};
use serde_json::Value;
use xtask::markdown::{Block, blocks};

const PAGE: &str = include_str!("../../docs/formats.md");

/// A directory whose logs all have one number, and that makes no segment at a moment of its own.
#[derive(Debug)]
struct Numbered(DirStorage);

impl Storage for Numbered {
    fn place(&self) -> &Path {
        self.0.place()
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.0.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        0x1122_3344_5566_7788
    }

    fn may_be_used_beside(&self) -> bool {
        false
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.0.create(name)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.0.open(name, access)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
}

fn claim() -> Claim {
    Claim { label: "bot".to_owned(), since: moment() }
}

fn moment() -> Timestamp {
    "2026-01-05T14:29:58Z".parse().unwrap()
}

/// As `xxd` prints it, with lines of zeros after the first of them left out.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut is_left_out = false;
    for (line, chunk) in bytes.chunks(16).enumerate() {
        if chunk.iter().all(|byte| *byte == 0) {
            if !is_left_out {
                text.push_str("*\n");
            }
            is_left_out = true;
            continue;
        }
        is_left_out = false;
        write!(text, "{:08x}:", line * 16).unwrap();
        for pair in chunk.chunks(2) {
            text.push(' ');
            for byte in pair {
                write!(text, "{byte:02x}").unwrap();
            }
        }
        let shown = chunk.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' });
        writeln!(text, "  {}", shown.collect::<String>()).unwrap();
    }
    text
}

#[test]
fn the_log_on_the_page_is_what_the_code_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let open = || {
        let storage = Arc::new(Numbered(DirStorage::create_or_open(&path).unwrap()));
        Options::new(claim()).segment_len(1024).open(storage, |_| ()).unwrap().0
    };
    let log = open();
    log.append(b"one", Append::DURABLE).unwrap();
    log.append_batch(&[b"two", b"three"], Append::DURABLE).unwrap();
    log.close().unwrap();
    let log = open();
    log.append(b"four", Append::DURABLE).unwrap();
    log.close().unwrap();

    let written = dump(&fs::read(path.join("00000000000000000001.wal")).unwrap());
    let shown: Vec<Block<'_>> = blocks(PAGE).into_iter().filter(|block| block.text.starts_with("00000000:")).collect();
    assert!(matches!(shown.as_slice(), [block] if block.text == written), "the page should show\n{written}");
}

/// The names of the fields, those of objects within included.
fn fields(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// The object on the page that has exactly these fields.
#[track_caller]
fn is_shown(record: &Value) {
    let shown = blocks(PAGE).into_iter().filter(|block| block.info == "json");
    let values = shown.flat_map(|block| {
        let lines: Vec<Value> = block.text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines
    });
    assert!(values.into_iter().any(|value| fields(&value) == fields(record)), "not on the page: {record}");
}

#[test]
fn the_records_on_the_page_have_the_fields_that_the_code_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let _held = Lock::acquire(&path, &claim()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (body, checksum) = bytes.split_at(503);
    assert_eq!((bytes.len(), checksum.len(), checksum.last()), (512, 9, Some(&b'\n')));
    let holder: Value = serde_json::from_slice(body).unwrap();
    assert!(body.starts_with(b"{\"fence\":1,"));
    is_shown(&holder);

    let path = directory.path().join("switch");
    let switch = Switch::open(&path).unwrap();
    for level in [Level::Halt, Level::Freeze] {
        switch.pull(level, "ann", "fire drill", moment()).unwrap();
    }
    let read = |kind: &str| {
        let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        let name = names.into_iter().find(|path| path.to_string_lossy().contains(kind)).unwrap();
        serde_json::from_slice::<Value>(&fs::read(name).unwrap()).unwrap()
    };
    is_shown(&read("-halt-"));
    switch.resume("ann", "drill is over", moment()).unwrap();
    is_shown(&read("-resume-"));
}
