//! Taking a quote in and judging it allocate nothing, accepted or refused.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use backstop_clock::Mono;
use backstop_quote::{
    Decimal, Feed, Field, Market, MarketState, Need, Now, Policy, PolicyConfig, Quote, QuoteSide, Received, Timestamp,
};

fn quote(bid: i64) -> Quote {
    let wall: Timestamp = "2030-01-02T15:00:00Z".parse().unwrap();
    let side = |cents| QuoteSide {
        price: Field::Value(Decimal::new(cents, 2)),
        size: Field::Value(Decimal::ONE),
        at: Field::Value(wall),
    };
    Quote {
        symbol: "SPXW300102P05900000".parse().unwrap(),
        bid: side(bid),
        ask: side(1_010),
        last: Field::Missing,
        last_at: Field::Missing,
        received: Received { mono: Mono::from_origin(Duration::from_secs(1)), wall },
    }
}

#[test]
fn nothing_is_allocated_whatever_the_verdict() {
    for config in [PolicyConfig::stream(), PolicyConfig::tradier()] {
        let mut feed = Feed::new(Policy::new(config).unwrap());
        let (good, crossed) = (quote(1_000), quote(1_020));
        feed.follow(&good.symbol, Mono::ORIGIN).unwrap();
        let now = Now { mono: good.received.mono, wall: good.received.wall };
        let market = Market { state: MarketState::Open, asked: now.mono };
        let mut verdicts = (0, 0);
        let counted = allocation_counter::measure(|| {
            for _ in 0..100 {
                for quote in [&good, &crossed] {
                    let received = feed.receive(quote);
                    let fresh = feed.fresh(&quote.symbol, Need::Both, &market, now);
                    match (received, fresh) {
                        (Ok(()), Ok(fresh)) => verdicts.0 += u32::from(fresh.at(now).is_ok()),
                        (Err(_), Err(_)) => verdicts.1 += 1,
                        _ => {}
                    }
                }
            }
        });
        assert_eq!(verdicts, (100, 100));
        assert_eq!(counted.count_total, 0);
    }
    let boxed = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(boxed.count_total, 1, "it counts");
}
