//! What keeps a saga from going on: panics, canceled tasks, journals that refuse.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::*;

/// The step at which it stands is taken back as well, if it may have been done.
// proves: TXN-5
#[test]
fn an_effect_that_panics_is_one_in_doubt() {
    for fate in [Fate::PanicsBefore, Fate::PanicsAfter] {
        let mut world = World::with(&[(false, 1, &[fate]), (true, 0, &[Fate::PanicsAfter, fate])]);
        let mut journal = MemoryJournal::default();
        let finished = run_in(&mut world, &journal, 3);
        let Finished::RolledBack { cause } = finished else { panic!("{finished:?}") };
        assert!(cause.starts_with("it panicked: ") && cause.ends_with("bs-1"), "{cause}");
        assert_eq!((world.open(), journal.unfinished()), (vec![], vec![]), "{fate:?}");
        assert_eq!(world.pauses.len(), 2);
    }
    let mut world = World::with(&[(false, 1, &[Fate::Fails]), (true, 0, &[Fate::PanicsBefore; 9])]);
    let Finished::Unresolved(saga) = run_in(&mut world, &MemoryJournal::default(), 2) else {
        panic!("it cannot be done")
    };
    assert_eq!(saga.unresolved(), Some("it panicked: before bs-0"));
    assert_eq!(world.pauses.len(), 3, "as often as any other");
}

/// A compensation is tried so often in a row, and again when somebody asks for it: with the same process, or the next.
// proves: TXN-5
#[test]
fn tries_are_bounded_and_begin_anew_when_it_is_run_again() {
    for (attempts, tries) in [(0, 1), (1, 1), (3, 3)] {
        let mut world = World::with(&[(false, 1, &[Fate::Fails]), (true, 0, &[Fate::Fails; 9])]);
        let journal = MemoryJournal::default();
        let retry = Retry { attempts, ..RETRY };
        block_on(async {
            let saga = Saga::begin("entry-1", plans(2), &journal).await.unwrap();
            let Finished::Unresolved(saga) = run(saga, retry, &mut world, &journal).await.unwrap() else { panic!() };
            assert_eq!(world.pauses.len() + 1, tries);
            let Finished::Unresolved(saga) = run(saga, retry, &mut world, &journal).await.unwrap() else { panic!() };
            assert_eq!(world.pauses.len() + 2, 2 * tries);
            world.fates.clear();
            assert!(matches!(run(saga, retry, &mut world, &journal).await.unwrap(), Finished::RolledBack { .. }));
        });
        assert_eq!(world.open(), Vec::<usize>::new());
    }
    let longest = Retry { attempts: u32::MAX, first: Duration::MAX, longest: Duration::MAX };
    assert_eq!((longest.pause(1), longest.pause(u32::MAX)), (Duration::MAX, Duration::MAX));
}

/// A journal whose records take a moment.
#[derive(Debug, Default)]
struct Slow(MemoryJournal);

impl SagaJournal for Slow {
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.append(record).await?;
            tokio::task::yield_now().await;
            Ok(())
        })
    }
}

// proves: TXN-5
#[test]
fn a_run_that_is_canceled_at_any_await_leaves_what_the_next_one_takes_back() {
    let histories: [&[(bool, usize, &[Fate])]; 3] = [
        &[],
        &[(false, 4, &[Fate::Fails]), (true, 2, &[Fate::Fails, Fate::LostAnswer])],
        &[(false, 3, &[Fate::LostAnswer]), (true, 3, &[Fate::PanicsAfter])],
    ];
    for fates in histories {
        let mut ended = false;
        for polls in 0..200 {
            let mut journal = Slow::default();
            let mut world = World { waits: true, ..World::with(fates) };
            {
                let mut running = Box::pin(async {
                    let saga = Saga::begin("entry-1", plans(5), &journal).await.unwrap();
                    run(saga, RETRY, &mut world, &journal).await.unwrap()
                });
                let mut context = Context::from_waker(Waker::noop());
                ended = (0..polls).any(|_| matches!(running.as_mut().poll(&mut context), Poll::Ready(_)));
            }
            world.waits = false;
            for saga in journal.0.unfinished() {
                let finished = block_on(run(saga, RETRY, &mut world, &journal)).unwrap();
                assert!(!matches!(finished, Finished::Unresolved(_)), "{finished:?}");
            }
            let open = world.open();
            assert!(open.is_empty() || open.len() == 5, "after {polls} polls {open:?} are open");
            if ended {
                break;
            }
        }
        assert!(ended, "it was never left to end");
    }
}

/// A journal that refuses the records that `refuses` names.
#[derive(Debug)]
struct Full {
    journal: MemoryJournal,
    refuses: fn(&SagaRecord) -> bool,
    refused: Arc<Mutex<u32>>,
}

impl SagaJournal for Full {
    fn append<'a>(&'a self, record: &'a SagaRecord) -> Appending<'a> {
        if !(self.refuses)(record) {
            return self.journal.append(record);
        }
        *self.refused.lock() += 1;
        Box::pin(std::future::ready(Err(JournalError::Failed("no room on the disk".into()))))
    }
}

fn run_full(world: &mut World, refuses: fn(&SagaRecord) -> bool) -> (Result<Finished, Interrupted>, Full) {
    let journal = Full { journal: MemoryJournal::default(), refuses, refused: Arc::default() };
    let ran = block_on(async {
        let saga = Saga::begin("entry-1", plans(3), &journal).await.unwrap();
        run(saga, RETRY, world, &journal).await
    });
    (ran, journal)
}

// proves: TXN-5
#[test]
fn a_journal_without_room_for_another_step_has_those_before_it_taken_back() {
    let mut world = World::default();
    let (ran, journal) = run_full(&mut world, |record| matches!(record, SagaRecord::Acting { step: 2, .. }));
    let Ok(Finished::RolledBack { cause }) = ran else { panic!("{ran:?}") };
    assert!(cause.contains("no room on the disk"), "{cause}");
    assert_eq!((world.open(), *journal.refused.lock()), (vec![], 1));
}

/// It says what is open, and goes back when it is run again.
// proves: TXN-5
#[test]
fn a_journal_that_takes_nothing_stops_it_and_what_is_open_is_named() {
    for refuses in [
        (|record| matches!(record, SagaRecord::Acted { step: 1, .. } | SagaRecord::Abandoned { .. }))
            as fn(&SagaRecord) -> bool,
        |record| matches!(record, SagaRecord::Acting { step: 2, .. } | SagaRecord::Abandoned { .. }),
    ] {
        let mut world = World::default();
        let (ran, journal) = run_full(&mut world, refuses);
        let interrupted = ran.unwrap_err();
        assert_eq!(world.open(), [0, 1]);
        let text = interrupted.to_string();
        assert!(text.contains("by hand 1: sell leg 1 (bs-1); by hand 2: sell leg 0 (bs-0)"), "{text}");
        let finished = block_on(run(*interrupted.saga, RETRY, &mut world, &journal.journal)).unwrap();
        assert!(matches!(finished, Finished::RolledBack { .. }), "{finished:?}");
        assert_eq!(world.open(), Vec::<usize>::new());
    }
}

#[test]
fn a_plan_that_somebody_could_not_act_on_is_refused_and_so_is_a_key_that_is_in_use() {
    let mut journal = MemoryJournal::default();
    let plan = |key: &str, by_hand: &str| StepPlan { key: key.to_owned(), by_hand: by_hand.to_owned() };
    let begin = |name: &str, plans: Vec<StepPlan>| match block_on(Saga::begin(name, plans, &journal)) {
        Ok(saga) => Ok(saga),
        Err(JournalError::Impossible(impossible)) => Err(impossible),
        Err(other) => panic!("{other:?}"),
    };
    for (name, plans) in
        [(" ", vec![plan("bs-1", "sell")]), ("entry-1", vec![plan("", "sell")]), ("entry-1", vec![plan("bs-1", "\t")])]
    {
        assert!(matches!(begin(name, plans), Err(Impossible::Blank { .. })));
    }
    let in_use = |saga: &str| Impossible::KeyInUse { saga: saga.to_owned(), key: "bs-1".to_owned() };
    assert_eq!(begin("entry-1", vec![plan("bs-1", "sell"), plan("bs-1", "buy")]).unwrap_err(), in_use("entry-1"));
    let mut first = begin("entry-1", vec![plan("bs-1", "sell")]).unwrap();
    assert_eq!(begin("entry-2", vec![plan("bs-1", "sell")]).unwrap_err(), in_use("entry-2"));
    let taken = begin("entry-1", vec![plan("bs-2", "sell")]).unwrap_err();
    assert_eq!(taken, Impossible::NameInUse { saga: "entry-1".to_owned() });
    for (by, reason) in [("", "sold it"), ("mia", " ")] {
        let nobody = block_on(first.settle_by_hand(by, reason, &journal)).unwrap_err();
        assert!(matches!(nobody, JournalError::Impossible(Impossible::Blank { .. })), "{nobody:?}");
    }
    assert_eq!(journal.unfinished().len(), 1);
}
