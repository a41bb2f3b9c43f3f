#[cfg(loom)]
mod model {
    use std::time::Duration;

    use jiff::Timestamp;
    use loom::sync::Arc;

    use crate::{Clock, ManualClock};

    #[test]
    fn no_thread_sees_monotonic_time_run_backwards() {
        loom::model(|| {
            let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
            let movers: Vec<_> = (0..2)
                .map(|_| {
                    let clock = clock.clone();
                    loom::thread::spawn(move || {
                        let before = clock.mono();
                        clock.advance(Duration::from_secs(1));
                        let after = clock.mono();
                        assert!(after.since(before) >= Duration::from_secs(1), "an advance was lost");
                    })
                })
                .collect();
            for mover in movers {
                mover.join().expect("no mover fails");
            }
            assert_eq!(clock.mono().since(crate::Mono::ORIGIN), Duration::from_secs(2), "no advance is lost");
        });
    }
}

#[cfg(not(loom))]
mod properties {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use crate::{Clock, ManualClock, Mono};

    #[test]
    fn stands_still_until_it_is_moved() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        assert_eq!((clock.mono(), clock.wall()), (clock.mono(), clock.wall()));
    }

    #[test]
    fn stepping_the_wall_clock_leaves_monotonic_time_alone() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        clock.step_wall(SignedDuration::from_secs(-3600));
        assert_eq!(clock.mono(), Mono::ORIGIN);
        assert_eq!(clock.wall(), Timestamp::from_second(-3600).unwrap());
    }

    #[test]
    fn an_age_is_never_negative() {
        let early = Mono::from_origin(Duration::from_secs(1));
        assert_eq!(Mono::ORIGIN.since(early), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn moves_as_a_plain_sum_does(steps in prop::collection::vec((0u32..10_000, -10_000i32..10_000), 0..50)) {
            let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
            let (mut mono, mut wall) = (0u64, 0i64);
            for (ahead, step) in steps {
                clock.advance(Duration::from_millis(ahead.into()));
                clock.step_wall(SignedDuration::from_millis(step.into()));
                mono += u64::from(ahead);
                wall += i64::from(ahead) + i64::from(step);
                prop_assert_eq!(clock.mono().since(Mono::ORIGIN), Duration::from_millis(mono));
                prop_assert_eq!(clock.wall(), Timestamp::from_millisecond(wall).unwrap());
            }
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let clock = ManualClock::new(Timestamp::MAX);
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.wall(), Timestamp::MAX);
        clock.step_wall(SignedDuration::MIN);
        clock.step_wall(SignedDuration::MIN);
        assert_eq!(clock.wall(), Timestamp::MIN);
    }

    #[cfg(feature = "tokio")]
    #[tokio::test(start_paused = true)]
    async fn follows_the_paused_time_of_tokio_through_a_sleep() {
        let clock = ManualClock::following_tokio(Timestamp::UNIX_EPOCH);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(clock.mono().since(Mono::ORIGIN), Duration::from_secs(90));
        assert_eq!(clock.wall(), Timestamp::from_second(90).unwrap());
    }
}
