use jiff::ToSpan;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

#[track_caller]
fn refused(text: &str) -> InvalidScope {
    Scope::new(text).unwrap_err()
}

#[test]
fn a_scope_is_what_can_stand_in_a_line() {
    let longest = "x".repeat(Scope::MAX_LEN);
    for text in ["a", "scalper:SPY", "bs-put/SPXW#7", &longest] {
        assert_eq!(Scope::new(text).unwrap().as_str(), text);
    }
    assert_eq!(refused(""), InvalidScope::Empty);
    assert_eq!(refused(&format!("{longest}x")), InvalidScope::TooLong { length: Scope::MAX_LEN + 1 });
    for character in [' ', '\n', '\0', 'é', '\u{7f}'] {
        assert!(
            matches!(refused(&format!("a{character}b")), InvalidScope::Character { character: c, .. } if c == character)
        );
    }
    assert!(matches!(refused(&"é".repeat(1_000_000)), InvalidScope::Character { text, .. } if text.len() < 100));
}

#[test]
fn a_key_reads_as_a_sentence() {
    let key = Key::new(Scope::new("scalper").unwrap(), Session::of(date(2026, 1, 5)));
    assert_eq!(key.to_string(), "scalper in 20260105-1");
    assert_eq!(key.with_slot(3).to_string(), "scalper in 20260105-1, slot 3");
    assert_eq!(key.with_slot(0), key);
}

#[test]
fn a_session_has_one_spelling() {
    for text in [
        "",
        "20260105",
        "20260105-",
        "20260105-01",
        "20260105-+1",
        "2026105-1",
        "20260230-1",
        "20260105-1 ",
        "-1",
        "é0105-1",
    ] {
        assert!(text.parse::<Session>().is_err(), "{text}");
    }
}

fn sessions() -> impl Strategy<Value = Session> {
    let days = prop_oneof![
        (0_i64..4000).prop_map(|days| date(2024, 1, 1) + days.days()),
        Just(Date::MIN),
        Just(Date::MAX),
        (-9999_i16..=9999, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| date(year, month, day)),
    ];
    (days, prop_oneof![0_u32..5, any::<u32>()]).prop_map(|(day, number)| Session::numbered(day, number))
}

proptest! {
    #[test]
    fn a_scope_is_read_back_as_it_was_written(text in "[!-~]{1,40}", other in "[!-~]{1,3}") {
        let scope = Scope::new(&text).unwrap();
        prop_assert_eq!(scope.as_str(), text.as_str());
        let other_scope = Scope::new(&other).unwrap();
        prop_assert_eq!(scope == other_scope, text == other);
        prop_assert_eq!(scope.cmp(&other_scope), text.cmp(&other));
        prop_assert_eq!(Scope::new(&text).unwrap().spread(), scope.spread());
    }

    #[test]
    fn sessions_are_ordered_by_day_and_number_in_every_form(one in sessions(), other in sessions()) {
        prop_assert_eq!(one.cmp(&other), (one.day(), one.number()).cmp(&(other.day(), other.number())));
        prop_assert_eq!(one.rank().cmp(&other.rank()), one.cmp(&other));
        prop_assert!(one.rank() > 0);
        prop_assert_eq!(Session::of_rank(one.rank()), Some(one));
        if one.day().year() >= 0 {
            prop_assert_eq!(one.to_string().parse::<Session>().unwrap(), one);
        }
    }
}
