use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_893_500_000 + second).unwrap()
}

#[test]
fn a_window_begins_with_its_first_request_and_ends_a_minute_later() {
    let quota = Quota::new(RateLimits { standard: 2, market_data: 2, trading: 1 });
    assert!(quota.take(Class::Standard, at(17)).granted);
    assert!(quota.take(Class::Standard, at(40)).granted, "a full minute on the wall is nothing to it");
    let refused = quota.take(Class::Standard, at(76));
    assert!(!refused.granted);
    assert_eq!((refused.used, refused.ends), (2, at(77)));
    assert!(quota.take(Class::Standard, at(77)).granted, "a new window");
}

#[test]
fn the_classes_do_not_share() {
    let quota = Quota::new(RateLimits { standard: 1, market_data: 1, trading: 1 });
    for class in [Class::Standard, Class::MarketData, Class::Trading] {
        assert!(quota.take(class, at(0)).granted);
        assert!(!quota.take(class, at(1)).granted);
    }
    assert_eq!(Class::of(&Method::DELETE, "/v1/accounts/X/orders/1"), Class::Trading);
    assert_eq!(Class::of(&Method::GET, "/v1/accounts/X/orders"), Class::Standard);
    assert_eq!(Class::of(&Method::POST, "/v1/markets/quotes"), Class::MarketData);
}
