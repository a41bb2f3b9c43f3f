use proptest::prelude::*;

use super::*;

fn start() -> Timestamp {
    "2030-01-02T15:00:00Z".parse().unwrap()
}

fn market(seed: u64) -> Market {
    Market::new(&Underlying::defaults(), seed, start())
}

fn option(right: OptionRight, strike: i64) -> OptionSymbol {
    OptionSymbol::new("SPXW", "2030-01-02".parse().unwrap(), right, Decimal::from(strike)).unwrap()
}

fn fair(right: OptionRight, strike: i64) -> Decimal {
    fair_price(&option(right, strike), Decimal::from(5_900), Decimal::from(5_900), start())
}

#[test]
fn options_can_be_had_for_any_strike_of_a_known_underlying_and_for_no_other() {
    let market = market(1);
    assert!(market.quote(&option(OptionRight::Put, 5_875).symbol(), start()).is_some());
    assert!(market.quote(&"AAPL300102C00250000".parse().unwrap(), start()).is_none());
    assert!(market.quote(&"AAPL".parse().unwrap(), start()).is_none());
}

#[test]
fn prices_leave_no_arbitrage_between_strikes_nor_between_calls_and_puts() {
    for strike in (5_500..6_300).step_by(5) {
        let step = Decimal::from(5);
        let [below, here, above] = [-5, 0, 5].map(|by| fair(OptionRight::Call, strike + by));
        assert!(below >= here && below - here <= step, "vertical at {strike}");
        assert!(below + above >= here + here, "butterfly at {strike}");
        let parity = here - fair(OptionRight::Put, strike);
        assert!((parity - Decimal::from(5_900 - strike)).abs() < Decimal::new(1, 9), "parity at {strike}");
    }
}

#[test]
fn time_value_is_largest_at_the_money_and_shrinks_towards_the_end() {
    assert!(fair(OptionRight::Put, 5_900) > fair(OptionRight::Put, 5_800));
    let late = "2030-01-03T03:00:00Z".parse().unwrap();
    let price = Decimal::from(5_900);
    assert!(fair_price(&option(OptionRight::Put, 5_900), price, price, late) < fair(OptionRight::Put, 5_900));
}

#[test]
fn a_far_option_has_no_bid_and_no_size_but_an_ask() {
    let quote = market(1).quote(&option(OptionRight::Call, 9_900).symbol(), start()).unwrap();
    assert_eq!((quote.bid.price, quote.bid.size), (Some(Decimal::ZERO), Some(Decimal::ZERO)));
    assert!(quote.ask.price.unwrap() >= OPTION_TICK);
}

proptest! {
    #[test]
    fn books_are_on_their_tick_and_never_crossed_nor_locked(seed in any::<u64>(), steps in 0u32..400, strike in 5_000i64..7_000) {
        let mut market = market(seed);
        for _ in 0..steps {
            market.step(market.next_tick());
        }
        for symbol in [option(OptionRight::Put, strike).symbol(), "SPY".parse().unwrap(), "SPX".parse().unwrap()] {
            let quote = market.quote(&symbol, start()).unwrap();
            let (bid, ask) = quote.prices().unwrap();
            let tick = if symbol.option().is_some() { OPTION_TICK } else { Decimal::new(1, 2) };
            prop_assert!(ask - bid >= tick);
            prop_assert!((bid % tick).is_zero() && (ask % tick).is_zero());
        }
    }
}
