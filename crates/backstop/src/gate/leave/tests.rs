use std::time::Duration;

use backstop_broker::{Field, PositionEffect, Quantity, Quote, QuoteSide, Received};
use backstop_clock::ManualClock;
use backstop_quote::{Policy, PolicyConfig, UnquotedExit};

use super::*;

const SHARE: &str = "SPY";
const SHORT: &str = "SPXW300102P05900000";
const LONG: &str = "SPXW300102P05890000";

fn clock() -> ManualClock {
    ManualClock::new("2030-01-02T15:00:00Z".parse().unwrap())
}

/// A feed that has taken in these quotes.
fn feed(quotes: &[(&str, &str, &str)], clock: &ManualClock) -> Feed {
    let config =
        PolicyConfig { unquoted_exit: UnquotedExit::LimitAtWorst { band_bps: 500 }, ..PolicyConfig::tradier() };
    let mut feed = Feed::new(Policy::new(config).unwrap());
    for (symbol, bid, ask) in quotes {
        let side = |text: &str| QuoteSide {
            price: Field::Value(text.parse().unwrap()),
            size: Field::Missing,
            at: Field::Value(clock.wall()),
        };
        let received = Received { mono: clock.mono(), wall: clock.wall() };
        let (last, last_at) = (Field::Missing, Field::Missing);
        let quote = Quote { symbol: symbol.parse().unwrap(), bid: side(bid), ask: side(ask), last, last_at, received };
        feed.follow(&quote.symbol, clock.mono()).unwrap();
        let _verdict = feed.receive(&quote);
    }
    feed
}

fn leg(symbol: &str, side: Side, quantity: u32) -> Leg {
    let quantity = Quantity::new(quantity).unwrap();
    Leg { symbol: symbol.parse().unwrap(), side, effect: PositionEffect::Close, quantity }
}

fn put_spread(short: u32, long: u32) -> [Leg; 2] {
    [leg(SHORT, Side::Buy, short), leg(LONG, Side::Sell, long)]
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The order, whether a quote priced it, and what closing would do to cash.
fn leaves(quotes: &[(&str, &str, &str)], legs: &[Leg], later: Duration) -> (OrderKind, bool, Option<Decimal>) {
    let clock = clock();
    let feed = feed(quotes, &clock);
    clock.advance(later);
    let (kind, unquoted) = priced_by_policy(&feed, legs, &clock);
    let cash = closing_cash(&feed, legs, &clock);
    assert_eq!(unquoted.is_none(), cash.is_ok(), "priced by a quote, and marked by one");
    (kind, unquoted.is_none(), cash.ok())
}

const QUOTES: &[(&str, &str, &str)] = &[(SHARE, "560.00", "560.10"), (SHORT, "3.00", "3.10"), (LONG, "1.90", "2.00")];

// proves: DESK-4
#[test]
fn each_position_leaves_at_a_limit_that_its_quotes_fill_and_without_them_at_the_worst_accepted() {
    let limit = |price| OrderKind::Limit { price: decimal(price) };
    let debit = |price| OrderKind::Debit { price: decimal(price) };
    let credit = |price| OrderKind::Credit { price: decimal(price) };
    let share = |side| vec![leg(SHARE, side, 10)];
    let reversed = vec![leg(SHORT, Side::Sell, 2), leg(LONG, Side::Buy, 2)];
    for (legs, quoted, cash, unquoted) in [
        // One percent, in ticks; five percent without a quote.
        (share(Side::Sell), limit("554.40"), "5600.00", limit("532.00")),
        (share(Side::Buy), limit("565.70"), "-5601.00", limit("588.10")),
        // Bought at 3.10 and sold at 1.90 is 1.20; a tick of each leg more.
        (put_spread(2, 2).to_vec(), debit("1.30"), "-240.00", debit("1.40")),
        (reversed, credit("0.90"), "200.00", credit("0.75")),
        // A broken spread has no net price; its quotes still say what leaving costs.
        (put_spread(2, 1).to_vec(), OrderKind::Market, "-430.00", OrderKind::Market),
    ] {
        assert_eq!(leaves(QUOTES, &legs, Duration::ZERO), (quoted, true, Some(decimal(cash))));
        assert_eq!(leaves(QUOTES, &legs, Duration::from_mins(10)), (unquoted, false, None));
    }
}

// proves: DESK-4
#[test]
fn a_leg_that_nobody_bids_for_or_that_was_never_quoted_leaves_at_the_market() {
    let worthless = &[(SHORT, "3.00", "3.10"), (LONG, "0", "0.05")];
    assert_eq!(leaves(worthless, &put_spread(1, 1), Duration::ZERO), (OrderKind::Market, false, None));
    assert_eq!(leaves(&[], &put_spread(1, 1), Duration::ZERO), (OrderKind::Market, false, None));
    assert_eq!(leaves(&[], &[], Duration::ZERO), (OrderKind::Market, false, None));
}
