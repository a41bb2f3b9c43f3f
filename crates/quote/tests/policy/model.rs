//! The policy once more, slow and obvious: every answer is worked out anew from everything that ever came.
//!
//! Written from the crate's page and not from its code: it shares no arithmetic with it, and keeps no state but a list.

use std::collections::BTreeSet;

use backstop_quote::{
    Decimal, Field, Limits, Market, MarketState, Need, Now, PolicyConfig, Quote, QuoteSide, Stamps, Symbol,
};

/// Why not, or `""`.
pub(crate) type Name = &'static str;

pub(crate) struct Model {
    config: PolicyConfig,
    followed: BTreeSet<Symbol>,
    came: Vec<Came>,
}

/// A message, and what became of it.
struct Came {
    quote: Quote,
    verdict: Name,
    /// Whether it was in order and its stamps could be believed.
    believed: bool,
    mono: i128,
    /// Its stamps.
    bid_at: Option<i128>,
    ask_at: Option<i128>,
    newest: i128,
}

fn nanos(duration: std::time::Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap()
}

fn mono(at: backstop_clock::Mono) -> i128 {
    nanos(at.since(backstop_clock::Mono::ORIGIN))
}

fn exists(side: &QuoteSide) -> bool {
    matches!(side.price, Field::Value(price) if !price.is_zero())
}

/// Of a quote that has both sides.
fn mid(quote: &Quote) -> Decimal {
    (quote.bid.price.value().unwrap() + quote.ask.price.value().unwrap()) / Decimal::TWO
}

impl Model {
    pub(crate) fn new(config: PolicyConfig, followed: &[Symbol]) -> Self {
        Self { config, followed: followed.iter().cloned().collect(), came: Vec::new() }
    }

    fn limits(&self, symbol: &Symbol) -> Limits {
        if symbol.option().is_some() { self.config.option } else { self.config.share }
    }

    fn of<'a>(&'a self, symbol: &'a Symbol) -> impl DoubleEndedIterator<Item = &'a Came> {
        self.came.iter().filter(move |came| came.quote.symbol == *symbol)
    }

    pub(crate) fn receive(&mut self, quote: &Quote) -> Name {
        let stamp = |at: Field<jiff::Timestamp>| at.value().map(jiff::Timestamp::as_nanosecond);
        let (bid_at, ask_at) = (stamp(quote.bid.at), stamp(quote.ask.at));
        let newest = bid_at.max(ask_at).unwrap_or(i128::MIN);
        let mono = mono(quote.received.mono);
        let mut verdict = self.before_it_is_believed(quote, bid_at, ask_at, mono);
        let believed = verdict.is_empty();
        let came = Came { quote: quote.clone(), verdict, believed, mono, bid_at, ask_at, newest };
        self.came.push(came);
        if believed {
            verdict = self.after_it_is_believed(quote, bid_at, ask_at, mono);
            self.came.last_mut().unwrap().verdict = verdict;
        }
        verdict
    }

    fn before_it_is_believed(&self, quote: &Quote, bid_at: Option<i128>, ask_at: Option<i128>, at: i128) -> Name {
        if !self.followed.contains(&quote.symbol) {
            return "not followed";
        }
        let limits = self.limits(&quote.symbol);
        for side in [&quote.bid, &quote.ask] {
            match side.price {
                Field::Unreadable => return "unreadable",
                Field::Value(price) if price < Decimal::ZERO => return "negative",
                Field::Value(price) if price > limits.max_price => return "enormous",
                Field::Value(price) if price.normalize().scale() > 12 => return "too fine",
                Field::Value(_) | Field::Missing => {}
            }
        }
        for side in [&quote.bid, &quote.ask] {
            match side.size {
                Field::Unreadable => return "unreadable",
                Field::Value(size) if size < Decimal::ZERO => return "negative",
                Field::Value(_) | Field::Missing => {}
            }
        }
        for side in [&quote.bid, &quote.ask] {
            match side.at {
                Field::Unreadable => return "unreadable",
                Field::Value(at) if at < "1990-01-01T00:00:00Z".parse().unwrap() => return "implausible",
                Field::Value(at) if at >= "2200-01-01T00:00:00Z".parse().unwrap() => return "implausible",
                Field::Value(_) | Field::Missing => {}
            }
        }
        if !exists(&quote.bid) && !exists(&quote.ask) {
            return "empty";
        }
        for side in [&quote.bid, &quote.ask] {
            if exists(side) && side.at == Field::Missing {
                return "no stamp";
            }
        }
        if self.of(&quote.symbol).any(|came| came.believed && came.mono > at) {
            return "received backwards";
        }
        let later = |before: Option<i128>, now: Option<i128>| before.is_some() && now.is_some() && before > now;
        let believed = || self.of(&quote.symbol).filter(|came| came.believed);
        if believed().any(|came| later(came.bid_at, bid_at)) || believed().any(|came| later(came.ask_at, ask_at)) {
            return "backwards";
        }
        let newest = bid_at.max(ask_at).unwrap();
        if newest - quote.received.wall.as_nanosecond() > nanos(self.config.source.max_ahead) {
            "clock ahead"
        } else {
            ""
        }
    }

    fn after_it_is_believed(&self, quote: &Quote, bid_at: Option<i128>, ask_at: Option<i128>, at: i128) -> Name {
        let limits = self.limits(&quote.symbol);
        if let Stamps::AsOf { max_late } = self.config.source.stamps {
            let older = older(quote, bid_at, ask_at);
            if at - older - self.floor(at) > nanos(max_late) {
                return "late";
            }
            let behind = quote.received.wall.as_nanosecond() - older;
            if behind > nanos(max_late) + nanos(self.config.source.max_offset) {
                return "behind";
            }
        }
        if let (Some(bid), Some(ask), true, true) =
            (quote.bid.price.value(), quote.ask.price.value(), exists(&quote.bid), exists(&quote.ask))
        {
            if bid > ask {
                return "crossed";
            }
            let relative = mid(quote) * Decimal::from(limits.max_spread_bps) / Decimal::from(10_000);
            if ask - bid > relative + limits.tick * Decimal::from(limits.max_spread_ticks) {
                return "too wide";
            }
        }
        let accepted = self
            .of(&quote.symbol)
            .rev()
            .find(|came| came.believed && came.verdict.is_empty() && !std::ptr::eq(*came, self.came.last().unwrap()));
        if let (Some(collar), Some(before)) = (limits.collar, accepted)
            && at - before.mono <= nanos(collar.memory)
        {
            let sides = |quote: &Quote| [quote.bid, quote.ask].map(|side| side.price.value().filter(|_| exists(&side)));
            let both: Vec<(Decimal, Decimal)> =
                sides(&before.quote).into_iter().zip(sides(quote)).filter_map(|(then, now)| then.zip(now)).collect();
            let count = Decimal::from(both.len().max(1));
            let from: Decimal = both.iter().map(|(then, _)| then / count).sum();
            let to: Decimal = both.iter().map(|(_, now)| now / count).sum();
            if (to - from).abs() > from * Decimal::from(collar.max_bps) / Decimal::from(10_000) {
                return "jumped";
            }
        }
        if let Some(max) = limits.frozen_after {
            let believed = self.of(&quote.symbol).rev().filter(|came| came.believed);
            let same = believed.take_while(|came| came.quote.bid == quote.bid && came.quote.ask == quote.ask);
            let repeats = same.count() - 1;
            if repeats > usize::try_from(max.get()).unwrap() {
                return "frozen";
            }
        }
        ""
    }

    /// By how much the monotonic clock is ahead of the source's, by the fastest message: clocks may part by 1 in 4096.
    fn floor(&self, now: i128) -> i128 {
        let believed = self.came.iter().filter(|came| came.believed);
        let scaled = believed.map(|came| (came.mono - came.newest) * 4096 + (now - came.mono));
        scaled.min().unwrap().div_euclid(4096)
    }

    /// Why not, or the quote and until when.
    pub(crate) fn fresh(&self, symbol: &Symbol, need: Need, market: &Market, now: Now) -> Result<(Quote, i128), Name> {
        let source = &self.config.source;
        let (at, wall) = (mono(now.mono), now.wall.as_nanosecond());
        let mut left: Vec<i128> = Vec::new();
        let mut check = |age: i128, max: std::time::Duration, name: Name| {
            left.push(nanos(max) - age);
            if age > nanos(max) { Err(name) } else { Ok(()) }
        };
        if market.state != MarketState::Open {
            return Err("market not open");
        }
        check(at - mono(market.asked), self.config.max_market_age, "market stale")?;
        if !self.followed.contains(symbol) {
            return Err("not followed");
        }
        if let Some(newest) = self.came.iter().map(|came| came.mono).max() {
            check(at - newest, source.max_silence, "connection silent")?;
        }
        let counts = |came: &&Came| !matches!(came.verdict, "backwards" | "received backwards");
        let Some(newest) = self.of(symbol).rev().find(counts) else { return Err("no quote") };
        if !newest.verdict.is_empty() {
            return Err(newest.verdict);
        }
        let (quote, limits) = (&newest.quote, self.limits(symbol));
        let age = at - newest.mono;
        if age < 0 {
            return Err("received ahead");
        }
        let step = (wall - quote.received.wall.as_nanosecond()) - age;
        if step.abs() > nanos(source.max_ahead) {
            return Err("clock step");
        }
        check(age, limits.max_age, "stale")?;
        // The greater of two ages: above the fastest message, and above what our wall clock, as it was at receipt, may be
        // ahead.
        let floor = self.floor(at);
        let age_of = |stamp: i128, came: &Came| {
            let wall_then = came.quote.received.wall.as_nanosecond() + (at - came.mono);
            (at - stamp - floor).max(wall_then - stamp - nanos(source.max_offset))
        };
        let older = age_of(older(quote, newest.bid_at, newest.ask_at), newest);
        match source.stamps {
            Stamps::AsOf { .. } => check(older, limits.max_age, "stamp stale")?,
            Stamps::LastChange { max_feed_quiet } => {
                check(age_of(newest.newest, newest), limits.max_quiet, "stamp stale")?;
                check(older, limits.max_side_quiet, "side stale")?;
                // The first message that showed the newest stamp.
                let mut moved: Option<&Came> = None;
                for came in self.came.iter().filter(|came| came.believed) {
                    if moved.is_none_or(|moved| moved.newest < came.newest) {
                        moved = Some(came);
                    }
                }
                check(age_of(moved.unwrap().newest, moved.unwrap()), max_feed_quiet, "feed stale")?;
            }
        }
        let sides = match need {
            Need::Buy => vec![&quote.ask],
            Need::Sell => vec![&quote.bid],
            Need::Both => vec![&quote.bid, &quote.ask],
        };
        for side in sides {
            if !exists(side) {
                return Err("no side");
            }
            if !limits.min_size.is_zero() && side.size.value().is_none_or(|size| size < limits.min_size) {
                return Err("too small");
            }
        }
        Ok((quote.clone(), at + left.into_iter().min().unwrap()))
    }
}

/// Of the sides that have a price.
fn older(quote: &Quote, bid_at: Option<i128>, ask_at: Option<i128>) -> i128 {
    let bid = bid_at.filter(|_| exists(&quote.bid));
    let ask = ask_at.filter(|_| exists(&quote.ask));
    bid.into_iter().chain(ask).min().unwrap()
}
