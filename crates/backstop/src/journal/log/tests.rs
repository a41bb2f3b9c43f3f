use std::fs;

use backstop_broker::{
    ClientOrderId, Decimal, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, TimeInForce,
};
use backstop_wal::sim::{Image, SimStorage};
use jiff::Timestamp;

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

#[test]
fn what_was_appended_is_read_back_in_order_by_the_next_run_and_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    assert!(LogJournal::read(&path).unwrap().batches.is_empty());
    assert!(!path.exists(), "a reader makes nothing");
    let (journal, contents) = LogJournal::open(&path, claim()).unwrap();
    assert!(contents.batches.is_empty());
    let texts = ["one", "two", "three"];
    for text in texts {
        write(&journal, alert(text)).unwrap();
    }
    let expected = texts.map(|text| Batch::clone(&alert(text)));
    assert_eq!(LogJournal::read(&path).unwrap().batches, expected);
    drop(journal);
    assert_eq!(LogJournal::open(&path, claim()).unwrap().1.batches, expected);
}

#[test]
fn a_record_that_this_version_does_not_know_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(DirStorage::create_or_open(dir.path().join("journal")).unwrap());
    let (log, _) = Options::new(claim()).open(Arc::clone(&storage), |_| {}).unwrap();
    let newer = br#"{"at":"2030-01-02T15:00:00Z","records":[{"type":"resumed","by":"somebody"}]}"#;
    log.append(newer, Append::DURABLE).unwrap();
    drop(log);
    let error = LogJournal::open(&dir.path().join("journal"), claim()).unwrap_err();
    assert!(matches!(error, OpenJournalError::Foreign { seq: 1, .. }), "{error}");
    let mut kept = 0;
    Reader::from_checkpoint(storage).unwrap().read(|_| kept += 1).unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn damage_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (journal, _) = LogJournal::open(&path, claim()).unwrap();
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
    let error = LogJournal::open(&path, claim()).unwrap_err();
    assert!(matches!(error, OpenJournalError::Open(OpenError::Read(ReadError::Damaged { .. }))), "{error}");
    assert!(matches!(LogJournal::read(&path), Err(OpenJournalError::Read(ReadError::Damaged { .. }))));
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
    (id, Record::Intent { slot: slot.clone(), purpose, order, reserve: Decimal::ZERO, margin: Decimal::ZERO })
}

// proves: WAL-8
#[test]
fn on_a_full_disk_nothing_new_is_opened_and_what_is_open_is_closed() {
    let storage = Arc::new(SimStorage::new(Image::default()));
    let (journal, _) = LogJournal::open_in(Arc::clone(&storage) as Arc<dyn Storage>, claim()).unwrap();
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
    write(&journal, batch(vec![Record::Closed { slot, evidence: "test".to_owned() }])).unwrap();
    write(&journal, batch(vec![Record::Stopped { halted: None }])).unwrap();
    assert!(matches!(write(&journal, batch(vec![entry])), Err(JournalError::Refused { .. })));
}
