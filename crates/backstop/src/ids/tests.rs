use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn slot(strategy: &str, number: u32, slot: u32) -> SlotId {
    let session = SessionId { day: date(2030, 1, 2), number: NonZeroU32::new(number).unwrap() };
    SlotId { strategy: StrategyName::new(strategy).unwrap(), session, slot: NonZeroU32::new(slot).unwrap() }
}

#[test]
fn client_order_ids_read_as_the_contract_says() {
    let slot = slot("spread", 1, 3);
    assert_eq!(slot.open_order(7).unwrap().as_str(), "bs-spread-20300102-1-3-open-7");
    assert_eq!(slot.close_order(2, 7).unwrap().as_str(), "bs-spread-20300102-1-3-close2-7");
}

#[test]
fn a_label_of_somebody_else_belongs_to_no_slot() {
    for label in [
        "",
        "bs-",
        "manual",
        "bs-spread",
        "bs-spread-20300102-1-3",
        "xx-spread-20300102-1-3-open-7",
        "bs-spread-20300102-1-3-open-x",
        "bs-spread-20301302-1-3-open-7",
        "bs-spread-20300102-0-3-open-7",
    ] {
        assert_eq!(SlotId::of_label(label), None, "{label:?}");
    }
}

proptest! {
    #[test]
    fn the_slot_is_read_back_from_every_order_of_it(
        strategy in "[A-Za-z0-9]{1,32}", number in 1u32.., index in 1u32.., attempt in 1u32.., fence: u64,
    ) {
        let slot = slot(&strategy, number, index);
        prop_assert_eq!(SlotId::of_label(slot.open_order(fence).unwrap().as_str()), Some(slot.clone()));
        prop_assert_eq!(SlotId::of_label(slot.close_order(attempt, fence).unwrap().as_str()), Some(slot.clone()));
        prop_assert_eq!(slot.to_string().parse::<SlotId>().unwrap(), slot);
    }

    #[test]
    fn no_label_panics(label in "\\PC{0,40}") {
        let _slot = SlotId::of_label(&label);
    }
}
