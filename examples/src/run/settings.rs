//! The options of `run` with their defaults filled in, and checked.

use std::num::NonZeroU32;
use std::time::Duration;

use backstop::broker::{Quantity, Symbol};
use backstop::quote::{self, Policy, PolicyConfig, Stamps};
use backstop::{DeskConfig, Fallback, State, StrategyName, WatchPolicy};

use super::calendar::Calendar;
use super::limits::LimitSettings;
use crate::cli::{BookArgs, BrokerKind, RunArgs, StrategyKind, Unwatched};
use crate::failure::Failure;
use crate::state_dir::StateDir;
use crate::strategy::{Equity, Spread, Strategy};
use crate::wiring;

/// What a session runs on.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) strategy: Strategy,
    pub(crate) entries: u32,
    pub(crate) entries_per_day: Option<NonZeroU32>,
    pub(crate) slot: Duration,
    pub(crate) hold: Duration,
    pub(crate) poll: Duration,
    pub(crate) fill_timeout: Duration,
    pub(crate) settle: Duration,
    pub(crate) reconcile_every: Duration,
    pub(crate) flatten_at_end: bool,
    pub(crate) watch: WatchPolicy,
    pub(crate) calendar: Calendar,
    /// How old the quotes are declared to be.
    pub(crate) delayed_quotes: Option<Duration>,
    pub(crate) limits: LimitSettings,
    book: BookArgs,
    freshness: Policy,
}

impl Settings {
    pub(crate) fn of(args: &RunArgs) -> Result<Self, Failure> {
        let usage = |text: String| Failure::Usage(text);
        let sim = args.broker == BrokerKind::Sim;
        let ms = Duration::from_millis;
        let or = |given: Option<Duration>, in_sim: u64, at_tradier: u64| {
            given.unwrap_or(ms(if sim { in_sim } else { at_tradier }))
        };
        let (strategy, poll) = (strategy(args)?, or(args.poll, 250, 3_000));
        // Recorded SPXW quotes are 265 to 311 basis points wide at the median, shares in continuous trading below 10.
        let max_spread = args.max_spread.unwrap_or(if matches!(strategy, Strategy::Spread(_)) { 1_000 } else { 100 });
        let limits = LimitSettings::of(args, strategy.reference())?;
        args.book.check()?;
        let settings = Self {
            strategy,
            book: args.book.clone(),
            limits,
            entries: args.entries,
            entries_per_day: match args.entries_per_day {
                Some(most) => Some(
                    NonZeroU32::new(most).ok_or_else(|| usage("--entries-per-day must be at least 1".to_owned()))?,
                ),
                None => None,
            },
            slot: or(args.slot, 3_000, 300_000),
            hold: or(args.hold, 8_000, 1_800_000),
            poll,
            fill_timeout: or(args.fill_timeout, 3_000, 60_000),
            settle: or(args.settle, 5_000, 60_000),
            reconcile_every: or(args.reconcile_every, 2_000, 300_000),
            watch: WatchPolicy {
                within: args.watch.unwrap_or_else(|| or(None, 30_000, 120_000).max(poll.saturating_mul(8))),
                fallback: match args.unwatched {
                    Unwatched::Close => Fallback::Close,
                    Unwatched::Halt => Fallback::Halt,
                    Unwatched::Tell => Fallback::Tell,
                },
            },
            flatten_at_end: args.flatten_at_end.unwrap_or(sim),
            calendar: match (sim, args.live) {
                (true, _) => Calendar::Unasked,
                (false, false) => Calendar::Warns,
                (false, true) => Calendar::Refuses,
            },
            delayed_quotes: args.delayed_quotes,
            freshness: policy(args, max_spread)
                .map_err(|error| usage(format!("--max-quote-age, --max-spread, --delayed-quotes: {error}")))?,
        };
        if settings.watch.within < settings.poll.saturating_mul(8) {
            let text = "--watch must be at least eight times --poll: a position is checked no more often than that";
            return Err(usage(text.to_owned()));
        }
        if settings.settle < ms(500) {
            return Err(usage("--settle must be at least 500ms: a call may take two fifths of it".to_owned()));
        }
        if !sim && (args.market.quotes.is_some()) {
            return Err(usage(
                "--quotes replays recorded quotes in the simulator; it does not go with --broker tradier".to_owned(),
            ));
        }
        Ok(settings)
    }

    /// The first line of the output.
    pub(crate) fn described(&self, broker: &str) -> String {
        format!(
            "paper trader: {} entries of {}, one every {:?}, held for {:?} at most, on {broker}",
            self.entries,
            self.strategy.name(),
            self.slot,
            self.hold
        )
    }

    /// The desk's side of it, after what is on record.
    pub(crate) fn desk(&self, home: String, state: &State, dir: &StateDir) -> Result<DeskConfig, Failure> {
        let strategy = StrategyName::new(self.strategy.name()).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(DeskConfig {
            home,
            strategy,
            limits: Some(self.limits.after(state)),
            loosening: self.limits.loosening(state),
            freshness: self.freshness.clone(),
            poll: self.poll,
            fill_timeout: self.fill_timeout,
            settle: self.settle,
            clock_tolerance: Duration::from_secs(1),
            reconcile: self.book.apply(wiring::reconciling(self.settle, self.poll)),
            copies: Some(dir.copies()),
        })
    }
}

/// The policy for Tradier, with these limits on age and spread. Stamps are known to a second, so by stamp an age may be that
/// much more.
fn policy(args: &RunArgs, max_spread_bps: u32) -> Result<Policy, quote::Contradiction> {
    let (max_age, sim) = (args.max_quote_age, args.broker == BrokerKind::Sim);
    let mut config = PolicyConfig::tradier();
    if let Some(by) = args.delayed_quotes {
        config = config.with_delay(by);
    }
    let by_stamp = max_age.saturating_add(config.source.stamp_grain);
    config.source.stamps = Stamps::LastChange { max_feed_quiet: by_stamp };
    config.source.max_silence = max_age;
    if sim {
        // Recordings that it replays keep the clock errors that they were made with, up to 1.3 s.
        config.source.max_ahead = Duration::from_secs(2);
    }
    config.max_market_age = max_age;
    config.share.max_quiet = by_stamp;
    config.option.max_quiet = config.option.max_quiet.max(by_stamp);
    for limits in [&mut config.share, &mut config.option] {
        limits.max_age = max_age;
        limits.max_side_quiet = limits.max_side_quiet.max(limits.max_quiet);
        limits.max_spread_bps = max_spread_bps;
    }
    Policy::new(config)
}

fn strategy(args: &RunArgs) -> Result<Strategy, Failure> {
    let replayed = args.market.quotes.as_deref().map(wiring::replay).transpose()?;
    let kind = args.strategy.unwrap_or(if replayed.is_some() { StrategyKind::Equity } else { StrategyKind::Spread });
    let quantity = args.quantity.map(Quantity::new).transpose().map_err(|error| Failure::Usage(error.to_string()))?;
    let symbol = match (&args.symbol, kind, replayed.as_ref().and_then(|replay| replay.symbols().into_iter().next())) {
        (Some(symbol), _, _) => symbol
            .to_ascii_uppercase()
            .parse::<Symbol>()
            .map_err(|error| Failure::Usage(format!("--symbol: {error}")))?,
        (None, StrategyKind::Equity, Some(first)) => first,
        (None, kind, _) => {
            let name = if kind == StrategyKind::Spread { "SPXW" } else { "SPY" };
            name.parse::<Symbol>().map_err(|error| Failure::Usage(error.to_string()))?
        }
    };
    let unknown = replayed.iter().find(|replay| kind == StrategyKind::Equity && !replay.symbols().contains(&symbol));
    if let Some(replay) = unknown {
        let known = replay.symbols().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(Failure::Usage(format!("--symbol {symbol}: the recorded quotes are of {known}")));
    }
    match kind {
        StrategyKind::Equity => Ok(Strategy::Equity(Equity::new(symbol, quantity))),
        StrategyKind::Spread => {
            let two = Quantity::new(2).map_err(|error| Failure::Usage(error.to_string()))?;
            Spread::new(&symbol, quantity.unwrap_or(two)).map(Strategy::Spread).map_err(Failure::Usage)
        }
    }
}
