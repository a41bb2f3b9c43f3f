use super::*;

fn object(text: &str) -> Object<'_> {
    Object::parse(text).unwrap()
}

#[test]
fn a_worthless_expiry_is_a_closed_position_without_proceeds() {
    let rows = closed_positions(&object(
        r#"{"gainloss":{"closed_position":{"close_date":"2030-01-02T00:00:00.000Z","cost":215.0,"gain_loss":-215.0,
        "gain_loss_percent":-100.0,"open_date":"2030-01-02T00:00:00.000Z","proceeds":0.0,"quantity":1.0,
        "symbol":"SPXW300102C06100000","term":0}}}"#,
    ))
    .unwrap();
    assert_eq!((rows[0].proceeds, rows[0].gain_loss), (Decimal::ZERO, "-215".parse().unwrap()));
    assert_eq!(rows[0].closed.unwrap().to_string(), "2030-01-02");
    assert_eq!(closed_positions(&object(r#"{"gainloss":null}"#)), Ok(vec![]));
    assert!(closed_positions(&object(r#"{"gainloss":{"closed_position":{"symbol":"SPY"}}}"#)).is_err());
}

#[test]
fn details_are_found_under_whatever_name_they_have() {
    let rows = history(&object(
        r#"{"history":{"event":[
        {"amount":-1905.00,"date":"2030-01-02T00:00:00Z","type":"trade","trade":{"description":"APPLE INC",
         "price":190.500000,"quantity":10.00000000,"symbol":"AAPL","trade_type":"Equity"}},
        {"amount":0,"date":"2030-01-02T00:00:00Z","type":"option","option":{"option_type":"OPTEXP",
         "description":"Expired","quantity":-1.00000000}},
        {"amount":3.5,"date":"2030-01-02","type":"dividend","adjustment":{"description":"DIV","quantity":0}},
        {"amount":100,"date":"2030-01-02T00:00:00Z","type":"wire"}]}}"#,
    ))
    .unwrap();
    assert_eq!(rows[0].symbol, Some("AAPL".parse().unwrap()));
    assert_eq!((rows[0].quantity, rows[0].price), (Some(Decimal::TEN), Some("190.5".parse().unwrap())));
    assert_eq!((rows[1].symbol.clone(), rows[1].description.as_deref()), (None, Some("OPTEXP: Expired")));
    assert_eq!(rows[2].description.as_deref(), Some("DIV"));
    assert_eq!((rows[3].quantity, rows[3].description.clone()), (None, None));
    assert!(history(&object(r#"{"history":{"event":{"type":"trade","amount":1}}}"#)).is_err());
}
