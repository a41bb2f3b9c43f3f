use backstop_broker::Received;
use backstop_clock::{Mono, Timestamp};
use proptest::prelude::*;

use super::*;

const NOW: Received = Received { mono: Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH };

fn decode_all(text: &str) -> usize {
    let Ok(root) = Object::parse(text) else { return 0 };
    let id = "7".parse().unwrap();
    [
        order::orders(&root).is_ok(),
        order::single(&root, &id).is_ok(),
        account::positions(&root).is_ok(),
        account::balances(&root, &"VA00000001".parse().unwrap()).is_ok(),
        account::profile(&root).is_ok(),
        account::market_clock(&root).is_ok(),
        quote::quotes(&root, NOW).is_ok(),
        evidence::closed_positions(&root).is_ok(),
        evidence::history(&root).is_ok(),
        placed::placed(&root).is_ok(),
        placed::canceled(&root, &id).is_ok(),
        placed::preview(&root).is_ok(),
    ]
    .into_iter()
    .filter(|ok| *ok)
    .count()
}

#[test]
fn every_envelope_is_read_by_its_own_decoder_alone() {
    for outer in ["orders", "positions", "gainloss", "history", "quotes"] {
        assert_eq!(decode_all(&format!(r#"{{"{outer}":"null"}}"#)), 1, "{outer}");
        assert_eq!(decode_all(&format!(r#"{{"{outer}":{{}}}}"#)), 0, "{outer}");
        assert_eq!(decode_all(&format!(r#"{{"{outer}":[]}}"#)), 0, "{outer}");
    }
    assert_eq!(decode_all("{}"), 0);
}

/// JSON of about the right form, with values of every kind in every place.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(r#""null""#.to_owned()),
        Just(r#""""#.to_owned()),
        Just("0E-8".to_owned()),
        Just("-1e400".to_owned()),
        Just(r#""filled""#.to_owned()),
        Just(r#""equity""#.to_owned()),
        Just(r#""buy""#.to_owned()),
        Just(r#""SPY""#.to_owned()),
        Just(r#""2030-01-02T00:00:00Z""#.to_owned()),
        Just("true".to_owned()),
        "\"[a-z0-9]{0,9}\"",
        "-?[1-9][0-9]{0,20}(\\.[0-9]{1,30})?",
    ];
    let key = prop_oneof![
        Just("order"),
        Just("orders"),
        Just("position"),
        Just("positions"),
        Just("quotes"),
        Just("quote"),
        Just("id"),
        Just("status"),
        Just("class"),
        Just("symbol"),
        Just("side"),
        Just("quantity"),
        Just("leg"),
        Just("errors"),
        Just("error"),
        Just("balances"),
        Just("total_cash"),
        Just("total_equity"),
        Just("margin"),
        Just("history"),
        Just("event"),
        Just("type"),
        Just("date"),
        Just("amount"),
        Just("bid"),
        Just("bid_date"),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(key.clone(), inner, 0..8).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_a_decoder_panic(text in value()) {
        decode_all(&text);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        decode_all(&String::from_utf8_lossy(&bytes));
    }
}
