//! Damage to a log that was closed: flipped bits, lost sectors, cut files, and what is torn behind the end.

#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the names are ours")]

use std::sync::Arc;

use crate::crash::{Model, Run, Style, check_found, open, reopen};
use crate::sim::{Dice, Image, SimStorage};
use crate::{Append, OpenError, ReadError, verify};

/// A log of three segments that was closed, so that all of it is known to be durable.
fn closed_log() -> (SimStorage, Model) {
    let storage = SimStorage::default();
    let mut model = Model::default();
    let log = reopen(&storage, &model);
    let mut dice = Dice::new(7);
    let style = Style { tasks: 0, checkpoints: false, fixed_len: false };
    Run::new(&log, &storage, &mut model, &mut dice, style).steps(14).unwrap();
    log.close().unwrap();
    (storage, model)
}

/// Whatever was done to one file, nothing wrong is read and nothing that was durable is dropped.
#[track_caller]
fn check_damage(model: &Model, name: &str, image: &Image, what: &str) -> bool {
    let storage = SimStorage::new(image.clone());
    match open(&storage) {
        Ok((_, opened, found)) => {
            assert_eq!(check_found(model, model.records.len() as u64, &found), Ok(()), "{what}");
            opened.torn.is_some()
        }
        Err(OpenError::Read(ReadError::Damaged { path, .. } | ReadError::Foreign { path, .. })) => {
            assert!(path.ends_with(name), "{what}: {path:?}");
            assert_eq!(storage.image(), *image, "{what}: nothing is changed");
            true
        }
        Err(OpenError::Read(ReadError::Newer { .. })) => true,
        Err(error) => panic!("{what}: {error}"),
    }
}

// proves: WAL-2, WAL-3
#[test]
fn every_flipped_bit_is_harmless_or_an_error_that_names_the_segment() {
    let (storage, model) = closed_log();
    let image = storage.image();
    let last = image.keys().filter(|name| name.ends_with(".wal")).count();
    assert!(last >= 4, "three segments and the spare one");
    let mut noticed = 0;
    for name in image.keys().filter(|name| name.ends_with(".wal")) {
        for bit in 0..image[name].len() * 8 {
            let mut flipped = image.clone();
            flipped.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            noticed += u32::from(check_damage(&model, name, &flipped, &format!("{name} bit {bit}")));
        }
    }
    println!("{noticed} flipped bits noticed");
    assert!(noticed > 10_000);
}

// proves: WAL-3
#[test]
fn every_lost_sector_is_harmless_or_an_error_that_names_the_segment() {
    let (storage, model) = closed_log();
    let image = storage.image();
    for name in image.keys().filter(|name| name.ends_with(".wal")) {
        for sector in (0..image[name].len()).step_by(512) {
            for fill in [0, 0xff, b'w'] {
                let mut lost = image.clone();
                lost.get_mut(name).unwrap()[sector..sector + 512].fill(fill);
                check_damage(&model, name, &lost, &format!("{name} sector at {sector} filled with {fill}"));
            }
        }
        for length in (0..image[name].len()).step_by(37) {
            let mut cut = image.clone();
            cut.get_mut(name).unwrap().truncate(length);
            check_damage(&model, name, &cut, &format!("{name} cut at {length}"));
        }
    }
}

// proves: WAL-3
#[test]
fn a_torn_tail_is_cut_and_reported() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    log.append(b"whole", Append::DURABLE).unwrap();
    log.append(b"torn in the middle", Append::DURABLE).unwrap();
    drop(log);
    let mut image = storage.image();
    let bytes = image.get_mut("00000000000000000001.wal").unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 5..=end].fill(0);
    let (_, opened, found) = open(&SimStorage::new(image)).unwrap();
    assert_eq!(found.records, [(1, b"whole".to_vec())]);
    let torn = opened.torn.unwrap();
    assert_eq!((torn.segment, torn.offset, torn.bytes), (1, 64 + 48 + 32 + 16 + 5, 16 + 18 - 6));
}

#[test]
fn a_log_reads_the_same_from_outside() {
    let (storage, model) = closed_log();
    let found = verify(Arc::new(storage)).unwrap();
    assert_eq!((found.records, found.torn), (model.records.len() as u64, false));
}
