//! What holds for every session.

use proptest::prelude::*;

use super::*;
use crate::faults::FaultPlan;
use crate::matching;

/// A session of random orders and pauses.
fn session(seed: u64, plan: FaultPlan, steps: &[(u8, u32, u16)]) -> (Exchange, Ledger) {
    let mut exchange = Exchange::new(settings(SimConfig::new(seed).with_faults(plan)), None, start());
    let mut now = start();
    for (what, quantity, pause) in steps {
        now = later(now, Duration::from_millis(u64::from(*pause)));
        let half = OrderKind::Credit { price: Decimal::new(220 + 20 * i64::from(*quantity), 2) };
        let market = OrderKind::Market;
        match what % 7 {
            0 => drop(exchange.submit(now, &put_spread(*quantity, half))),
            1 => drop(exchange.submit(now, &put_spread(*quantity, market))),
            2 => drop(exchange.submit(now, &buy(*quantity))),
            3 => drop(exchange.submit(now, &sell(*quantity))),
            4 => {
                let close = vec![
                    leg(PUT_5900, Side::Buy, PositionEffect::Close, *quantity),
                    leg(PUT_5890, Side::Sell, PositionEffect::Close, *quantity),
                ];
                drop(exchange.submit(now, &order("SPX", close, market)));
            }
            5 => {
                let working = exchange.orders.values().find(|order| order.state.is_working()).map(|order| order.id);
                let _ = exchange.cancel(now, working.unwrap_or(0));
            }
            _ => drop(exchange.read(now, Exchange::positions)),
        }
    }
    let ledger = exchange.ledger(later(now, Duration::from_secs(5)));
    (exchange, ledger)
}

fn steps() -> impl Strategy<Value = Vec<(u8, u32, u16)>> {
    prop::collection::vec((any::<u8>(), 1u32..6, 0u16..3_000), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cash_and_positions_are_exactly_what_the_fills_say(seed in any::<u64>(), steps in steps()) {
        let (_, ledger) = session(seed, FaultPlan::hostile(), &steps);
        let fills = || ledger.orders.iter().flat_map(|order| &order.fills);
        let cash = fills().map(backstop_broker::Fill::cash).sum::<Option<Decimal>>().unwrap();
        prop_assert_eq!(ledger.cash, ledger.start_cash + cash);
        prop_assert_eq!(ledger.cash, ledger.start_cash + ledger.movements.iter().map(|m| m.amount).sum::<Decimal>());
        let mut net = BTreeMap::<Symbol, Decimal>::new();
        for fill in fills() {
            *net.entry(fill.symbol.clone()).or_default() += fill.signed_quantity();
        }
        net.retain(|_, quantity| !quantity.is_zero());
        prop_assert_eq!(&ledger.positions, &net);
        prop_assert!(ledger.cash >= Decimal::ZERO, "no overdraft: {}", ledger.cash);
    }

    #[test]
    fn no_fill_is_worse_than_the_limit_or_more_than_the_order(seed in any::<u64>(), steps in steps()) {
        let (exchange, _) = session(seed, FaultPlan::hostile(), &steps);
        for order in exchange.orders.values() {
            prop_assert!(order.filled_units <= order.request.units());
            for fill in &order.fills {
                if let Some(limit) = matching::limit(&order.request) {
                    let legs = order.request.legs.len();
                    let net = if legs == 1 { order.request.legs[0].side.signed(order.net_of(fill)) } else { order.net_of(fill) };
                    prop_assert!(net <= limit, "{net} for {limit}");
                }
            }
        }
    }

    #[test]
    fn what_positions_show_comes_to_rest_at_the_truth(seed in any::<u64>(), steps in steps()) {
        let (mut exchange, _) = session(seed, FaultPlan::hostile(), &steps);
        // What still works would go on filling.
        exchange.close_session(exchange.now);
        exchange.advance(later(exchange.now, Duration::from_mins(2)));
        let truth = exchange.account.held.iter().map(|(s, h)| (s.clone(), h.quantity)).collect::<Vec<_>>();
        let shown = exchange.account.shown.iter().map(|(s, h)| (s.clone(), h.quantity)).collect::<Vec<_>>();
        prop_assert_eq!(shown, truth);
    }

    #[test]
    fn the_same_seed_and_calls_give_the_same_truth_across_a_restart_too(seed in any::<u64>(), steps in steps()) {
        let (exchange, ledger) = session(seed, FaultPlan::hostile(), &steps);
        let (_, again) = session(seed, FaultPlan::hostile(), &steps);
        prop_assert_eq!(&again, &ledger);
        let json = exchange.to_json().unwrap();
        let mut back = Exchange::resume(&json, exchange.settings.clone(), None, exchange.now).unwrap();
        prop_assert_eq!(back.ledger(exchange.now), ledger);
    }

    // Two bots that each have a simulator of the same seed can be held against each other.
    #[test]
    fn prices_are_the_same_whatever_is_asked_and_traded(seed in any::<u64>(), steps in steps()) {
        let (mut busy, _) = session(seed, FaultPlan::hostile(), &steps);
        let mut idle = Exchange::new(settings(SimConfig::new(seed)), None, start());
        for name in ["SPX", "SPY", PUT_5900, PUT_5890] {
            let now = busy.now;
            prop_assert_eq!(busy.true_prices(now, &symbol(name)), idle.true_prices(now, &symbol(name)));
        }
    }
}

#[test]
fn another_seed_is_another_session() {
    let steps: Vec<_> = (0..20).map(|n| (n, 3, 700)).collect();
    let ledger = |seed| session(seed, FaultPlan::hostile(), &steps).1;
    assert_ne!(ledger(1), ledger(2));
}
