use backstop_broker::Received;
use backstop_clock::{Mono, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::credentials::AccountId;
use crate::wire::order::orders;
use crate::wire::placed::placed;

fn redactor() -> Redactor {
    Redactor::new("token-token".to_owned().into(), AccountId::new("VA00000001").unwrap())
}

fn answer(status: u16, body: &str) -> Happened {
    let received = Received { mono: Mono::ORIGIN, wall: Timestamp::UNIX_EPOCH };
    Happened::Answer(Answer { status, body: body.to_owned(), pause: None, received })
}

fn submit(happened: &Happened) -> Outcome<backstop_broker::BrokerOrderId> {
    outcome(happened, &redactor(), placed)
}

#[test]
fn only_a_failed_connect_was_not_sent() {
    let detail = || "x".to_owned();
    assert!(matches!(submit(&Happened::ConnectFailed(detail())), Outcome::NotSent(_)));
    for happened in [Happened::Lost(detail()), Happened::TimedOut(detail()), Happened::TooLarge(detail())] {
        assert!(matches!(submit(&happened), Outcome::Unknown(_)));
    }
}

#[test]
fn a_code_is_recognized_by_its_form() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let sentence = "Backoffice rejected override of the order.";
    assert_eq!(code(&texts(&[sentence, "InitialMargin"])).as_deref(), Some("InitialMargin"));
    assert_eq!(code(&texts(&["OrderQuantity", sentence])).as_deref(), Some("OrderQuantity"));
    for none in [&[sentence][..], &["Rejected"], &["MARGIN"], &["lower"], &["Two Words"], &[""]] {
        assert_eq!(code(&texts(none)), None, "{none:?}");
    }
}

/// Bodies made of the pieces from which confirmations and refusals are built, in every wrong order too.
fn body() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(r#"{"order":{"id":7,"status":"ok"}}"#.to_owned()),
        Just(r#"{"errors":{"error":["x y","InitialMargin"]}}"#.to_owned()),
        Just(r#"{"orders":"null"}"#.to_owned()),
        Just(r#"{"fault":{"faultstring":"x"}}"#.to_owned()),
        Just("Invalid parameter, tag: is not valid.".to_owned()),
        Just("<html>".to_owned()),
        "\\PC{0,20}",
    ];
    (prop::collection::vec(piece, 0..3), any::<prop::sample::Index>()).prop_map(|(pieces, cut)| {
        let text = pieces.concat();
        let end = if text.is_empty() { 0 } else { cut.index(text.len() * 2) };
        text.get(..end).map_or(text.clone(), str::to_owned)
    })
}

proptest! {
    #[test]
    fn an_answer_is_certain_only_with_a_status_and_a_form_that_say_so(status in 100u16..600, body in body()) {
        match submit(&answer(status, &body)) {
            Outcome::Accepted(_) => prop_assert!(status == 200 && body.contains(r#""status":"ok""#)),
            Outcome::Rejected(_) => prop_assert!(
                [400, 401].contains(&status) || ([200, 403].contains(&status) && body.contains("errors"))
            ),
            Outcome::NotSent(_) => prop_assert!(false, "the server answered"),
            Outcome::Unknown(_) => {}
        }
    }

    // proves: BRK-2
    #[test]
    fn a_list_is_empty_only_if_it_says_so(status in 100u16..600, body in body()) {
        let result = read(&answer(status, &body), &redactor(), |object, _| orders(object));
        if let Ok(rows) = result {
            prop_assert!(status == 200 && rows.is_empty() && body.trim() == r#"{"orders":"null"}"#, "{body}");
        }
    }

    #[test]
    fn any_bytes_end_in_an_outcome_and_an_error(status in 100u16..600, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let body = String::from_utf8_lossy(&bytes).into_owned();
        drop(submit(&answer(status, &body)));
        prop_assert!(read(&answer(status, &body), &redactor(), |object, _| orders(object)).is_err());
    }
}
