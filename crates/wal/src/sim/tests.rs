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

/// What is found under the name after a crash: nothing, or these bytes.
type Outcome = Option<&'static [u8]>;

const OLD: Outcome = Some(b"old");
const NEW: Outcome = Some(b"new");

struct Observed {
    sequence: &'static str,
    run: fn(&SimStorage),
    /// What real file systems left under `a`, seen with the shutdown ioctl.
    ext4: Outcome,
    xfs: Outcome,
    /// What else must be possible: file systems are kinder than POSIX, and hide what depends on their kindness.
    also: &'static [Outcome],
}

/// Each begins with a file `a` that has the old content, all durable; those that create it begin with none.
const OBSERVED: [Observed; 8] = [
    Observed {
        sequence: "create, write, sync of the file, none of the directory",
        run: |disk| write(disk, "a", b"new", true),
        ext4: NEW,
        xfs: NEW,
        also: &[None],
    },
    Observed {
        sequence: "create, write, no sync",
        run: |disk| write(disk, "a", b"new", false),
        ext4: None,
        xfs: None,
        also: &[Some(b""), Some(&[0; 3]), NEW],
    },
    Observed {
        sequence: "write and sync another, rename over it, no sync of the directory",
        run: |disk| {
            write(disk, "b", b"new", true);
            disk.rename("b", "a").unwrap();
        },
        ext4: OLD,
        xfs: OLD,
        also: &[NEW],
    },
    Observed {
        sequence: "write another without sync, rename over it, sync of the directory",
        run: |disk| {
            write(disk, "b", b"new", false);
            disk.rename("b", "a").unwrap();
            disk.sync_directory().unwrap();
        },
        ext4: Some(&[0; 3]),
        xfs: Some(b""),
        also: &[NEW],
    },
    Observed {
        sequence: "write and sync another, rename over it, sync of the directory",
        run: |disk| {
            write(disk, "b", b"new", true);
            disk.rename("b", "a").unwrap();
            disk.sync_directory().unwrap();
        },
        ext4: NEW,
        xfs: NEW,
        also: &[],
    },
    Observed {
        sequence: "append, no sync",
        run: |disk| append(disk, false),
        ext4: OLD,
        xfs: OLD,
        also: &[Some(b"older"), Some(b"old\0\0")],
    },
    Observed {
        sequence: "append, sync",
        run: |disk| append(disk, true),
        ext4: Some(b"older"),
        xfs: Some(b"older"),
        also: &[],
    },
    Observed {
        sequence: "remove, no sync of the directory",
        run: |disk| disk.remove("a").unwrap(),
        ext4: OLD,
        xfs: OLD,
        also: &[None],
    },
];

fn append(storage: &SimStorage, sync: bool) {
    let file = storage.open("a", Access::ReadWrite).unwrap();
    file.write_at(b"er", 3).unwrap();
    if sync {
        file.sync_data().unwrap();
    }
}

#[test]
fn what_real_file_systems_left_after_a_crash_is_possible_here() {
    for Observed { sequence, run, ext4, xfs, also } in OBSERVED {
        let is_new = sequence.starts_with("create");
        let start = if is_new { Image::new() } else { Image::from([("a".to_owned(), b"old".to_vec())]) };
        let storage = SimStorage::new(start);
        run(&storage);
        let found = outcomes(&storage, "a");
        let is_possible = |outcome: &Outcome| found.contains(&outcome.map(<[u8]>::to_vec));
        assert!(is_possible(&ext4) && is_possible(&xfs), "{sequence}: {found:?}");
        assert!(also.iter().all(is_possible), "{sequence}: {found:?}");
        // What was synced is there, and nothing else.
        assert_eq!(also.is_empty(), found.len() == 1, "{sequence}: {found:?}");
        let may_be_gone = is_new || sequence.starts_with("remove");
        assert!(may_be_gone || !found.contains(&None), "{sequence}: a name that is replaced means one or the other");
    }
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

#[test]
fn what_a_failed_sync_left_in_memory_may_be_forgotten_at_any_moment() {
    let storage = SimStorage::new(Image::from([("a".to_owned(), vec![1; 1024])]));
    let file = storage.open("a", Access::ReadWrite).unwrap();
    file.write_at(&[2; 1024], 0).unwrap();
    storage.plan(Fault { at: storage.operations(), kind: FaultKind::Error(5), lasting: false });
    assert!(file.sync_data().is_err());
    storage.plan(Fault { at: storage.operations(), kind: FaultKind::Evict(0b10), lasting: false });
    assert_eq!(file.length().unwrap(), 1024);
    assert_eq!(storage.image()["a"], [[2; 512], [1; 512]].concat(), "the second sector is read again");
    let found: Vec<Vec<u8>> = outcomes(&storage, "a").into_iter().flatten().collect();
    assert!(found.iter().all(|bytes| bytes[512..] == [1; 512]), "what was read once is what the disk has");
    assert!(found.iter().any(|bytes| bytes[..512] == [1; 512]) && found.iter().any(|bytes| bytes[..512] == [2; 512]));
}

#[test]
fn every_subset_of_twelve_writes_is_built_and_each_alone_of_more() {
    for (sectors, subsets) in [(12, 1 << 12), (13, 0)] {
        let storage = SimStorage::new(Image::from([("a".to_owned(), vec![0; 512 * sectors])]));
        let file = storage.open("a", Access::ReadWrite).unwrap();
        file.write_at(&vec![1; 512 * sectors], 0).unwrap();
        let found: Vec<Vec<u8>> = outcomes(&storage, "a").into_iter().flatten().collect();
        let arrived = |bytes: &Vec<u8>| bytes.chunks(512).map(|sector| u32::from(sector == [1; 512])).sum::<u32>();
        let whole = |bytes: &&Vec<u8>| {
            bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0] && *byte < 2))
        };
        let counts: Vec<u32> = found.iter().filter(whole).map(arrived).collect();
        let of = |count: u32| counts.iter().filter(|found| **found == count).count();
        let all = u32::try_from(sectors).unwrap();
        assert_eq!([of(0), of(1), of(all - 1), of(all)], [1, sectors, sectors, 1]);
        assert!(counts.len() >= subsets, "{sectors} sectors: {} subsets", counts.len());
    }
}

#[test]
fn taking_the_lock_is_an_operation_that_fails_and_counts() {
    let claim =
        || backstop_file_lock::Claim { label: "test".to_owned(), since: "2026-01-05T14:29:58Z".parse().unwrap() };
    let storage = SimStorage::default();
    storage.plan(Fault { at: 0, kind: FaultKind::Error(5), lasting: false });
    assert!(storage.lock("lock", &claim()).is_err());
    assert_eq!(storage.lock("lock", &claim()).unwrap().fence(), 1);
    // Its number may be used up by an attempt that fails.
    storage.plan(Fault { at: storage.operations(), kind: FaultKind::Torn(5), lasting: false });
    assert!(storage.lock("lock", &claim()).is_err());
    assert_eq!(storage.lock("lock", &claim()).unwrap().fence(), 3);
    let mut fences = Vec::new();
    storage.recording().crashes(ALL, 1, None, &mut |crash| {
        fences.push(crash.fence);
        true
    });
    assert_eq!(fences, [0, 1, 2, 3]);
}
