use proptest::prelude::*;

use super::*;

#[test]
fn a_client_order_id_is_what_tradier_takes_as_a_tag() {
    for text in ["a", "bs-spread-20300102-1-3-open-7", &"x".repeat(255)] {
        assert_eq!(ClientOrderId::new(text).unwrap().as_str(), text);
    }
    for text in ["", "a_b", "a.b", "a:b", "a b", "a/b", "ä", &"x".repeat(256)] {
        assert!(ClientOrderId::new(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_refusal_names_what_ids_of_that_kind_may_hold() {
    assert_eq!(BrokerOrderId::new("a-_.:9").unwrap().as_str(), "a-_.:9");
    let (ours, theirs) = (ClientOrderId::new("a_b").unwrap_err(), BrokerOrderId::new("a/b").unwrap_err());
    assert!(ours.to_string().ends_with("has only ASCII letters, digits and '-'"), "{ours}");
    assert!(theirs.to_string().ends_with("has only ASCII letters, digits and '-', '_', '.' or ':'"), "{theirs}");
}

#[test]
fn an_id_cannot_be_read_from_json_unchecked() {
    assert!(serde_json::from_str::<ClientOrderId>("\"a_b\"").is_err());
    assert!(serde_json::from_str::<BrokerOrderId>("\"../../orders\"").is_err());
}

proptest! {
    #[test]
    fn whatever_is_taken_fits_the_grammar_of_a_tag(text in "\\PC{0,260}") {
        if let Ok(id) = ClientOrderId::new(&text) {
            prop_assert!((1..=255).contains(&id.as_str().len()));
            prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        }
    }
}
