//! Millions of quotes, most of them in order, through the policy and through the model: the same verdicts.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use backstop_quote::{
    Decimal, Feed, Field, Market, MarketState, Need, Now, Policy, PolicyConfig, Quote, QuoteSide, Received, Stamps,
    Symbol,
};

use crate::model::{Model, Name};
use crate::rig::{MS, OPTION, OTHER, SECOND, SHARE, mono, stamp, symbol};

/// Steele, Lea and Flood's `SplitMix64`: one multiplication chain a number, the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.roll() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, chances: i64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(i64::try_from(of.len()).unwrap())).unwrap()]
    }
}

/// A policy of the session: limits on the grid of the generated times, so that they are often met exactly.
fn policy(dice: &mut Dice) -> PolicyConfig {
    let mut config = if dice.one_in(2) { PolicyConfig::stream() } else { PolicyConfig::tradier() };
    config.source.max_offset = Duration::from_millis(dice.pick(&[1, 500, 30_000]));
    config.share.max_age = Duration::from_secs(dice.pick(&[1, 5, 15]));
    config.share.max_quiet = Duration::from_secs(dice.pick(&[2, 15]));
    config.share.max_side_quiet = Duration::from_secs(dice.pick(&[15, 300]));
    config.share.max_spread_bps = dice.pick(&[0, 10, 100]);
    if dice.one_in(4) {
        config.share.min_size = Decimal::from(2);
    }
    if matches!(config.source.stamps, Stamps::AsOf { .. }) && dice.one_in(2) {
        config.share.frozen_after = NonZeroU32::new(2);
    }
    config
}

/// What a session is at: both clocks, and the price of everything in cents.
struct Session {
    dice: Dice,
    mono: i64,
    wall: i64,
    cents: i64,
    whole_seconds: bool,
    /// The bids have not changed since the session began.
    stuck: bool,
    /// What came last comes again for a while.
    repeating: bool,
    last: BTreeMap<&'static str, Quote>,
}

const NAMES: [&str; 3] = [SHARE, OTHER, OPTION];

impl Session {
    fn next(&mut self) -> Quote {
        let dice = &mut self.dice;
        let by = match dice.below(100) {
            0..20 => 0,
            20..70 => dice.below(20) * 10 * MS,
            70..98 => dice.below(20) * 100 * MS,
            _ => dice.below(40) * SECOND,
        };
        (self.mono, self.wall) = (self.mono + by, self.wall + by);
        if dice.one_in(400) {
            self.wall += (dice.below(400) - 200) * 100 * MS;
        }
        let name = if dice.one_in(300) { "TSLA" } else { dice.pick(if self.repeating { &NAMES[..1] } else { &NAMES }) };
        self.cents = (self.cents + dice.below(5) - 2).max(1);
        if dice.one_in(200) {
            self.cents = (self.cents + dice.below(401) - 200).max(1);
        }
        self.repeating = if self.repeating { !dice.one_in(4) } else { dice.one_in(40) };
        if let Some(last) = self.last.get(name).cloned()
            && (dice.one_in(12) || self.repeating)
        {
            // Once more.
            return Quote { received: self.received(), ..last };
        }
        let latency = match dice.below(100) {
            0..90 => dice.below(4) * 10 * MS,
            90..96 => dice.below(30) * 100 * MS,
            96..98 => -dice.below(20) * 100 * MS,
            _ => dice.below(200) * SECOND,
        };
        let stamped = self.mono - latency;
        let half = match dice.below(40) {
            0 => -1,
            1 => dice.below(200),
            _ => dice.below(3),
        };
        let [bid, ask] = [-half, half].map(|by| Decimal::new(self.cents + by, 2));
        let quote = Quote {
            symbol: symbol(name),
            bid: self.side(bid, if self.stuck { 0 } else { stamped }),
            ask: self.side(ask, stamped),
            last: Field::Missing,
            last_at: Field::Missing,
            received: self.received(),
        };
        if let Some(name) = NAMES.iter().find(|known| **known == name) {
            self.last.insert(name, quote.clone());
        }
        quote
    }

    fn received(&mut self) -> Received {
        let back = if self.dice.one_in(300) { self.dice.below(3) * 100 * MS } else { 0 };
        Received { mono: mono(self.mono - back), wall: stamp(self.wall - back) }
    }

    fn side(&mut self, price: Decimal, stamped: i64) -> QuoteSide {
        let dice = &mut self.dice;
        let apart = if dice.one_in(40) { dice.below(30) * 100 * MS } else { 0 };
        let at = stamped - apart;
        let at = if self.whole_seconds { at.div_euclid(SECOND) * SECOND } else { at };
        let mut side = QuoteSide {
            price: Field::Value(price),
            size: Field::Value(dice.below(5).into()),
            at: Field::Value(stamp(at)),
        };
        if dice.one_in(30) {
            side.price = match dice.below(8) {
                0 => Field::Missing,
                1 => Field::Unreadable,
                2 => Field::Value(Decimal::NEGATIVE_ONE),
                3 => Field::Value(Decimal::from(20_000_000)),
                4 => Field::Value(price + Decimal::new(1, 13)),
                5 => Field::Value(Decimal::MAX),
                _ => Field::Value(Decimal::ZERO),
            };
        }
        if dice.one_in(60) {
            side.size = dice.pick(&[Field::Missing, Field::Unreadable, Field::Value(Decimal::NEGATIVE_ONE)]);
        }
        if dice.one_in(60) {
            let at = |text: &str| Field::Value(text.parse().unwrap());
            side.at = match dice.below(4) {
                0 => Field::Missing,
                1 => Field::Unreadable,
                2 => at("1970-01-22T00:00:00Z"),
                _ => at("2500-01-01T00:00:00Z"),
            };
        }
        side
    }

    fn question(&mut self) -> (Symbol, Need, Market, Now) {
        let dice = &mut self.dice;
        let name = if dice.one_in(200) { "TSLA" } else { dice.pick(&NAMES) };
        let need = dice.pick(&[Need::Buy, Need::Sell, Need::Both]);
        let later = match dice.below(10) {
            0..6 => 0,
            6..9 => dice.below(20) * 100 * MS,
            _ => dice.below(70) * SECOND / 4,
        };
        let early = if dice.one_in(100) { 50 * MS } else { 0 };
        let state = if dice.one_in(50) { MarketState::Closed } else { MarketState::Open };
        let asked = mono(self.mono - if dice.one_in(50) { dice.below(100) * SECOND } else { 0 });
        let at = later - early;
        let step = if dice.one_in(100) { dice.below(3) * 125 * MS } else { 0 };
        let now = Now { mono: mono(self.mono + at), wall: stamp(self.wall + at + step) };
        (symbol(name), need, Market { state, asked }, now)
    }
}

/// One session of so many quotes. Returns how often each verdict was given.
fn session(seed: u64, quotes: u64, tally: &mut BTreeMap<(bool, Name), u64>) {
    let mut dice = Dice(seed);
    let config = policy(&mut dice);
    let whole_seconds = matches!(config.source.stamps, Stamps::LastChange { .. });
    let followed = NAMES.map(symbol);
    let mut feed = Feed::new(Policy::new(config.clone()).unwrap());
    for name in &followed {
        feed.follow(name, mono(0)).unwrap();
    }
    let mut model = Model::new(config, &followed);
    let cents = 100 + dice.below(30_000);
    let stuck = whole_seconds && dice.one_in(4);
    let last = BTreeMap::new();
    let mut session = Session { dice, mono: 0, wall: 0, cents, whole_seconds, stuck, repeating: false, last };
    for count in 0..quotes {
        let quote = session.next();
        let ours = feed.receive(&quote).map_or_else(|refusal| refusal.reason.name(), |()| "");
        let theirs = model.receive(&quote);
        assert_eq!(ours, theirs, "seed {seed}, quote {count}: {quote:?}");
        *tally.entry((true, ours)).or_default() += 1;

        let (symbol, need, market, now) = session.question();
        let theirs = model.fresh(&symbol, need, &market, now);
        let name = match feed.fresh(&symbol, need, &market, now) {
            Ok(fresh) => {
                let until = i128::try_from(fresh.until().since(backstop_clock::Mono::ORIGIN).as_nanos()).unwrap();
                let ours = (fresh.at(now).unwrap().clone(), until);
                assert_eq!(Ok(ours), theirs, "seed {seed}, after quote {count}, {symbol} {need:?} {market:?} {now:?}");
                ""
            }
            Err(refusal) => {
                let name = refusal.reason.name();
                assert_eq!(Err(name), theirs, "seed {seed}, after quote {count}, {symbol} {need:?} {market:?} {now:?}");
                name
            }
        };
        *tally.entry((false, name)).or_default() += 1;
    }
}

// proves: QUOTE-1, QUOTE-2, QUOTE-3, QUOTE-4, QUOTE-5, QUOTE-7
#[test]
fn millions_of_quotes_get_the_verdicts_of_a_slow_and_obvious_model() {
    const EACH: u64 = 100;
    let deep = std::env::var_os("BACKSTOP_DEEP").is_some_and(|value| value != "0");
    let wanted: u64 = if deep { 10_000_000 } else { 40_000 };
    let seed = std::env::var("BACKSTOP_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    let mut tally = BTreeMap::new();
    for count in 0..wanted / EACH {
        session(seed.wrapping_mul(1_000_003).wrapping_add(count), EACH, &mut tally);
    }
    println!("{wanted} quotes, and as many questions");
    for ((at_receipt, name), count) in &tally {
        println!("{} {count:>9}  {name}", if *at_receipt { "received" } else { "asked   " });
    }
    // Each verdict was given, and most of what came was in order.
    let at_receipt = [
        "",
        "not followed",
        "unreadable",
        "negative",
        "enormous",
        "too fine",
        "empty",
        "no stamp",
        "implausible",
        "received backwards",
        "backwards",
        "clock ahead",
        "late",
        "behind",
        "crossed",
        "too wide",
        "jumped",
        "frozen",
    ];
    let at_use = [
        "",
        "market not open",
        "market stale",
        "connection silent",
        "no quote",
        "received ahead",
        "clock step",
        "stale",
        "stamp stale",
        "side stale",
        "feed stale",
        "no side",
        "too small",
        "not followed",
    ];
    for (received, names) in [(true, &at_receipt[..]), (false, &at_use)] {
        for name in names {
            assert!(tally.contains_key(&(received, name)), "nothing was {name:?} (received: {received})");
        }
    }
    for received in [true, false] {
        assert!(tally[&(received, "")] > wanted / 10, "too little was accepted to mean much");
    }
}
