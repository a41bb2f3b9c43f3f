//! Keys, guards, and a store that fails when it is told to.

use std::io;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use backstop_clock::ManualClock;
use backstop_trade_guard::{
    Appending, ClaimStore, Claims, Date, Grounds, Key, MemoryStore, Record, Scope, Session, StoreError, TradeGuard,
};

/// A Wednesday.
pub(crate) const TODAY: Date = Date::constant(2030, 1, 2);

pub(crate) fn scope(text: &str) -> Scope {
    Scope::new(text).unwrap()
}

pub(crate) fn key() -> Key {
    Key::new(scope("scalper:SPY"), Session::of(TODAY))
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2030-01-02T14:46:30Z".parse().unwrap()))
}

pub(crate) fn limit(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

pub(crate) fn guard(count: u16) -> TradeGuard {
    TradeGuard::in_memory(limit(count), clock())
}

pub(crate) fn on(store: &Arc<FaultyStore>, count: u16) -> TradeGuard {
    TradeGuard::open(limit(count), clock(), Arc::clone(store) as Arc<dyn ClaimStore>).unwrap()
}

pub(crate) fn evidence() -> Grounds {
    Grounds::evidence("the broker's list covers the submit and lacks the order").unwrap()
}

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing written, and said so.
    Refuse,
    /// Written, and said to be unknown.
    FailWritten,
    /// Not written, and said to be unknown.
    FailLost,
    /// Never returns; for tasks only.
    Hang,
    Panic,
}

/// A store in memory whose appends fail on request, and which remembers what was written.
#[derive(Debug, Default)]
pub(crate) struct FaultyStore {
    kept: MemoryStore,
    fault: Mutex<Option<Fault>>,
    written: Mutex<Vec<Record>>,
}

impl FaultyStore {
    /// For the next append.
    pub(crate) fn plan(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(crate) fn written(&self) -> Vec<Record> {
        self.written.lock().unwrap().clone()
    }

    fn keep(&self, record: &Record) {
        self.kept.append(record).unwrap();
        self.written.lock().unwrap().push(record.clone());
    }

    fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap().take()
    }

    fn apply(&self, fault: Option<Fault>, record: &Record) -> Result<(), StoreError> {
        let source = || io::Error::other("planned").into();
        if matches!(fault, None | Some(Fault::FailWritten)) {
            self.keep(record);
        }
        match fault {
            None => Ok(()),
            Some(Fault::Refuse) => Err(StoreError::Refused { source: source() }),
            Some(Fault::FailWritten | Fault::FailLost | Fault::Hang) => Err(StoreError::Failed { source: source() }),
            Some(Fault::Panic) => panic!("planned"),
        }
    }
}

impl ClaimStore for FaultyStore {
    fn load(&self) -> Result<Claims, StoreError> {
        match self.take_fault() {
            None => self.kept.load(),
            Some(_) => Err(StoreError::Refused { source: io::Error::other("planned").into() }),
        }
    }

    fn append(&self, record: &Record) -> Result<(), StoreError> {
        self.apply(self.take_fault(), record)
    }

    fn append_async<'a>(&'a self, record: &'a Record) -> Appending<'a> {
        Box::pin(async move {
            let fault = self.take_fault();
            if fault == Some(Fault::Hang) {
                // On its way: it is there, and nobody is told.
                self.keep(record);
                std::future::poll_fn(|_| Poll::<()>::Pending).await;
            }
            self.apply(fault, record)
        })
    }
}
