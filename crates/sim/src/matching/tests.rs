use backstop_broker::{PositionEffect, Quantity, Symbol, TimeInForce};
use proptest::prelude::*;

use super::*;
use crate::book::BookSide;

const NAMES: [&str; 4] = ["SPXW300102P05900000", "SPXW300102P05890000", "SPXW300102C05950000", "SPXW300102C05960000"];

fn leg(index: usize, side: Side, quantity: u32) -> Leg {
    let symbol: Symbol = NAMES[index].parse().unwrap();
    Leg { symbol, side, effect: PositionEffect::Open, quantity: Quantity::new(quantity).unwrap() }
}

fn quote(index: usize, bid: i64, ask: i64) -> BookQuote {
    let side = |cents| BookSide { price: Some(Decimal::new(cents, 2)), ..BookSide::default() };
    BookQuote { bid: side(bid), ask: side(ask), ..BookQuote::empty(NAMES[index].parse().unwrap()) }
}

fn order(legs: Vec<Leg>, kind: OrderKind) -> NewOrder {
    NewOrder { tag: None, underlying: "SPX".parse().unwrap(), legs, kind, time_in_force: TimeInForce::Day }
}

fn market(order: &NewOrder, quotes: &[BookQuote]) -> Option<UnitMarket> {
    UnitMarket::new(order, |leg| quotes.iter().find(|quote| quote.symbol == leg.symbol))
}

#[test]
fn a_credit_spread_sells_at_the_bid_and_buys_at_the_ask() {
    let spread = order(vec![leg(0, Side::Sell, 3), leg(1, Side::Buy, 3)], OrderKind::Credit { price: Decimal::ONE });
    let market = market(&spread, &[quote(0, 500, 520), quote(1, 300, 310)]).unwrap();
    assert_eq!(market.natural, Decimal::new(-190, 2));
    assert_eq!(market.best, Decimal::new(-220, 2));
    assert_eq!(limit(&spread), Some(Decimal::NEGATIVE_ONE));
    assert_eq!(spread.units(), 3);
}

#[test]
fn nobody_buys_what_is_offered_at_no_price() {
    let sale = order(vec![leg(0, Side::Sell, 1)], OrderKind::Market);
    assert_eq!(market(&sale, &[quote(0, 0, 5)]), None);
    let spread = order(vec![leg(0, Side::Buy, 1), leg(1, Side::Sell, 1)], OrderKind::Market);
    let closing = market(&spread, &[quote(0, 10, 20), quote(1, 0, 5)]).unwrap();
    assert_eq!(closing.natural, Decimal::new(20, 2), "a worthless wing does not keep a spread from closing");
}

proptest! {
    #[test]
    fn leg_prices_come_exactly_to_the_net_and_stay_within_their_quotes(
        books in prop::collection::vec((5i64..5_000, 5i64..200), 4),
        sides in prop::collection::vec(prop::bool::ANY, 4),
        ratios in prop_oneof![Just([1u32, 1, 1, 1]), Just([1, 2, 1, 1]), Just([2, 3, 1, 1])],
        count in 2usize..=4,
        part in 0i64..=100,
    ) {
        let side = |index: usize| if sides[index] { Side::Buy } else { Side::Sell };
        let legs: Vec<_> = (0..count).map(|index| leg(index, side(index), ratios[index])).collect();
        let quotes: Vec<_> = (0..count).map(|index| quote(index, books[index].0, books[index].0 + books[index].1)).collect();
        let spread = order(legs, OrderKind::Market);
        let market = market(&spread, &quotes);
        prop_assume!(market.is_some());
        let market = market.unwrap();
        let room = market.natural - market.best;
        let net = (market.natural - room * Decimal::new(part, 2)).round_dp(2).clamp(market.best, market.natural);
        if let Some(prices) = market.prices(net) {
            let sum: Decimal =
                spread.legs.iter().zip(&prices).map(|(leg, price)| leg.side.signed(spread.ratio(leg) * price)).sum();
            prop_assert_eq!(sum, net);
            for (price, quote) in prices.iter().zip(&quotes) {
                let (bid, ask) = quote.prices().unwrap();
                prop_assert!((bid..=ask).contains(price), "{} outside {} {}", price, bid, ask);
            }
        } else {
            prop_assert!(ratios != [1, 1, 1, 1], "legs of one each always come out");
        }
        prop_assert_eq!(market.prices(market.natural + Decimal::ONE), None);
    }
}
