use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const ROWS: &str = "symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size
AAA,1000000000,1001000000,10.5,3,10.7,4
BBB,,1001500000,0.0,,1,
not a symbol,1,2,3,4,5,6
AAA,1002000000,1002000000,,,10.8,1
";

fn parsed(text: &str) -> Result<Replay, ReplayError> {
    Replay::parse(Path::new("quotes.csv"), text.as_bytes())
}

fn start() -> Timestamp {
    "2030-01-02T15:00:00Z".parse().unwrap()
}

fn at(ms: u64) -> Timestamp {
    crate::calendar::later(start(), Duration::from_millis(ms))
}

fn price(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn rows_are_played_at_their_receive_time_with_stamps_shifted_as_much() {
    let replay = parsed(ROWS).unwrap();
    assert_eq!(replay.skipped(), 1);
    let (aaa, bbb) = ("AAA".parse().unwrap(), "BBB".parse().unwrap());
    let mut playback = Playback::new(replay, start());
    playback.advance(at(0));
    assert_eq!(playback.quote(&aaa).unwrap().bid.price, Some(price("10.5")));
    assert_eq!(playback.quote(&aaa).unwrap().bid.at, Some("2030-01-02T14:59:59Z".parse().unwrap()));
    assert_eq!(playback.quote(&bbb).unwrap().ask.price, None, "known, not quoted yet");
    playback.advance(at(500));
    let quote = playback.quote(&bbb).unwrap();
    assert_eq!((quote.bid.price, quote.bid.size, quote.ask.at), (Some(price("0.0")), None, None));
    playback.advance(at(60_000));
    assert_eq!(playback.quote(&aaa).unwrap().bid.price, None, "the last row stands still");
    assert!(playback.quote(&"CCC".parse().unwrap()).is_none());
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let error = parsed(&format!("{HEADER}\nAAA,1,2,3,4,5,6\nAAA,1,2,x,4,5,6\n")).unwrap_err().to_string();
    assert!(error.contains("quotes.csv, line 3") && error.contains("bid"), "{error}");
    for (text, word) in [
        ("symbol,bid\n", "header"),
        ("", "no quotes"),
        (&format!("{HEADER}\nAAA,,,1,1,1,1\n"), "no time"),
        (&format!("{HEADER}\nAAA,1,2,3\n"), "seven"),
    ] {
        let error = parsed(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(matches!(Replay::read(Path::new("/nowhere/quotes.csv")), Err(ReplayError::Open { .. })));
}

#[test]
fn a_file_may_be_compressed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("quotes.csv.gz");
    let mut gzip = GzEncoder::new(File::create(&path).unwrap(), Compression::default());
    gzip.write_all(ROWS.as_bytes()).unwrap();
    gzip.finish().unwrap();
    let replay = Replay::read(&path).unwrap();
    assert_eq!(replay.symbols().len(), 2);
}
