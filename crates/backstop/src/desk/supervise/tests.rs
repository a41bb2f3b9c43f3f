use std::sync::atomic::{AtomicU32, Ordering};

use backstop_clock::ManualClock;

use super::*;

// proves: WATCH-1
#[tokio::test(start_paused = true)]
async fn a_watch_that_dies_or_hangs_is_told_of_and_started_again() {
    let clock = Arc::new(ManualClock::following_tokio("2030-01-02T15:00:00Z".parse().unwrap()));
    let (pace, starts, troubles) = (Duration::from_secs(5), AtomicU32::new(0), Mutex::new(Vec::new()));
    let start = |life: Life| {
        let (number, clock) = (starts.fetch_add(1, Ordering::SeqCst), Arc::clone(&clock));
        async move {
            match number {
                0 => panic!("a bug in the watch"),
                1 => std::future::pending().await,
                // It lives for long, and ends with the desk.
                _ => {
                    for _ in 0..100 {
                        life.show(&*clock, pace);
                        sleep(pace).await;
                    }
                }
            }
        }
    };
    let supervised = supervise(&*clock, pace, start, |what| troubles.lock().push((clock.mono(), what)));
    timeout(Duration::from_hours(1), supervised).await.unwrap();
    let troubles = troubles.into_inner();
    assert_eq!((starts.load(Ordering::SeqCst), troubles.len()), (3, 2), "{troubles:?}");
    assert!(troubles[0].1.contains("died") && troubles[1].1.contains("no life"), "{troubles:?}");
    let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
    assert!(troubles[0].0 < at(1) && troubles[1].0 <= at(30), "{troubles:?}");
}
