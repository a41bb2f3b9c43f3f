use proptest::prelude::*;

use super::*;
use crate::Claim;

fn holder(fence: u64) -> Holder {
    Holder::ours(&Claim { label: "test".to_owned(), since: jiff::Timestamp::UNIX_EPOCH }, fence)
}

fn decode(slot: &[u8]) -> Option<Holder> {
    body(slot).and_then(parse)
}

fn content(file: &File) -> Content {
    Slots::read(file).unwrap().content()
}

#[test]
fn the_format_on_disk_is_what_it_was() {
    let holder = Holder {
        fence: 7,
        pid: 4711,
        host: Some("desk".to_owned()),
        label: "paper-trader".to_owned(),
        since: "2026-01-05T14:29:58Z".parse().unwrap(),
    };
    let json = r#"{"fence":7,"pid":4711,"host":"desk","label":"paper-trader","since":"2026-01-05T14:29:58Z"}"#;
    let slot = String::from_utf8(encode(&holder).unwrap()).unwrap();
    assert_eq!(slot, format!("{json:<503}a75c0074\n"));
    assert_eq!(decode(slot.as_bytes()), Some(holder));
}

#[test]
fn a_field_that_a_later_version_adds_does_not_hide_the_record() {
    let json = r#"{"fence":7,"pid":1,"host":null,"label":"x","since":"2026-01-05T14:29:58Z","boot":"later"}"#;
    let mut slot = format!("{json:<503}").into_bytes();
    slot.extend(checksum(&slot));
    assert_eq!(decode(&slot).unwrap().fence, 7);
}

#[test]
fn a_record_never_goes_over_the_newest_one() {
    let file = tempfile::tempfile().unwrap();
    let mut before = content(&file);
    // Odd, even, leap to odd, leap to even: whatever the number, the slot that is written is the older one.
    for fence in [1, 2, 3, 9, 10, 20] {
        let newest_slot = before.records().map(|records| records.newest_slot);
        let bytes = Slots::read(&file).unwrap();
        write_slot(&file, before.records().map_or(0, |r| SLOTS - 1 - r.newest_slot), b"torn").unwrap();
        if let Some(slot) = newest_slot {
            assert_eq!(content(&file).records().unwrap().newest_slot, slot);
        }
        file.set_len(0).unwrap();
        file.write_all_at(&bytes.bytes[..bytes.length], 0).unwrap();
        write(&file, before.records(), &holder(fence)).unwrap();
        before = content(&file);
        assert_eq!(before.records().unwrap().newest_fence, fence);
        assert_eq!(Slots::read(&file).unwrap().holder(), Some(holder(fence)));
    }
}

proptest! {
    #[test]
    fn every_holder_fits_its_slot_and_reads_back(
        fence: u64,
        label in any::<String>(),
        wide in "[\"\\\\\u{10ffff}\u{2028}]{0,80}",
        second in -377_705_023_201_i64..253_402_207_200,
    ) {
        for label in [label, wide] {
            let since = jiff::Timestamp::new(second, 123_456_789).unwrap();
            let holder = Holder { host: Some("h".repeat(64)), ..Holder::ours(&Claim { label, since }, fence) };
            let slot = encode(&holder).unwrap();
            prop_assert_eq!(slot.len(), SLOT_LEN);
            prop_assert_eq!(decode(&slot), Some(holder));
        }
    }

    #[test]
    fn one_changed_byte_makes_a_record_unreadable(fence: u64, at in 0..SLOT_LEN, flip in 1u8..) {
        let mut slot = encode(&holder(fence)).unwrap();
        slot[at] ^= flip;
        prop_assert_eq!(decode(&slot), None);
    }
}
