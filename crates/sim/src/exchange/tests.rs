//! The exchange as a whole, moved by hand.

mod faults;
mod properties;
mod quoted;

use super::*;
use crate::calendar::Hours;
use crate::config::SimConfig;
use crate::order::{CancelRefusal, Refusal};
use backstop_broker::{Leg, MarketState};

/// A Wednesday, 10:00 in New York.
fn start() -> Timestamp {
    "2030-01-02T15:00:00Z".parse().unwrap()
}

fn settings(config: SimConfig) -> Settings {
    config.with_fill_delay(Duration::from_millis(100), Duration::from_millis(300)).settings
}

fn quiet() -> Exchange {
    Exchange::new(settings(SimConfig::new(1)), None, start())
}

fn after(ms: u64) -> Timestamp {
    later(start(), Duration::from_millis(ms))
}

fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

const PUT_5900: &str = "SPXW300102P05900000";
const PUT_5890: &str = "SPXW300102P05890000";

fn leg(name: &str, side: Side, effect: PositionEffect, quantity: u32) -> Leg {
    Leg { symbol: symbol(name), side, effect, quantity: Quantity::new(quantity).unwrap() }
}

fn order(underlying: &str, legs: Vec<Leg>, kind: OrderKind) -> NewOrder {
    NewOrder {
        tag: Some("t-1".to_owned()),
        underlying: symbol(underlying),
        legs,
        kind,
        time_in_force: TimeInForce::Day,
    }
}

fn shares(side: Side, effect: PositionEffect, quantity: u32, kind: OrderKind) -> NewOrder {
    order("SPY", vec![leg("SPY", side, effect, quantity)], kind)
}

fn buy(quantity: u32) -> NewOrder {
    shares(Side::Buy, PositionEffect::Open, quantity, OrderKind::Market)
}

fn sell(quantity: u32) -> NewOrder {
    shares(Side::Sell, PositionEffect::Close, quantity, OrderKind::Market)
}

fn put_spread(quantity: u32, kind: OrderKind) -> NewOrder {
    let legs = vec![
        leg(PUT_5900, Side::Sell, PositionEffect::Open, quantity),
        leg(PUT_5890, Side::Buy, PositionEffect::Open, quantity),
    ];
    order("SPX", legs, kind)
}

fn placed(answer: Answer<Result<u64, Refusal>>) -> u64 {
    answer.body.unwrap().unwrap()
}

fn refused(answer: Answer<Result<u64, Refusal>>) -> String {
    answer.body.unwrap().unwrap_err().text()
}

fn state(exchange: &Exchange, id: u64) -> OrderState {
    exchange.orders[&id].state
}

#[test]
fn an_order_is_pending_then_open_then_filled_at_the_market() {
    let mut exchange = quiet();
    let id = placed(exchange.submit(start(), &buy(3)));
    assert_eq!(state(&exchange, id), OrderState::Pending);
    exchange.advance(after(90));
    assert_eq!(state(&exchange, id), OrderState::Open);
    exchange.advance(after(400));
    assert_eq!(state(&exchange, id), OrderState::Filled);
    let price = exchange.orders[&id].net_price().unwrap();
    assert_eq!(exchange.account.cash, Decimal::from(100_000) - price * Decimal::from(3));
    assert_eq!(exchange.account.held.quantity(&symbol("SPY")), Decimal::from(3));
}

#[test]
fn a_limit_rests_until_the_market_comes_and_never_fills_beyond_its_price() {
    let mut exchange = quiet();
    let kind = OrderKind::Limit { price: Decimal::from(550) };
    let id = placed(exchange.submit(start(), &shares(Side::Buy, PositionEffect::Open, 1, kind)));
    exchange.advance(after(5_000));
    assert_eq!(state(&exchange, id), OrderState::Open);
    assert!(exchange.mark(after(5_100), &symbol("SPY"), Decimal::from(549)));
    exchange.advance(after(6_000));
    assert_eq!(state(&exchange, id), OrderState::Filled);
    assert!(exchange.orders[&id].net_price().unwrap() <= Decimal::from(550));
}

#[test]
fn a_stop_sleeps_until_its_price_trades() {
    let mut exchange = quiet();
    placed(exchange.submit(start(), &buy(1)));
    let stop = OrderKind::Stop { stop: Decimal::from(550) };
    let id = placed(exchange.submit(after(1_000), &shares(Side::Sell, PositionEffect::Close, 1, stop)));
    exchange.advance(after(5_000));
    assert_eq!(state(&exchange, id), OrderState::Open);
    exchange.mark(after(5_100), &symbol("SPY"), Decimal::from(549));
    exchange.advance(after(6_000));
    assert_eq!(state(&exchange, id), OrderState::Filled);
}

#[test]
fn positions_show_a_fill_only_after_the_lag() {
    let mut exchange =
        Exchange::new(settings(SimConfig::new(1).with_positions_lag(Duration::from_secs(5))), None, start());
    placed(exchange.submit(start(), &buy(1)));
    exchange.advance(after(1_000));
    assert_eq!(exchange.account.held.quantity(&symbol("SPY")), Decimal::ONE);
    assert!(exchange.positions().is_empty());
    exchange.advance(after(6_000));
    assert_eq!(exchange.positions()[0].1.quantity, Decimal::ONE);
}

#[test]
fn a_close_never_crosses_zero_and_pending_closes_count() {
    let mut exchange = quiet();
    assert!(refused(exchange.submit(start(), &sell(1))).ends_with("UnexpectedSellOrder"));
    placed(exchange.submit(start(), &buy(2)));
    exchange.advance(after(1_000));
    assert!(refused(exchange.submit(after(1_000), &sell(3))).ends_with("LongPositionCrossZero"));
    placed(exchange.submit(after(1_000), &sell(2)));
    assert!(refused(exchange.submit(after(1_001), &sell(1))).ends_with("LongPositionCrossZero"));
    exchange.advance(after(2_000));
    assert!(refused(exchange.submit(after(2_000), &sell(1))).ends_with("UnexpectedSellOrder"));
    let short = shares(Side::Sell, PositionEffect::Open, 1, OrderKind::Market);
    placed(exchange.submit(after(3_000), &short));
    exchange.advance(after(4_000));
    assert!(refused(exchange.submit(after(4_000), &buy(1))).ends_with("UnexpectedBuyOrder"));
}

#[test]
fn a_refusal_that_the_back_office_makes_leaves_a_row_and_an_unknown_symbol_does_not() {
    let mut exchange = quiet();
    refused(exchange.submit(start(), &sell(1)));
    assert_eq!(exchange.orders.len(), 1);
    let nope = order("NOPE", vec![leg("NOPE", Side::Buy, PositionEffect::Open, 1)], OrderKind::Market);
    assert_eq!(refused(exchange.submit(start(), &nope)), "Undefined symbol: NOPE");
    assert_eq!(exchange.orders.len(), 1);
}

#[test]
fn money_bounds_what_can_be_opened_working_orders_included() {
    let mut exchange = quiet();
    assert!(refused(exchange.submit(start(), &buy(1_000))).ends_with("InitialMargin"), "560,000 of shares");
    // Ten points wide: a thousand dollars each, less the credit.
    let credit = OrderKind::Credit { price: Decimal::ONE };
    assert!(refused(exchange.submit(start(), &put_spread(120, credit))).ends_with("InitialMargin"));
    placed(exchange.submit(start(), &put_spread(60, credit)));
    assert!(refused(exchange.submit(start(), &put_spread(60, credit))).ends_with("InitialMargin"));
    placed(exchange.submit(start(), &put_spread(40, credit)));
}

#[test]
fn an_index_cannot_be_bought_and_an_expired_option_not_traded() {
    let mut exchange = quiet();
    let index = order("SPX", vec![leg("SPX", Side::Buy, PositionEffect::Open, 1)], OrderKind::Market);
    assert!(refused(exchange.submit(start(), &index)).ends_with("TradingDeniedForSecurity"));
    let dead = order("SPX", vec![leg("SPXW300101P05900000", Side::Buy, PositionEffect::Open, 1)], OrderKind::Market);
    assert!(refused(exchange.submit(start(), &dead)).ends_with("InvalidOrderExpiration"));
    assert!(exchange.quote(&symbol("SPXW300101P05900000")).is_none());
}

#[test]
fn a_cancel_takes_effect_a_moment_later_and_a_finished_order_refuses_it() {
    let mut exchange = quiet();
    let kind = OrderKind::Limit { price: Decimal::from(500) };
    let id = placed(exchange.submit(start(), &shares(Side::Buy, PositionEffect::Open, 1, kind)));
    assert_eq!(exchange.cancel(after(500), id).body, Some(Ok(())));
    assert_eq!(state(&exchange, id), OrderState::Open);
    assert_eq!(exchange.cancel(after(900), id).body, Some(Err(CancelRefusal::Final(OrderState::Canceled))));
    assert_eq!(exchange.cancel(after(900), 7).body, Some(Err(CancelRefusal::NoSuchOrder)));
}

#[test]
fn the_end_of_the_session_settles_options_in_cash_and_their_rows_linger() {
    let mut exchange = quiet();
    placed(exchange.submit(start(), &put_spread(2, OrderKind::Market)));
    exchange.advance(after(2_000));
    let before = exchange.account.cash;
    assert!(before > Decimal::from(100_000), "a credit came in");
    exchange.mark(after(2_000), &symbol("SPX"), Decimal::from(5_893));
    exchange.close_session(after(2_001));
    // The short put is worth 7, the long one nothing: 2 x 7 x 100.
    assert_eq!(exchange.account.cash, before - Decimal::from(1_400));
    assert!(exchange.account.held.is_empty());
    assert_eq!(exchange.positions().len(), 2);
    exchange.advance(after(70_000));
    assert!(exchange.positions().is_empty());
    assert!(
        refused(exchange.submit(after(70_000), &put_spread(1, OrderKind::Market))).ends_with("InvalidOrderExpiration")
    );
}

#[test]
fn day_orders_expire_with_the_session_and_others_stay() {
    let mut exchange = quiet();
    let kind = OrderKind::Limit { price: Decimal::from(500) };
    let day = placed(exchange.submit(start(), &shares(Side::Buy, PositionEffect::Open, 1, kind)));
    let gtc =
        NewOrder { time_in_force: TimeInForce::GoodTilCanceled, ..shares(Side::Buy, PositionEffect::Open, 1, kind) };
    let gtc = placed(exchange.submit(start(), &gtc));
    exchange.close_session(after(1_000));
    assert_eq!((state(&exchange, day), state(&exchange, gtc)), (OrderState::Expired, OrderState::Open));
}

#[test]
fn regular_hours_close_by_themselves_and_queue_what_comes_after() {
    let config = SimConfig::new(1).with_hours(Hours::Regular);
    let before_close: Timestamp = "2030-01-02T20:59:00Z".parse().unwrap();
    let mut exchange = Exchange::new(settings(config), None, before_close);
    placed(exchange.submit(before_close, &put_spread(1, OrderKind::Market)));
    exchange.advance("2030-01-02T20:59:30Z".parse().unwrap());
    assert_eq!(exchange.account.held.iter().count(), 2);
    exchange.advance("2030-01-02T21:00:01Z".parse().unwrap());
    assert_eq!(exchange.market_clock().0.state, MarketState::PostMarket);
    assert!(exchange.account.held.is_empty(), "expired and settled");
    let queued = placed(exchange.submit("2030-01-02T22:00:00Z".parse().unwrap(), &buy(1)));
    exchange.advance("2030-01-03T14:29:00Z".parse().unwrap());
    assert_eq!(state(&exchange, queued), OrderState::Pending);
    exchange.advance("2030-01-03T14:31:00Z".parse().unwrap());
    assert_eq!(state(&exchange, queued), OrderState::Filled);
}

#[test]
fn the_list_holds_todays_orders_and_an_old_one_is_still_found_by_id() {
    let config = SimConfig::new(1).with_hours(Hours::Regular);
    let mut exchange = Exchange::new(settings(config), None, start());
    let id = placed(exchange.submit(start(), &buy(1)));
    exchange.advance(after(1_000));
    assert_eq!(exchange.order_views(true).len(), 1);
    exchange.advance("2030-01-03T15:00:00Z".parse().unwrap());
    assert!(exchange.order_views(true).is_empty());
    assert_eq!(exchange.order_view(id).unwrap().order.state, OrderState::Filled);
}

#[test]
fn two_orders_with_one_tag_are_two_orders() {
    let mut exchange = quiet();
    placed(exchange.submit(start(), &buy(1)));
    placed(exchange.submit(start(), &buy(1)));
    let ledger = exchange.ledger(after(1_000));
    assert_eq!(ledger.by_tag("t-1").count(), 2);
    assert_eq!(ledger.opening_orders_by_tag()["t-1"], 2);
}

#[test]
fn time_that_runs_backwards_changes_nothing() {
    let mut exchange = quiet();
    exchange.advance(after(10_000));
    let before = exchange.to_json().unwrap();
    exchange.advance(start());
    assert_eq!(exchange.to_json().unwrap(), before);
}

#[test]
fn a_year_of_silence_costs_no_more_than_two_minutes_of_walking() {
    let mut exchange = quiet();
    exchange.advance(later(start(), Duration::from_hours(24 * 365)));
    assert!(exchange.market.next_tick() > later(start(), Duration::from_hours(24 * 364)));
}

#[test]
fn an_account_that_comes_back_on_a_later_day_has_its_options_settled() {
    let mut exchange = quiet();
    placed(exchange.submit(start(), &put_spread(1, OrderKind::Market)));
    exchange.advance(after(2_000));
    let json = exchange.to_json().unwrap();
    let next_day = later(start(), Duration::from_hours(24));
    let back = Exchange::resume(&json, exchange.settings.clone(), None, next_day).unwrap();
    assert!(back.account.held.is_empty());
    assert_eq!(back.today().to_string(), "2030-01-03");
    assert!(back.is_open());
    let same_day = Exchange::resume(&json, exchange.settings.clone(), None, after(3_000)).unwrap();
    assert_eq!(same_day.account.held.iter().count(), 2);
}

#[test]
fn what_waits_for_a_new_day_opens_on_it() {
    let mut exchange = quiet();
    exchange.close_session(start());
    let gtc = NewOrder {
        time_in_force: TimeInForce::GoodTilCanceled,
        ..shares(Side::Buy, PositionEffect::Open, 1, OrderKind::Limit { price: Decimal::from(590) })
    };
    let id = placed(exchange.submit(after(10), &gtc));
    exchange.advance(after(5_000));
    assert_eq!((state(&exchange, id), exchange.is_open()), (OrderState::Pending, false));
    let next_day = later(start(), Duration::from_hours(24));
    let mut back = Exchange::resume(&exchange.to_json().unwrap(), exchange.settings.clone(), None, next_day).unwrap();
    back.advance(later(next_day, Duration::from_secs(5)));
    assert_eq!(state(&back, id), OrderState::Filled);
}

#[test]
fn a_price_beyond_all_measure_is_refused_before_it_is_reckoned_with() {
    let mut exchange = quiet();
    let kind = OrderKind::Limit { price: Decimal::MAX };
    let refusal = refused(exchange.submit(start(), &shares(Side::Buy, PositionEffect::Open, Quantity::MAX, kind)));
    assert!(refusal.ends_with("OrderPriceIsInvalid"));
}
