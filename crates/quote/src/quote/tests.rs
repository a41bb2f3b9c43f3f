use super::*;

fn mid(bid: Field<Decimal>, ask: Field<Decimal>) -> Option<Decimal> {
    let side = |price| QuoteSide { price, ..QuoteSide::MISSING };
    let received = Received { mono: Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH };
    let symbol = Symbol::new("SPY").unwrap();
    Quote {
        symbol,
        bid: side(bid),
        ask: side(ask),
        last: Field::Value(Decimal::ONE),
        last_at: Field::Missing,
        received,
    }
    .mid()
}

fn value(text: &str) -> Field<Decimal> {
    Field::Value(text.parse().unwrap())
}

#[test]
fn mid_is_exact() {
    assert_eq!(mid(value("560.10"), value("560.13")), Some("560.115".parse().unwrap()));
    assert_eq!(mid(value("0"), value("0.05")), Some("0.025".parse().unwrap()));
}

#[test]
fn there_is_no_mid_of_what_was_not_said_or_cannot_be_summed() {
    for missing in [Field::Missing, Field::Unreadable] {
        assert_eq!(mid(missing, value("1")), None);
        assert_eq!(mid(value("1"), missing), None);
    }
    assert_eq!(mid(Field::Value(Decimal::MAX), Field::Value(Decimal::MAX)), None);
}
