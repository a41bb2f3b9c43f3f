//! Words against a list of all that were ever said.

use proptest::prelude::*;

use super::{Ceilings, MOST};
use crate::tick::Tick;

proptest! {
    // proves: RATE-4
    #[test]
    fn no_word_is_loosened_by_a_later_one(words in prop::collection::vec((0..40_u64, 0..20_u64, 1..60_u64), 1..40)) {
        let (mut ceilings, mut now) = (Ceilings::default(), 0);
        let mut said = Vec::new();
        for (most, later, long) in words {
            now += later;
            ceilings.add(tick(now), most, tick(now + long));
            said.push((most, now + long));
            prop_assert!(ceilings.0.len() <= MOST);
            for count in 0..42 {
                // The first moment at which none of all that was said is in the way.
                let free = |at: &u64| said.iter().all(|(most, until)| until <= at || count <= *most);
                let first = (now..).take(200).find(free).unwrap();
                let found = ceilings.legal_at(tick(now), count);
                prop_assert!(found >= tick(first), "{count} at {now}: {found:?} before {first}");
                // Exact, as long as they were not too many to be kept apart.
                if said.iter().filter(|(_, until)| *until > now).count() <= MOST {
                    prop_assert_eq!(found, tick(first));
                }
            }
        }
    }
}

fn tick(nanos: u64) -> Tick {
    Tick::of(backstop_clock::Mono::from_origin(std::time::Duration::from_nanos(nanos)))
}
