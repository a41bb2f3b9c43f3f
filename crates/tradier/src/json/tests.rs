use proptest::prelude::*;

use super::*;

fn object(text: &str) -> Object<'_> {
    Object::parse(text).unwrap()
}

#[test]
fn nothing_has_four_spellings() {
    let all = object(r#"{"a":null,"b":"null","c":"","d":" ","e":"NULL","f":0,"g":false,"h":[],"i":"none"}"#);
    for key in ["a", "b", "c", "d", "missing"] {
        assert!(all.get(key).is_none(), "{key}");
    }
    for key in ["e", "f", "g", "h", "i"] {
        assert!(all.get(key).is_some(), "{key}");
    }
    assert!(all.raw("a").is_some() && all.raw("missing").is_none());
}

#[test]
fn one_stands_for_a_list_of_one() {
    let all = object(r#"{"one":{"x":1},"many":[{"x":1},{"x":2}],"none":[],"word":"null"}"#);
    for (key, count) in [("one", 1), ("many", 2), ("none", 0), ("word", 0), ("missing", 0)] {
        assert_eq!(all.rows(key).unwrap().len(), count, "{key}");
    }
}

#[test]
fn a_field_is_there_or_missing_or_unreadable() {
    let all = object(
        r#"{"n":1.50,"s":"1.50","z":"0E-8","null":null,"w":"null","e":"","x":"abc","b":true,"o":{},"NaN":"NaN"}"#,
    );
    let half = Field::Value("1.5".parse().unwrap());
    assert_eq!((all.field("n"), all.field("s"), all.field("z")), (half, half, Field::Value(Decimal::ZERO)));
    for key in ["null", "w", "e", "missing"] {
        assert_eq!(all.field(key), Field::Missing, "{key}");
        assert_eq!(all.decimal_if_said(key), Ok(None), "{key}");
        assert!(all.decimal(key).is_err(), "{key}");
    }
    for key in ["x", "b", "o", "NaN"] {
        assert_eq!(all.field(key), Field::Unreadable, "{key}");
        assert!(all.decimal_if_said(key).is_err(), "{key}");
    }
}

#[test]
fn no_number_passes_through_a_float() {
    let all = object(r#"{"p":0.1,"q":9007199254740993,"r":17500.250000000000000000000000,"s":1e-7}"#);
    for (key, text) in [("p", "0.1"), ("q", "9007199254740993"), ("r", "17500.25"), ("s", "0.0000001")] {
        assert_eq!(all.decimal(key), Ok(text.parse().unwrap()), "{key}");
    }
}

#[test]
fn a_key_twice_or_anything_after_the_end_is_unreadable() {
    for text in
        [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"a":1}x"#, r#"{"a":1},"#, r#"["a"]"#, r#""a""#, "1", "{"]
    {
        assert!(Object::parse(text).is_err(), "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    drop(Object::parse(&deep).map(|object| object.rows("a").map(|rows| rows.len())));
}

proptest! {
    #[test]
    fn any_text_is_an_object_or_an_error(text in "[{}\\[\\]\",:a0\\\\ .eEn-]{0,60}") {
        if let Ok(object) = Object::parse(&text) {
            for key in ["a", "", "0"] {
                drop((object.field(key), object.rows(key), object.remark(key), object.moment(key), object.first_object()));
            }
        }
    }
}
