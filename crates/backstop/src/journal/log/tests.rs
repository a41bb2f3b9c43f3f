use std::fmt::Write as _;
use std::fs;

use backstop_broker::{
    ClientOrderId, Decimal, Fill, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, TimeInForce,
};
use backstop_reconcile::{Book, Executed};
use backstop_wal::sim::{Image, SimStorage};
use backstop_wal::{OpenError, Reader};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::*;
use crate::SlotId;
use crate::record::OrderEnd;

fn claim() -> Claim {
    Claim { label: "test".to_owned(), since: Timestamp::UNIX_EPOCH }
}

fn batch(records: Vec<Record>) -> Arc<Batch> {
    Arc::new(Batch { at: Timestamp::UNIX_EPOCH, records })
}

fn alert(text: &str) -> Arc<Batch> {
    batch(vec![Record::Alert { subject: "test".to_owned(), text: text.to_owned() }])
}

fn write(journal: &LogJournal, batch: Arc<Batch>) -> Result<(), JournalError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(journal.append(batch))
}

/// Every batch that is kept; that some are not is a failure.
fn batches(path: &Path) -> Result<Vec<Batch>, OpenJournalError> {
    let mut batches = Vec::new();
    LogJournal::read_history(path, |past| match past {
        Past::Batch(batch) => batches.push(batch),
        Past::Removed { batches } => panic!("{batches} are gone"),
        Past::Lost { batches } => panic!("{batches:?} are lost"),
    })?;
    Ok(batches)
}

fn open(path: &Path) -> Result<(LogJournal, Contents), OpenJournalError> {
    LogJournal::open(path, claim(), Upkeep::default())
}

#[test]
fn what_was_appended_is_read_back_in_order_by_the_next_run_and_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    assert!(batches(&path).unwrap().is_empty());
    assert!(!path.exists(), "a reader makes nothing");
    let (journal, contents) = open(&path).unwrap();
    assert_eq!(contents.state, State::default());
    let texts = ["one", "two", "three"];
    for text in texts {
        write(&journal, alert(text)).unwrap();
    }
    let expected = texts.map(|text| Batch::clone(&alert(text)));
    assert_eq!(batches(&path).unwrap(), expected);
    let state = State::replay(&expected).unwrap();
    assert_eq!(LogJournal::read(&path).unwrap().state, state);
    drop(journal);
    assert_eq!(open(&path).unwrap().1.state, state);
}

#[test]
fn a_record_that_this_version_does_not_know_is_refused_and_kept() {
    let newer_batch = r#"{"fact":{"at":"2030-01-02T15:00:00Z","records":[{"type":"danced","by":"somebody"}]}}"#;
    let another_programs = r#"{"begin":{"operation":1,"kind":"buy"}}"#;
    for record in [newer_batch, another_programs] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let storage: Arc<dyn Storage> = Arc::new(DirStorage::create_or_open(&path).unwrap());
        let (log, _) = Options::new(claim()).open(Arc::clone(&storage), |_| {}).unwrap();
        log.append(record.as_bytes(), Append::DURABLE).unwrap();
        drop(log);
        let unknown = |error| matches!(error, OpenJournalError::Log(LogError::Unreadable { seq: 1, .. }));
        assert!(unknown(open(&path).unwrap_err()), "{record}");
        assert!(unknown(LogJournal::read(&path).unwrap_err()), "{record}");
        assert!(unknown(batches(&path).unwrap_err()), "{record}");
        let mut kept = 0;
        Reader::from_checkpoint(storage).unwrap().read(|_| kept += 1).unwrap();
        assert_eq!(kept, 1);
    }
}

#[test]
fn an_impossible_story_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (journal, _) = open(&path).unwrap();
    let slot: SlotId = "test-20300102-1-1".parse().unwrap();
    let (client_order_id, reason) = (slot.open_order(1).unwrap(), "test".to_owned());
    write(&journal, batch(vec![Record::Doubted { client_order_id, reason }])).unwrap();
    // No checkpoint is written of that.
    write(&journal, batch(vec![Record::Stopped { halted: None }])).unwrap();
    drop(journal);
    assert!(matches!(open(&path).unwrap_err(), OpenJournalError::Contradiction(_)));
    assert!(matches!(LogJournal::read(&path).unwrap_err(), OpenJournalError::Contradiction(_)));
    assert_eq!(batches(&path).unwrap().len(), 2, "what there is to mend it from");
}

#[test]
fn damage_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (journal, _) = open(&path).unwrap();
    for text in ["one", "two", "three"] {
        write(&journal, alert(text)).unwrap();
    }
    drop(journal);
    // The first record's text, in whatever file it is.
    let damaged = fs::read_dir(&path).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(3).position(|three| three == b"one")?;
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        Some((path, bytes))
    });
    let (file, bytes) = damaged.unwrap();
    let error = open(&path).unwrap_err();
    let damaged = |error| matches!(error, OpenJournalError::Log(LogError::Read(ReadError::Damaged { .. })));
    assert!(
        matches!(error, OpenJournalError::Log(LogError::Open(OpenError::Read(ReadError::Damaged { .. })))),
        "{error}"
    );
    assert!(damaged(LogJournal::read(&path).unwrap_err()) && damaged(batches(&path).unwrap_err()));
    assert_eq!(fs::read(file).unwrap(), bytes);
}

fn intent(slot: &SlotId, purpose: Purpose) -> (ClientOrderId, Record) {
    let (id, side, effect) = match purpose {
        Purpose::Open => (slot.open_order(1).unwrap(), Side::Buy, PositionEffect::Open),
        Purpose::Close { attempt } => (slot.close_order(attempt, 1).unwrap(), Side::Sell, PositionEffect::Close),
    };
    let leg = Leg { symbol: "SPY".parse().unwrap(), side, effect, quantity: Quantity::new(1).unwrap() };
    let symbol = leg.symbol.clone();
    let order = OrderRequest::new(id.clone(), symbol, vec![leg], OrderKind::Market, TimeInForce::Day).unwrap();
    (
        id,
        Record::Intent {
            slot: slot.clone(),
            purpose,
            order,
            reserve: Decimal::ZERO,
            margin: Decimal::ZERO,
            notional: Decimal::ZERO,
        },
    )
}

// proves: WAL-8
#[test]
fn on_a_full_disk_nothing_new_is_opened_and_what_is_open_is_closed() {
    let storage = Arc::new(SimStorage::new(Image::default()));
    let (journal, _) =
        LogJournal::open_in(Arc::clone(&storage) as Arc<dyn Storage>, claim(), Upkeep::default()).unwrap();
    storage.limit(Some(0));
    let slot: SlotId = "test-20300102-1-1".parse().unwrap();
    let (opening, entry) = intent(&slot, Purpose::Open);
    let mut entered = 0;
    let refused = loop {
        match write(&journal, batch(vec![entry.clone()])) {
            Ok(()) => entered += 1,
            Err(error) => break error,
        }
        assert!(entered < 100_000, "the disk never fills");
    };
    assert!(matches!(refused, JournalError::Refused { .. }), "{refused:?}");
    let end = OrderEnd::Terminal { status: "filled".to_owned() };
    write(&journal, batch(vec![Record::Finished { client_order_id: opening, end, fills: vec![] }])).unwrap();
    write(&journal, batch(vec![intent(&slot, Purpose::Close { attempt: 1 }).1])).unwrap();
    let (mut book, name) = (Book::new(), slot.to_string().parse().unwrap());
    let fill = Fill {
        symbol: "SPY".parse().unwrap(),
        side: Side::Buy,
        effect: PositionEffect::Open,
        quantity: Decimal::ONE,
        price: Decimal::ONE,
    };
    let executed = Executed::recorded(slot.open_order(1).unwrap(), "1".parse().unwrap(), vec![fill]);
    let _booked = book.book(&name, &"SPY".parse().unwrap(), &executed, Timestamp::UNIX_EPOCH).unwrap();
    let change = book.pend(&name, "test", Timestamp::UNIX_EPOCH).unwrap();
    write(&journal, batch(vec![Record::Book { change }])).unwrap();
    write(&journal, batch(vec![Record::Stopped { halted: None }])).unwrap();
    assert!(matches!(write(&journal, batch(vec![entry])), Err(JournalError::Refused { .. })));
}

/// What was said, and by which thread.
static SAID: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Keeps what is said in [`SAID`].
struct Listener;

impl tracing::Subscriber for Listener {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        let mut text = Text(format!("{} ", event.metadata().level()));
        event.record(&mut text);
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        SAID.lock().push((thread, text.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Who said what has all of `words`, since the listener was there.
fn who_said(words: &[&str]) -> Vec<String> {
    let said = SAID.lock();
    let fits = |(_, text): &&(String, String)| words.iter().all(|word| text.contains(word));
    said.iter().filter(fits).map(|(thread, _)| thread.clone()).collect()
}

fn listen() {
    // The second test to ask finds it there.
    let _there = tracing::subscriber::set_global_default(Listener);
}

fn sim() -> (Arc<SimStorage>, Arc<dyn Storage>) {
    let storage = Arc::new(SimStorage::new(Image::default()));
    (Arc::clone(&storage), storage)
}

/// Each starts the other anew.
fn after(batches: u64) -> Upkeep {
    Upkeep { batches, ..Upkeep::default() }
}

// proves: WAL-6
#[test]
fn checkpoints_are_written_after_so_many_batches_or_bytes_by_a_thread_of_their_own() {
    listen();
    for upkeep in [after(50), Upkeep { bytes: 50 * 100, ..Upkeep::default() }] {
        let (_, storage) = sim();
        let (journal, _) = LogJournal::open_in(Arc::clone(&storage), claim(), upkeep).unwrap();
        let (mut written, mut seen) = (0, 0);
        while seen < 4 {
            let before = journal.journal.tail().records;
            write(&journal, alert(&format!("{written:06}"))).unwrap();
            written += 1;
            std::thread::yield_now();
            assert!(written < 100_000, "none is written");
            if journal.journal.tail().records < before {
                seen += 1;
                assert!(before >= 49, "behind {before}");
            }
        }
        drop(journal);
        let found = backstop_wal::verify(Arc::clone(&storage)).unwrap();
        assert!(found.checkpoints >= 4, "{found:?}");
        let (_, contents) = LogJournal::open_in(storage, claim(), upkeep).unwrap();
        assert_eq!(contents.state.alerts["test"].text, format!("{:06}", written - 1));
    }
    let threads = who_said(&["new checkpoint"]);
    assert!(!threads.is_empty() && threads.iter().all(|thread| thread == "backstop-checkpoint"), "{threads:?}");
}

// proves: WAL-6
#[test]
fn a_stop_in_good_order_leaves_nothing_to_read_but_a_checkpoint() {
    let (_, storage) = sim();
    let (journal, _) = LogJournal::open_in(Arc::clone(&storage), claim(), Upkeep::default()).unwrap();
    write(&journal, alert("one")).unwrap();
    write(&journal, batch(vec![Record::Stopped { halted: None }])).unwrap();
    // The process ends: nobody waits for threads.
    std::mem::forget(journal);
    let image = backstop_wal::Journal::<Records>::read(&storage).unwrap();
    assert_eq!(image.state.state.alerts["test"].text, "one");
    let mut entries = 0;
    Reader::from_checkpoint(storage).unwrap().read(|_| entries += 1).unwrap();
    assert_eq!(entries, 1, "the checkpoint");
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_said_aloud_and_stops_nothing() {
    listen();
    let (disk, storage) = sim();
    let (journal, _) = LogJournal::open_in(Arc::clone(&storage), claim(), after(30)).unwrap();
    // The segment that was made ahead is used up by the first checkpoint.
    disk.limit(Some(0));
    let failed = || who_said(&["ERROR", "could not write a checkpoint", "the disk has room"]).len();
    let (before, mut written) = (failed(), 0);
    // The thread takes its time; it is looked for after each batch.
    while failed() < before + 3 {
        write(&journal, alert(&written.to_string())).unwrap();
        written += 1;
        std::thread::yield_now();
        assert!(written < 100_000, "nothing was said");
    }
    assert!(journal.complaint().unwrap().contains("the disk has room"));
    // Three that fail, each behind thirty more; one may come through before.
    assert!(written >= 90, "not at every batch: {written}");
    drop(journal);
    disk.limit(None);
    let (journal, contents) = LogJournal::open_in(storage, claim(), after(30)).unwrap();
    assert_eq!(contents.state.alerts["test"].text, (written - 1).to_string());
    write(&journal, batch(vec![Record::Stopped { halted: None }])).unwrap();
    assert_eq!(journal.journal.tail().records, 0, "once there is room, there is a checkpoint");
    assert_eq!(journal.complaint(), None);
}

// proves: WAL-6
#[test]
fn a_state_that_no_segment_holds_is_complained_of_and_gets_a_checkpoint_after_the_next_opening() {
    let (_, storage) = sim();
    let upkeep = Upkeep { bytes: u64::MAX, ..after(u64::MAX) };
    let open = || LogJournal::open_in(Arc::clone(&storage), claim(), upkeep).unwrap();
    let stop = || batch(vec![Record::Stopped { halted: None }]);
    let (journal, _) = open();
    for number in 0..15 {
        let (subject, text) = (number.to_string(), "x".repeat(100_000));
        write(&journal, batch(vec![Record::Alert { subject, text }])).unwrap();
    }
    assert_eq!(journal.complaint(), None);
    write(&journal, stop()).unwrap();
    let complaint = journal.complaint().unwrap();
    assert!(complaint.contains("start the bot again"), "{complaint}");
    drop(journal);
    let (journal, contents) = open();
    assert_eq!(contents.state.alerts.len(), 15, "nothing is lost");
    write(&journal, stop()).unwrap();
    assert_eq!((journal.complaint(), journal.journal.tail().records), (None, 0), "it has a checkpoint");
    drop(journal);
    assert_eq!(open().1.state, contents.state);
}

#[test]
fn history_goes_by_the_times_of_the_batches_and_a_reader_is_told() {
    let (_, storage) = sim();
    let keep = wal::Keep { age: std::time::Duration::from_secs(50), bytes: u64::MAX };
    let upkeep = Upkeep { batches: u64::MAX, bytes: u64::MAX, keep };
    let mut written = Vec::new();
    for second in (0..100).step_by(10) {
        let (journal, _) = LogJournal::open_in(Arc::clone(&storage), claim(), upkeep).unwrap();
        let batch =
            Batch { at: Timestamp::from_second(second).unwrap(), records: vec![Record::Stopped { halted: None }] };
        write(&journal, Arc::new(batch.clone())).unwrap();
        written.push(batch);
    }
    let (mut gone, mut kept) = (0, Vec::new());
    wal::Journal::<Records>::read_history(&storage, |past| match past {
        wal::Past::Removed { records } => gone += records,
        wal::Past::Fact(batch) => kept.push(batch),
        other => panic!("{other:?}"),
    })
    .unwrap();
    // At second 90: what a checkpoint of second 40 or before stands for.
    assert_eq!((gone, kept.as_slice()), (5, &written[5..]));
}
