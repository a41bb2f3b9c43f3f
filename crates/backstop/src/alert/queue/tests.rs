use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const POLICY: AlertPolicy = AlertPolicy {
    call_timeout: Duration::from_secs(10),
    first_pause: Duration::from_secs(1),
    longest_pause: Duration::from_mins(5),
    fold: Duration::from_mins(1),
    remind: Duration::from_mins(15),
    remedy: |subject| format!("see {subject}"),
};
const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn after(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

#[track_caller]
fn told(queue: &mut Queue, seconds: u64, lasts: bool) -> (Notice, u64) {
    match queue.next(after(seconds), &POLICY, |_| lasts) {
        Next::Tell(notice, version) => (notice, version),
        Next::Wait(pause) => panic!("nothing for {pause:?}"),
    }
}

#[track_caller]
fn waits(queue: &mut Queue, seconds: u64, lasts: bool) -> Duration {
    match queue.next(after(seconds), &POLICY, |_| lasts) {
        Next::Wait(pause) => pause,
        Next::Tell(notice, _) => panic!("{notice}"),
    }
}

fn raise(queue: &mut Queue, subject: &str, text: &str, seconds: u64) {
    queue.raise(subject, text, (AT, after(seconds)), false);
}

// proves: ALERT-1
#[test]
fn what_is_said_again_and_again_is_one_alert_with_a_count() {
    let mut queue = Queue::default();
    raise(&mut queue, "a", "one", 0);
    let (first, version) = told(&mut queue, 0, true);
    assert!(queue.taken("a", version, after(0)));
    for second in 1..=50 {
        raise(&mut queue, "a", &format!("text {second}"), second);
    }
    assert_eq!((first.times, first.text.as_str()), (1, "one"));
    // What came after it was told waits until its minute is over.
    waits(&mut queue, 55, true);
    let (folded, _) = told(&mut queue, 60, true);
    assert_eq!((folded.times, folded.text.as_str()), (51, "text 50"));
    assert_eq!(folded.remedy, "see a");
}

#[test]
fn the_same_once_more_is_no_news_and_the_end_waits_for_no_pause() {
    let mut queue = Queue::default();
    raise(&mut queue, "a", "one", 0);
    let (_, version) = told(&mut queue, 0, true);
    raise(&mut queue, "a", "one", 0);
    assert!(queue.taken("a", version, after(0)), "it was heard");
    raise(&mut queue, "a", "one", 1);
    assert!(queue.tally().waiting.is_empty());
    raise(&mut queue, "a", "two", 2);
    waits(&mut queue, 3, true);
    queue.hurry();
    assert_eq!(told(&mut queue, 3, true).0.times, 4);
    queue.failed(String::new(), after(3), &POLICY);
    queue.hurry();
    told(&mut queue, 3, true);
}

#[test]
fn what_came_while_an_alert_was_on_its_way_is_told_too() {
    let mut queue = Queue::default();
    raise(&mut queue, "a", "one", 0);
    let (_, version) = told(&mut queue, 0, false);
    raise(&mut queue, "a", "two", 1);
    assert!(!queue.taken("a", version, after(2)), "the newest is not told");
    assert_eq!(told(&mut queue, 62, false).0.text, "two");
}

// proves: ALERT-1
#[test]
fn an_alert_gets_louder_while_its_cause_lasts_and_ends_with_it() {
    let mut queue = Queue::default();
    raise(&mut queue, "a", "one", 0);
    let minutes = |minutes: u64| minutes * 60;
    for (at, loud) in [(0, Urgency::Normal), (15, Urgency::High), (30, Urgency::Critical), (45, Urgency::Critical)] {
        let (notice, version) = told(&mut queue, minutes(at), true);
        assert_eq!((notice.urgency, notice.times), (loud, 1));
        assert!(queue.taken("a", version, after(minutes(at))));
        waits(&mut queue, minutes(at) + 899, true);
    }
    waits(&mut queue, minutes(60), false);
    assert!(queue.tally().waiting.is_empty());
    assert!(queue.entries.is_empty());
}

// proves: ALERT-1
#[test]
fn what_nobody_took_is_kept_when_its_cause_is_over() {
    let mut queue = Queue::default();
    raise(&mut queue, "a", "one", 0);
    let (_, _) = told(&mut queue, 0, true);
    queue.failed("refused".to_owned(), after(0), &POLICY);
    assert_eq!(waits(&mut queue, 0, false), Duration::from_secs(1));
    let (notice, _) = told(&mut queue, 3_600, false);
    assert_eq!((notice.lasts, notice.urgency), (false, Urgency::Normal));
}

#[test]
fn the_pauses_grow_and_who_failed_goes_behind_the_others() {
    let mut queue = Queue::default();
    raise(&mut queue, "a", "one", 0);
    raise(&mut queue, "b", "two", 0);
    let mut now = 0;
    let mut order = Vec::new();
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        order.push(told(&mut queue, now, true).0.subject);
        queue.failed(String::new(), after(now), &POLICY);
        waits(&mut queue, now + pause - 1, true);
        now += pause;
    }
    assert_eq!(order[..4], ["a", "b", "a", "b"]);
    let (_, version) = told(&mut queue, now, true);
    let _newest = queue.taken("b", version, after(now));
    told(&mut queue, now, true);
}

// proves: ALERT-1
#[test]
fn a_full_queue_counts_what_has_no_room_and_grows_no_further() {
    let mut queue = Queue::default();
    for number in 0..10_000 {
        raise(&mut queue, &number.to_string(), &format!("text {number}"), 0);
    }
    let tally = queue.tally();
    assert!(queue.entries.len() <= 65, "{}", queue.entries.len());
    assert_eq!(tally.crowded_out, 10_000 - 64);
    let others = &queue.entries[OTHERS];
    assert_eq!((others.times, others.text.as_str()), (10_000 - 64, "text 9999"));
}

#[test]
fn a_record_that_was_slower_than_the_sink_is_told_of() {
    let mut queue = Queue::default();
    queue.raise("a", "one", (AT, after(0)), true);
    let (_, version) = told(&mut queue, 0, false);
    queue.taken("a", version, after(0));
    waits(&mut queue, 1, false);
    queue.written("a", "one", AT, after(2));
    assert!(queue.recorded("a"), "it was taken");
    waits(&mut queue, 3, false);
    assert_eq!(queue.tally().delivered, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Whatever is raised, refused and taken, in whatever order: the newest text of every subject is told in the end.
    // proves: ALERT-1
    #[test]
    fn the_newest_of_every_subject_is_told_in_the_end(
        steps in prop::collection::vec((0_u8..4, 0_u8..5, any::<bool>()), 0..60)
    ) {
        let mut queue = Queue::default();
        let mut newest = BTreeMap::new();
        let mut heard = BTreeMap::new();
        let mut under_way: Option<(Notice, u64)> = None;
        let mut now = 0;
        let ends = (0..40).map(|_| (3, 0, true));
        for (number, (step, subject, lasts)) in steps.into_iter().chain(ends).enumerate() {
            let subject = subject.to_string();
            match step {
                0 => {
                    raise(&mut queue, &subject, &number.to_string(), now);
                    newest.insert(subject, number.to_string());
                }
                1 => if let Next::Tell(notice, version) = queue.next(after(now), &POLICY, |_| lasts) {
                    under_way = Some((notice, version));
                },
                2 => if under_way.take().is_some() {
                    queue.failed(String::new(), after(now), &POLICY);
                },
                _ => {
                    if let Some((notice, version)) = under_way.take() {
                        let _newest = queue.taken(&notice.subject, version, after(now));
                        heard.insert(notice.subject, notice.text);
                    }
                    now += 400;
                    if let Next::Tell(notice, version) = queue.next(after(now), &POLICY, |_| false) {
                        under_way = Some((notice, version));
                    }
                }
            }
        }
        prop_assert_eq!(&heard, &newest);
        let waiting: BTreeSet<String> = queue.tally().waiting.into_iter().collect();
        prop_assert!(waiting.is_empty());
    }
}
