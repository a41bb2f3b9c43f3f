//! The limits of a run: what the command line says, what is on record, and what is sensible for an account of this size.

use std::collections::BTreeSet;
use std::fs;

use backstop::broker::{Decimal, Symbol};
use backstop::limits::{Collar, Config, Limits, Rate};
use backstop::{Loosening, State, told};

use crate::cli::{BrokerKind, LimitArgs, RunArgs};
use crate::failure::Failure;
use crate::halt::somebody;

/// What is set where neither the command line nor the records say anything; `--help` names those that have an option.
///
/// The rates have no option because nobody trades by them: they stop what runs away.
fn usual() -> Config {
    let symbols = ["SPX", "SPY", "NDX", "QQQ", "RUT", "IWM"];
    Config {
        order_quantity: 10_000,
        order_notional: Decimal::from(100_000),
        gross_notional: Decimal::from(500_000),
        // A spread's net price is small beside the widths of its legs.
        collar: Collar { bps: 500, least: Decimal::new(250, 2) },
        positions: 100,
        positions_per_underlying: 100,
        entries: 1_000,
        loss: Decimal::from(10_000),
        repeats: 1_000,
        look_alikes: Rate { count: 4, seconds: 1 },
        messages: Rate { count: 1_200, seconds: 60 },
        underlyings: symbols.iter().filter_map(|symbol| symbol.parse().ok()).collect(),
    }
}

/// What the command line says about limits.
#[derive(Debug, Clone)]
pub(crate) struct LimitSettings {
    args: LimitArgs,
    /// From the file that was named.
    file: Option<Config>,
    symbol: Symbol,
    /// Whether somebody named what is to be traded: then it is on the list of what may be.
    is_named: bool,
}

impl LimitSettings {
    /// Checks what can be checked before the records are read.
    pub(crate) fn of(args: &RunArgs, symbol: &Symbol) -> Result<Self, Failure> {
        let limits = &args.limits;
        let file = limits.limits.as_ref().map(|path| {
            let wrong = |error: String| Failure::Usage(format!("--limits {}: {error}", path.display()));
            let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            serde_json::from_str::<Config>(&text).map_err(|error| wrong(error.to_string()))
        });
        // LIMIT-1: with real money no limit is a default of ours.
        let by_hand = [("--entries-per-day M", args.entries_per_day.is_some()), ("--limits FILE", file.is_some())];
        let missing: Vec<&str> = by_hand.iter().filter(|(_, given)| !given).map(|(option, _)| *option).collect();
        if args.live && args.broker == BrokerKind::Tradier && !missing.is_empty() {
            let what = missing.join(" and ");
            return Err(Failure::Usage(format!(
                "--live needs {what}: every limit is somebody's decision there; begin with limits.example.json of \
                 backstop-limits"
            )));
        }
        let is_named = !args.live && (args.symbol.is_some() || args.market.quotes.is_some());
        let settings = Self { args: limits.clone(), file: file.transpose()?, symbol: symbol.clone(), is_named };
        Limits::start(settings.over(None), None).map_err(|error| Failure::Usage(told(&error)))?;
        Ok(settings)
    }

    /// The limits to run with. What the command line does not say stays as it is on record.
    pub(crate) fn after(&self, state: &State) -> Config {
        self.over(state.limits.as_ref().map(Limits::config))
    }

    fn over(&self, on_record: Option<&Config>) -> Config {
        if let Some(file) = &self.file {
            return file.clone();
        }
        let LimitArgs { max_loss, max_positions, max_quantity, max_order_value, max_exposure, .. } = self.args;
        let base = on_record.cloned().unwrap_or_else(usual);
        let gross_notional = max_exposure.unwrap_or(base.gross_notional);
        let positions = max_positions.unwrap_or(base.positions);
        let mut underlyings = base.underlyings;
        if self.is_named || on_record.is_none() {
            underlyings.insert(self.symbol.clone());
        }
        Config {
            loss: max_loss.unwrap_or(base.loss),
            order_quantity: max_quantity.unwrap_or(base.order_quantity),
            // What was not said follows what was.
            order_notional: max_order_value.unwrap_or_else(|| base.order_notional.min(gross_notional)),
            positions_per_underlying: max_positions.unwrap_or(base.positions_per_underlying),
            gross_notional,
            positions,
            underlyings,
            ..base
        }
    }

    /// Who answers for what is looser than on record, if somebody does.
    pub(crate) fn loosening(&self, state: &State) -> Option<Loosening> {
        let LimitArgs { loosen_limits, by, reason, .. } = &self.args;
        match (by, reason) {
            (Some(by), Some(reason)) if *loosen_limits => {
                return Some(Loosening { by: by.clone(), reason: reason.clone() });
            }
            _ => {}
        }
        // Naming a symbol to trade is the word for that one symbol, and for nothing else.
        let before = state.limits.as_ref().map(Limits::config)?;
        let wider: BTreeSet<&str> = match Limits::start(self.after(state), Some(before)) {
            Ok((_, loosened)) => loosened.iter().map(|loosened| loosened.name).collect(),
            Err(_) => return None,
        };
        let is_symbol = self.is_named && self.file.is_none() && wider == BTreeSet::from(["underlyings"]);
        is_symbol.then(|| Loosening { by: somebody(), reason: format!("a run was asked for with {}", self.symbol) })
    }

    /// Who allows as many executions again, and why, if somebody does.
    pub(crate) fn allows_repeats(&self) -> Option<(&str, &str)> {
        let LimitArgs { allow_repeats, by, reason, .. } = &self.args;
        Some((by.as_deref()?, reason.as_deref()?)).filter(|_| *allow_repeats)
    }
}

#[cfg(test)]
mod tests;
