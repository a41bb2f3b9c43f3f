use super::*;

#[test]
fn what_is_written_is_json_and_numbers_keep_their_digits() {
    let value = Json::Object(vec![
        ("text", Json::text("a \"quote\"\\\n\u{1}é")),
        ("padded", Json::padded(Decimal::ONE)),
        ("price", Json::decimal("1.250".parse().unwrap())),
        ("list", Json::List(vec![Json::Null, Json::bool(true)])),
    ]);
    let written = value.to_string();
    assert!(written.contains(r#""padded":1.00000000,"price":1.25,"list":[null,true]"#), "{written}");
    let read: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(read["text"], "a \"quote\"\\\n\u{1}é");
}

#[test]
fn a_collection_is_a_word_an_object_or_an_array() {
    let rows = |count: usize| Json::collection("orders", "order", vec![Json::Null; count]).to_string();
    assert_eq!(rows(0), r#"{"orders":"null"}"#);
    assert_eq!(rows(1), r#"{"orders":{"order":null}}"#);
    assert_eq!(rows(2), r#"{"orders":{"order":[null,null]}}"#);
}
