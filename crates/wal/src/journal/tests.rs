use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::Timestamp;
use crate::crash::options;
use crate::sim::{Depth, Dice, SimStorage};

#[derive(Debug)]
enum Orders {}

impl Schema for Orders {
    type Kind = String;
    type Fact = u64;
    type State = u64;

    fn apply(sum: &mut u64, fact: &u64) {
        *sum += fact;
    }
}

/// A time, in seconds.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// No history is kept.
const NOTHING: Keep = Keep { age: std::time::Duration::ZERO, bytes: 0 };

type Opening = (Journal<Orders>, Recovery<Orders>, u64);

/// Opens; the third is the sum of all facts.
fn open(storage: &SimStorage) -> Result<Opening, JournalError> {
    let (journal, recovery, _) = Journal::open(Arc::new(storage.clone()), &options())?;
    let sum = journal.state();
    Ok((journal, recovery, sum))
}

#[test]
fn an_operation_goes_its_way_and_is_not_seen_again() {
    let storage = SimStorage::default();
    let (journal, recovery, _) = open(&storage).unwrap();
    assert_eq!(recovery.run(&journal, |_| Verdict::Unresolved).unwrap(), Recovered::default());
    let order = journal.begin("buy 1 SPY".to_owned()).unwrap().start().unwrap();
    order.complete(&[5]).unwrap();
    let order = journal.begin("buy 2 SPY".to_owned()).unwrap().start().unwrap();
    order.fail(&[]).unwrap().roll_back(&[7]).unwrap();
    journal.begin("buy 3 SPY".to_owned()).unwrap().start().unwrap().roll_back(&[]).unwrap();
    drop(journal);
    let (_, recovery, sum) = open(&storage).unwrap();
    assert_eq!((recovery.left(), sum), (0, 12));
}

// proves: WAL-7
#[test]
fn what_was_in_the_air_is_visited_once_in_order_and_stays_until_it_is_settled() {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    let first = journal.begin("first".to_owned()).unwrap();
    let second = journal.begin("second".to_owned()).unwrap().start().unwrap();
    let third = journal.begin("third".to_owned()).unwrap().start().unwrap();
    journal.begin("at rest".to_owned()).unwrap().start().unwrap().complete(&[]).unwrap();
    drop((first, second, third));
    drop(journal);

    let (journal, recovery, _) = open(&storage).unwrap();
    let mut seen = Vec::new();
    let counts = recovery.run(&journal, |unsettled| {
        seen.push((unsettled.kind.clone(), unsettled.state));
        match unsettled.kind.as_str() {
            "first" => Verdict::RolledBack(vec![]),
            "second" => Verdict::Completed(vec![3]),
            _ => Verdict::Unresolved,
        }
    });
    assert_eq!(counts.unwrap(), Recovered { completed: 1, rolled_back: 1, unresolved: 1 });
    let expected = [("first", State::Pending), ("second", State::InProgress), ("third", State::InProgress)];
    assert_eq!(seen, expected.map(|(kind, state)| (kind.to_owned(), state)));
    drop(journal);

    let (_, mut recovery, sum) = open(&storage).unwrap();
    let left = recovery.take().unwrap();
    assert_eq!((left.kind.as_str(), recovery.left(), sum), ("third", 0, 3));
}

// proves: WAL-7
#[test]
fn a_move_that_there_is_not_is_refused_when_it_is_read() {
    let storage = SimStorage::default();
    let (log, ..) = crate::crash::open(&storage).unwrap();
    log.append(br#"{"begin":{"operation":1,"kind":"x"}}"#, Append::DURABLE).unwrap();
    log.append(br#"{"move":{"operation":1,"to":"completed"}}"#, Append::DURABLE).unwrap();
    drop(log);
    let error = open(&storage).unwrap_err();
    let JournalError::Move { seq: 2, operation: 1, from: Some(State::Pending), to: State::Completed } = error else {
        panic!("{error}")
    };
}

#[test]
fn a_record_that_cannot_be_understood_stops_the_opening() {
    let storage = SimStorage::default();
    let (log, ..) = crate::crash::open(&storage).unwrap();
    log.append(b"{\"dance\":1}", Append::DURABLE).unwrap();
    drop(log);
    assert!(matches!(open(&storage).unwrap_err(), JournalError::Unreadable { seq: 1, .. }));
}

// proves: WAL-6
#[test]
fn checkpoints_keep_what_is_open_over_any_crash() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let storage = SimStorage::default();
        let (journal, ..) = open(&storage).unwrap();
        // By number of the note: what was open, and what the facts add up to.
        let mut promised: Vec<(BTreeMap<String, State>, u64)> = vec![(BTreeMap::new(), 0)];
        let mut running: Vec<InProgress<'_, Orders>> = Vec::new();
        for step in 0..14_u64 {
            let (mut open, mut sum) = promised.last().cloned().unwrap();
            match dice.below(5) {
                0 | 1 => {
                    let kind = format!("operation {step}");
                    let order = journal.begin(kind.clone()).unwrap();
                    if dice.below(4) == 0 {
                        open.insert(kind, State::Pending);
                        drop(order);
                    } else {
                        open.insert(kind.clone(), State::Pending);
                        promised.push((open.clone(), sum));
                        storage.note(promised.len() as u64 - 1);
                        open.insert(kind, State::InProgress);
                        running.push(order.start().unwrap());
                    }
                }
                2 if !running.is_empty() => {
                    let order = running.swap_remove(dice.below(running.len()));
                    open.remove(order.kind());
                    sum += step;
                    order.complete(&[step]).unwrap();
                }
                3 => {
                    sum += 100;
                    journal.record(&100, Append::DURABLE).unwrap();
                }
                _ => {
                    journal.checkpoint(at(0)).unwrap();
                    journal.remove_history(at(0), NOTHING).unwrap();
                }
            }
            promised.push((open, sum));
            storage.note(promised.len() as u64 - 1);
        }
        storage.recording().crashes(Depth { exhaustive_up_to: 4, random: 3 }, seed, None, &mut |crash| {
            let (journal, recovery, sum) = super::tests::open(&SimStorage::new(crash.image.clone())).unwrap();
            let open: BTreeMap<String, State> =
                journal.open_operations().into_iter().map(|(_, state, kind)| (kind, state)).collect();
            let last = usize::try_from(crash.notes.last().copied().unwrap_or(0)).unwrap();
            // As promised last, or as it would have been promised next.
            let next = (last + 2).min(promised.len());
            assert!(promised[last..next].contains(&(open, sum)), "seed {seed}, step {}", crash.step);
            assert_eq!(recovery.left(), journal.open_operations().len());
            true
        });
    }
}

// proves: WAL-8
#[test]
fn what_was_started_on_a_full_disk_can_be_closed() {
    let storage = SimStorage::default();
    let options = options().segment_len(4096).reserve(1000);
    let (journal, ..) = Journal::<Orders>::open(Arc::new(storage.clone()), &options).unwrap();
    let begin = || journal.begin("buy".to_owned());
    // As many as the reserve can close.
    let started: Vec<_> = (0..8).map(|_| begin().unwrap().start().unwrap()).collect();
    storage.limit(Some(0));
    let mut pending = Vec::new();
    while let Ok(begun) = begin() {
        pending.push(begun);
    }
    // To start one is no way to close it, so it has to leave the reserve alone.
    for begun in pending {
        let _refused = begun.start();
    }
    for order in started {
        order.complete(&[]).unwrap();
    }
}

// proves: WAL-7
#[test]
fn settled_in_another_journal_it_is_refused_before_anything_is_written() {
    let (one, other) = (SimStorage::default(), SimStorage::default());
    drop(open(&one).unwrap().0.begin("buy".to_owned()).unwrap());
    let (_journal, mut recovery, _) = open(&one).unwrap();
    let (wrong, ..) = open(&other).unwrap();
    let unsettled = recovery.take().unwrap();
    let refused = recovery.settle(&wrong, unsettled, Verdict::Completed(vec![]));
    assert!(matches!(refused, Err(WriteError::Move { .. })), "{refused:?}");
    drop(wrong);
    assert!(open(&other).is_ok());
}

mod history;
mod recovering;
mod shapes;
mod tasks;
