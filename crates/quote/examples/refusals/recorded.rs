//! Reads a recording.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use backstop_clock::Mono;
use backstop_quote::{Field, Quote, QuoteSide, Received, Symbol, Timestamp};
use flate2::read::MultiGzDecoder;

const HEADER: &str = "symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size";

/// The quotes of one file, in the order in which they were received.
#[derive(Debug)]
pub(crate) struct Recording {
    /// The file's name, without folder and ending.
    pub(crate) name: String,
    pub(crate) quotes: Vec<Recorded>,
}

/// A quote, and the venue that stands in front of its symbol: several venues are several connections.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) venue: String,
    pub(crate) quote: Quote,
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let gzip = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = name.trim_end_matches(".gz").trim_end_matches(".csv").to_owned();
        Ok(Self { name, quotes: quotes(BufReader::new(reader))? })
    }
}

fn quotes(reader: impl BufRead) -> Result<Vec<Recorded>, String> {
    let mut quotes = Vec::new();
    for (index, line) in reader.lines().enumerate() {
        let line = line.map_err(|error| error.to_string())?;
        if index == 0 {
            if line != HEADER {
                return Err(format!("the first line must be {HEADER}"));
            }
        } else if !line.is_empty() {
            quotes.push(quote(&line).ok_or_else(|| format!("line {}: not a quote: {line}", index + 1))?);
        }
    }
    Ok(quotes)
}

fn quote(line: &str) -> Option<Recorded> {
    let mut fields = line.split(',');
    let mut next = || fields.next();
    let name = next()?;
    let (venue, name) = name.split_once(':').unwrap_or(("", name));
    let symbol: Symbol = name.parse().ok()?;
    let (at, received) = (field(next()?, micros), next()?);
    let (bid, bid_size, ask, ask_size) = (next()?, next()?, next()?, next()?);
    let side = |price, size| QuoteSide { price: field(price, decimal), size: field(size, decimal), at };
    // Without a moment of receipt there is no replaying it.
    let wall = micros(received)?;
    let since = wall.as_microsecond().checked_sub(Timestamp::UNIX_EPOCH.as_microsecond())?;
    let received = Received { mono: Mono::from_origin(Duration::from_micros(u64::try_from(since).ok()?)), wall };
    let (last, last_at) = (Field::Missing, Field::Missing);
    let quote = Quote { symbol, bid: side(bid, bid_size), ask: side(ask, ask_size), last, last_at, received };
    Some(Recorded { venue: venue.to_owned(), quote })
}

fn field<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Field<T> {
    if text.is_empty() { Field::Missing } else { read(text).map_or(Field::Unreadable, Field::Value) }
}

fn micros(text: &str) -> Option<Timestamp> {
    Timestamp::from_microsecond(text.parse().ok()?).ok()
}

fn decimal(text: &str) -> Option<backstop_quote::Decimal> {
    text.parse().ok()
}
