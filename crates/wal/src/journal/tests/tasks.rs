//! Tasks, and callers that go away: memory and disk tell one story.

use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use serde::{Deserialize, Serialize};

use super::*;

/// Polls `future` so many times; what it came to, if it did.
fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        thread::yield_now();
    }
    None
}

/// What a journal knows.
fn story(journal: &Journal<Orders>) -> (Vec<(OperationId, State, String)>, u64) {
    (journal.open_operations(), journal.state())
}

// proves: WAL-7
#[test]
fn whoever_goes_away_leaves_memory_and_disk_with_one_story() {
    let (mut gone, mut through) = (0, 0);
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let storage = SimStorage::default();
        let (journal, ..) = open(&storage).unwrap();
        let mut running: Vec<InProgress<'_, Orders>> = Vec::new();
        for step in 0..12 {
            // Never polled, polled and dropped on the way, or waited for.
            let times = [0, 1, 2, 1_000_000][dice.below(4)];
            let ended = match dice.below(6) {
                0 | 1 => {
                    let begun = poll_times(journal.begin_async(format!("operation {step}")), times);
                    let started = begun.and_then(|begun| poll_times(begun.unwrap().start_async(), times));
                    let ended = started.is_some();
                    running.extend(started.map(Result::unwrap));
                    ended
                }
                2 | 3 if !running.is_empty() => {
                    let order = running.swap_remove(dice.below(running.len()));
                    match dice.below(4) {
                        0 => poll_times(order.complete_async(&[1, 10]), times).map(Result::unwrap).is_some(),
                        1 => poll_times(order.roll_back_async(&[100]), times).map(Result::unwrap).is_some(),
                        2 => poll_times(order.fail_async(&[1_000]), times)
                            .and_then(|failed| poll_times(failed.unwrap().roll_back_async(&[]), times))
                            .map(Result::unwrap)
                            .is_some(),
                        _ => {
                            let _failed = order.fail(&[]).unwrap();
                            true
                        }
                    }
                }
                4 => {
                    journal.checkpoint(at(step)).unwrap();
                    true
                }
                _ => poll_times(journal.record_async(&10_000, Append::DURABLE), times).map(Result::unwrap).is_some(),
            };
            if ended { through += 1 } else { gone += 1 }
        }
        let known = story(&journal);
        drop(running);
        journal.close().unwrap();
        let (journal, ..) = open(&storage).unwrap();
        assert_eq!(story(&journal), known, "seed {seed}");
    }
    assert!(gone > 1_000 && through > 1_000, "{gone} {through}");
}

#[test]
fn a_failed_operation_whose_handle_was_lost_on_the_way_is_not_kept_for_a_roll_back() {
    let storage = SimStorage::default();
    let (journal, ..) = open(&storage).unwrap();
    let order = journal.begin("buy".to_owned()).unwrap().start().unwrap();
    assert!(poll_times(order.fail_async(&[]), 1).is_none());
    journal.checkpoint(at(0)).unwrap();
    let text = String::from_utf8_lossy(&storage.image()["00000000000000000002.wal"]).into_owned();
    assert!(text.contains(r#""operations":[],"failed":[]"#), "{text}");
}

/// A sum that says when it is being written down, and waits until it may.
#[derive(Debug)]
enum Slow {}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct SlowSum(u64);

type Stop = (Sender<()>, Receiver<()>);

static STOPS: std::sync::Mutex<Option<Stop>> = std::sync::Mutex::new(None);

impl Serialize for SlowSum {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stop = STOPS.lock().unwrap().take();
        if let Some((here, on)) = stop {
            here.send(()).unwrap();
            on.recv().unwrap();
        }
        serializer.serialize_newtype_struct("SlowSum", &self.0)
    }
}

impl Schema for Slow {
    type Kind = ();
    type Fact = u64;
    type State = SlowSum;

    fn apply(sum: &mut SlowSum, fact: &u64) {
        sum.0 += fact;
    }
}

// proves: WAL-6
#[test]
fn who_records_while_a_checkpoint_is_made_waits_for_its_place_and_holds_up_no_task() {
    let storage = SimStorage::default();
    let open = || Journal::<Slow>::open(Arc::new(storage.clone()), &options()).unwrap().0;
    let journal = open();
    journal.record(&1, Append::DURABLE).unwrap();
    let ((here, is_here), (on, may_go_on)) = (channel(), channel());
    *STOPS.lock().unwrap() = Some((here, may_go_on));
    thread::scope(|scope| {
        // Gone with this closure, also when it panics: nobody waits for ever.
        let on = on;
        let checkpoint = scope.spawn(|| journal.checkpoint(at(0)));
        is_here.recv().unwrap();
        let mut task = pin!(journal.record_async(&10, Append::DURABLE));
        let mut context = Context::from_waker(Waker::noop());
        // Returns at once: a worker of a runtime is free for others.
        assert!(task.as_mut().poll(&mut context).is_pending());
        let waiting = scope.spawn(|| journal.record(&100, Append::DURABLE));
        thread::yield_now();
        assert_eq!(journal.state(), SlowSum(1));
        on.send(()).unwrap();
        checkpoint.join().unwrap().unwrap();
        waiting.join().unwrap().unwrap();
        while task.as_mut().poll(&mut context).is_pending() {
            thread::yield_now();
        }
    });
    assert_eq!(journal.state(), SlowSum(111));
    drop(journal);
    assert_eq!(open().state(), SlowSum(111), "neither lost nor counted twice");
}

// proves: WAL-6
#[test]
fn threads_tasks_and_checkpoints_at_once_lose_nothing() {
    for _ in 0..20 {
        let storage = SimStorage::default();
        let (journal, ..) = open(&storage).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let order = journal.begin("buy".to_owned()).unwrap().start().unwrap();
                        order.complete(&[1]).unwrap();
                    }
                });
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        for _ in 0..20 {
                            let order = journal.begin_async("sell".to_owned()).await.unwrap();
                            order.start_async().await.unwrap().complete_async(&[1_000]).await.unwrap();
                        }
                    });
                });
            }
            scope.spawn(|| {
                for second in 0..10 {
                    journal.checkpoint(at(second)).unwrap();
                    journal.remove_history(at(second), NOTHING).unwrap();
                }
            });
        });
        assert_eq!(story(&journal), (vec![], 40_040));
        drop(journal);
        assert_eq!(story(&open(&storage).unwrap().0), (vec![], 40_040));
    }
}

// proves: WAL-7
#[test]
fn an_operation_that_two_recoveries_have_is_settled_once() {
    let storage = SimStorage::default();
    drop(open(&storage).unwrap().0.begin("buy".to_owned()).unwrap());
    let (first, mut before, _) = open(&storage).unwrap();
    let stale = before.take().unwrap();
    drop(first);
    let (journal, mut recovery, _) = open(&storage).unwrap();
    let unsettled = recovery.take().unwrap();
    recovery.settle(&journal, unsettled, Verdict::Completed(vec![1])).unwrap();
    let refused = before.settle(&journal, stale, Verdict::RolledBack(vec![]));
    assert!(matches!(refused, Err(WriteError::Move { .. })), "{refused:?}");
    drop(journal);
    assert_eq!(open(&storage).unwrap().2, 1);
}
