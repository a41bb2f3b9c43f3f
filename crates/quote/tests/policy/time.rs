//! Time goes on, clocks are set, other symbols are quoted: an old quote stays old.

use std::time::Duration;

use backstop_quote::{Feed, Field, Need, Now, PolicyConfig, Quote, Received};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::rig::{
    MS, OPTION, OTHER, SECOND, SHARE, exact_poll, exact_stream, feed, judge, mono, now, open, quote, receive, stamp,
    symbol, why,
};

/// What may happen between two looks at the share.
#[derive(Debug, Clone)]
enum Event {
    Wait(i64),
    StepWall(i64),
    Heartbeat,
    /// A quote of another symbol, so late.
    Other(i64),
    /// A row of the share that runs backwards by so much.
    Backwards(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..8 * SECOND).prop_map(Event::Wait),
        3 => (-100 * SECOND..100 * SECOND).prop_map(Event::StepWall),
        1 => Just(Event::StepWall(-40 * SECOND)),
        2 => Just(Event::Heartbeat),
        2 => (-SECOND..3 * SECOND).prop_map(Event::Other),
        1 => (1..SECOND).prop_map(Event::Backwards),
    ]
}

/// Both clocks, which need not agree.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    mono: i64,
    wall: i64,
}

impl Clocks {
    fn now(self) -> Now {
        Now { mono: mono(self.mono), wall: stamp(self.wall) }
    }

    fn date(self, quote: &mut Quote) {
        quote.received = Received { mono: mono(self.mono), wall: stamp(self.wall) };
    }
}

fn policies() -> impl Strategy<Value = PolicyConfig> {
    prop_oneof![Just(PolicyConfig::stream()), Just(PolicyConfig::tradier())]
}

fn happens(feed: &mut Feed, clocks: &mut Clocks, event: &Event) {
    match *event {
        Event::Wait(by) => (clocks.mono, clocks.wall) = (clocks.mono + by, clocks.wall + by),
        Event::StepWall(by) => clocks.wall += by,
        Event::Heartbeat => feed.heartbeat(mono(clocks.mono)),
        Event::Other(late) => {
            let mut other = quote(OTHER, clocks.mono - late, 0);
            clocks.date(&mut other);
            let _verdict = feed.receive(&other);
        }
        Event::Backwards(by) => {
            let mut row = quote(SHARE, -SECOND - by, 0);
            clocks.date(&mut row);
            assert!(feed.receive(&row).is_err());
        }
    }
}

const MINUTE: i64 = 60 * SECOND;

// proves: QUOTE-2
#[test]
fn a_delayed_source_is_refused_until_it_is_declared_and_told_from_one_that_is_dead() {
    let delayed = |at, late| quote(SHARE, at - late, at);
    for (declared, late, verdict) in [
        (None, 15 * MINUTE, "stamp stale"),
        (Some(15), 15 * MINUTE, ""),
        // As far behind as was measured once.
        (Some(15), 976 * SECOND, ""),
        (Some(15), 18 * MINUTE, "stamp stale"),
    ] {
        let config = exact_poll();
        let config = declared.map_or(config.clone(), |by| config.with_delay(Duration::from_mins(by)));
        let mut feed = feed(config);
        for at in 0..20 {
            assert_eq!(receive(&mut feed, &delayed(at * SECOND, late)), "");
            assert_eq!(why(judge(&feed, at * SECOND)), verdict, "{declared:?} {late}");
            let looks = feed.delayed().map(|by| by.as_secs());
            let by = u64::try_from(late / SECOND).unwrap();
            assert_eq!(looks, (at > 0 && late < 18 * MINUTE).then_some(by), "one stamp alone is no sign of it");
        }
        // Declared or not: what stands still is dead, and no delay.
        for at in 20..30 {
            let _verdict = feed.receive(&quote(SHARE, 19 * SECOND - late, at * SECOND));
            assert_eq!(why(judge(&feed, at * SECOND)).is_empty(), verdict.is_empty() && at <= 25, "{at}");
        }
    }
    let mut dead = feed(exact_poll());
    for at in 0..20 {
        let _verdict = dead.receive(&quote(SHARE, -15 * MINUTE, at * SECOND));
        assert_eq!(dead.delayed(), None);
    }
    let mut live = feed(exact_poll().with_delay(Duration::from_mins(15)));
    for at in 0..20 {
        assert_eq!(receive(&mut live, &delayed(at * SECOND, 0)), "");
        assert_eq!((why(judge(&live, at * SECOND)), live.delayed()), ("", None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    // proves: QUOTE-2
    #[test]
    fn refused_for_its_age_it_stays_refused_until_a_new_quote(
        config in policies(), late in 0..SECOND, events in proptest::collection::vec(event(), 1..30),
    ) {
        let mut feed = feed(config);
        let mut clocks = Clocks { mono: 0, wall: 0 };
        let _verdict = feed.receive(&quote(OTHER, 0, 0));
        let _verdict = feed.receive(&quote(SHARE, -late, 0));
        let mut refused = None;
        for event in &events {
            happens(&mut feed, &mut clocks, event);
            let judged = feed.fresh(&symbol(SHARE), Need::Buy, &open(clocks.mono), clocks.now());
            match (judged, &refused) {
                (Ok(_), Some(reason)) => prop_assert!(false, "was {reason}, and is fresh after {event:?}"),
                (Ok(fresh), None) => {
                    // True time is that of the monotonic clock here: it is no older than its limit.
                    prop_assert!(clocks.mono <= 15 * SECOND);
                    prop_assert!(fresh.until() <= mono(15 * SECOND));
                }
                (Err(refusal), _) => {
                    let name = refusal.reason.name();
                    if matches!(name, "stale" | "stamp stale" | "side stale") {
                        refused = Some(name);
                    }
                }
            }
        }
    }

    // proves: QUOTE-2
    #[test]
    fn a_clock_stepped_between_any_two_events_never_makes_an_old_quote_fresh(
        age in 2 * SECOND..100 * SECOND, before in -200 * SECOND..200 * SECOND, after in -200 * SECOND..200 * SECOND,
    ) {
        // A message that shows how far the clocks are apart; then one that is `age` late, while the wall clock is set so
        // that it looks new.
        let mut feed = feed(PolicyConfig::stream());
        prop_assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
        let mut late = quote(SHARE, SECOND - age, SECOND);
        for wall in [before, -age, SECOND, SECOND - age, SECOND - age + 500 * MS] {
            late.received.wall = stamp(wall);
            let refused = feed.receive(&late).is_err();
            prop_assert!(refused, "{}", wall);
            for wall in [after, wall, SECOND, before] {
                let then = Now { mono: mono(SECOND), wall: stamp(wall) };
                prop_assert!(feed.fresh(&symbol(SHARE), Need::Buy, &open(SECOND), then).is_err());
            }
        }
    }

    // proves: QUOTE-5
    #[test]
    fn what_is_fresh_holds_until_its_deadline_and_no_longer(
        config in policies(), late in 0..SECOND, held in 0..6 * SECOND, option: bool,
    ) {
        let name = if option { OPTION } else { SHARE };
        let mut feed = feed(config);
        let _verdict = feed.receive(&quote(OTHER, 0, 0));
        let _verdict = feed.receive(&quote(name, -late, 0));
        let judge = |at: i64| feed.fresh(&symbol(name), Need::Both, &open(0), now(at));
        if let Ok(fresh) = judge(held) {
            let until = i64::try_from(fresh.until().since(mono(0)).as_nanos()).unwrap();
            prop_assert!(until >= held);
            prop_assert!(fresh.at(now(until)).is_ok());
            prop_assert!(fresh.at(now(until + 1)).is_err());
            // Judged anew at its deadline it passes, and a little after it (the drift that is allowed for) it does not.
            prop_assert!(judge(until).is_ok());
            prop_assert!(judge(until + until / 2_000 + 1).is_err());
        }
    }
}

// proves: QUOTE-2
#[test]
fn a_machine_that_slept_does_not_wake_up_to_a_fresh_quote() {
    let mut feed = feed(exact_stream());
    assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
    assert_eq!(why(judge(&feed, SECOND)), "");
    // The monotonic clock stood still for an hour.
    let awake = Now { mono: mono(SECOND), wall: stamp(3_601 * SECOND) };
    let judged = feed.fresh(&symbol(SHARE), Need::Buy, &open(SECOND), awake);
    assert_eq!(why(judged.map_err(|refusal| refusal.reason)), "clock step");
}

// proves: QUOTE-2
#[test]
fn a_backlog_is_noticed_although_every_message_follows_on_time() {
    let mut feed = feed(PolicyConfig::stream());
    for tick in 0..100 {
        assert_eq!(receive(&mut feed, &quote(SHARE, tick * 100 * MS, tick * 100 * MS)), "");
    }
    // A queue of 5 s builds up, and comes down in one burst.
    for tick in 0..50 {
        let (stamped, at) = (10 * SECOND + tick * 100 * MS, 15 * SECOND + tick * MS);
        let late = at - stamped;
        let expected = if late > SECOND { "late" } else { "" };
        if !(SECOND..SECOND + 5 * MS).contains(&late) {
            assert_eq!(receive(&mut feed, &quote(SHARE, stamped, at)), expected, "{late}");
        }
    }
    assert_eq!(why(judge(&feed, 15 * SECOND + 50 * MS)), "");
}

// proves: QUOTE-2
#[test]
fn the_time_of_the_last_trade_is_no_time_of_the_quote() {
    for config in [PolicyConfig::stream(), PolicyConfig::tradier()] {
        let mut feed = feed(config);
        let mut traded = quote(SHARE, -100 * SECOND, 0);
        traded.last_at = Field::Value(stamp(0));
        let refused =
            feed.receive(&traded).is_err() || feed.fresh(&symbol(SHARE), Need::Buy, &open(0), now(0)).is_err();
        assert!(refused);
        let mut untraded = quote(SHARE, 0, MS);
        untraded.last_at = Field::Value(stamp(0) - SignedDuration::from_hours(17));
        assert_eq!(receive(&mut feed, &untraded), "");
        assert_eq!(why(judge(&feed, MS)), "");
    }
}
