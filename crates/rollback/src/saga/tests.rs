mod stops;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

pub(super) const RETRY: Retry =
    Retry { attempts: 4, first: Duration::from_millis(100), longest: Duration::from_millis(250) };

pub(super) fn plans(count: usize) -> Vec<StepPlan> {
    (0..count).map(|step| StepPlan { key: format!("bs-{step}"), by_hand: format!("sell leg {step}") }).collect()
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Works,
    /// Nothing happens, and the caller is told so.
    Fails,
    /// It happens, and the answer is lost.
    LostAnswer,
    /// Nothing happens, and the caller does not know.
    LostRequest,
    /// The adapter panics before anything happens, or after.
    PanicsBefore,
    PanicsAfter,
}

/// One thing that happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Did(String),
    TookBack(String),
}

pub(super) type Witness = Box<dyn FnMut(&Event, bool) + Send>;

/// A broker, whose effects are named and happen once.
#[derive(Default)]
pub(super) struct World {
    pub(super) fates: BTreeMap<(bool, String), Vec<Fate>>,
    pub(super) events: Vec<Event>,
    pub(super) pauses: Vec<Duration>,
    /// Sees what is about to be asked for, and what has happened.
    pub(super) witness: Option<Witness>,
    /// Whether a request waits before it happens, and for its answer.
    pub(super) waits: bool,
}

impl World {
    pub(super) fn with(fates: &[(bool, usize, &[Fate])]) -> Self {
        let fates = fates.iter().map(|(back, step, fates)| ((*back, format!("bs-{step}")), fates.to_vec()));
        Self { fates: fates.collect(), ..Self::default() }
    }

    pub(super) fn is_done(&self, key: &str) -> bool {
        let of_key = |event: &&Event| matches!(event, Event::Did(of) | Event::TookBack(of) if of == key);
        matches!(self.events.iter().rfind(of_key), Some(Event::Did(_)))
    }

    pub(super) fn open(&self) -> Vec<usize> {
        (0..9).filter(|step| self.is_done(&format!("bs-{step}"))).collect()
    }

    fn request(&mut self, back: bool, key: &str) -> Outcome {
        let event = if back { Event::TookBack(key.to_owned()) } else { Event::Did(key.to_owned()) };
        if let Some(witness) = &mut self.witness {
            witness(&event, false);
        }
        let fates = self.fates.entry((back, key.to_owned())).or_default();
        let fate = if fates.is_empty() { Fate::Works } else { fates.remove(0) };
        assert!(fate != Fate::PanicsBefore, "before {key}");
        if matches!(fate, Fate::Works | Fate::LostAnswer | Fate::PanicsAfter) {
            if let Some(witness) = &mut self.witness {
                witness(&event, true);
            }
            self.events.push(event);
        }
        let reason = || format!("{} {key}", if back { "cannot take back" } else { "cannot do" });
        match fate {
            Fate::Works => Outcome::Done,
            Fate::Fails => Outcome::NotDone { reason: reason() },
            Fate::LostAnswer | Fate::LostRequest => Outcome::Unknown { reason: reason() },
            Fate::PanicsBefore | Fate::PanicsAfter => panic!("after {key}"),
        }
    }
}

impl World {
    async fn ask(&mut self, back: bool, key: &str) -> Outcome {
        if self.waits {
            tokio::task::yield_now().await;
        }
        let outcome = self.request(back, key);
        if self.waits {
            tokio::task::yield_now().await;
        }
        outcome
    }
}

impl Effects for World {
    fn act<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a> {
        Box::pin(self.ask(false, &step.key))
    }

    fn compensate<'a>(&'a mut self, step: &'a StepPlan) -> Doing<'a> {
        Box::pin(self.ask(true, &step.key))
    }

    fn pause(&mut self, length: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.pauses.push(length);
        Box::pin(std::future::ready(()))
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn run_in(world: &mut World, journal: &MemoryJournal, count: usize) -> Finished {
    block_on(async {
        let saga = Saga::begin("entry-1", plans(count), journal).await.unwrap();
        run(saga, RETRY, world, journal).await.unwrap()
    })
}

// proves: TXN-5
#[test]
fn what_was_done_before_the_refusal_is_taken_back_in_reverse() {
    let mut world = World::with(&[(false, 3, &[Fate::Fails])]);
    let mut journal = MemoryJournal::default();
    let finished = run_in(&mut world, &journal, 5);
    assert!(matches!(&finished, Finished::RolledBack { cause } if cause == "cannot do bs-3"), "{finished:?}");
    let took_back: Vec<_> = world.events.iter().skip(3).collect();
    let expected = ["bs-2", "bs-1", "bs-0"].map(|key| Event::TookBack(key.to_owned()));
    assert_eq!(took_back, expected.iter().collect::<Vec<_>>());
    assert_eq!(journal.unfinished(), []);
}

// proves: TXN-5
#[test]
fn what_may_have_been_done_is_taken_back_like_what_was() {
    for fate in [Fate::LostAnswer, Fate::LostRequest] {
        let mut world = World::with(&[(false, 1, &[fate])]);
        let finished = run_in(&mut world, &MemoryJournal::default(), 3);
        assert!(matches!(finished, Finished::RolledBack { .. }));
        let taken_back = world.events.iter().filter(|event| **event == Event::TookBack("bs-1".to_owned()));
        assert_eq!((taken_back.count(), world.open()), (1, vec![]), "{fate:?}");
    }
}

// proves: TXN-5
#[test]
fn a_compensation_that_fails_is_tried_again_with_growing_pauses() {
    let mut world =
        World::with(&[(false, 1, &[Fate::Fails]), (true, 0, &[Fate::Fails, Fate::LostRequest, Fate::Fails])]);
    let finished = run_in(&mut world, &MemoryJournal::default(), 2);
    assert!(matches!(finished, Finished::RolledBack { .. }), "{finished:?}");
    assert_eq!(world.pauses, [100, 200, 250].map(Duration::from_millis));
    assert_eq!(world.open(), Vec::<usize>::new());
}

// proves: TXN-5
#[test]
fn one_that_cannot_be_done_is_left_with_both_errors_and_what_to_do_and_stops_those_before_it() {
    let mut world = World::with(&[(false, 2, &[Fate::Fails]), (true, 1, &[Fate::Fails; 9])]);
    let mut journal = MemoryJournal::default();
    let Finished::Unresolved(saga) = run_in(&mut world, &journal, 3) else { panic!("it cannot be done") };
    assert_eq!((saga.cause(), saga.unresolved()), (Some("cannot do bs-2"), Some("cannot take back bs-1")));
    let stands = saga.steps().filter(|(_, state)| matches!(state, StepState::Compensating { .. }));
    assert_eq!(stands.map(|(plan, _)| plan.by_hand.as_str()).collect::<Vec<_>>(), ["sell leg 1"]);
    assert_eq!((world.open(), world.pauses.len()), (vec![0, 1], 3), "the first leg waits for the second");
    let loud = "saga entry-1, taken back because cannot do bs-2, cannot be taken back: cannot take back bs-1; \
                by hand 1: sell leg 1 (bs-1); by hand 2: sell leg 0 (bs-0)";
    assert_eq!(saga.to_string(), loud);

    // The next process tries anew, with pauses of its own, and a person settles it in the end.
    let [saga] = journal.unfinished().try_into().unwrap();
    world.pauses.clear();
    let Finished::Unresolved(mut saga) = block_on(run(saga, RETRY, &mut world, &journal)).unwrap() else {
        panic!("it still cannot be done")
    };
    assert_eq!(world.pauses.len(), 3);
    world.events.push(Event::TookBack("bs-1".to_owned()));
    block_on(saga.settle_by_hand("mia", "sold at the other desk, order 4711", &journal)).unwrap();
    let finished = block_on(run(saga, RETRY, &mut world, &journal)).unwrap();
    assert!(matches!(&finished, Finished::RolledBack { cause } if cause == "cannot do bs-2"), "{finished:?}");
    assert_eq!((world.open(), journal.unfinished()), (vec![], vec![]));
}

#[test]
fn what_cannot_follow_is_refused_and_not_on_record() {
    let journal = MemoryJournal::default();
    let mut saga = block_on(Saga::begin("entry-1", plans(2), &journal)).unwrap();
    assert!(block_on(Saga::begin("entry-1", plans(2), &journal)).is_err(), "the name is in use");
    assert!(block_on(saga.settle_by_hand("mia", "nothing to settle", &journal)).is_err());
    let name = || "entry-1".to_owned();
    for record in [
        SagaRecord::Acted { saga: name(), step: 0 },
        SagaRecord::Compensating { saga: name(), step: 0 },
        SagaRecord::Acting { saga: name(), step: 1 },
        SagaRecord::Acting { saga: name(), step: 2 },
        SagaRecord::Refused { saga: name(), step: 1, reason: "margin".to_owned() },
        SagaRecord::Doubted { saga: name(), step: 0, reason: "no answer".to_owned() },
        SagaRecord::Unresolved { saga: name(), reason: "margin".to_owned() },
        SagaRecord::Ended { saga: name(), end: End::Completed },
        SagaRecord::Ended { saga: name(), end: End::RolledBack },
        SagaRecord::Acting { saga: "entry-2".to_owned(), step: 0 },
    ] {
        assert!(block_on(journal.append(&record)).is_err(), "{record:?}");
    }
    let mut world = World::default();
    let finished = block_on(run(saga, RETRY, &mut world, &journal)).unwrap();
    assert!(matches!(finished, Finished::Completed));
    assert_eq!(world.open(), [0, 1]);
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Works), 1 => Just(Fate::Fails), 1 => Just(Fate::LostAnswer), 1 => Just(Fate::LostRequest)]
}

proptest! {
    // proves: TXN-5
    #[test]
    fn whatever_fails_all_is_done_or_all_is_taken_back_or_it_is_listed(
        acts in prop::collection::vec(fate(), 5),
        compensations in prop::collection::vec(prop::collection::vec(fate(), 0..7), 5),
    ) {
        let mut world = World::default();
        for (step, fates) in acts.iter().map(|fate| vec![*fate]).enumerate() {
            world.fates.insert((false, format!("bs-{step}")), fates);
        }
        for (step, fates) in compensations.into_iter().enumerate() {
            world.fates.insert((true, format!("bs-{step}")), fates);
        }
        let mut journal = MemoryJournal::default();
        match run_in(&mut world, &journal, 5) {
            Finished::Completed => {
                prop_assert!(acts.iter().all(|fate| *fate == Fate::Works));
                prop_assert_eq!(world.open(), [0, 1, 2, 3, 4]);
            }
            Finished::RolledBack { .. } => prop_assert_eq!(world.open(), Vec::<usize>::new()),
            Finished::Unresolved(saga) => {
                // Everything that may be open is said to be.
                let listed: Vec<_> = saga.may_be_open().map(|plan| plan.key.clone()).collect();
                prop_assert!(world.open().iter().all(|step| listed.contains(&format!("bs-{step}"))), "{listed:?}");
                prop_assert_eq!(journal.unfinished().len(), 1);
            }
        }
    }
}
