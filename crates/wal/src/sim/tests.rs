use super::*;
use crate::storage::{Access, Storage};

const ALL: Depth = Depth { exhaustive_up_to: 12, random: 50 };

/// What may be found under `name` after a crash at the end.
fn outcomes(storage: &SimStorage, name: &str) -> Vec<Option<Vec<u8>>> {
    let recording = storage.recording();
    let mut found = Vec::new();
    recording.crashes(ALL, 1, None, &mut |crash| {
        let content = crash.image.get(name).cloned();
        if crash.step == recording.steps() && !found.contains(&content) {
            found.push(content);
        }
        true
    });
    found
}

fn write(storage: &SimStorage, name: &str, bytes: &[u8], sync: bool) {
    let file = storage.create(name).unwrap();
    assert_eq!(file.write_at(bytes, 0).unwrap(), bytes.len());
    if sync {
        file.sync_data().unwrap();
    }
}

// The sequences that were tried on real ext4 and XFS: what those left must be among what is possible here.
#[test]
fn what_real_file_systems_left_after_a_crash_is_possible_here() {
    // Create, write, sync of the file, none of the directory: the file is there; it need not be.
    let storage = SimStorage::default();
    write(&storage, "a", b"new", true);
    let found = outcomes(&storage, "a");
    assert!(found.contains(&Some(b"new".to_vec())) && found.contains(&None));

    // No sync at all: no file, or an empty one.
    let storage = SimStorage::default();
    write(&storage, "a", b"new", false);
    let found = outcomes(&storage, "a");
    assert!(found.contains(&None) && found.contains(&Some(vec![])) && found.contains(&Some(vec![0; 3])));

    // Replaced by rename, directory not synced: the old content. Directory synced: the new one only.
    let old = Image::from([("a".to_owned(), b"old".to_vec())]);
    let storage = SimStorage::new(old.clone());
    write(&storage, "b", b"new", true);
    storage.rename("b", "a").unwrap();
    assert!(outcomes(&storage, "a").contains(&Some(b"old".to_vec())));
    assert!(!outcomes(&storage, "a").contains(&None), "the name means one or the other");
    storage.sync_directory().unwrap();
    assert_eq!(outcomes(&storage, "a"), [Some(b"new".to_vec())]);

    // The same without a sync of the file: zeros (ext4) or nothing (XFS) under the new name.
    let storage = SimStorage::new(old.clone());
    write(&storage, "b", b"new", false);
    storage.rename("b", "a").unwrap();
    storage.sync_directory().unwrap();
    let found = outcomes(&storage, "a");
    assert!(found.contains(&Some(vec![0; 3])) && found.contains(&Some(vec![])));

    // Append without a sync: lost. Unlink without a sync of the directory: back.
    let storage = SimStorage::new(old);
    storage.open("a", Access::ReadWrite).unwrap().write_at(b"er", 3).unwrap();
    assert!(outcomes(&storage, "a").contains(&Some(b"old".to_vec())));
    storage.remove("a").unwrap();
    assert!(outcomes(&storage, "a").contains(&Some(b"old".to_vec())) && outcomes(&storage, "a").contains(&None));
}

#[test]
fn unsynced_sectors_are_lost_one_without_the_other_and_synced_bytes_never() {
    let storage = SimStorage::default();
    write(&storage, "a", &[1; 1024], true);
    storage.sync_directory().unwrap();
    let file = storage.open("a", Access::ReadWrite).unwrap();
    file.write_at(&[2; 600], 300).unwrap();
    let found: Vec<Vec<u8>> = outcomes(&storage, "a").into_iter().flatten().collect();
    assert!(found.iter().any(|bytes| bytes[511] == 1 && bytes[512] == 2), "the second and not the first");
    assert!(found.iter().any(|bytes| bytes[511] == 2 && bytes[512] == 1), "the first and not the second");
    assert!(found.iter().all(|bytes| bytes[..300] == [1; 300] && bytes[900..] == [1; 124]), "outside the write");
    file.sync_data().unwrap();
    assert_eq!(outcomes(&storage, "a").len(), 1);
}

#[test]
fn a_sync_that_failed_shows_what_it_lost_and_the_next_one_lies() {
    let storage = SimStorage::default();
    write(&storage, "a", b"old", true);
    storage.sync_directory().unwrap();
    let file = storage.open("a", Access::ReadWrite).unwrap();
    file.write_at(b"new", 0).unwrap();
    storage.plan(Fault { at: storage.operations(), kind: FaultKind::Error(5), lasting: false });
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(storage.image()["a"], b"new", "what readers are shown");
    assert!(outcomes(&storage, "a").contains(&Some(b"old".to_vec())), "what the disk has");
}
