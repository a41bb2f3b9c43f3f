//! A feed of three symbols, and quotes that are in order until a test spoils them.

use std::time::Duration;

use backstop_clock::Mono;
use backstop_quote::{
    Decimal, Feed, Field, Fresh, Market, MarketState, Need, Now, Policy, PolicyConfig, Quote, QuoteSide, Reason,
    Received, Stamps, Symbol, Timestamp,
};

pub(crate) const MS: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000 * MS;

/// 2030-01-02, 15:00 UTC, in nanoseconds. The moments of the tests are counted from here.
pub(crate) const START: i64 = 1_893_596_400 * SECOND;
const MONO_START: i64 = 5_000 * SECOND;

pub(crate) const SHARE: &str = "IBM";
pub(crate) const OTHER: &str = "QQQ";
pub(crate) const OPTION: &str = "SPXW300102P05900000";

pub(crate) fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

pub(crate) fn stamp(at: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(START + at)).unwrap()
}

pub(crate) fn mono(at: i64) -> Mono {
    Mono::from_origin(Duration::from_nanos(u64::try_from(MONO_START + at).unwrap()))
}

/// `at` on both clocks.
pub(crate) fn now(at: i64) -> Now {
    Now { mono: mono(at), wall: stamp(at) }
}

pub(crate) fn received(at: i64) -> Received {
    Received { mono: mono(at), wall: stamp(at) }
}

pub(crate) fn price(text: &str) -> Field<Decimal> {
    Field::Value(text.parse().unwrap())
}

/// 100.00 to 100.10, ten each, stamped `stamped` and received `at`.
pub(crate) fn quote(name: &str, stamped: i64, at: i64) -> Quote {
    let side = |text| QuoteSide { price: price(text), size: price("10"), at: Field::Value(stamp(stamped)) };
    Quote {
        symbol: symbol(name),
        bid: side("100.00"),
        ask: side("100.10"),
        last: price("1"),
        last_at: Field::Value(stamp(-1_000 * SECOND)),
        received: received(at),
    }
}

pub(crate) fn open(asked: i64) -> Market {
    Market { state: MarketState::Open, asked: mono(asked) }
}

/// Stamps *as of*; an offset of a nanosecond, so that ages by stamp are exact (the floor may drift).
pub(crate) fn exact_stream() -> PolicyConfig {
    let mut config = PolicyConfig::stream();
    config.source.max_offset = Duration::from_nanos(1);
    config
}

/// Stamps of the last change, whose ages are exact.
pub(crate) fn exact_poll() -> PolicyConfig {
    let mut config = PolicyConfig::tradier();
    config.source.max_offset = Duration::from_nanos(1);
    assert!(matches!(config.source.stamps, Stamps::LastChange { .. }));
    config
}

/// Follows the three symbols.
pub(crate) fn feed(config: PolicyConfig) -> Feed {
    let mut feed = Feed::new(Policy::new(config).unwrap());
    for name in [SHARE, OTHER, OPTION] {
        feed.follow(&symbol(name), mono(0)).unwrap();
    }
    feed
}

/// The name of why `quote` is not taken, or `""`.
pub(crate) fn receive(feed: &mut Feed, quote: &Quote) -> &'static str {
    feed.receive(quote).map_or_else(|refusal| refusal.reason.name(), |()| "")
}

/// For a buy of the share at `at`, the market having been open then.
pub(crate) fn judge(feed: &Feed, at: i64) -> Result<Fresh<Quote>, Reason> {
    judge_of(feed, SHARE, at)
}

pub(crate) fn judge_of(feed: &Feed, name: &str, at: i64) -> Result<Fresh<Quote>, Reason> {
    feed.fresh(&symbol(name), Need::Buy, &open(at), now(at)).map_err(|refusal| refusal.reason)
}

/// The name of why it may not be used, or `""`.
pub(crate) fn why<T>(judged: Result<Fresh<T>, Reason>) -> &'static str {
    judged.map_or_else(|reason| reason.name(), |_fresh| "")
}
