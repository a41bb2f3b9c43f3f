use super::*;
use backstop_clock::Timestamp;

const WITHIN: Duration = Duration::from_secs(80);
const POLICY: WatchPolicy = WatchPolicy { within: WITHIN, fallback: Fallback::Halt };

fn slot() -> SlotId {
    "test-20300102-1-1".parse().unwrap()
}

fn start() -> Timestamp {
    "2030-01-02T15:00:00Z".parse().unwrap()
}

/// So many seconds on both clocks after this process began, which was a thousand after the start.
fn now(seconds: u64) -> Moment {
    set(seconds, 1_000 + i64::try_from(seconds).unwrap())
}

fn set(mono: u64, wall: i64) -> Moment {
    let wall = start().checked_add(jiff::SignedDuration::from_secs(wall)).unwrap();
    Moment { mono: Mono::from_origin(Duration::from_secs(mono)), wall }
}

fn open(since: i64, checked: Option<i64>) -> BTreeMap<SlotId, Held> {
    let at = |seconds| set(0, seconds).wall;
    [(slot(), Held::Open { since: at(since), checked: checked.map(at) })].into()
}

fn seen(ages: &mut Ages, now: Moment, held: &BTreeMap<SlotId, Held>, trading: Trading) -> (usize, usize) {
    let looked = ages.look(POLICY, now, held, trading);
    (looked.late.len(), looked.due.len())
}

/// Looks every tenth second, as the watch does, and returns what the last look has found; nothing before it may find anything.
fn looks(ages: &mut Ages, from: u64, to: u64, held: &BTreeMap<SlotId, Held>) -> (usize, usize) {
    for seconds in (from..to).step_by(10) {
        assert_eq!(seen(ages, now(seconds), held, Trading::Open), (0, 0), "{seconds}");
    }
    seen(ages, now(to), held, Trading::Open)
}

// proves: WATCH-1
#[test]
fn an_age_is_told_before_its_time_and_acted_on_past_twice_that_and_not_before() {
    let (mut ages, held) = (Ages::default(), open(1_000, None));
    assert_eq!(looks(&mut ages, 0, 60, &held), (1, 0));
    assert_eq!(looks(&mut ages, 70, 160, &held), (0, 1));
    assert_eq!(looks(&mut ages, 170, 240, &held), (0, 1), "again and again, and not in a frenzy");
    assert!(ages.checked(&slot(), now(250)), "an alert is over");
    assert!(!ages.checked(&slot(), now(240)), "an older one changes nothing");
    assert_eq!(looks(&mut ages, 250, 310, &held), (1, 0), "from the check on it counts again");
    assert_eq!(ages.tally, WatchTally { longest: Duration::from_secs(250), late: 2, acted: 1 });
}

// proves: WATCH-1
#[test]
fn a_process_that_stood_still_checks_for_itself_before_anything_is_done_and_only_once() {
    let (mut ages, held) = (Ages::default(), open(1_000, None));
    assert_eq!(looks(&mut ages, 0, 50, &held), (0, 0));
    assert_eq!(seen(&mut ages, now(500), &held, Trading::Open), (1, 0), "stopped, and let go on");
    assert_eq!(seen(&mut ages, now(510), &held, Trading::Open), (0, 1));
    let mut ages = Ages::default();
    let acted: Vec<usize> = (0..8).map(|look| seen(&mut ages, now(look * 40), &held, Trading::Open).1).collect();
    assert_eq!(acted.iter().sum::<usize>(), 2, "one that looks late each time acts all the same: {acted:?}");
}

// proves: WATCH-1
#[test]
fn a_new_process_goes_on_with_the_age_that_the_one_before_it_left() {
    // Never checked, checked long ago, checked just before, and by a clock that has been set back since.
    for (held, late) in [(open(0, None), 1), (open(0, Some(10)), 1), (open(0, Some(990)), 0), (open(0, Some(5_000)), 1)]
    {
        let mut ages = Ages::default();
        assert_eq!(seen(&mut ages, now(0), &held, Trading::Unknown), (0, 0), "the broker is asked first: {held:?}");
        assert_eq!(seen(&mut ages, now(1), &held, Trading::Open), (late, 0), "{held:?}");
        assert_eq!(seen(&mut ages, now(10), &held, Trading::Open), (0, late), "it had the time of a look: {held:?}");
    }
    let mut ages = Ages::default();
    let silent = |ages: &mut Ages, at| seen(ages, now(at), &open(0, None), Trading::Unknown);
    assert_eq!(
        [silent(&mut ages, 0), silent(&mut ages, 10)],
        [(0, 0), (1, 1)],
        "a broker that says nothing holds up nothing"
    );
}

// proves: WATCH-1
#[test]
fn a_machine_that_slept_has_checked_nothing_and_a_clock_that_was_set_closes_nothing() {
    let (mut ages, held) = (Ages::default(), open(1_000, None));
    ages.checked(&slot(), now(5));
    assert_eq!(
        seen(&mut ages, set(6, 9_999), &held, Trading::Open),
        (1, 0),
        "hours by the wall clock are told at once"
    );
    ages.checked(&slot(), set(7, 10_000));
    assert_eq!(seen(&mut ages, set(8, 10_001), &held, Trading::Open), (0, 0));
    assert_eq!(seen(&mut ages, set(70, 1), &held, Trading::Open), (1, 0), "set back, the other clock goes on");
}

// proves: WATCH-1
#[test]
fn the_time_in_which_the_market_is_shut_does_not_count() {
    let (mut ages, held) = (Ages::default(), open(1_000, None));
    let shut = |seconds| Trading::Shut { asked: Mono::from_origin(Duration::from_secs(seconds)) };
    for seconds in (0..50_000).step_by(40) {
        assert_eq!(seen(&mut ages, now(seconds), &held, shut(seconds)), (0, 0), "{seconds}");
    }
    assert_eq!(seen(&mut ages, now(50_040), &held, Trading::Open), (1, 0), "from the last such word on it does");
    assert_eq!(looks(&mut ages, 50_050, 50_120, &held), (0, 1));
    // A broker that is not heard any more: somebody is told, and nothing is done on an old word.
    let mut ages = Ages::default();
    assert_eq!(seen(&mut ages, now(0), &held, shut(0)), (0, 0));
    assert_eq!(seen(&mut ages, now(500), &held, shut(0)), (1, 0));
    assert_eq!(seen(&mut ages, now(510), &held, shut(0)), (0, 0));
    assert!(ages.look(POLICY, now(510), &held, shut(0)).wants_market);
}
