//! Short sequences of file operations, on a real file system and on the simulated disk: whatever the one leaves after a
//! crash, the other must take for possible.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use backstop_wal::sim::{Depth, Image, SimStorage};
use backstop_wal::{Access, Storage};

type Sequence = fn(&dyn Storage);

/// What is done before the crash. They begin with the files of [`prepare`].
pub(crate) const SEQUENCES: [(&str, Sequence); 9] = [
    ("create, sync the file and not the directory", |disk| write(disk, "new", NEW, true)),
    ("create, sync nothing", |disk| write(disk, "new", NEW, false)),
    ("replace, sync the file and not the directory", |disk| {
        write(disk, "new", NEW, true);
        disk.rename("new", "old").unwrap();
    }),
    ("replace, sync the directory and not the file", |disk| {
        write(disk, "new", NEW, false);
        disk.rename("new", "old").unwrap();
        disk.sync_directory().unwrap();
    }),
    ("replace, sync both", |disk| {
        write(disk, "new", NEW, true);
        disk.rename("new", "old").unwrap();
        disk.sync_directory().unwrap();
    }),
    ("append, sync nothing", |disk| append(disk, false)),
    ("append, sync the file", |disk| append(disk, true)),
    ("remove, sync nothing", |disk| disk.remove("old").unwrap()),
    // What the log does all day long: the first write is durable, of the second nothing is known.
    ("write over zeros, sync, write over zeros", |disk| {
        let file = disk.open("zeros", Access::ReadWrite).unwrap();
        file.write_at(&NEW[..700], 100).unwrap();
        file.sync_data().unwrap();
        file.write_at(&NEW[..700], 800).unwrap();
    }),
];

/// Some sectors long, and not in whole sectors.
const NEW: &[u8] = &[b'n'; 1_700];
const OLD: &[u8] = &[b'o'; 700];

fn write(disk: &dyn Storage, name: &str, bytes: &[u8], sync: bool) {
    let file = disk.create(name).unwrap();
    assert_eq!(file.write_at(bytes, 0).unwrap(), bytes.len());
    if sync {
        file.sync_data().unwrap();
    }
}

fn append(disk: &dyn Storage, sync: bool) {
    let file = disk.open("old", Access::ReadWrite).unwrap();
    file.write_at(NEW, OLD.len() as u64).unwrap();
    if sync {
        file.sync_data().unwrap();
    }
}

/// The files that are there, and durable, before each sequence.
pub(crate) fn prepare(disk: &dyn Storage) {
    write(disk, "old", OLD, true);
    write(disk, "zeros", &[0; 2048], true);
    disk.sync_directory().unwrap();
}

/// Every disk that the model has after `sequence`.
pub(crate) fn possible(sequence: Sequence) -> BTreeSet<Image> {
    let disk = SimStorage::default();
    prepare(&disk);
    sequence(&disk);
    let recording = disk.recording();
    let mut images = BTreeSet::new();
    // The draws add what the combinations leave out: a name that has what it had between its first and its last meaning.
    recording.crashes(Depth { exhaustive_up_to: 12, random: 1_000 }, 1, None, &mut |crash| {
        if crash.step == recording.steps() {
            images.insert(crash.image.clone());
        }
        true
    });
    images
}

pub(crate) fn image_of(path: &Path) -> Image {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    };
    fs::read_dir(path).unwrap().map(file).collect()
}

/// For messages: how often each byte stands in each file, in turn.
pub(crate) fn shown(image: &Image) -> Vec<(&str, Vec<(char, usize)>)> {
    let runs = |bytes: &Vec<u8>| bytes.chunk_by(|a, b| a == b).map(|run| (char::from(run[0]), run.len())).collect();
    image.iter().map(|(name, bytes)| (name.as_str(), runs(bytes))).collect()
}

#[test]
fn the_model_tells_a_synced_state_from_one_that_is_not() {
    for (name, sequence) in SEQUENCES {
        let states = possible(sequence).len();
        let is_certain = ["replace, sync both", "append, sync the file"].contains(&name);
        assert_eq!(states == 1, is_certain, "{name}: {states}");
    }
}
