use reqwest::header::{HeaderName, HeaderValue};

use super::*;

fn now() -> Timestamp {
    "2030-01-02T14:31:05Z".parse().unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(pair).collect()
}

#[track_caller]
fn check_expiry(text: &str, expected: Option<&str>) {
    let limit = limit(&headers(&[("x-ratelimit-used", "1"), ("x-ratelimit-expiry", text)]), now()).unwrap();
    assert_eq!(limit.expiry, expected.map(|at| at.parse().unwrap()), "{text}");
}

#[test]
fn the_end_of_the_window_is_read_in_either_unit_and_never_lies_far_ahead() {
    check_expiry("1893594700000", Some("2030-01-02T14:31:40Z"));
    check_expiry("1893594700", Some("2030-01-02T14:31:40Z"));
    check_expiry("1893594600000", Some("2030-01-02T14:30:00Z"));
    check_expiry("1893999999999", Some("2030-01-02T14:32:06Z"));
    check_expiry("99999999999", Some("2030-01-02T14:32:06Z"));
    for text in ["soon", "", "-", "1e99", "999999999999999999999999999"] {
        check_expiry(text, None);
    }
}

#[test]
fn what_cannot_be_read_is_not_said() {
    assert_eq!(limit(&HeaderMap::new(), now()), None);
    assert_eq!(limit(&headers(&[("x-ratelimit-allowed", "many"), ("x-ratelimit-used", "-1")]), now()), None);
    let some = limit(&headers(&[("x-ratelimit-available", " 0 "), ("x-ratelimit-used", "99999999999")]), now());
    assert_eq!(some, Some(RateLimit { allowed: None, used: None, available: Some(0), expiry: None }));
    assert_eq!(limit(&headers(&[("x-ratelimit-used", "\u{e4}")]), now()), None);
}

#[test]
fn a_pause_is_the_longer_of_what_is_asked_for() {
    let pairs = [("retry-after", "5"), ("x-ratelimit-expiry", "1893594700000")];
    assert_eq!(pause(&headers(&pairs), now()), Some("2030-01-02T14:31:40Z".parse().unwrap()));
    assert_eq!(pause(&headers(&pairs[..1]), now()), Some("2030-01-02T14:31:10Z".parse().unwrap()));
    let long = pause(&headers(&[("retry-after", "18446744073709551615")]), now());
    assert_eq!(long, Some("2030-01-02T15:31:05Z".parse().unwrap()));
    assert_eq!(pause(&headers(&[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")]), now()), None);
}

#[test]
fn the_reset_time_stands_at_the_end_of_the_text() {
    let at = Some("2030-01-02T14:31:40Z".parse().unwrap());
    assert_eq!(reset_in_text("Quota Violation, expires 1893594700000", now()), at);
    assert_eq!(reset_in_text("Quota Violation 12 of 10 until 1893594700000.\n", now()), at);
    for text in ["Quota Violation", "Quota Violation 7", "\u{e4}1893594700", ""] {
        assert_eq!(reset_in_text(text, now()), None, "{text}");
    }
}
