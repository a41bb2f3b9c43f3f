use super::*;

fn mono(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

#[test]
fn a_change_counts_as_shown_when_the_lag_is_over_and_not_a_moment_before() {
    let mut watermark = Watermark::new(Duration::from_secs(10), 7, mono(100), Duration::ZERO);
    let just_before = Mono::from_origin(Duration::from_nanos(109_999_999_999));
    assert_eq!(watermark.settled(just_before), None);
    assert_eq!(watermark.settled(mono(110)), Some(7));
    watermark.observe(8, mono(115));
    watermark.observe(8, mono(120));
    assert_eq!(watermark.settled(mono(124)), Some(7));
    assert_eq!(watermark.settled(mono(125)), Some(8));
    assert_eq!(watermark.asked_after(mono(99)), None);
    assert_eq!(watermark.asked_after(mono(114)), Some(7));
    assert_eq!(watermark.asked_after(mono(115)), Some(8));
}

#[test]
fn an_answer_that_is_older_than_what_is_remembered_shows_nothing() {
    let mut watermark = Watermark::new(Duration::from_secs(10), 1, mono(0), Duration::ZERO);
    for second in 1..1_000 {
        watermark.observe(second, mono(second));
    }
    assert_eq!(watermark.settled(mono(999)), Some(989));
    assert_eq!(watermark.settled(mono(500)), None);
    assert!(watermark.seen.len() < 40, "{}", watermark.seen.len());
}

#[test]
fn without_a_lag_an_answer_still_has_to_be_asked_for_after_the_change() {
    let watermark = Watermark::new(Duration::ZERO, 1, mono(5), Duration::ZERO);
    assert_eq!(watermark.settled(mono(4)), None);
    assert_eq!(watermark.settled(mono(5)), Some(1));
}

#[test]
fn what_rested_before_this_process_came_counts_and_what_never_changed_has_nothing_to_lag() {
    let lag = Duration::from_secs(10);
    let mut watermark = Watermark::new(lag, 7, mono(100), Duration::from_secs(9));
    assert_eq!((watermark.settled(mono(100)), watermark.settled(mono(101))), (None, Some(7)));
    watermark.observe(8, mono(102));
    assert_eq!(watermark.settled(mono(111)), Some(7), "a change of this process rests from its moment on");
    assert_eq!(watermark.settled(mono(112)), Some(8));
    let long = Watermark::new(lag, 7, mono(100), Duration::MAX);
    assert_eq!((long.settled(mono(99)), long.settled(mono(100))), (None, Some(7)));
    assert_eq!(Watermark::new(lag, 0, mono(100), Duration::ZERO).settled(mono(100)), Some(0));
}
