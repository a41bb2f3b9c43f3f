//! Tests by enumeration of crash states: thousands of histories, a crash after every operation of each, a crash after every
//! operation of the recoveries from those, and what is recovered.

mod explore;
mod history;
mod model;

use std::sync::Arc;

pub(crate) use self::explore::{Effort, Tally, check_crash, explore};
pub(crate) use self::history::{History, Run, Style, reopen};
pub(crate) use self::model::{Complaint, Found, Model, Promised, check_found};
use crate::sim::SimStorage;
use crate::{Log, OpenError, Opened, Options};

pub(crate) fn options() -> Options {
    let since = "2026-01-05T14:29:58Z".parse().unwrap();
    let claim = backstop_file_lock::Claim { label: "test".to_owned(), since };
    Options::new(claim).segment_len(1024).reserve(64)
}

/// Opens and collects.
pub(crate) fn open(storage: &SimStorage) -> Result<(Log, Opened, Found), OpenError> {
    open_with(storage, &options())
}

/// Opens with other options and collects.
pub(crate) fn open_with(storage: &SimStorage, options: &Options) -> Result<(Log, Opened, Found), OpenError> {
    let mut found = Found::default();
    let (log, opened) = options.open(Arc::new(storage.clone()), |entry| found.take(entry))?;
    Ok((log, opened, found))
}

#[cfg(test)]
mod tests;
