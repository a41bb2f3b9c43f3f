use std::sync::Arc;

use crate::crash::open;
use crate::sim::SimStorage;
use crate::{Append, AppendError};

// proves: WAL-1
#[test]
fn threads_share_syncs_and_each_record_is_there() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (log, storage) = (&log, storage.clone());
            scope.spawn(move || {
                for number in 0..200_u32 {
                    log.append(format!("{thread} {number}").as_bytes(), Append::DURABLE).unwrap();
                }
                storage
            });
        }
    });
    drop(log);
    let (_, _, found) = open(&storage).unwrap();
    assert_eq!(found.records.len(), 800);
    for thread in 0..4 {
        let own = found.records.iter().filter(|(_, bytes)| bytes.starts_with(format!("{thread} ").as_bytes()));
        let numbers: Vec<String> = own.map(|(_, bytes)| String::from_utf8(bytes[2..].to_vec()).unwrap()).collect();
        assert_eq!(numbers, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_and_threads_append_side_by_side_over_many_segments() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    let log = Arc::new(log);
    let mut tasks = Vec::new();
    for task in 0..16 {
        let log = Arc::clone(&log);
        tasks.push(tokio::spawn(async move {
            for number in 0..50_u32 {
                let how = if number % 5 == 0 { Append::BUFFERED } else { Append::DURABLE };
                log.append_async(format!("{task} {number}").as_bytes(), how).await.unwrap();
            }
        }));
    }
    let blocking = Arc::clone(&log);
    let thread = std::thread::spawn(move || {
        for _ in 0..100 {
            blocking.append_batch(&[b"a", b"b"], Append::DURABLE).unwrap();
        }
    });
    for task in tasks {
        task.await.unwrap();
    }
    thread.join().unwrap();
    drop(log);
    assert_eq!(open(&storage).unwrap().2.records.len(), 16 * 50 + 200);
}

// proves: WAL-4
#[tokio::test]
async fn a_task_learns_of_a_failure_and_of_a_full_disk() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    log.append_async(b"before", Append::DURABLE).await.unwrap();
    storage.limit(Some(0));
    let refused = loop {
        if let Err(error) = log.append_async(&[b'x'; 300], Append::DURABLE).await {
            break error;
        }
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    log.append_async(b"closing", Append::DURABLE.from_reserve()).await.unwrap();
    storage.plan(crate::sim::Fault { at: 0, kind: crate::sim::FaultKind::Error(5), lasting: true });
    let failed = log.append_async(b"closing", Append::DURABLE.from_reserve()).await.unwrap_err();
    assert!(matches!(failed, AppendError::Failed { .. }), "{failed}");
    let after = log.append_async(b"closing", Append::DURABLE.from_reserve()).await.unwrap_err();
    assert!(matches!(after, AppendError::Poisoned { .. }), "{after}");
}

#[tokio::test]
async fn a_dropped_append_is_whole_or_not_there() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    for _ in 0..20 {
        tokio::select! {
            biased;
            outcome = log.append_async(b"dropped", Append::DURABLE) => { outcome.unwrap(); }
            () = std::future::ready(()) => {}
        }
    }
    log.append(b"last", Append::DURABLE).unwrap();
    drop(log);
    let (_, _, found) = open(&storage).unwrap();
    let (last, before) = found.records.split_last().unwrap();
    assert_eq!(last.1, b"last");
    assert!(before.iter().all(|(_, bytes)| bytes == b"dropped"));
}

// proves: WAL-8
#[test]
fn on_a_full_disk_an_intent_is_refused_and_what_is_open_can_be_closed() {
    let storage = SimStorage::default();
    let (log, ..) = open(&storage).unwrap();
    storage.limit(Some(0));
    let mut intents = 0;
    let refused = loop {
        match log.append(b"an intent of some length, as they are", Append::DURABLE) {
            Ok(_) => intents += 1,
            Err(error) => break error,
        }
        assert!(intents < 100);
    };
    assert!(matches!(refused, AppendError::Full { source: Some(_), .. }), "{refused}");
    let before = storage.recording().steps();
    assert!(log.append(b"another intent of some length, as they are", Append::DURABLE).is_err());
    assert!(storage.recording().notes().is_empty() && intents > 10);
    let written = storage.recording().steps() - before;
    assert!(log.append(b"closed", Append::DURABLE.from_reserve()).is_ok(), "{written}");
    assert!(log.append(b"closed", Append::DURABLE.from_reserve()).is_ok());
    // Room again: on it goes.
    storage.limit(None);
    assert!(log.append(b"an intent of some length, as they are", Append::DURABLE).is_ok());
    drop(log);
    assert_eq!(open(&storage).unwrap().2.records.len(), intents + 3);
}
