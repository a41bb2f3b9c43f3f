use backstop_broker::Progress;

use super::*;

const SPREAD: &str = r#"{"orders":{"order":{"id":9100002,"type":"credit","symbol":"SPX","side":"buy","quantity":1.00000000,
 "status":"partially_filled","duration":"day","price":1.20,"avg_fill_price":-1.20,"exec_quantity":1.00000000,
 "last_fill_price":-1.20,"last_fill_quantity":0E-8,"remaining_quantity":0.00000000,
 "create_date":"2030-01-02T14:31:05.120Z","transaction_date":"2030-01-02T14:31:05.377Z","class":"multileg","num_legs":2,
 "strategy":"spread","tag":"bk-20300102-0002","leg":[
  {"id":9100003,"side":"sell_to_open","symbol":"SPX","quantity":1.00000000,"status":"filled","avg_fill_price":2.15,
   "exec_quantity":1.00000000,"class":"option","option_symbol":"SPXW300102P05900000"},
  {"id":9100004,"side":"buy_to_open","symbol":"SPX","quantity":1.00000000,"status":"filled","avg_fill_price":"0.95",
   "exec_quantity":"1.00000000","class":"option","option_symbol":"SPXW300102P05890000"}]}}}"#;

fn read(text: &str) -> Result<Vec<Order>, Malformed> {
    orders(&Object::parse(text).unwrap())
}

fn one(row: &str) -> Result<Order, Malformed> {
    Ok(read(&format!(r#"{{"orders":{{"order":{row}}}}}"#))?.remove(0))
}

fn equity(extra: &str) -> String {
    format!(r#"{{"id":1,"class":"equity","symbol":"SPY","side":"buy","quantity":10.0,"status":"open"{extra}}}"#)
}

#[test]
fn a_spread_is_read_from_its_legs() {
    let order = read(SPREAD).unwrap().remove(0);
    assert_eq!((order.id.as_str(), order.label.as_deref()), ("9100002", Some("bk-20300102-0002")));
    assert_eq!(order.status, OrderStatus::PartiallyFilled);
    assert_eq!(order.net_price, Some("-1.2".parse().unwrap()));
    assert_eq!(order.created_at, Some("2030-01-02T14:31:05.120Z".parse().unwrap()));
    let [short, long] = &order.legs[..] else { panic!("{order:?}") };
    assert_eq!((short.side, short.effect), (Side::Sell, PositionEffect::Open));
    assert_eq!((long.side, long.effect), (Side::Buy, PositionEffect::Open));
    assert_eq!(short.symbol.as_str(), "SPXW300102P05900000");
    assert_eq!((long.filled, long.price), (Some(Decimal::ONE), Some("0.95".parse().unwrap())));
}

#[test]
fn none_one_and_many_orders() {
    assert_eq!(read(r#"{"orders":"null"}"#), Ok(vec![]));
    assert_eq!(one(&equity("")).unwrap().id.as_str(), "1");
    let many =
        format!(r#"{{"orders":{{"order":[{},{}]}}}}"#, equity(""), equity("").replace(r#""id":1"#, r#""id":"2""#));
    assert_eq!(read(&many).unwrap().len(), 2);
}

#[test]
fn the_words_for_sides_say_what_they_open_and_close() {
    let equity =
        |word: &str| one(&equity("").replace("buy", word)).map(|order| (order.legs[0].side, order.legs[0].effect));
    assert_eq!(equity("buy"), Ok((Side::Buy, PositionEffect::Open)));
    assert_eq!(equity("sell"), Ok((Side::Sell, PositionEffect::Close)));
    assert_eq!(equity("sell_short"), Ok((Side::Sell, PositionEffect::Open)));
    assert_eq!(equity("buy_to_cover"), Ok((Side::Buy, PositionEffect::Close)));
    let option = |word: &str| {
        one(&format!(
            r#"{{"id":1,"class":"option","symbol":"SPX","option_symbol":"SPXW300102P05900000","side":"{word}",
            "quantity":1,"status":"open"}}"#
        ))
        .map(|order| (order.legs[0].side, order.legs[0].effect))
    };
    assert_eq!(option("buy_to_open"), Ok((Side::Buy, PositionEffect::Open)));
    assert_eq!(option("buy_to_close"), Ok((Side::Buy, PositionEffect::Close)));
    assert_eq!(option("sell_to_open"), Ok((Side::Sell, PositionEffect::Open)));
    assert_eq!(option("sell_to_close"), Ok((Side::Sell, PositionEffect::Close)));
    assert!(equity("buy_to_open").is_err() && option("buy").is_err() && equity("hold").is_err());
}

// proves: BRK-2
#[test]
fn only_documented_final_words_are_terminal() {
    let terminal = ["filled", "canceled", "expired", "rejected", "error", "FILLED"];
    for word in terminal {
        assert!(status(word).is_terminal(), "{word}");
    }
    let working = ["pending", "submitted", "open", "partially_filled", "pending_cancel"];
    let unknown =
        ["held", "accepted_for_bidding", "calculated", "partially_filled_canceled", "ok", "done", "filled ", "null"];
    for word in working.into_iter().chain(unknown) {
        assert!(!status(word).is_terminal(), "{word}");
    }
    for word in unknown {
        assert!(matches!(status(word), OrderStatus::Unrecognized(kept) if kept == word));
    }
}

#[test]
fn filled_before_the_quantities_are_is_not_measured() {
    for extra in
        ["", r#","exec_quantity":null"#, r#","exec_quantity":"null","avg_fill_price":0.0"#, r#","exec_quantity":0E-8"#]
    {
        let order = one(&equity(extra).replace("open", "filled")).unwrap();
        assert_eq!(order.progress(), Progress::Unmeasured, "{extra}");
    }
    let done =
        one(&equity(r#","exec_quantity":10.00000000,"avg_fill_price":560.12"#).replace("open", "filled")).unwrap();
    assert!(matches!(done.progress(), Progress::Final(fills) if fills.len() == 1));
}

// proves: BRK-2
#[test]
fn an_order_of_ours_that_lacks_what_it_is_about_makes_the_list_unreadable() {
    for (field, odd) in [
        (r#""id":1,"#, ""),
        (r#""id":1,"#, r#""id":1.5,"#),
        (r#""id":1,"#, r#""id":null,"#),
        (r#""symbol":"SPY","#, ""),
        (r#""symbol":"SPY","#, r#""symbol":"null","#),
        (r#""symbol":"SPY","#, r#""symbol":"no symbol","#),
        (r#""side":"buy","#, ""),
        (r#""quantity":10.0,"#, ""),
        (r#""quantity":10.0,"#, r#""quantity":"many","#),
        (r#""quantity":10.0,"#, r#""quantity":0,"#),
        (r#""status":"open""#, r#""status":null"#),
        (r#""status":"open""#, r#""status":"open","exec_quantity":"NaN""#),
        (r#""status":"open""#, r#""status":"open","avg_fill_price":{}"#),
        (r#""class":"equity","#, r#""class":"option","#),
        (r#""class":"equity","#, r#""class":"multileg","#),
        (r#""class":"equity","#, r#""class":"multileg","leg":"null","#),
        (r#""class":"equity","#, r#""class":"multileg","leg":[{}],"#),
    ] {
        let row = equity("");
        assert!(row.contains(field));
        assert!(one(&row.replace(field, odd)).is_err(), "{field} -> {odd}");
    }
}

#[test]
fn orders_of_other_classes_do_not_hide_ours() {
    let combo = one(r#"{"id":5,"class":"combo","symbol":"SPY","side":"buy","quantity":1,"status":"filled","leg":[
        {"id":6,"class":"equity","symbol":"SPY","side":"buy","quantity":100,"exec_quantity":100,"avg_fill_price":560},
        {"id":7,"class":"option","symbol":"SPY","option_symbol":"SPY300102C00570000","side":"sell_to_open","quantity":1,
         "exec_quantity":1,"avg_fill_price":2.5}]}"#)
    .unwrap();
    assert_eq!((combo.legs.len(), combo.status.clone()), (2, OrderStatus::Filled));
    assert!(matches!(combo.progress(), Progress::Final(fills) if fills.len() == 2));
}

// proves: BRK-2
#[test]
fn a_foreign_order_that_cannot_be_expressed_never_seems_finished_with_nothing_filled() {
    for row in [
        r#"{"id":5,"class":"oco","status":"filled"}"#,
        r#"{"id":5,"class":"oto","status":"filled","symbol":null,"leg":"null"}"#,
        r#"{"id":5,"class":"otoco","status":"filled","leg":[{"id":6,"type":"limit"},
            {"id":7,"class":"equity","symbol":"SPY","side":"sell","quantity":1,"exec_quantity":0}]}"#,
        r#"{"id":5,"class":"fractional","status":"canceled","symbol":"SPY","side":"buy","quantity":0.5}"#,
    ] {
        let order = one(row).unwrap();
        assert!(
            matches!(&order.status, OrderStatus::Unrecognized(word) if word.contains("legs unreadable")),
            "{order:?}"
        );
        assert_eq!(order.progress(), Progress::Working);
    }
}

#[test]
fn what_nothing_hangs_on_may_be_missing_or_odd() {
    let order = one(&equity(r#","create_date":"yesterday","tag":null,"reason_description":"null""#)).unwrap();
    assert_eq!((order.created_at, order.label, order.reason), (None, None, None));
    let failed = one(&equity(r#","errors":{"error":["Buying power exceeded","InitialMargin"]}"#)).unwrap();
    assert_eq!(failed.reason.as_deref(), Some("Buying power exceeded; InitialMargin"));
    let second =
        one(&equity(r#","create_date":"2030-01-02T14:31:05Z","class":null"#).replacen(r#""class":"equity","#, "", 1));
    assert!(second.unwrap().created_at.is_some());
}
