use super::*;

#[test]
fn a_name_is_short_and_printable() {
    for text in ["a", "bs-put-20260105-1-1", "AAPL@2026"] {
        assert_eq!(PositionId::new(text).unwrap().as_str(), text);
    }
    let longest = "x".repeat(PositionId::MAX_LEN);
    assert!(PositionId::new(&longest).is_ok());
    for text in ["", "a b", "a\"b", "a'b", "a\\b", "ä", "a\n", &format!("{longest}x")] {
        assert!(PositionId::new(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_name_that_is_none_is_not_read_back() {
    let id = PositionId::new("p-1").unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), "\"p-1\"");
    assert_eq!(serde_json::from_str::<PositionId>("\"p-1\"").unwrap(), id);
    assert!(serde_json::from_str::<PositionId>("\"p 1\"").is_err());
}
