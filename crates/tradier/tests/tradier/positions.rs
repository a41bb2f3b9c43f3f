//! Positions: whatever is not a whole and readable answer is an error, and least of all "nothing is held".

use backstop_broker::{Broker, Position, ReadError};

use crate::server::{Behavior, Server, http};

const POSITIONS: &str = r#"{"positions":{"position":[
 {"cost_basis":1904.50,"date_acquired":"2030-01-02T14:31:05.120Z","id":501122,"quantity":10.00000000,"symbol":"AAPL"},
 {"cost_basis":-215.00,"date_acquired":"2030-01-02T14:31:05.120Z","id":501130,"quantity":-1.00000000,"symbol":"SPXW300102P05900000"}]}}"#;

async fn positions_from(answer: Vec<u8>) -> Result<Vec<Position>, ReadError> {
    Server::start(Behavior::Write(answer)).await.broker().positions().await
}

fn told(rows: &[Position]) -> Vec<(&str, String)> {
    rows.iter().map(|row| (row.symbol.as_str(), row.quantity.to_string())).collect()
}

// proves: BRK-2
#[tokio::test]
async fn positions_cut_at_any_byte_are_an_error_and_never_fewer() {
    for body in [POSITIONS, r#"{"positions":"null"}"#] {
        let whole = http(200, body);
        let open_ended = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}").into_bytes();
        for framed in [whole, open_ended] {
            for cut in 0..framed.len() {
                let result = positions_from(framed[..cut].to_vec()).await;
                assert!(result.is_err(), "cut at {cut} of {}: {result:?}", String::from_utf8_lossy(&framed));
            }
        }
    }
    assert_eq!(positions_from(http(200, POSITIONS)).await.unwrap().len(), 2);
}

// proves: BRK-2
#[tokio::test]
async fn what_is_not_a_list_of_positions_is_an_error_and_never_an_empty_list() {
    for body in [
        "",
        "null",
        "\"null\"",
        "[]",
        "{}",
        "<html><body>maintenance</body></html>",
        "<positions></positions>",
        "The service is not available.",
        r#"{"orders":"null"}"#,
        r#"{"position":"null"}"#,
        r#"{"positions":{}}"#,
        r#"{"positions":[]}"#,
        r#"{"positions":0}"#,
        r#"{"positions":"none"}"#,
        r#"{"positions":{"position":0}}"#,
        r#"{"positions":{"position":[null]}}"#,
        r#"{"positions":"null","positions":"null"}"#,
        r#"{"positions":"null","errors":{"error":"no"}}"#,
        r#"{"positions":"null","fault":{"faultstring":"Datastore Error"}}"#,
        r#"{"positions":"null"}trailing"#,
    ] {
        let result = positions_from(http(200, body)).await;
        assert!(result.is_err(), "{body}: {result:?}");
    }
    // An account that is not this token's, and whatever else is not 200.
    for (status, body) in
        [(401, "Unauthorized Account: VA00000009"), (503, POSITIONS), (206, POSITIONS), (404, POSITIONS)]
    {
        let result = positions_from(http(status, body)).await;
        assert!(result.is_err(), "{status}: {result:?}");
    }
    for nothing in [r#"{"positions":"null"}"#, r#"{"positions":null}"#, r#"{"positions":{"position":[]}}"#] {
        assert_eq!(positions_from(http(200, nothing)).await, Ok(Vec::new()), "{nothing}");
    }
}

#[tokio::test]
async fn odd_rows_come_as_they_were_sent_for_whoever_judges_them() {
    let of = |rows: &str| http(200, &format!(r#"{{"positions":{{"position":[{rows}]}}}}"#));
    let row = |symbol: &str, quantity: &str| format!(r#"{{"id":1,"symbol":"{symbol}","quantity":{quantity}}}"#);
    // Twice the same symbol, a part of a share and of a contract, a short one, none at all, and a symbol that nobody knows.
    for (rows, wanted) in [
        (vec![("SPY", "5.00000000"), ("SPY", "-2")], vec![("SPY", "5"), ("SPY", "-2")]),
        (
            vec![("SPY", "0.12345678"), ("SPY300102C00500000", "0.5")],
            vec![("SPY", "0.12345678"), ("SPY300102C00500000", "0.5")],
        ),
        (vec![("SPY", "-3.0"), ("QQQ", "0.00000000")], vec![("SPY", "-3"), ("QQQ", "0")]),
        (vec![("ZZZZ.WS", "1"), ("SPY1300102C00500000", "1")], vec![("ZZZZ.WS", "1"), ("SPY1300102C00500000", "1")]),
    ] {
        let rows: Vec<_> = rows.into_iter().map(|(symbol, quantity)| row(symbol, quantity)).collect();
        let answer = positions_from(of(&rows.join(","))).await.unwrap();
        let wanted: Vec<_> = wanted.into_iter().map(|(symbol, quantity)| (symbol, quantity.to_owned())).collect();
        assert_eq!(told(&answer), wanted);
    }
    // What is no quantity and no symbol makes the whole answer unreadable.
    for (symbol, quantity) in
        [("SPY", "\"many\""), ("SPY", "1e99"), ("SPY", "NaN"), ("SPY", "true"), ("S PY", "1"), ("", "1")]
    {
        let rows = [row("QQQ", "1"), row(symbol, quantity)].join(",");
        let result = positions_from(of(&rows)).await;
        assert!(result.is_err(), "{rows}: {result:?}");
    }
}
