//! One key: who is inside, how many were, and the one compare-and-swap that decides who gets in.

use std::sync::Arc;

use backstop_clock::Clock;

use crate::key::Key;
use crate::store::{Claim, Keeper, Open};
use crate::sync::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use crate::word::{Phase, Word};

/// How often an attempt tries again when somebody came and went between its look and its decision.
const TRIES: usize = 8;

/// A line of its own, so that two keys do not slow each other down.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Node {
    /// A [`Word`].
    word: AtomicU64,
    /// The number of the last attempt. Written by the one inside.
    attempt: AtomicU64,
    /// How often this key may be executed.
    limit: AtomicU16,
    /// The rank of the key's session.
    rank: u64,
    key: Key,
    /// Shared by the slots of a scope.
    budget: Option<Arc<Budget>>,
    /// What an earlier process left unresolved, and as which attempt.
    left: Option<(u64, Open)>,
    pub(crate) keeper: Option<Arc<Keeper>>,
}

/// What the slots of a scope have together. Counts and nothing else, so Relaxed will do: what was done inside of a slot goes
/// to the next one in it by its word.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: AtomicU16,
    /// Slots that are in progress, unresolved or executed.
    taken: AtomicU32,
}

/// Why nobody gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// In progress or unresolved.
    Occupied(Word),
    /// This slot was executed.
    Spent,
    /// As many as may be.
    Full,
    /// Its session is over.
    Retired,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Executed,
    NotExecuted,
    /// Nobody says how.
    Lost,
}

/// Why an attempt cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Nobody is in doubt about it.
    Settled,
    /// Somebody is inside.
    InProgress,
    /// It is a later attempt that is unresolved.
    Later(u64),
}

impl Node {
    pub(crate) fn new(key: Key, limit: u16, budget: Option<Arc<Budget>>, keeper: Option<Arc<Keeper>>) -> Self {
        Self {
            word: AtomicU64::new(Word::free(0).0),
            attempt: AtomicU64::new(0),
            limit: AtomicU16::new(limit),
            rank: key.session().rank(),
            key,
            budget,
            left: None,
            keeper,
        }
    }

    /// As an earlier process left it. What was in progress then is unresolved now (GUARD-3); the budget counts it already.
    pub(crate) fn restored(self, claim: &Claim) -> Self {
        let word = Word::free(claim.executed);
        Self {
            word: AtomicU64::new(if claim.open.is_some() { word.unresolved() } else { word }.0),
            attempt: AtomicU64::new(claim.attempt),
            left: claim.open.clone().map(|open| (claim.attempt, open)),
            ..self
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    #[inline]
    pub(crate) fn rank(&self) -> u64 {
        self.rank
    }

    /// Lets `caller` in, or says why not. At most [`TRIES`] steps, whatever others do.
    #[inline]
    pub(crate) fn claim(&self, caller: u8, clock: &dyn Clock) -> Result<(), Shut> {
        // Acquire, here and below: whoever gets in sees what the one before did inside, and who finds the session over, which
        // one began.
        let mut seen = Word(self.word.load(Ordering::Acquire));
        for _ in 0..TRIES {
            match seen.phase() {
                Phase::Free => {}
                Phase::InProgress | Phase::Unresolved => return Err(Shut::Occupied(seen)),
                Phase::Retired => return Err(Shut::Retired),
            }
            // GUARD-2: a slot is executed once at most, a key without one as often as the limit says.
            if seen.executed() >= self.limit.load(Ordering::Relaxed) {
                return Err(if self.budget.is_some() { Shut::Spent } else { Shut::Full });
            }
            let inside = seen.entered(caller, clock.mono());
            // GUARD-1: the one decision. Nobody inside, nothing unresolved, room left, session not over: all of it is in
            // the word that was seen, and if any of it changed meanwhile, this fails.
            match self.word.compare_exchange(seen.0, inside.0, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return self.admit(inside),
                Err(actual) => seen = Word(actual),
            }
        }
        // They come and go too fast for us; the word still says who was the last.
        Err(Shut::Occupied(seen))
    }

    /// The rest, done by the one inside.
    #[inline]
    fn admit(&self, inside: Word) -> Result<(), Shut> {
        if let Some(budget) = &self.budget
            && !budget.take()
        {
            // Release: what was acquired from the one before goes on to the next one.
            self.word.store(inside.ended(false).0, Ordering::Release);
            return Err(Shut::Full);
        }
        // Release: who sees this number sees that somebody is inside.
        self.attempt.store(self.attempt.load(Ordering::Relaxed) + 1, Ordering::Release);
        Ok(())
    }

    /// Ends the attempt. Only by the one who is inside, once: it owns the word, so a store will do.
    #[inline]
    pub(crate) fn end(&self, end: End) {
        let inside = Word(self.word.load(Ordering::Relaxed));
        debug_assert_eq!(inside.phase(), Phase::InProgress, "only the one inside changes the word");
        let next = match end {
            End::Executed => inside.ended(true),
            End::NotExecuted => {
                if let Some(budget) = &self.budget {
                    budget.give_back();
                }
                inside.ended(false)
            }
            // GUARD-3: no verdict, no way in.
            End::Lost => inside.unresolved(),
        };
        // Release: the next one in sees what was done inside.
        self.word.store(next.0, Ordering::Release);
    }

    /// Takes an unresolved attempt up, to end it. Who succeeds is inside, as if it had made the attempt.
    pub(crate) fn take_up(&self, attempt: u64) -> Result<(), NotTaken> {
        let seen = Word(self.word.load(Ordering::Relaxed));
        match seen.phase() {
            Phase::Unresolved => {}
            Phase::InProgress => return Err(NotTaken::InProgress),
            Phase::Free | Phase::Retired => return Err(NotTaken::Settled),
        }
        let inside = seen.taken_up();
        // Acquire: the number below is that of the attempt which left this word.
        if self.word.compare_exchange(seen.0, inside.0, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Err(NotTaken::InProgress);
        }
        let found = self.attempt();
        if found == attempt {
            return Ok(());
        }
        // What is known of one attempt says nothing of a later one.
        self.end(End::Lost);
        Err(NotTaken::Later(found))
    }

    /// Lets go of the key for good if nobody is inside and nothing is unresolved. From then on nobody gets in through a
    /// handle that is still around.
    pub(crate) fn retire(&self) -> bool {
        let seen = Word(self.word.load(Ordering::Relaxed));
        match seen.phase() {
            // Whoever got in since the look keeps it. Release: who is turned away by this sees which session began.
            Phase::Free => {
                self.word.compare_exchange(seen.0, seen.retired().0, Ordering::Release, Ordering::Relaxed).is_ok()
            }
            Phase::Retired => true,
            Phase::InProgress | Phase::Unresolved => false,
        }
    }

    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// Which attempt is inside or unresolved, and the word that says so. Where others came and went during the look, the
    /// attempt may be one before: then what is known of it settles nothing.
    pub(crate) fn seen(&self) -> (u64, Word) {
        // GUARD-3: the number first, and after it (Acquire) a word that is at least as new. The other way around, the number
        // could be that of somebody who is on the way in: the broker knows nothing of that attempt yet, and who takes that
        // for evidence would settle what it leaves later.
        let attempt = self.attempt.load(Ordering::Acquire);
        (attempt, self.word())
    }

    /// The number of the last attempt. Exact for the one inside.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt.load(Ordering::Relaxed)
    }

    /// What an earlier process left, while that is what is unresolved.
    pub(crate) fn left(&self) -> Option<&Open> {
        self.left.as_ref().filter(|(attempt, _)| *attempt == self.attempt()).map(|(_, open)| open)
    }

    /// How many entries are executed, or may be, and how many there may be: of the key, or of all slots of its scope.
    pub(crate) fn taken(&self, word: Word) -> (u32, u16) {
        if let Some(budget) = &self.budget {
            return (budget.taken.load(Ordering::Relaxed), budget.limit.load(Ordering::Relaxed));
        }
        let inside = matches!(word.phase(), Phase::InProgress | Phase::Unresolved);
        (u32::from(word.executed()) + u32::from(inside), self.limit.load(Ordering::Relaxed))
    }

    pub(crate) fn set_limit(&self, limit: u16) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

impl Budget {
    pub(crate) fn new(limit: u16, taken: u32) -> Self {
        Self { limit: AtomicU16::new(limit), taken: AtomicU32::new(taken) }
    }

    pub(crate) fn set_limit(&self, limit: u16) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// GUARD-2: one more, if there is room.
    fn take(&self) -> bool {
        let limit = u32::from(self.limit.load(Ordering::Relaxed));
        let mut taken = self.taken.load(Ordering::Relaxed);
        for _ in 0..TRIES {
            if taken >= limit {
                return false;
            }
            match self.taken.compare_exchange(taken, taken + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => taken = actual,
            }
        }
        false
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
