//! The one door to the exchange: a lock, the clock, and the file that keeps the state.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop_broker::{Decimal, Symbol};
use backstop_clock::{Clock, Timestamp};
use parking_lot::Mutex;

use crate::config::SimConfig;
use crate::exchange::{Answer, Exchange};
use crate::faults::{FaultKind, FaultPlan, Wire};
use crate::ledger::Ledger;

/// A way into a running simulation, past its protocol and its faults. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SimHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    exchange: Mutex<Exchange>,
    clock: Arc<dyn Clock>,
    persist: Option<PathBuf>,
}

impl SimHandle {
    /// Opens the exchange of `config`: a new one, or the one in its file.
    pub(crate) fn open(config: &SimConfig) -> Result<Self, StateError> {
        config.settings.check().map_err(|what| StateError::Settings { what })?;
        let now = config.clock.wall();
        let (settings, replay) = (config.settings.clone(), config.replay.clone());
        let kept = match &config.persist {
            None => None,
            Some(path) => read_if_there(path)?.map(|json| (path, json)),
        };
        let exchange = match kept {
            None => Exchange::new(settings, replay, now),
            Some((path, json)) => Exchange::resume(&json, settings, replay, now)
                .map_err(|source| StateError::Damaged { path: path.clone(), source })?,
        };
        if let Some(path) = &config.persist {
            write(path, &exchange)?;
        }
        let inner =
            Inner { exchange: Mutex::new(exchange), clock: config.clock.clone(), persist: config.persist.clone() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A client's call. An account that cannot be kept in its file is a failure of the server: what was done may be
    /// forgotten, so it is not confirmed.
    pub(crate) fn call<T>(&self, what: impl FnOnce(&mut Exchange, Timestamp) -> Answer<T>) -> Answer<T> {
        match self.keeping(what) {
            (answer, true) => answer,
            (_, false) => Answer { wire: Wire::ServerError(500), body: None },
        }
    }

    /// Anybody else's call, who could not do anything about a file that cannot be written.
    pub(crate) fn tell<T>(&self, what: impl FnOnce(&mut Exchange, Timestamp) -> T) -> T {
        self.keeping(what).0
    }

    /// Moves the exchange, and keeps what changed before anybody hears of it; whether that succeeded. The order in
    /// which callers come through here is the order of processing.
    fn keeping<T>(&self, what: impl FnOnce(&mut Exchange, Timestamp) -> T) -> (T, bool) {
        let mut exchange = self.inner.exchange.lock();
        let before = exchange.revision();
        let answer = what(&mut exchange, self.inner.clock.wall());
        let kept = match &self.inner.persist {
            Some(path) if exchange.revision() != before => write(path, &exchange),
            _ => Ok(()),
        };
        if let Err(error) = &kept {
            tracing::error!(%error, "the simulated account is not kept");
        }
        (answer, kept.is_ok())
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// What truly happened so far.
    pub fn ledger(&self) -> Ledger {
        self.tell(Exchange::ledger)
    }

    /// Makes the next `times` events that can suffer `kind` suffer it, whatever the plan says.
    pub fn inject(&self, kind: FaultKind, times: u32) {
        self.tell(|exchange, _| exchange.inject(kind, times));
    }

    /// From now on other faults.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.tell(|exchange, _| exchange.set_faults(plan));
    }

    /// How often each kind of fault struck so far. Kinds that did not are left out.
    pub fn fault_counts(&self) -> BTreeMap<FaultKind, u64> {
        self.tell(|exchange, _| exchange.fault_counts())
    }

    /// Ends the trading day: day orders expire, options whose last day it is are settled in cash.
    pub fn close_session(&self) {
        self.tell(Exchange::close_session);
    }

    /// Sets the price of an underlying, from which it walks on. `false`: no underlying of that name walks here, or the
    /// price is not positive or more than a thousand million.
    pub fn set_price(&self, symbol: &Symbol, price: Decimal) -> bool {
        self.tell(|exchange, now| exchange.mark(now, symbol, price))
    }

    /// The true bid and ask that an order would meet. `None`: there is no market.
    pub fn true_prices(&self, symbol: &Symbol) -> Option<(Decimal, Decimal)> {
        self.tell(|exchange, now| exchange.true_prices(now, symbol))
    }

    /// Somebody else on the same account buys (positive) or sells at the market, at once and without an order.
    /// `false`: there is no market, or it is more than one order may ask for (`Quantity::MAX`).
    pub fn trade_by_hand(&self, symbol: &Symbol, quantity: i64) -> bool {
        self.tell(|exchange, now| exchange.trade_by_hand(now, symbol, quantity))
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, StateError> {
    match fs::read_to_string(path) {
        Ok(json) => Ok(Some(json)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// Writes the state beside its file and renames it there: a killed process leaves the old state or the new one.
fn write(path: &Path, exchange: &Exchange) -> Result<(), StateError> {
    let fail = |action| move |source| StateError::Io { action, path: path.to_owned(), source };
    let json = exchange.to_json().map_err(|source| StateError::Damaged { path: path.to_owned(), source })?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, json).map_err(fail("write"))?;
    fs::rename(&beside, path).map_err(fail("replace"))
}

/// Why a simulation cannot be opened, or its account not be kept in its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The simulation was set up with numbers that it cannot reckon with. Nothing was read or written.
    #[error("the simulation cannot be set up: {what}")]
    Settings {
        /// What does not fit, and what would.
        what: String,
    },
    /// The file is there and not what a simulator wrote.
    #[error("{} is not a simulated account; move it away to begin with a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// The system refused.
    #[error("cannot {action} the simulated account {}; check the directory's rights and space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
