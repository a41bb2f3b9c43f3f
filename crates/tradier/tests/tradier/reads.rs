//! Reads bring the whole answer or an error, never less.

use std::sync::Arc;
use std::time::Duration;

use backstop_broker::{Broker, ReadError, Symbol};
use backstop_tradier::NightlyFilter;

use crate::server::{Behavior, Server, broker, config, hasty, http, nobody, now, with_headers};

const ORDERS: &str = r#"{"orders":{"order":{"id":9100001,"type":"limit","symbol":"AAPL","side":"buy",
 "quantity":10.00000000,"status":"open","duration":"day","price":190.5,"avg_fill_price":0.0,
 "exec_quantity":0.00000000,"create_date":"2030-01-02T14:31:05.120Z","class":"equity","tag":"bs-1"}}}"#;

async fn orders_from(behavior: Behavior) -> Result<usize, ReadError> {
    let server = Server::start(behavior).await;
    server.broker().orders().await.map(|list| list.orders().len())
}

// proves: BRK-2
#[tokio::test]
async fn an_answer_cut_at_any_byte_is_an_error_and_never_an_empty_list() {
    for body in [ORDERS, r#"{"orders":"null"}"#] {
        let whole = http(200, body);
        let open_ended = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}").into_bytes();
        for framed in [whole, open_ended] {
            for cut in 0..framed.len() {
                let result = orders_from(Behavior::Write(framed[..cut].to_vec())).await;
                assert!(result.is_err(), "cut at {cut} of {}: {result:?}", String::from_utf8_lossy(&framed));
            }
        }
    }
}

// proves: BRK-2
#[tokio::test]
async fn what_is_not_a_list_of_orders_is_an_error_and_never_an_empty_list() {
    let bodies = [
        "",
        " ",
        "null",
        "\"null\"",
        "0",
        "true",
        "[]",
        "{}",
        "<html><body>maintenance</body></html>",
        "<orders></orders>",
        r#"{"positions":"null"}"#,
        r#"{"order":"null"}"#,
        r#"{"orders":{}}"#,
        r#"{"orders":[]}"#,
        r#"{"orders":0}"#,
        r#"{"orders":true}"#,
        r#"{"orders":"none"}"#,
        r#"{"orders":{"page":1,"total_orders":0}}"#,
        r#"{"orders":{"order":0}}"#,
        r#"{"orders":{"order":[null]}}"#,
        r#"{"orders":"null","orders":"null"}"#,
        r#"{"orders":"null","errors":{"error":"no"}}"#,
        r#"{"orders":"null","errors":17}"#,
        r#"{"orders":"null","fault":{"faultstring":"Datastore Error"}}"#,
        r#"{"fault":{"faultstring":"Datastore Error"}}"#,
        r#"{"errors":{"error":"no"}}"#,
        r#"{"orders":"null"}trailing"#,
        r#"{"orders":"null"}{"orders":"null"}"#,
    ];
    for body in bodies {
        let result = orders_from(Behavior::Write(http(200, body))).await;
        assert!(result.is_err(), "{body}: {result:?}");
    }
    for status in [100, 201, 204, 206, 301, 400, 401, 403, 404, 429, 500, 502, 503] {
        let result = orders_from(Behavior::Write(http(status, r#"{"orders":"null"}"#))).await;
        assert!(result.is_err(), "{status}: {result:?}");
    }
}

// proves: BRK-2
#[tokio::test]
async fn one_unreadable_row_makes_the_read_an_error_that_names_it() {
    let rows = r#"{"orders":{"order":[{"id":1,"class":"equity","symbol":"SPY","side":"buy","quantity":1,"status":"open"},
        {"id":77,"class":"equity","symbol":"SPY","side":"sideways","quantity":1,"status":"open"}]}}"#;
    match orders_from(Behavior::Write(http(200, rows))).await {
        Err(ReadError::Unreadable { detail }) => assert!(detail.contains("77"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn empty_is_what_says_so() {
    for body in [
        r#"{"orders":"null"}"#,
        r#"{"orders":null}"#,
        r#"{"orders":""}"#,
        r#"{"orders":{"order":null}}"#,
        r#"{"orders":{"order":"null"}}"#,
        r#"{"orders":{"order":[]}}"#,
        r#" { "orders" : "null" } "#,
    ] {
        assert_eq!(orders_from(Behavior::Write(http(200, body))).await, Ok(0), "{body}");
    }
}

#[tokio::test]
async fn each_failure_has_its_name() {
    let no_connection = broker(config(&nobody().await)).orders().await;
    assert!(matches!(no_connection, Err(ReadError::NoConnection { .. })), "{no_connection:?}");
    let of = |behavior| async { orders_from(behavior).await.unwrap_err() };
    let answer = |status, body: &str| Behavior::Write(http(status, body));
    assert!(matches!(of(Behavior::CloseAfterRequest).await, ReadError::ConnectionLost { .. }));
    assert!(matches!(of(Behavior::Silent).await, ReadError::TimedOut { .. }));
    assert!(matches!(of(answer(400, "Invalid parameter, page: is not valid.")).await, ReadError::Refused { .. }));
    assert!(matches!(of(answer(200, r#"{"errors":{"error":"no"}}"#)).await, ReadError::Refused { .. }));
    assert!(matches!(of(answer(401, "Unauthorized Account: VA00004711")).await, ReadError::Unauthorized { .. }));
    assert!(matches!(of(answer(404, "")).await, ReadError::Server { status: 404, .. }));
    assert!(matches!(of(answer(502, "<html>")).await, ReadError::Server { status: 502, .. }));
    assert!(matches!(of(answer(200, "<html>")).await, ReadError::Unreadable { .. }));
    let fault = answer(500, r#"{"fault":{"faultstring":"Datastore Error"}}"#);
    assert!(matches!(of(fault).await, ReadError::Server { status: 500, detail } if detail == "Datastore Error"));
    let long = format!(r#"{{"orders":"null"{}}}"#, " ".repeat(1 << 17));
    assert!(matches!(of(answer(200, &long)).await, ReadError::Unreadable { .. }));
}

// proves: BRK-1
#[tokio::test]
async fn a_body_that_trickles_ends_in_time() {
    let result = tokio::time::timeout(Duration::from_secs(2), orders_from(Behavior::Trickle)).await;
    assert!(matches!(result.expect("in time"), Err(ReadError::TimedOut { .. })));
}

// proves: BRK-1
#[tokio::test]
async fn all_pages_together_end_in_time() {
    // Every page arrives in time and holds one more order.
    let script = |n: usize, _: &str| http(200, &ORDERS.replace("9100001", &n.to_string()));
    let server = Server::start(Behavior::Script(Duration::from_millis(60), Arc::new(script))).await;
    let config = hasty(server.config()).with_call_timeout(Duration::from_millis(400));
    let result = tokio::time::timeout(Duration::from_millis(900), broker(config).orders()).await;
    assert!(matches!(result.expect("in time"), Err(ReadError::TimedOut { .. })));
    assert!(server.seen().await.requests.len() > 1);
}

fn page_of(request: &str) -> usize {
    let (_, rest) = request.split_once("page=").unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn orders_come_with_tags_and_from_every_page() {
    let server = Server::answering(|_, request| match page_of(request) {
        page @ 1..=4 => http(200, &ORDERS.replace("9100001", &page.to_string())),
        _ => http(200, r#"{"orders":"null"}"#),
    })
    .await;
    let list = server.broker().orders().await.unwrap();
    assert_eq!(list.orders().len(), 4);
    assert!(list.orders().iter().all(|order| order.label.as_deref() == Some("bs-1")));
    let seen = server.seen().await;
    // Five pages, and the first once more.
    assert_eq!(seen.requests.len(), 6);
    assert!(seen.requests.iter().all(|(_, request)| request.contains("includeTags=true")));
    assert_eq!(seen.connections, 1);
}

// proves: BRK-2
#[tokio::test]
async fn a_page_that_fails_makes_the_read_an_error() {
    for bad in 1..=4 {
        let server = Server::answering(move |_, request| match page_of(request) {
            page if page == bad => http(503, "<html>"),
            page @ 1..=3 => http(200, &ORDERS.replace("9100001", &page.to_string())),
            _ => http(200, r#"{"orders":"null"}"#),
        })
        .await;
        let result = server.broker().orders().await;
        assert!(matches!(result, Err(ReadError::Server { status: 503, .. })), "page {bad}: {result:?}");
    }
}

#[tokio::test]
async fn an_order_read_by_id_is_that_order() {
    let single = ORDERS.replacen(r#"{"orders":"#, "", 1);
    let single = single.trim_end_matches('}').to_owned() + "}}";
    let server = Server::answering(move |_, _| http(200, &single)).await;
    let broker = server.broker();
    assert_eq!(broker.order(&"9100001".parse().unwrap()).await.unwrap().label.as_deref(), Some("bs-1"));
    let other = broker.order(&"9100002".parse().unwrap()).await;
    assert!(matches!(other, Err(ReadError::Unreadable { .. })), "{other:?}");
    let foreign = broker.order(&"..".parse().unwrap()).await;
    assert!(matches!(foreign, Err(ReadError::Refused { .. })), "{foreign:?}");
    assert_eq!(server.seen().await.requests.len(), 2);
}

#[tokio::test]
async fn quotes_are_stamped_on_arrival_and_long_lists_go_into_the_body() {
    let body = r#"{"quotes":{"quote":{"symbol":"AAPL","bid":"190.51","ask":null,"bid_date":1893500000000},
        "unmatched_symbols":{"symbol":"NOPE"}}}"#;
    let server = Server::answering(move |_, _| http(200, body)).await;
    let broker = server.broker();
    assert_eq!(broker.quotes(&[]).await.unwrap().quotes.len(), 0);
    let few = [Symbol::new("AAPL").unwrap(), Symbol::new("NOPE").unwrap()];
    let quotes = broker.quotes(&few).await.unwrap();
    assert_eq!(quotes.get(&few[0]).unwrap().received.wall, now());
    assert_eq!(quotes.unmatched, [few[1].clone()]);
    let many: Vec<Symbol> = (0..60).map(|n| Symbol::new(&format!("S{n}")).unwrap()).collect();
    broker.quotes(&many).await.unwrap();
    let seen = server.seen().await;
    let [(_, get), (_, post)] = &seen.requests[..] else { panic!("{seen:?}") };
    assert!(get.starts_with("GET /v1/markets/quotes?symbols=AAPL%2CNOPE&greeks=false HTTP/1.1\r\n"), "{get}");
    assert!(post.starts_with("POST /v1/markets/quotes HTTP/1.1\r\n") && post.contains("S59&greeks=false"), "{post}");
}

#[tokio::test]
async fn a_symbol_cannot_change_the_url_that_it_stands_in() {
    let server = Server::answering(|_, request| {
        http(200, if request.contains("gainloss") { r#"{"gainloss":null}"# } else { r#"{"quotes":null}"# })
    })
    .await;
    let broker = server.broker();
    let odd = Symbol::new("A#B?C&D%2E/F+G=H").unwrap();
    let encoded = "A%23B%3FC%26D%252E%2FF%2BG%3DH";
    broker.quotes(std::slice::from_ref(&odd)).await.unwrap();
    let many: Vec<Symbol> = (0..60).map(|n| Symbol::new(&format!("{odd}{n}")).unwrap()).collect();
    broker.quotes(&many).await.unwrap();
    broker.gain_loss(&NightlyFilter { symbol: Some(odd), ..NightlyFilter::default() }).await.unwrap();
    let seen = server.seen().await;
    let [(_, get), (_, post), (_, nightly)] = &seen.requests[..] else { panic!("{seen:?}") };
    assert!(get.starts_with(&format!("GET /v1/markets/quotes?symbols={encoded}&greeks=false HTTP/1.1\r\n")), "{get}");
    assert!(post.contains(&format!("symbols={encoded}0%2C{encoded}1%2C")), "{post}");
    assert!(nightly.contains(&format!("&symbol={encoded} HTTP/1.1\r\n")), "{nightly}");
}

#[tokio::test]
async fn what_the_server_says_of_its_budget_is_handed_on_by_class() {
    let budget = "X-Ratelimit-Allowed: 120\r\nX-Ratelimit-Used: 17\r\nX-Ratelimit-Available: 103\r\n\
        X-Ratelimit-Expiry: 1893594700123\r\n";
    let server = Server::answering(move |n, _| match n {
        1 => with_headers(200, budget, r#"{"positions":"null"}"#),
        2 => with_headers(429, "X-Ratelimit-Available: 0\r\nRetry-After: 5\r\n", "slow down"),
        _ => http(400, "Quota Violation, resets at 1893594690000"),
    })
    .await;
    let broker = server.broker();
    assert_eq!(broker.rate_limits(), backstop_tradier::RateLimits::default());
    broker.positions().await.unwrap();
    let standard = broker.rate_limits().standard.unwrap();
    assert_eq!((standard.allowed, standard.used, standard.available), (Some(120), Some(17), Some(103)));
    assert_eq!(standard.expiry.unwrap().as_millisecond(), 1_893_594_700_123);
    let Err(ReadError::Throttled { until, .. }) = broker.market_clock().await else { panic!() };
    assert_eq!(until, Some(now() + Duration::from_secs(5)));
    assert_eq!(broker.rate_limits().market_data.unwrap().available, Some(0));
    assert_eq!(broker.rate_limits().trading, None);
    let Err(ReadError::Throttled { until, .. }) = broker.balances().await else { panic!() };
    assert_eq!(until, Some("2030-01-02T14:31:30Z".parse().unwrap()));
}

#[tokio::test]
async fn nightly_lists_are_read_to_their_end() {
    let server = Server::answering(|_, request| {
        let row = r#"{"close_date":"2030-01-02T00:00:00.000Z","cost":215.0,"gain_loss":-215.0,
            "open_date":"2030-01-02T00:00:00.000Z","proceeds":0.0,"quantity":1.0,"symbol":"SPXW300102C06100000"}"#;
        match page_of(request) {
            1 => http(200, &format!(r#"{{"gainloss":{{"closed_position":[{row},{row}]}}}}"#)),
            2 => http(200, &format!(r#"{{"gainloss":{{"closed_position":{row}}}}}"#)),
            _ => http(200, r#"{"gainloss":null}"#),
        }
    })
    .await;
    let filter = NightlyFilter { symbol: Some("SPXW300102C06100000".parse().unwrap()), ..NightlyFilter::default() };
    assert_eq!(server.broker().gain_loss(&filter).await.unwrap().len(), 3);
    let day = "2030-01-02".parse().unwrap();
    let lots = server.broker().closed_lots(day).await.unwrap().unwrap();
    assert!(
        lots.len() == 3 && lots.iter().all(|lot| lot.closed_on == day && lot.quantity == backstop_broker::Decimal::ONE),
        "{lots:?}"
    );
    assert!(server.seen().await.requests[0].1.contains("symbol=SPXW300102C06100000"));
}
