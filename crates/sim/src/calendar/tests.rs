use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_regular_session_follows_new_york_through_the_change_of_clocks() {
    for (stamp, state) in [
        ("2030-01-02T14:29:59Z", MarketState::PreMarket),
        ("2030-01-02T14:30:00Z", MarketState::Open),
        ("2030-01-02T21:00:00Z", MarketState::PostMarket),
        ("2030-07-02T13:30:00Z", MarketState::Open),
        ("2030-07-02T20:00:00Z", MarketState::PostMarket),
        ("2030-01-05T15:00:00Z", MarketState::Closed),
    ] {
        assert_eq!(regular_state(at(stamp)).0, state, "{stamp}");
    }
}

#[test]
fn after_fridays_close_the_next_opening_is_on_monday() {
    assert_eq!(next_open(at("2030-01-04T21:30:00Z")), at("2030-01-07T14:30:00Z"));
    assert_eq!(next_open(at("2030-01-04T10:00:00Z")), at("2030-01-04T14:30:00Z"));
}

#[test]
fn the_day_is_that_of_new_york() {
    assert_eq!(day_of(at("2030-01-03T04:59:59Z")).to_string(), "2030-01-02");
    assert_eq!(day_of(at("2030-01-03T05:00:00Z")).to_string(), "2030-01-03");
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    assert_eq!(later(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX);
    assert_eq!(earlier(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::UNIX_EPOCH);
}
