//! Recorded quotes, played back in the order and at the pace in which they were received.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use backstop_broker::{Decimal, Symbol};
use backstop_clock::Timestamp;
use flate2::read::MultiGzDecoder;

use crate::book::{BookQuote, BookSide, HIGHEST_PRICE};

const HEADER: &str = "symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size";
/// A recording of quotes.
///
/// The form is CSV, plain or gzip by its name (`.gz`), with the header
/// `symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size`: one quote a line, times in whole microseconds since
/// the epoch, prices and sizes as decimal text, an empty field for what the source did not say.
///
/// Rows are played back by their receive time (the exchange's where there is none), shifted so that the first falls
/// on the start of the simulation; the stamps of the quotes are shifted by as much, so that the recording's clock
/// errors stay in it. After the last row the book stands still.
#[derive(Debug, Clone)]
pub struct Replay {
    rows: Vec<Row>,
    skipped: u64,
}

#[derive(Debug, Clone)]
struct Row {
    symbol: Symbol,
    due: Timestamp,
    at: Option<Timestamp>,
    bid: (Option<Decimal>, Option<Decimal>),
    ask: (Option<Decimal>, Option<Decimal>),
}

impl Replay {
    /// Reads a recording. Rows whose symbol is not a [`Symbol`] are left out and [counted](Replay::skipped).
    ///
    /// # Errors
    /// [`ReplayError`] names the file and the line.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let file = File::open(path).map_err(|source| ReplayError::Open { path: path.to_owned(), source })?;
        let gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let reader: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Self::parse(path, BufReader::new(reader))
    }

    fn parse(path: &Path, reader: impl BufRead) -> Result<Self, ReplayError> {
        let mut replay = Self { rows: Vec::new(), skipped: 0 };
        for (index, text) in reader.lines().enumerate() {
            let line = index + 1;
            let text = text.map_err(|source| ReplayError::Read { path: path.to_owned(), line, source })?;
            let text = text.trim_end_matches('\r');
            if index == 0 {
                if text != HEADER {
                    return Err(ReplayError::Header { path: path.to_owned(), found: text.chars().take(80).collect() });
                }
            } else if !text.is_empty() {
                match row(text) {
                    Ok(Some(row)) => replay.rows.push(row),
                    Ok(None) => replay.skipped += 1,
                    Err(what) => return Err(ReplayError::Row { path: path.to_owned(), line, what }),
                }
            }
        }
        if replay.rows.is_empty() {
            return Err(ReplayError::Empty { path: path.to_owned(), skipped: replay.skipped });
        }
        replay.rows.sort_by_key(|row| row.due); // stable: rows of one message stay in order
        Ok(replay)
    }

    /// How many rows were left out because their symbol is not one.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The symbols that are quoted, sorted.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut symbols: Vec<_> = self.rows.iter().map(|row| row.symbol.clone()).collect();
        symbols.sort();
        symbols.dedup();
        symbols
    }
}

fn row(text: &str) -> Result<Option<Row>, &'static str> {
    let fields: Vec<&str> = text.split(',').collect();
    let [symbol, exchange, receive, bid, bid_size, ask, ask_size] = fields.as_slice() else {
        return Err("not seven fields");
    };
    let exchange: Option<i64> = field(exchange, "the exchange's time is not whole microseconds")?;
    let receive: Option<i64> = field(receive, "the receive time is not whole microseconds")?;
    let at = |us: i64| Timestamp::from_microsecond(us).map_err(|_| "a time beyond the calendar");
    let exchange = exchange.map(at).transpose()?;
    let due = receive.map(at).transpose()?.or(exchange).ok_or("no time at all")?;
    let bid = (price(bid, "the bid is not a price")?, field(bid_size, "the bid's size is not a number")?);
    let ask = (price(ask, "the ask is not a price")?, field(ask_size, "the ask's size is not a number")?);
    Ok(Symbol::new(symbol).ok().map(|symbol| Row { symbol, due, at: exchange, bid, ask }))
}

/// An empty field is a missing value; an unreadable one is an error.
fn field<T: FromStr>(text: &str, what: &'static str) -> Result<Option<T>, &'static str> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| what) }
}

/// A price that sums of prices can hold.
fn price(text: &str, what: &'static str) -> Result<Option<Decimal>, &'static str> {
    let price: Option<Decimal> = field(text, what)?;
    if price.is_some_and(|price| price.abs() > HIGHEST_PRICE) { Err(what) } else { Ok(price) }
}

/// A recording while it plays.
#[derive(Debug, Clone)]
pub(crate) struct Playback {
    replay: Replay,
    origin: Timestamp,
    next: usize,
    book: BTreeMap<Symbol, BookQuote>,
}

impl Playback {
    pub(crate) fn new(replay: Replay, origin: Timestamp) -> Self {
        let nothing = |symbol: Symbol| (symbol.clone(), BookQuote::empty(symbol));
        let book = replay.symbols().into_iter().map(nothing).collect();
        Self { replay, origin, next: 0, book }
    }

    /// Plays what is due at `now`.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let Some(first) = self.replay.rows.first().map(|row| row.due) else { return };
        let shift = self.origin.duration_since(first);
        while let Some(row) = self.replay.rows.get(self.next) {
            let Ok(due) = row.due.checked_add(shift) else { return };
            if due > now {
                return;
            }
            let at = row.at.and_then(|at| at.checked_add(shift).ok());
            let side = |(price, size)| BookSide { price, size, at };
            let quote = BookQuote { bid: side(row.bid), ask: side(row.ask), ..BookQuote::empty(row.symbol.clone()) };
            self.book.insert(row.symbol.clone(), quote);
            self.next += 1;
        }
    }

    pub(crate) fn quote(&self, symbol: &Symbol) -> Option<&BookQuote> {
        self.book.get(symbol)
    }
}

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file could not be opened.
    #[error("cannot open the recorded quotes {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be read to its end.
    #[error("{}, line {line}: cannot read; a .gz file may be cut short", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another kind of file.
    #[error("{}, line 1: the header is {found:?}; recorded quotes begin with {HEADER}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What stands there, shortened.
        found: String,
    },
    /// A line that cannot be read.
    #[error("{}, line {line}: {what}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What does not fit.
        what: &'static str,
    },
    /// Nothing to play.
    #[error("{}: no quotes in it ({skipped} left out for their symbol)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Rows whose symbol is not one.
        skipped: u64,
    },
}

#[cfg(test)]
mod tests;
