//! Every limit at one below, at itself, and one above; a nanosecond, a unit of price, a repeat.

use std::num::NonZeroU32;
use std::time::Duration;

use backstop_quote::{Decimal, Field, Limits, MarketState, Need, PolicyConfig, Quote, Stamps};

use crate::rig::{
    MS, OPTION, OTHER, SECOND, SHARE, exact_poll, exact_stream, feed, judge, judge_of, mono, now, open, price, quote,
    receive, stamp, symbol, why,
};

/// `at` is one below the limit, at it, and one above: only the last is refused, and for `reason`.
#[track_caller]
fn boundary(limit: i64, reason: &'static str, verdict: impl Fn(i64) -> &'static str) {
    let verdicts = [limit - 1, limit, limit + 1].map(verdict);
    assert_eq!(verdicts, ["", "", reason]);
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap()
}

// proves: QUOTE-2
#[test]
fn age_since_receipt() {
    let config = exact_poll();
    boundary(nanos(config.share.max_age), "stale", |age| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        // Everything else goes on: the connection, and the other symbols.
        assert_eq!(receive(&mut feed, &quote(OTHER, age, age)), "");
        // By its stamp it may be older.
        why(judge(&feed, age))
    });
}

// proves: QUOTE-2
#[test]
fn age_by_the_stamp_that_says_as_of() {
    let config = exact_stream();
    // Half a second under way; a nanosecond is allowed for.
    let late = 500 * MS;
    boundary(nanos(config.share.max_age) - late + 1, "stamp stale", |held| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
        assert_eq!(receive(&mut feed, &quote(SHARE, -late, 0)), "");
        feed.heartbeat(mono(held));
        why(judge(&feed, held))
    });
}

// proves: QUOTE-2
#[test]
fn the_older_side_counts_where_stamps_say_as_of() {
    let config = exact_stream();
    boundary(SECOND, "late", |age| {
        let mut one = quote(SHARE, 0, 0);
        one.bid.at = Field::Value(stamp(-age));
        receive(&mut feed(config.clone()), &one)
    });
}

// proves: QUOTE-2
#[test]
fn the_newer_side_counts_where_stamps_say_last_changed_and_the_older_has_a_limit_of_its_own() {
    let config = exact_poll();
    for newer_is_bid in [true, false] {
        let judged = |newer: i64, older: i64| {
            let mut feed = feed(config.clone());
            assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
            let mut one = quote(OPTION, -older, 0);
            let side = if newer_is_bid { &mut one.bid } else { &mut one.ask };
            side.at = Field::Value(stamp(-newer));
            assert_eq!(receive(&mut feed, &one), "");
            why(judge_of(&feed, OPTION, 0))
        };
        boundary(nanos(config.option.max_quiet), "stamp stale", |age| judged(age, 1_000 * SECOND));
        boundary(nanos(config.option.max_side_quiet), "side stale", |age| judged(SECOND, age));
    }
}

// proves: QUOTE-2
#[test]
fn a_stamp_ahead_of_our_clock_is_a_clock_fault() {
    for config in [exact_stream(), exact_poll()] {
        boundary(nanos(config.source.max_ahead), "clock ahead", |ahead| {
            let mut feed = feed(config.clone());
            receive(&mut feed, &quote(SHARE, ahead, 0))
        });
    }
}

// proves: QUOTE-2
#[test]
fn late_on_arrival_above_the_fastest_message() {
    // Generous about our wall clock, so that only the floor tells.
    let mut config = PolicyConfig::stream();
    config.source.max_offset = Duration::from_mins(1);
    boundary(SECOND, "late", |late| {
        let mut feed = feed(config.clone());
        // Both clocks are 30 s apart, which is no fault of a message.
        assert_eq!(receive(&mut feed, &quote(OTHER, -30 * SECOND, 0)), "");
        receive(&mut feed, &quote(SHARE, -30 * SECOND - late, 0))
    });
}

// proves: QUOTE-2
#[test]
fn the_first_message_may_be_old() {
    let config = PolicyConfig::stream();
    boundary(1_500 * MS, "behind", |behind| receive(&mut feed(config.clone()), &quote(SHARE, -behind, 0)));
}

// proves: QUOTE-2
#[test]
fn wall_and_monotonic_clock_may_not_move_apart_between_receipt_and_use() {
    let config = exact_stream();
    for sign in [1, -1] {
        boundary(nanos(config.source.max_ahead), "clock step", |step| {
            let mut feed = feed(config.clone());
            assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
            let mut then = now(SECOND);
            then.wall = stamp(SECOND + sign * step);
            let judged = feed.fresh(&symbol(SHARE), Need::Buy, &open(SECOND), then);
            why(judged.map_err(|refusal| refusal.reason))
        });
    }
}

// proves: QUOTE-4
#[test]
fn a_silent_connection_is_told_from_a_silent_symbol() {
    let config = exact_stream();
    boundary(nanos(config.source.max_silence), "connection silent", |silent| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        why(judge(&feed, silent))
    });
    boundary(nanos(config.share.max_age), "stale", |silent| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        // A message of any kind shows that the connection lives, and no more than that.
        feed.heartbeat(mono(silent - SECOND));
        why(judge(&feed, silent))
    });
}

// proves: QUOTE-4
#[test]
fn a_quiet_option_stands_only_while_something_else_moves() {
    let config = exact_poll();
    let Stamps::LastChange { max_feed_quiet } = config.source.stamps else { panic!("polled") };
    boundary(nanos(max_feed_quiet) + 1, "feed stale", |newest| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(OPTION, -80 * SECOND, 0)), "");
        assert_eq!(receive(&mut feed, &quote(OTHER, -newest, 0)), "");
        // The floor takes the newest stamp for the fastest message; the wall clock does not.
        why(judge_of(&feed, OPTION, 0))
    });
}

// proves: QUOTE-4
#[test]
fn only_strictly_backwards_is_backwards() {
    for config in [exact_stream(), exact_poll()] {
        for bid in [true, false] {
            let spoil = |quote: &mut Quote, at: i64| {
                let side = if bid { &mut quote.bid } else { &mut quote.ask };
                side.at = Field::Value(stamp(at));
            };
            boundary(0, "backwards", |back| {
                let mut feed = feed(config.clone());
                assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
                let mut next = quote(SHARE, 1, SECOND);
                spoil(&mut next, -back);
                let reason = receive(&mut feed, &next);
                assert_eq!(feed.backwards(), u64::from(!reason.is_empty()));
                // What was taken before stands, with its own age.
                let stands = judge(&feed, SECOND).unwrap();
                let expected = if reason.is_empty() { SECOND } else { 0 };
                assert_eq!(stands.at(now(SECOND)).unwrap().received.mono, mono(expected));
                reason
            });
        }
        boundary(0, "received backwards", |back| {
            let mut feed = feed(config.clone());
            assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
            receive(&mut feed, &quote(SHARE, 0, -back))
        });
    }
}

// proves: QUOTE-4
#[test]
fn frozen_is_the_same_values_while_the_stamps_stand_still() {
    let mut config = exact_stream();
    config.share.frozen_after = NonZeroU32::new(3);
    let repeat = |times: i64, change: &dyn Fn(&mut Quote)| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        let mut verdict = "";
        for time in 1..=times {
            let mut next = quote(SHARE, 0, time);
            change(&mut next);
            verdict = receive(&mut feed, &next);
        }
        verdict
    };
    boundary(3, "frozen", |times| repeat(times, &|_| {}));
    // A stamp that moves: alive.
    let moving = |quote: &mut Quote| quote.bid.at = Field::Value(quote.received.wall);
    assert_eq!(repeat(9, &moving), "");
    config.share.frozen_after = None;
    let mut feed = feed(config.clone());
    for time in 0..1_000 {
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, time)), "", "off by default");
    }
}

fn with_prices(config: &PolicyConfig, bid: Decimal, ask: Decimal) -> &'static str {
    let mut feed = feed(config.clone());
    let mut one = quote(SHARE, 0, 0);
    (one.bid.price, one.ask.price) = (Field::Value(bid), Field::Value(ask));
    receive(&mut feed, &one)
}

/// In units of 10⁻¹², the finest step.
fn fine(units: i64) -> Decimal {
    Decimal::new(units, 12)
}

const WHOLE: i64 = 1_000_000_000_000;

// proves: QUOTE-3
#[test]
fn crossed_is_refused_and_locked_is_normal() {
    boundary(0, "crossed", |bid_over_ask| {
        with_prices(&exact_stream(), fine(100 * WHOLE + bid_over_ask), fine(100 * WHOLE))
    });
}

// proves: QUOTE-3
#[test]
fn too_wide_is_relative_plus_ticks() {
    let mut config = exact_stream();
    // A spread of s from a bid of 100: 1% of the mid is 1 + s / 200, two ticks are 0.02; s = 1.02 / 0.995 = 1.025125628140703…
    boundary(1_025_125_628_140, "too wide", |spread| {
        with_prices(&config, fine(100 * WHOLE), fine(100 * WHOLE + spread))
    });
    // Ticks alone.
    config.share.max_spread_bps = 0;
    boundary(WHOLE / 50, "too wide", |spread| with_prices(&config, fine(WHOLE), fine(WHOLE + spread)));
}

// proves: QUOTE-3
#[test]
fn a_price_beyond_what_the_symbol_can_cost() {
    let config =
        PolicyConfig { share: Limits { max_price: Decimal::from(1_000), ..Limits::share() }, ..exact_stream() };
    boundary(1_000 * WHOLE, "enormous", |price| with_prices(&config, fine(price), fine(price)));
}

// proves: QUOTE-3
#[test]
fn a_price_must_be_above_zero() {
    for (units, expected) in [(-1, "negative"), (0, "no side"), (1, "")] {
        let mut config = exact_stream();
        config.share.max_spread_ticks = 10_000_000;
        let mut feed = feed(config);
        let mut one = quote(SHARE, 0, 0);
        one.bid.price = Field::Value(fine(units));
        let refused = feed.receive(&one).map_err(|refusal| refusal.reason);
        let judged = refused.and_then(|()| {
            let fresh = feed.fresh(&symbol(SHARE), Need::Sell, &open(0), now(0));
            fresh.map_err(|refusal| refusal.reason)
        });
        assert_eq!(why(judged), expected, "{units}");
    }
}

// proves: QUOTE-3
#[test]
fn a_jump_beyond_the_collar_is_refused_while_the_last_price_is_remembered() {
    let config = exact_stream();
    let memory = nanos(config.share.collar.unwrap().memory);
    let jump = |by: i64, after: i64| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        let mut next = quote(SHARE, after, after);
        // The mid was 100.05, so one percent is 1.0005.
        (next.bid.price, next.ask.price) =
            (Field::Value(fine(100 * WHOLE + by)), Field::Value(fine(100_100_000_000_000 + by)));
        receive(&mut feed, &next)
    };
    boundary(1_000_500_000_000, "jumped", |up| jump(up, memory));
    boundary(1_000_500_000_000, "jumped", |down| jump(-down, SECOND));
    assert_eq!(jump(5 * WHOLE, memory + 1), "", "what stays where it jumped to is believed in the end");
}

// proves: QUOTE-3
#[test]
fn a_jump_that_was_refused_is_not_what_the_next_one_is_held_against() {
    let mut feed = feed(exact_stream());
    assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
    for at in 1..10 {
        let mut next = quote(SHARE, at, at);
        (next.bid.price, next.ask.price) = (price("110"), price("110.10"));
        assert_eq!(receive(&mut feed, &next), "jumped", "{at}");
    }
    assert_eq!(receive(&mut feed, &quote(SHARE, 10, 10)), "", "back to where it was");
}

// proves: QUOTE-3
#[test]
fn a_side_that_joins_or_leaves_is_no_jump_and_a_side_that_moves_is() {
    let change = |first: [&str; 2], second: [&str; 2]| {
        let mut config = exact_stream();
        config.share.max_spread_bps = 10_000;
        let mut feed = feed(config);
        let mut verdict = "";
        for (at, [bid, ask]) in [first, second].into_iter().enumerate() {
            let mut next = quote(SHARE, 0, i64::try_from(at).unwrap());
            (next.bid.price, next.ask.price) = (price(bid), price(ask));
            verdict = receive(&mut feed, &next);
        }
        verdict
    };
    assert_eq!(change(["100", "0"], ["100", "130"]), "");
    assert_eq!(change(["100", "130"], ["0", "130"]), "");
    assert_eq!(change(["100", "0"], ["0", "130"]), "", "they have no side in common");
    assert_eq!(change(["100", "0"], ["101.01", "130"]), "jumped");
    assert_eq!(change(["100", "130"], ["0", "128"]), "jumped");
}

// proves: QUOTE-3
#[test]
fn sizes_are_asked_for_on_the_side_that_is_needed() {
    let mut config = exact_stream();
    config.share.min_size = Decimal::from(10);
    for (size, expected) in [("9.999999999999", "too small"), ("10", ""), ("10.000000000001", "")] {
        for (need, bid) in [(Need::Buy, false), (Need::Sell, true), (Need::Both, true), (Need::Both, false)] {
            let mut feed = feed(config.clone());
            let mut one = quote(SHARE, 0, 0);
            let side = if bid { &mut one.bid } else { &mut one.ask };
            side.size = price(size);
            assert_eq!(receive(&mut feed, &one), "");
            let verdict =
                |need| why(feed.fresh(&symbol(SHARE), need, &open(0), now(0)).map_err(|refusal| refusal.reason));
            assert_eq!(verdict(need), expected, "{size} {need:?}");
            assert_eq!(verdict(if bid { Need::Buy } else { Need::Sell }), "", "nobody needs the other side");
        }
    }
}

// proves: QUOTE-7
#[test]
fn the_word_that_the_market_is_open_grows_old() {
    let config = exact_stream();
    boundary(nanos(config.max_market_age), "market stale", |age| {
        let mut feed = feed(config.clone());
        assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
        let judged = feed.fresh(&symbol(SHARE), Need::Buy, &open(-age), now(0));
        why(judged.map_err(|refusal| refusal.reason))
    });
}

// proves: QUOTE-7
#[test]
fn a_market_that_is_not_open_lets_nothing_in() {
    let mut feed = feed(exact_stream());
    assert_eq!(receive(&mut feed, &quote(SHARE, 0, 0)), "");
    let odd = |word: &str| MarketState::Unrecognized(word.to_owned());
    let closed = [MarketState::Closed, MarketState::Halted, MarketState::PreMarket, MarketState::PostMarket];
    for state in closed.into_iter().chain([odd("open"), odd("")]) {
        let mut market = open(0);
        market.state = state.clone();
        let judged = feed.fresh(&symbol(SHARE), Need::Buy, &market, now(0));
        assert_eq!(why(judged.map_err(|refusal| refusal.reason)), "market not open", "{state:?}");
    }
    assert_eq!(why(judge(&feed, 0)), "");
}

// proves: QUOTE-5
#[test]
fn the_deadline_is_the_first_moment_at_which_any_limit_runs_out() {
    // Each of them in turn is the one that runs out first.
    let with = |config: PolicyConfig, bid_stamped: i64| {
        let mut feed = feed(config);
        assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
        let mut one = quote(SHARE, 0, 0);
        one.bid.at = Field::Value(stamp(bid_stamped));
        assert_eq!(receive(&mut feed, &one), "");
        judge(&feed, 1).unwrap().until()
    };
    let (two, stream, poll) = (Duration::from_secs(2), exact_stream(), exact_poll());
    let silence = |mut config: PolicyConfig| {
        config.source.max_silence = two;
        config
    };
    assert_eq!(with(silence(stream.clone()), 0), mono(2 * SECOND));
    assert_eq!(with(silence(poll.clone()), 0), mono(2 * SECOND));
    let share = |config: &PolicyConfig, limits: Limits| PolicyConfig { share: limits, ..config.clone() };
    let limits = Limits { max_age: two, ..Limits::share() };
    assert_eq!(with(share(&poll, limits), 0), mono(2 * SECOND));
    // By the older stamp, less the nanosecond of drift that is allowed for.
    assert_eq!(with(share(&stream, limits), -500 * MS), mono(1_500 * MS));
    assert_eq!(with(share(&poll, Limits { max_quiet: two, ..Limits::share() }), 0), mono(2 * SECOND));
    let sides = Limits { max_side_quiet: Duration::from_secs(15), ..Limits::share() };
    assert_eq!(with(share(&poll, sides), -13 * SECOND), mono(2 * SECOND));
    let mut quiet = poll.clone();
    quiet.source.stamps = Stamps::LastChange { max_feed_quiet: two };
    assert_eq!(with(quiet, 0), mono(2 * SECOND));
    assert_eq!(with(PolicyConfig { max_market_age: two, ..stream }, 0), mono(2 * SECOND + 1));
}
