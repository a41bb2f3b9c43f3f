mod crashes;
mod tasks;

use std::num::NonZeroU16;
use std::sync::Arc;

use backstop_clock::ManualClock;
use backstop_wal::sim::SimStorage;
use backstop_wal::{Append, Options};
use jiff::civil::date;

use super::*;
use crate::{Grounds, Key, Refusal, Scope, Session, TradeGuard, Verdict};

const LIMIT: u16 = 2;

fn options() -> Options {
    let since = "2030-01-02T14:29:58Z".parse().unwrap();
    Options::new(backstop_wal::Claim { label: "test".to_owned(), since }).segment_len(4096).reserve(600)
}

fn open(storage: &SimStorage) -> Result<WalStore, WalOpenError> {
    Ok(WalStore::open(Arc::new(storage.clone()), &options())?.0)
}

fn claims_of(store: &WalStore) -> Claims {
    store.inner.claims.lock().clone()
}

fn guard_on(store: WalStore) -> TradeGuard {
    let clock = ManualClock::new("2030-01-02T14:46:30Z".parse().unwrap());
    TradeGuard::open(NonZeroU16::new(LIMIT).unwrap(), Arc::new(clock), Arc::new(store)).unwrap()
}

fn guard(storage: &SimStorage) -> TradeGuard {
    guard_on(open(storage).unwrap())
}

fn session(number: u32) -> Session {
    Session::numbered(date(2030, 1, 2), number)
}

/// One scope without slots, and three slots of another.
fn key(number: u32) -> Key {
    let scope = |text| Scope::new(text).unwrap();
    if number == 0 {
        Key::new(scope("whole"), session(1))
    } else {
        Key::new(scope("slots"), session(1)).with_slot(number)
    }
}

fn evidence() -> Grounds {
    Grounds::operator("kim", "looked at the account").unwrap()
}

// proves: GUARD-2, GUARD-5
#[test]
fn what_was_executed_counts_and_what_was_open_is_unresolved_after_a_restart() {
    let storage = SimStorage::default();
    let before = guard(&storage).named("scheduler").unwrap();
    before.try_enter(&key(0)).unwrap().executed().unwrap();
    before.try_enter(&key(0)).unwrap().not_executed("rejected").unwrap();
    let _inside = before.try_enter(&key(1)).unwrap();

    // The process dies with it.
    let storage = SimStorage::new(storage.image());
    let after = guard(&storage);
    let unresolved = after.unresolved();
    assert_eq!((unresolved.len(), unresolved[0].attempt.key, unresolved[0].inside.by()), (1, key(1), "scheduler"));
    assert!(matches!(after.try_enter(&key(1)), Err(Refusal::Unresolved(_))));
    after.try_enter(&key(0)).unwrap().executed().unwrap();
    after.resolve(unresolved[0].attempt, Verdict::NotExecuted, &evidence()).unwrap();
    drop(after);

    let last = guard(&storage);
    assert_eq!(last.unresolved(), vec![]);
    assert!(matches!(last.try_enter(&key(0)), Err(Refusal::Limit { taken: 2, .. })));
    last.try_enter(&key(1)).unwrap().executed().unwrap();
}

#[test]
fn a_second_guard_on_the_same_claims_is_refused() {
    let storage = SimStorage::default();
    let _first = guard(&storage);
    assert!(matches!(open(&storage), Err(WalOpenError::Log(OpenError::Locked(_)))));
}

#[test]
fn claims_of_a_newer_version_and_other_logs_are_refused_and_left_alone() {
    for (line, newer) in
        [(r#"{"version":2,"event":"unheard of"}"#, true), (r#"{"record":"begin"}"#, false), ("\u{0}", false)]
    {
        let storage = SimStorage::default();
        guard(&storage).try_enter(&key(0)).unwrap().executed().unwrap();
        let (log, _) = options().open(Arc::new(storage.clone()), |_| {}).unwrap();
        log.append(line.as_bytes(), Append::DURABLE).unwrap();
        drop(log);
        for _ in 0..2 {
            match open(&storage).map(|_| ()) {
                Err(WalOpenError::Newer { seq: 3, version: 2 }) if newer => {}
                Err(WalOpenError::Unreadable { seq: 3, .. }) if !newer => {}
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}

#[test]
fn records_read_as_they_were_documented() {
    let record = Record {
        key: key(3),
        attempt: 7,
        at: "2030-01-02T14:46:30Z".parse().unwrap(),
        event: Event::Claimed { by: "scheduler".to_owned(), executed: 1 },
    };
    let claimed = r#"{"version":1,"record":{"key":{"scope":"slots","session":"20300102-1","slot":3},"attempt":7,"at":"2030-01-02T14:46:30Z","event":{"was":"claimed","by":"scheduler","executed":1}}}"#;
    assert_eq!(String::from_utf8(encoded(&record).unwrap().0).unwrap(), claimed);
    let resolved = Event::Resolved { verdict: Verdict::NotExecuted, grounds: evidence() };
    let record = Record { key: key(0), event: resolved, ..record };
    let line = r#"{"version":1,"record":{"key":{"scope":"whole","session":"20300102-1"},"attempt":7,"at":"2030-01-02T14:46:30Z","event":{"was":"resolved","verdict":"not_executed","grounds":{"operator":"kim","text":"looked at the account"}}}}"#;
    assert_eq!(String::from_utf8(encoded(&record).unwrap().0).unwrap(), line);
    for line in [claimed, line] {
        let read: Line<Record> = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}

// proves: GUARD-1
#[test]
fn a_store_has_one_guard() {
    let storage = SimStorage::default();
    let store = Arc::new(open(&storage).unwrap());
    let guard = || {
        let clock = Arc::new(ManualClock::new("2030-01-02T14:46:30Z".parse().unwrap()));
        TradeGuard::open(NonZeroU16::MIN, clock, Arc::clone(&store) as Arc<dyn ClaimStore>)
    };
    let first = guard().unwrap();
    let _inside = first.clone().try_enter(&key(0)).unwrap();
    let refused = guard().map(|_| ()).unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    drop(first);
    assert!(guard().is_err(), "a permit of the first may be out");
}

// proves: GUARD-2
#[test]
fn a_checkpoint_stands_for_all_claims_and_the_log_does_not_grow_with_the_years() {
    let storage = SimStorage::default();
    let store = open(&storage).unwrap();
    assert_eq!(claims_of(&store), Claims::default());
    let before = guard_on(store);
    drop(before.try_enter(&key(1)).unwrap());
    let unresolved = before.unresolved();
    for number in 2..1500 {
        let key = Key::new(*key(0).scope(), session(number));
        before.try_enter(&key).unwrap().executed().unwrap();
    }
    drop(before);
    let bytes: usize = storage.image().values().map(Vec::len).sum();
    assert!(bytes < 300 * 1024, "{bytes} bytes for 1,500 sessions");

    // Opened, it is brought down to what counts.
    let store = open(&storage).unwrap();
    while !store.checkpoint().unwrap() {}
    drop(store);
    let (store, opened) = WalStore::open(Arc::new(storage.clone()), &options()).unwrap();
    assert_eq!(opened.records, 0, "all of it is in the checkpoint");
    let after = guard_on(store);
    assert_eq!(after.unresolved().iter().map(|left| left.attempt).collect::<Vec<_>>(), [unresolved[0].attempt]);
    assert!(matches!(after.try_enter(&key(0)), Err(Refusal::PastSession { newest, .. }) if newest == session(1499)));
    let newest = Key::new(*key(0).scope(), session(1499));
    after.try_enter(&newest).unwrap().executed().unwrap();
    assert!(matches!(after.try_enter(&newest), Err(Refusal::Limit { taken: 2, .. })));
}

// proves: GUARD-5
#[test]
fn on_a_full_disk_nobody_enters_and_who_is_inside_can_end() {
    let storage = SimStorage::default();
    let guard = guard(&storage);
    let inside = guard.try_enter(&key(0)).unwrap();
    storage.limit(Some(0));
    let mut entered = 0;
    loop {
        match guard.try_enter(&key(1)) {
            Ok(permit) => {
                entered += 1;
                // From the reserve, if need be.
                if permit.not_executed("only to fill the disk").is_err() {
                    break;
                }
            }
            Err(Refusal::Store { source: StoreError::Refused { .. }, .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(entered > 3, "{entered}");
    inside.executed().unwrap();
    drop(guard);
    storage.limit(None);
    assert!(self::guard(&storage).try_enter(&key(0)).is_ok(), "one of two executed, nothing open");
}
