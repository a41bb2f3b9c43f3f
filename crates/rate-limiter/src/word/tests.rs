//! Headers as servers write them, and as they should not.

use std::time::Duration;

use jiff::Timestamp;

use super::ServerWord;

const NOW: &str = "2030-01-02T14:30:00Z";
const MINUTE: Duration = Duration::from_mins(1);

fn read(headers: &[(&str, &str)]) -> ServerWord {
    let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    ServerWord::read(find, NOW.parse().unwrap())
}

/// With 103 of 120 left, and an expiry.
fn until(expiry: &str) -> Option<(u64, Duration)> {
    let counts = [("x-ratelimit-allowed", "120"), ("x-ratelimit-used", "17"), ("x-ratelimit-available", "103")];
    let headers: Vec<_> = counts.into_iter().chain([("x-ratelimit-expiry", expiry)]).collect();
    read(&headers).limit(MINUTE)
}

fn expiry_in(seconds: i64) -> i64 {
    NOW.parse::<Timestamp>().unwrap().as_second() + seconds
}

// proves: RATE-4
#[test]
fn an_expiry_is_read_in_seconds_and_in_milliseconds() {
    let (seconds, millis) = (expiry_in(20).to_string(), (expiry_in(20) * 1000 + 1).to_string());
    assert_eq!(until(&seconds), Some((103, Duration::from_secs(20))));
    assert_eq!(until(&format!(" {millis} ")), Some((103, Duration::from_millis(20_001))));
}

#[test]
fn what_cannot_be_read_lasts_a_whole_window_and_never_much_longer() {
    for text in ["", "soon", "1.5", "-", "99999999999999999999", "9223372036854775807"] {
        assert_eq!(until(text), Some((103, MINUTE)), "{text}");
    }
    // Beyond all years, as microseconds are.
    assert_eq!(until(&(expiry_in(20) * 1_000_000).to_string()), Some((103, MINUTE)));
    // A clock that is an hour behind; the last number of seconds.
    for far in [expiry_in(3600), 100_000_000_000] {
        assert_eq!(until(&far.to_string()).unwrap().1, MINUTE + Duration::from_secs(1), "{far}");
    }
    // Over already: there is nothing to wait for.
    assert_eq!(until(&expiry_in(-1).to_string()), Some((103, Duration::ZERO)));
    assert_eq!(until("0"), Some((103, Duration::ZERO)));
}

#[test]
fn the_server_s_own_date_makes_our_clock_irrelevant() {
    let hours_off = (expiry_in(7200 + 20) * 1000).to_string();
    let headers = [
        ("x-ratelimit-available", "5"),
        ("x-ratelimit-expiry", hours_off.as_str()),
        ("date", "Wed, 02 Jan 2030 16:30:00 GMT"),
    ];
    assert_eq!(read(&headers).limit(MINUTE), Some((5, Duration::from_secs(20))));
    // Unless it is somebody else's: then an expiry that ours makes sense of counts.
    let expiry = (expiry_in(20) * 1000).to_string();
    let headers = [headers[0], ("x-ratelimit-expiry", expiry.as_str()), ("date", "Wed, 02 Jan 2019 16:30:00 GMT")];
    assert_eq!(read(&headers).limit(MINUTE), Some((5, Duration::from_secs(20))));
}

#[test]
fn the_tighter_of_two_counts_is_taken_and_nonsense_says_nothing() {
    let left = |headers: &[(&str, &str)]| read(headers).limit(MINUTE).map(|(left, _)| left);
    assert_eq!(
        left(&[("x-ratelimit-allowed", "60"), ("x-ratelimit-used", "59"), ("x-ratelimit-available", "7")]),
        Some(1)
    );
    assert_eq!(left(&[("x-ratelimit-allowed", "60"), ("x-ratelimit-used", "70")]), Some(0));
    assert_eq!(left(&[("x-ratelimit-available", "0")]), Some(0));
    for nonsense in ["-1", "NaN", "1e3", "", "18446744073709551616"] {
        assert_eq!(left(&[("x-ratelimit-available", nonsense)]), None, "{nonsense}");
    }
    assert_eq!(left(&[]), None);
}

#[test]
fn a_refusal_leaves_nothing_as_long_as_it_says_or_a_window() {
    let pause = |headers: &[(&str, &str)]| read(headers).refused().limit(MINUTE).unwrap();
    assert_eq!(pause(&[]), (0, MINUTE));
    assert_eq!(pause(&[("retry-after", "7")]), (0, Duration::from_secs(7)));
    assert_eq!(pause(&[("retry-after", "Wed, 02 Jan 2030 14:31:30 GMT")]), (0, Duration::from_secs(90)));
    assert_eq!(pause(&[("retry-after", "86400000")]), (0, Duration::from_hours(1)));
    let expiry = expiry_in(30).to_string();
    let both = [("retry-after", "7"), ("x-ratelimit-expiry", expiry.as_str()), ("x-ratelimit-available", "9")];
    assert_eq!(pause(&both), (0, Duration::from_secs(30)));
    // One that says nothing that is ahead cannot be meant so.
    assert_eq!(pause(&[("retry-after", "0")]), (0, Duration::from_secs(1)));
    for over in ["1893594599", "1893594599000", "0"] {
        assert_eq!(pause(&[("x-ratelimit-expiry", over)]), (0, MINUTE), "{over}");
    }
    assert_eq!(pause(&[("retry-after", "-5")]), (0, MINUTE));
    // Whoever asks to be left alone has refused, whatever the status.
    assert_eq!(read(&[("retry-after", "7")]).limit(MINUTE), Some((0, Duration::from_secs(7))));
}
