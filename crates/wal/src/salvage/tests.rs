use std::sync::Arc;

use super::*;
use crate::crash::{open, options};
use crate::sim::SimStorage;

fn filled(count: usize) -> SimStorage {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    for number in 1..=count {
        log.append(format!("record {number:03} {}", "x".repeat(60)).as_bytes(), Append::DURABLE).unwrap();
    }
    log.close().unwrap();
    storage
}

fn rescue(damaged: &SimStorage) -> (Salvaged, Vec<String>) {
    let damaged: Arc<dyn Storage> = Arc::new(damaged.clone());
    let target = SimStorage::default();
    let salvaged = salvage(&damaged, Arc::new(target.clone()), &options()).unwrap();
    let (_, _, found) = open(&target).unwrap();
    (salvaged, found.records.into_iter().map(|(_, bytes)| String::from_utf8(bytes[..10].to_vec()).unwrap()).collect())
}

// proves: WAL-3
#[test]
fn what_is_intact_around_damage_is_copied_and_the_rest_reported() {
    let storage = filled(40);
    let mut image = storage.image();
    // In the middle of a record in the middle of the second segment.
    image.get_mut("00000000000000000002.wal").unwrap()[64 + 24 + 87 * 3 + 40] ^= 4;
    let damaged = SimStorage::new(image.clone());
    assert!(matches!(open(&damaged), Err(OpenError::Read(ReadError::Damaged { offset: 349, .. }))));
    let (salvaged, found) = rescue(&damaged);
    assert_eq!(salvaged.records, 39);
    assert_eq!(salvaged.gaps.len(), 1, "{salvaged:?}");
    let gap = &salvaged.gaps[0];
    assert_eq!((gap.from, gap.to, gap.records), (349, Some(436), 1), "{gap:?}");
    assert!(gap.path.ends_with("00000000000000000002.wal"));
    assert_eq!(found.len(), 39);
    assert_eq!(damaged.image(), image, "the damaged log was only read");
}

#[test]
fn a_segment_that_is_gone_is_one_gap() {
    let mut image = filled(40).image();
    image.remove("00000000000000000002.wal");
    let damaged = SimStorage::new(image);
    assert!(matches!(open(&damaged), Err(OpenError::Read(ReadError::Missing { .. }))));
    let (salvaged, found) = rescue(&damaged);
    assert_eq!(salvaged.gaps.len(), 1, "{salvaged:?}");
    assert_eq!(salvaged.gaps[0].records + salvaged.records, 40);
    assert_eq!(found.len() as u64, salvaged.records);
    assert!(found.last().unwrap().ends_with("040"));
}

#[test]
fn a_copy_goes_only_where_nothing_is() {
    let damaged: Arc<dyn Storage> = Arc::new(filled(3));
    let error = salvage(&damaged, Arc::new(filled(2)), &options()).unwrap_err();
    assert!(matches!(error, SalvageError::NotEmpty { records: 2, .. }), "{error}");
}
