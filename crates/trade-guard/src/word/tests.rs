use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn every_part_is_read_back_whatever_the_others_are(
        executed in any::<u16>(), caller in 0_u8..64, millis in 0..=SINCE_MAX, ends_executed in any::<bool>()
    ) {
        let since = Mono::from_origin(Duration::from_millis(millis));
        let free = Word::free(executed);
        prop_assert_eq!((free.phase(), free.executed()), (Phase::Free, executed));
        let inside = free.entered(caller, since);
        for (word, phase) in [
            (inside, Phase::InProgress),
            (inside.unresolved(), Phase::Unresolved),
            (inside.unresolved().taken_up(), Phase::InProgress),
            (inside.retired(), Phase::Retired),
        ] {
            prop_assert_eq!(word.phase(), phase);
            prop_assert_eq!((word.executed(), word.caller(), word.since()), (executed, caller, since));
        }
        let ended = inside.ended(ends_executed);
        prop_assert_eq!((ended.phase(), ended.executed()), (Phase::Free, executed.saturating_add(u16::from(ends_executed))));
        prop_assert_eq!((ended.caller(), ended.since()), (caller, since));
    }

    #[test]
    fn a_time_beyond_the_last_is_the_last(millis in SINCE_MAX..u64::MAX) {
        let word = Word::free(0).entered(0, Mono::from_origin(Duration::from_millis(millis)));
        prop_assert_eq!((word.since(), word.executed()), (Mono::from_origin(Duration::from_millis(SINCE_MAX)), 0));
    }
}
