//! Runs a recording through a policy and counts.
//!
//! Two counts, because they answer two questions. *Received*: every quote when it came. *Looked*: each symbol once a second of
//! the recording, as a bot that wants to trade looks; here age and silence show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use backstop_clock::Mono;
use backstop_quote::{Feed, Limits, Market, MarketState, Need, Now, Policy, PolicyConfig, Quote, Received, Symbol};
use serde_json::{Value, json};

use super::recorded::{Recorded, Recording};

/// What of the defaults is to be something else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) max_age_seconds: Option<u32>,
    pub(crate) max_spread_bps: Option<u32>,
}

/// How often a recording's quotes were refused, by reason; `accepted` among them.
#[derive(Debug)]
pub(crate) struct Tally {
    name: String,
    pub(crate) received: BTreeMap<&'static str, u64>,
    pub(crate) looked: BTreeMap<&'static str, u64>,
}

const ACCEPTED: &str = "accepted";
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Tally {
    pub(crate) fn of(recording: &Recording, wanted: Wanted) -> Result<Self, String> {
        let mut tally = Self { name: recording.name.clone(), received: BTreeMap::new(), looked: BTreeMap::new() };
        for (symbols, quotes) in sessions(&recording.quotes) {
            let policy = Policy::new(policy(&symbols, wanted)).map_err(|error| error.to_string())?;
            tally.session(policy, &symbols, &quotes)?;
        }
        Ok(tally)
    }

    fn session(&mut self, policy: Policy, symbols: &BTreeSet<Symbol>, quotes: &[&Quote]) -> Result<(), String> {
        let mut feed = Feed::new(policy);
        let Some(first) = quotes.first() else { return Ok(()) };
        for symbol in symbols {
            feed.follow(symbol, first.received.mono).map_err(|error| error.to_string())?;
        }
        let mut look = after(now(first.received), LOOK_EVERY);
        for quote in quotes {
            while look.mono < quote.received.mono {
                self.look(&feed, symbols, look);
                // What the wall clock does between two messages is not known; what it showed last is.
                look = after(look, LOOK_EVERY);
            }
            let verdict = feed.receive(quote).map_or_else(|refusal| refusal.reason.name(), |()| ACCEPTED);
            *self.received.entry(verdict).or_default() += 1;
        }
        Ok(())
    }

    fn look(&mut self, feed: &Feed, symbols: &BTreeSet<Symbol>, now: Now) {
        let market = Market { state: MarketState::Open, asked: now.mono };
        for symbol in symbols {
            // Whoever would buy; a side that is missing is counted once.
            let judged = feed.fresh(symbol, Need::Buy, &market, now);
            let verdict = judged.map_or_else(|refusal| refusal.reason.name(), |_fresh| ACCEPTED);
            *self.looked.entry(verdict).or_default() += 1;
        }
    }
}

/// One for each venue and, where venues are named, symbol: such rows need not be of one time.
fn sessions(quotes: &[Recorded]) -> Vec<(BTreeSet<Symbol>, Vec<&Quote>)> {
    let mut sessions: BTreeMap<_, (BTreeSet<Symbol>, Vec<&Quote>)> = BTreeMap::new();
    for Recorded { venue, quote } in quotes {
        let key = (!venue.is_empty()).then_some((venue, &quote.symbol));
        let session = sessions.entry(key).or_default();
        session.0.insert(quote.symbol.clone());
        session.1.push(quote);
    }
    sessions.into_values().collect()
}

/// The default for streams. What ends in `-C` or `-P` is an option that the form of the OCC does not know.
fn policy(symbols: &BTreeSet<Symbol>, wanted: Wanted) -> PolicyConfig {
    let mut config = PolicyConfig::stream();
    for limits in [&mut config.share, &mut config.option] {
        if let Some(seconds) = wanted.max_age_seconds {
            limits.max_age = Duration::from_secs(seconds.into());
        }
        limits.max_spread_bps = wanted.max_spread_bps.unwrap_or(limits.max_spread_bps);
        // Coins at fractions of a cent: ticks of a cent would let any spread pass.
        *limits =
            Limits { max_spread_ticks: if limits.collar.is_some() { 0 } else { limits.max_spread_ticks }, ..*limits };
    }
    let options = symbols.iter().filter(|symbol| symbol.as_str().ends_with("-C") || symbol.as_str().ends_with("-P"));
    config.exceptions = options.map(|symbol| (symbol.clone(), config.option)).collect();
    config
}

fn now(received: Received) -> Now {
    Now { mono: received.mono, wall: received.wall }
}

fn after(now: Now, by: Duration) -> Now {
    let wall = now.wall.checked_add(by).unwrap_or(now.wall);
    Now { mono: Mono::from_origin(now.mono.since(Mono::ORIGIN).saturating_add(by)), wall }
}

/// One row a reason and one column a recording would not fit a page, so: one line a recording and reason.
pub(crate) fn table(tallies: &[Tally]) -> String {
    let mut text = String::new();
    for tally in tallies {
        let _infallible = writeln!(text, "{}", tally.name);
        for (what, counts) in [("received", &tally.received), ("looked", &tally.looked)] {
            let total: u64 = counts.values().sum();
            let _infallible = writeln!(text, "  {what:<10}{total:>10}");
            for (name, count) in counts {
                let hundredths = u128::from(*count) * 10_000 / u128::from(total.max(1));
                let (whole, rest) = (hundredths / 100, hundredths % 100);
                let _infallible = writeln!(text, "    {name:<20}{count:>10}  {whole:>3}.{rest:02} %");
            }
        }
    }
    text
}

pub(crate) fn json(tallies: &[Tally]) -> Value {
    let all = tallies
        .iter()
        .map(|tally| json!({ "recording": tally.name, "received": tally.received, "looked": tally.looked }));
    Value::Array(all.collect())
}
