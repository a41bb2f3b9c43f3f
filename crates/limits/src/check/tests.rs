use std::collections::BTreeMap;

use backstop_broker::{ClientOrderId, Leg, OrderKind, PositionEffect, Quantity, Side, Symbol, TimeInForce};
use proptest::prelude::*;

use super::*;
use crate::config::{Collar, Rate};
use crate::exposure::Holding;
use crate::price::Reference;

pub(crate) fn config() -> Config {
    Config {
        order_quantity: 10,
        order_notional: Decimal::from(6_000),
        gross_notional: Decimal::from(20_000),
        collar: Collar { bps: 100, least: Decimal::new(5, 2) },
        positions: 3,
        positions_per_underlying: 2,
        entries: 5,
        loss: Decimal::from(500),
        repeats: 4,
        look_alikes: Rate { count: 1, seconds: 30 },
        messages: Rate { count: 6, seconds: 60 },
        underlyings: [symbol("SPY"), symbol("SPX"), symbol("QQQ")].into(),
    }
}

fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn leg(name: &str, side: Side, effect: PositionEffect, quantity: u32) -> Leg {
    Leg { symbol: symbol(name), side, effect, quantity: Quantity::new(quantity).unwrap() }
}

fn order(underlying: &str, legs: Vec<Leg>, kind: OrderKind) -> OrderRequest {
    let id = ClientOrderId::new("bs-1").unwrap();
    OrderRequest::new(id, symbol(underlying), legs, kind, TimeInForce::Day).unwrap()
}

/// Buys or sells shares to open.
fn shares(name: &str, side: Side, quantity: u32, kind: OrderKind) -> OrderRequest {
    order(name, vec![leg(name, side, PositionEffect::Open, quantity)], kind)
}

fn limit(price: &str) -> OrderKind {
    OrderKind::Limit { price: dec(price) }
}

const SHORT: &str = "SPXW300102P05900000";
const LONG: &str = "SPXW300102P05890000";

/// A put credit spread.
fn spread(kind: OrderKind) -> OrderRequest {
    let legs = vec![leg(SHORT, Side::Sell, PositionEffect::Open, 1), leg(LONG, Side::Buy, PositionEffect::Open, 1)];
    order("SPX", legs, kind)
}

fn references() -> References {
    [("SPY", "559.90", "560.10"), ("QQQ", "499.00", "501.00"), (SHORT, "10.00", "10.20"), (LONG, "8.90", "9.10")]
        .into_iter()
        .map(|(name, bid, ask)| (symbol(name), Reference { bid: dec(bid), ask: dec(ask) }))
        .collect()
}

fn now() -> Timestamp {
    "2026-01-05T15:00:00Z".parse().unwrap()
}

#[derive(Debug)]
struct Desk {
    limits: Limits,
    references: References,
    exposure: Exposure,
    counters: Counters,
    open_result: Decimal,
    unpriced: Option<Symbol>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            limits: Limits::start(config(), None).unwrap().0,
            references: references(),
            exposure: Exposure::new(),
            counters: Counters::default(),
            open_result: Decimal::ZERO,
            unpriced: None,
        }
    }
}

impl Desk {
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self { limits: Limits::start(config, None).unwrap().0, ..Self::default() }
    }

    fn check(&self, order: &OrderRequest) -> Result<Within, Refused> {
        self.limits.check(order, &kind(), self.look())
    }

    fn look(&self) -> Look<'_> {
        let Self { references, exposure, counters, .. } = self;
        let open_result = self.unpriced.as_ref().map_or(Ok(self.open_result), Err);
        Look { references, exposure, counters, open_result, now: now() }
    }

    fn breaches(&self, order: &OrderRequest) -> Vec<Breach> {
        self.check(order).err().map(|refused| refused.breaches().to_vec()).unwrap_or_default()
    }
}

fn kind() -> Kind {
    Kind::new("scalper")
}

fn held(underlying: &str, name: &str, quantity: i64, notional: &str) -> Holding {
    Holding { underlying: symbol(underlying), legs: vec![(symbol(name), quantity.into())], notional: dec(notional) }
}

// proves: LIMIT-2
#[test]
fn the_size_of_an_order_is_judged_leg_by_leg() {
    let desk = Desk::with(|config| config.order_notional = config.gross_notional);
    assert_eq!(desk.breaches(&shares("SPY", Side::Buy, 10, limit("560"))), []);
    let breach = Breach::OrderQuantity { symbol: symbol("SPY"), asked: 11, limit: 10 };
    assert_eq!(desk.breaches(&shares("SPY", Side::Sell, 11, limit("560"))), [breach]);
}

// proves: LIMIT-2
#[test]
fn the_value_of_an_order_is_its_own_price_or_the_markets_worse_side_whichever_is_more() {
    for (kind, notional) in [
        (limit("560"), "5601.00"),
        (limit("560.50"), "5605.00"),
        (OrderKind::Market, "5601.00"),
        (OrderKind::Stop { stop: dec("561") }, "5610"),
        (OrderKind::StopLimit { stop: dec("561"), price: dec("562") }, "5620"),
    ] {
        for side in [Side::Buy, Side::Sell] {
            let order = shares("SPY", side, 10, kind);
            let within = Desk::with(|config| config.order_notional = dec(notional)).check(&order).unwrap();
            assert_eq!(within.notional(), dec(notional));
            let limit = dec(notional) - Decimal::new(1, 2);
            let refused = Desk::with(|config| config.order_notional = limit).breaches(&order);
            assert_eq!(refused, [Breach::OrderNotional { notional: dec(notional), limit }], "{kind:?}");
        }
    }
    // Both legs count, at a hundred shares a contract.
    let within = Desk::default().check(&spread(OrderKind::Credit { price: dec("1.10") })).unwrap();
    assert_eq!(within.notional(), dec("1930"));
}

// proves: LIMIT-2
#[test]
fn a_price_is_held_against_the_middle_of_the_market_on_both_sides_of_it() {
    // The middle is 560, one per cent of it 5.60.
    for (price, passes) in [("565.60", true), ("565.61", false), ("554.40", true), ("554.39", false)] {
        for side in [Side::Buy, Side::Sell] {
            let price = dec(price);
            let kinds = [
                OrderKind::Limit { price },
                OrderKind::Stop { stop: price },
                OrderKind::StopLimit { stop: dec("560"), price },
            ];
            for kind in kinds {
                let breaches = Desk::default().breaches(&shares("SPY", side, 1, kind));
                let away = (price - dec("560")).abs();
                let breach = Breach::Collar { price, middle: dec("560.00"), away, limit: dec("5.60") };
                assert_eq!(breaches, if passes { vec![] } else { vec![breach] }, "{side:?} {kind:?}");
            }
        }
    }
}

// proves: LIMIT-2
#[test]
fn a_market_order_is_held_against_what_it_would_get_now() {
    let mut desk = Desk::default();
    for (bid, ask, passes) in [("554.40", "565.60", true), ("554.38", "565.62", false)] {
        desk.references.insert(symbol("SPY"), Reference { bid: dec(bid), ask: dec(ask) });
        for side in [Side::Buy, Side::Sell] {
            let breaches = desk.breaches(&shares("SPY", side, 1, OrderKind::Market));
            assert_eq!(breaches.is_empty(), passes, "{side:?} at {bid} to {ask}: {breaches:?}");
        }
    }
}

// proves: LIMIT-2
#[test]
fn a_net_price_is_held_against_the_net_middle_of_the_legs() {
    // Sold at 10.10, bought at 9.00: a credit of 1.10 in the middle. One per cent is about a cent, so five cents count.
    for (price, passes) in [("1.10", true), ("1.15", true), ("1.16", false), ("1.05", true), ("1.04", false)] {
        let breaches = Desk::default().breaches(&spread(OrderKind::Credit { price: dec(price) }));
        assert_eq!(breaches.is_empty(), passes, "{price}: {breaches:?}");
    }
    let breaches = Desk::default().breaches(&spread(OrderKind::Debit { price: dec("1.10") }));
    assert!(matches!(&breaches[..], [Breach::Collar { away, .. }] if *away == dec("2.20")), "{breaches:?}");
    assert!(!Desk::default().breaches(&spread(OrderKind::Even)).is_empty());
    // At the market it would get 0.90.
    assert!(!Desk::default().breaches(&spread(OrderKind::Market)).is_empty());
    let wider = Desk::with(|config| config.collar.least = dec("0.20"));
    assert_eq!(wider.breaches(&spread(OrderKind::Market)), []);
}

#[test]
fn without_a_market_to_judge_by_there_is_no_entry() {
    let order = shares("SPY", Side::Buy, 1, limit("560"));
    let no_market = [Breach::NoReference { symbol: symbol("SPY") }];
    let mut desk = Desk::default();
    desk.references.clear();
    assert_eq!(desk.breaches(&order), no_market);
    for (bid, ask) in [("560.10", "559.90"), ("0", "0"), ("-1", "1")] {
        desk.references.insert(symbol("SPY"), Reference { bid: dec(bid), ask: dec(ask) });
        assert_eq!(desk.breaches(&order), no_market, "{bid} to {ask}");
    }
    desk.references.insert(symbol("SPY"), Reference { bid: Decimal::MAX, ask: Decimal::MAX });
    assert_eq!(desk.breaches(&order), [Breach::Uncountable]);
}

// proves: LIMIT-2
#[test]
fn what_is_working_or_unknown_counts_as_if_it_were_filled() {
    let entry = shares("SPY", Side::Buy, 10, limit("560"));
    let within = Desk::default().check(&entry).unwrap();
    for count in 0..3 {
        let (mut filled, mut working) = (Desk::default(), Desk::default());
        for _ in 0..count {
            filled.exposure.held(held("SPY", "SPY", 10, "5601"));
            working.exposure.may_open(&entry, within.notional());
        }
        let expected = if count < 2 {
            vec![]
        } else {
            vec![Breach::PositionsPerUnderlying { underlying: symbol("SPY"), open: count, limit: 2 }]
        };
        assert_eq!(filled.breaches(&entry), expected);
        assert_eq!(working.breaches(&entry), expected);
    }
    let mut desk = Desk::default();
    for name in ["SPX", "QQQ", "IWM"] {
        desk.exposure.held(held(name, name, 1, "1"));
    }
    assert_eq!(desk.breaches(&entry), [Breach::Positions { open: 3, limit: 3 }]);
    desk = Desk::default();
    desk.exposure.held(held("QQQ", "QQQ", 5, "14399"));
    assert_eq!(desk.breaches(&entry), []);
    desk.exposure.held(held("QQQ", "QQQ", -5, "0.01"));
    let breach = Breach::GrossNotional { notional: dec("20000.01"), limit: dec("20000") };
    assert_eq!(desk.breaches(&entry), [breach]);
}

#[test]
fn what_is_closed_takes_nobodys_place() {
    let mut desk = Desk::default();
    for _ in 0..5 {
        desk.exposure.held(held("SPY", "SPY", 0, "99999"));
    }
    assert_eq!(desk.breaches(&shares("SPY", Side::Buy, 1, limit("560"))), []);
}

#[test]
fn an_order_does_not_meet_its_own_opposite() {
    let mut desk = Desk::default();
    desk.exposure.held(held("SPY", "SPY", 5, "2800"));
    assert_eq!(desk.breaches(&shares("SPY", Side::Buy, 1, limit("560"))), []);
    let opposite = Breach::Opposite { symbol: symbol("SPY") };
    assert_eq!(desk.breaches(&shares("SPY", Side::Sell, 1, limit("560"))), [opposite]);
}

// proves: LIMIT-2
#[test]
fn entries_losses_and_repeats_are_counted_and_end_the_entries() {
    let entry = shares("SPY", Side::Buy, 1, limit("560"));
    let mut desk = Desk::default();
    desk.counters.begin_session("20260105-1");
    let others = ["560.01", "560.02", "560.03", "560.04", "560.05"];
    for (count, price) in others.into_iter().enumerate() {
        let long_ago = now() - jiff::SignedDuration::from_mins(5);
        assert_eq!(desk.breaches(&entry), [], "after {count}");
        desk.counters.entry(&shares("SPY", Side::Buy, 1, limit(price)), long_ago);
    }
    assert_eq!(desk.breaches(&entry), [Breach::Entries { entries: 5, limit: 5 }]);
    desk.counters.begin_session("20260105-1");
    assert_eq!(desk.breaches(&entry).len(), 1, "the same session goes on");
    desk.counters.begin_session("20260105-2");
    assert_eq!(desk.breaches(&entry), []);

    desk.counters.closed(dec("-499.99"));
    assert_eq!(desk.breaches(&entry), []);
    desk.open_result = dec("-0.01");
    assert_eq!(desk.breaches(&entry), [Breach::Loss { lost: dec("500"), limit: dec("500") }]);
    desk.open_result = dec("1000");
    desk.counters.closed(dec("-0.01"));
    assert_eq!(desk.breaches(&entry).len(), 1, "a gain on paper buys no losses");
    desk.counters.begin_session("20260106-1");
    desk.open_result = Decimal::ZERO;

    for count in 0..4 {
        assert_eq!(desk.breaches(&entry), [], "after {count}");
        desk.counters.executed(&kind());
    }
    let refused = [Breach::Repeats { kind: kind(), executed: 4, limit: 4 }];
    desk.counters.executed(&Kind::new("another"));
    desk.counters.begin_session("20260107-1");
    assert_eq!(desk.breaches(&entry), refused, "a new day is no person's look");
    desk.counters.allow_repeats(&kind());
    assert_eq!(desk.breaches(&entry), []);
}

// proves: LIMIT-2
#[test]
fn an_order_is_about_what_its_legs_are_of_whatever_it_says() {
    let about = |underlying: &str, option: &str| {
        let mut desk = Desk::default();
        desk.references.insert(symbol(option), Reference { bid: dec("1.00"), ask: dec("1.01") });
        desk.breaches(&order(underlying, vec![leg(option, Side::Buy, PositionEffect::Open, 1)], OrderKind::Market))
    };
    for (underlying, option) in
        [("SPX", LONG), ("SPX", "SPX300118C05900000"), ("SPY", "SPY300102C00560000"), ("SPY", "SPY1300102C00560000")]
    {
        assert_eq!(about(underlying, option), [], "{option} of {underlying}");
    }
    for (underlying, option) in
        [("SPY", "GME300102C00020000"), ("SPY", LONG), ("SPX", "SPXL300102C00100000"), ("QQQ", "QQQWW300102C00100000")]
    {
        let (symbol, of) = (symbol(option), symbol(underlying));
        let told = about(underlying, option);
        assert!(
            told.contains(&Breach::OtherUnderlying { symbol, underlying: of }),
            "{option} of {underlying}: {told:?}"
        );
    }
}

#[test]
fn what_nobody_allowed_is_not_traded() {
    let mut desk = Desk::default();
    desk.references.insert(symbol("GME"), Reference { bid: dec("20"), ask: dec("20.01") });
    let breach = Breach::NotAllowed { underlying: symbol("GME") };
    assert_eq!(desk.breaches(&shares("GME", Side::Buy, 1, limit("20"))), [breach]);
}

#[test]
fn all_that_stands_against_an_order_is_told_at_once() {
    let mut desk = Desk::default();
    desk.counters.closed(dec("-600"));
    let refused = desk.check(&shares("SPY", Side::Buy, 50, limit("600"))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "50 of SPY, the limit for one order is 10; the order is worth 30000, the limit for one order is 6000; the price 600 \
         is 40.00 away from the middle of the market, 560.00; the limit is 5.6; with this order 30000 would be open or \
         might be, the limit is 20000; 600 was lost in this session, the limit is 500: no more entries until the next one"
    );
}

// proves: LIMIT-2
#[test]
fn while_nobody_knows_what_is_lost_there_are_no_entries() {
    let entry = shares("SPY", Side::Buy, 1, limit("560"));
    let mut desk = Desk { unpriced: Some(symbol("QQQ")), ..Desk::default() };
    assert_eq!(desk.breaches(&entry), [Breach::NoMark { symbol: symbol("QQQ") }]);
    desk.counters.closed(dec("-500"));
    let lost = Breach::Loss { lost: dec("500"), limit: dec("500") };
    assert_eq!(desk.breaches(&entry), [Breach::NoMark { symbol: symbol("QQQ") }, lost]);
}

fn exit(quantity: u32) -> OrderRequest {
    order("SPY", vec![leg("SPY", Side::Sell, PositionEffect::Close, quantity)], OrderKind::Market)
}

fn any_order() -> impl Strategy<Value = OrderRequest> {
    let price = (55_000_i64..57_000).prop_map(|cents| Decimal::new(cents, 2));
    let kind = prop_oneof![
        Just(OrderKind::Market),
        price.clone().prop_map(|price| OrderKind::Limit { price }),
        price.prop_map(|stop| OrderKind::Stop { stop }),
    ];
    (prop_oneof![Just("SPY"), Just("QQQ"), Just("GME")], any::<bool>(), 1_u32..14, kind).prop_map(
        |(name, buys, quantity, kind)| shares(name, if buys { Side::Buy } else { Side::Sell }, quantity, kind),
    )
}

fn any_desk() -> impl Strategy<Value = Desk> {
    let holdings = prop::collection::vec((prop_oneof![Just("SPY"), Just("QQQ")], -9_i64..9, 0_i64..9_000), 0..4);
    let sent = prop::collection::vec((any_order(), -90_i64..30), 0..6);
    (holdings, sent, -600_i64..600, 0_u32..6, -100_i64..100).prop_map(|(holdings, sent, result, executed, open)| {
        let mut desk = Desk { open_result: open.into(), ..Desk::default() };
        for (name, quantity, notional) in holdings {
            desk.exposure.held(held(name, name, quantity, &notional.to_string()));
        }
        for (order, seconds) in sent {
            let at = now() + jiff::SignedDuration::from_secs(seconds);
            desk.counters.entry(&order, at);
            desk.counters.message(at);
            desk.counters.forget(&config());
        }
        desk.counters.closed(result.into());
        (0..executed).for_each(|_| desk.counters.executed(&kind()));
        desk
    })
}

proptest! {
    #[test]
    fn an_order_that_opens_nothing_always_passes(desk in any_desk(), quantity in 1_u32..10_000) {
        let mut blind = Desk { references: BTreeMap::new(), ..desk };
        blind.exposure.held(held("GME", "GME", 1, "99999999"));
        prop_assert!(blind.check(&exit(quantity)).is_ok());
    }

    #[test]
    fn what_needs_no_price_is_told_without_one(desk in any_desk(), order in any_order()) {
        let priced = |breach: &Breach| {
            matches!(breach, Breach::OrderNotional { .. } | Breach::GrossNotional { .. } | Breach::Collar { .. }
                | Breach::NoReference { .. } | Breach::Uncountable)
        };
        let unpriced: Vec<_> = desk.breaches(&order).into_iter().filter(|breach| !priced(breach)).collect();
        let told = desk.limits.check_unpriced(&order, &kind(), desk.look());
        prop_assert_eq!(told.err().map(|refused| refused.breaches().to_vec()).unwrap_or_default(), unpriced);
    }

    // proves: LIMIT-2
    #[test]
    fn what_was_counted_survives_a_restart(desk in any_desk(), order in any_order()) {
        let before = desk.breaches(&order);
        let text = serde_json::to_string(&desk.counters).unwrap();
        let restarted = Desk { counters: serde_json::from_str(&text).unwrap(), ..desk };
        prop_assert_eq!(restarted.breaches(&order), before);
    }

    // proves: LIMIT-2
    #[test]
    fn no_more_exposure_and_no_tighter_limit_lets_an_order_through(
        desk in any_desk(),
        order in any_order(),
        figure in 0_usize..12,
    ) {
        let before = desk.check(&order).is_ok();
        let mut config = config();
        match figure {
            0 => config.order_quantity = 5,
            1 => config.order_notional = dec("3000"),
            2 => config.gross_notional = dec("7000"),
            3 => config.collar.bps = 50,
            4 => config.positions = 2,
            5 => config.positions_per_underlying = 1,
            6 => config.entries = 3,
            7 => config.loss = dec("100"),
            8 => config.repeats = 2,
            9 => config.look_alikes.seconds = 60,
            10 => config.messages.count = 2,
            _ => drop(config.underlyings.remove(&symbol("SPY"))),
        }
        let mut tighter = desk;
        tighter.limits.tighten(config).unwrap();
        let after = tighter.check(&order).is_ok();
        prop_assert!(before || !after);
        tighter.exposure.held(held("SPY", "SPY", 1, "560"));
        prop_assert!(after || tighter.check(&order).is_err());
    }
}
