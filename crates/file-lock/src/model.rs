//! The protocol of the lock, for a checker that tries every order of its steps (LOCK-1, LOCK-6).
//!
//! Three processes take the lock of one path, ask whether they still hold it, act, and release it. Between any two of
//! their system calls each may be killed, or stopped for as long as anything else takes (it then does not make the next
//! step, which needs no step of its own), and a vandal may delete the file, move it away, put it back, or put another in
//! its place. Nothing bounds the number of steps: inode numbers are given out again as soon as no name and no descriptor
//! has them, as file systems do, so that there are finitely many states, and all are visited.
//!
//! | step of the model | in the code |
//! |---|---|
//! | [`Open`](Action::Open), [`Create`](Action::Create) | the two calls of `acquire::open`; what it looks at besides (LOCK-7) only refuses |
//! | [`Lock`](Action::Lock) | `sys::try_lock`, in `acquire::attempt` |
//! | [`Compare`](Action::Compare) | `acquire::is_at`, in `acquire::attempt` |
//! | [`Close`](Action::Close) | the end of the descriptor: refused, moved, waited in vain, canceled, released |
//! | [`Ask`](Action::Ask) | `Lock::still_held` |
//! | [`Act`](Action::Act) | whatever only the holder may do: the caller's |
//! | [`Unlock`](Action::Unlock) | `Drop for Lock` |
//! | [`Kill`](Action::Kill) | the end of the process by any means: the kernel closes what it had open |
//!
//! [`Protocol`] leaves out one mechanism at a time: then the checker has to find the harm. `model/tests.rs` also walks
//! through the model and the real functions side by side, on a real file system, and compares each answer.

use stateright::{Model, Property};

pub(crate) const PROCESSES: usize = 3;

/// The number of an inode.
pub(crate) type Ino = u8;

/// What is done, and what is left out. [`OURS`] is what the crate does.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a list of what is there, each to be taken out by itself")]
pub(crate) struct Protocol {
    /// Whether the locked file is compared with the one at the path.
    pub(crate) compares: bool,
    /// Whether `still_held` is asked before each act.
    pub(crate) asks: bool,
    /// Whether `still_held` remembers that it once said no.
    pub(crate) remembers: bool,
    /// Whether, and when, the holder deletes the file on release.
    pub(crate) deletes: Deletes,
    /// Whether anybody else touches the file.
    pub(crate) vandal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    Never,
    BeforeUnlocking,
    AfterUnlocking,
}

pub(crate) const OURS: Protocol =
    Protocol { compares: true, asks: true, remembers: true, deletes: Deletes::Never, vandal: true };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// Which file the path names.
    pub(crate) path: Option<Ino>,
    /// The file that was moved away.
    pub(crate) away: Option<Ino>,
    pub(crate) processes: [Stage; PROCESSES],
}

/// How far a process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// It has nothing open, or is not running.
    Out,
    /// There was no file to open: it is to make one.
    Missing,
    /// It has the file open, and may be waiting for it.
    Opened(Ino),
    /// It has locked the file and not yet compared.
    Locked(Ino),
    /// It has a `Lock`.
    Inside(Held),
    /// It was told that it still holds the lock, and has not yet acted on it.
    Told {
        held: Held,
        /// The path was changed since: nothing the process can know.
        stale: bool,
    },
    /// It releases the lock: it has unlocked the file and not yet closed it, or is about to delete it (never in
    /// [`OURS`]).
    Releasing { ino: Ino, locked: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) ino: Ino,
    /// `still_held` said no.
    pub(crate) lost: bool,
    /// Somebody else changed the path since the lock was taken: nothing the process can know.
    pub(crate) disturbed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Open(usize),
    Create(usize),
    Lock(usize),
    Compare(usize),
    Close(usize),
    Ask(usize),
    Act(usize),
    Unlock(usize),
    /// The holder deletes what is at the path (never in [`OURS`]).
    Delete(usize),
    Kill(usize),
    /// The vandal's.
    Vandal(Change),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Remove,
    MoveAway,
    PutBack,
    /// A new file is put at the path, whatever was there.
    Replace,
}

impl World {
    /// The smallest number that no file has. Which one it is makes no difference to anybody: all who know a number have
    /// the file open.
    fn unused(&self) -> Ino {
        let taken = |ino: &Ino| {
            self.path == Some(*ino)
                || self.away == Some(*ino)
                || self.processes.iter().any(|stage| stage.ino() == Some(*ino))
        };
        (0..Ino::MAX).find(|ino| !taken(ino)).unwrap()
    }

    fn is_locked(&self, ino: Ino) -> bool {
        self.processes.iter().any(|stage| stage.has_locked() && stage.ino() == Some(ino))
    }

    /// The vandal makes the path name something else.
    fn disturb(&mut self, path: Option<Ino>) {
        self.path = path;
        for stage in &mut self.processes {
            match stage {
                Stage::Inside(held) => held.disturbed = true,
                Stage::Told { held, stale } => (held.disturbed, *stale) = (true, true),
                _ => {}
            }
        }
    }

    fn count(&self, is: impl Fn(Stage) -> bool) -> usize {
        self.processes.iter().filter(|&&stage| is(stage)).count()
    }
}

impl Stage {
    fn ino(self) -> Option<Ino> {
        match self {
            Self::Out | Self::Missing => None,
            Self::Opened(ino) | Self::Locked(ino) | Self::Releasing { ino, .. } => Some(ino),
            Self::Inside(held) | Self::Told { held, .. } => Some(held.ino),
        }
    }

    fn has_locked(self) -> bool {
        match self {
            Self::Out | Self::Missing | Self::Opened(_) => false,
            Self::Locked(_) | Self::Inside(_) | Self::Told { .. } => true,
            Self::Releasing { locked, .. } => locked,
        }
    }

    fn held(self) -> Option<Held> {
        match self {
            Self::Inside(held) | Self::Told { held, .. } => Some(held),
            _ => None,
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World { path: None, away: None, processes: [Stage::Out; PROCESSES] }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (i, &stage) in world.processes.iter().enumerate() {
            // Whoever is about to close the file anyway comes to the same by being killed.
            if stage == Stage::Missing || stage.has_locked() {
                actions.push(Action::Kill(i));
            }
            match stage {
                Stage::Out => actions.push(Action::Open(i)),
                Stage::Missing => actions.push(Action::Create(i)),
                Stage::Opened(ino) => {
                    actions.push(Action::Close(i));
                    if !world.is_locked(ino) {
                        actions.push(Action::Lock(i));
                    }
                }
                Stage::Locked(_) => actions.push(Action::Compare(i)),
                Stage::Inside(_) => {
                    let before = self.deletes == Deletes::BeforeUnlocking;
                    actions.extend([Action::Ask(i), if before { Action::Delete(i) } else { Action::Unlock(i) }]);
                }
                Stage::Told { .. } => actions.push(Action::Act(i)),
                Stage::Releasing { locked: true, .. } => actions.push(Action::Unlock(i)),
                Stage::Releasing { locked: false, .. } => {
                    let after = self.deletes == Deletes::AfterUnlocking;
                    actions.push(if after { Action::Delete(i) } else { Action::Close(i) });
                }
            }
        }
        if self.vandal {
            actions.push(Action::Vandal(Change::Replace));
            if world.path.is_some() {
                actions.extend([Action::Vandal(Change::Remove), Action::Vandal(Change::MoveAway)]);
            }
            if world.away.is_some() {
                actions.push(Action::Vandal(Change::PutBack));
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            // Every lock of a dead process is gone: each descriptor is closed on exec, so no child has a copy (LOCK-3).
            Action::Kill(i) => world.processes[i] = Stage::Out,
            Action::Vandal(change) => {
                let path = match change {
                    Change::Remove => None,
                    Change::MoveAway => {
                        world.away = world.path;
                        None
                    }
                    Change::PutBack => world.away.take(),
                    Change::Replace => Some(world.unused()),
                };
                world.disturb(path);
            }
            Action::Delete(i) => {
                world.path = None;
                world.processes[i] = match before.processes[i] {
                    Stage::Inside(Held { ino, .. }) => Stage::Releasing { ino, locked: true },
                    _ => Stage::Out,
                };
            }
            Action::Open(i) => world.processes[i] = world.path.map_or(Stage::Missing, Stage::Opened),
            Action::Create(i) if world.path.is_some() => world.processes[i] = Stage::Out,
            Action::Create(i) => {
                let ino = world.unused();
                world.path = Some(ino);
                world.processes[i] = Stage::Opened(ino);
            }
            Action::Lock(i)
            | Action::Compare(i)
            | Action::Close(i)
            | Action::Ask(i)
            | Action::Act(i)
            | Action::Unlock(i) => world.processes[i] = self.step(before, before.processes[i], action)?,
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ALONE, |_, world: &World| {
                world.count(|stage| stage.held().is_some_and(|held| !held.disturbed)) <= 1
            }),
            Property::always(ONE_YES, |_, world: &World| {
                world.count(|stage| stage.held().is_some_and(|held| !held.lost && world.path == Some(held.ino))) <= 1
            }),
            Property::always(ALONE_IN_ACTING, |_, world: &World| {
                world.count(|stage| matches!(stage, Stage::Told { stale: false, .. })) <= 1
            }),
            Property::always(LOST_FOR_GOOD, |_, world: &World| {
                world.count(|stage| matches!(stage, Stage::Told { held: Held { lost: true, .. }, .. })) == 0
            }),
            Property::sometimes(THE_WINDOW, |_, world: &World| {
                world.count(|stage| matches!(stage, Stage::Told { .. })) > 1
            }),
        ]
    }
}

/// LOCK-1: of two that have the lock, one had it when somebody else changed the path.
pub(crate) const ALONE: &str = "one has the lock, unless somebody else changed the path after it was taken";
/// LOCK-1, however often the path changes.
pub(crate) const ONE_YES: &str = "one would be told that it still holds the lock";
/// LOCK-6: what asking before each act is good for.
pub(crate) const ALONE_IN_ACTING: &str = "one is about to act, unless the path was changed after it was told to go on";
/// LOCK-6: whoever was told that it lost the lock is never told to go on.
pub(crate) const LOST_FOR_GOOD: &str = "a lost lock stays lost";
/// What no question can rule out: the path changes after the answer and before the act.
pub(crate) const THE_WINDOW: &str = "two are about to act";

impl Protocol {
    /// What becomes of a process by a step of its own that changes nothing else.
    fn step(self, world: &World, stage: Stage, action: Action) -> Option<Stage> {
        Some(match (action, stage) {
            (Action::Lock(_), Stage::Opened(ino)) => Stage::Locked(ino),
            (Action::Compare(_), Stage::Locked(ino)) if world.path == Some(ino) || !self.compares => {
                Stage::Inside(Held { ino, lost: false, disturbed: false })
            }
            (Action::Compare(_) | Action::Close(_), _) => Stage::Out,
            (Action::Ask(_), Stage::Inside(held)) => {
                let there = world.path == Some(held.ino) && !(held.lost && self.remembers);
                if there || !self.asks {
                    Stage::Told { held, stale: false }
                } else {
                    Stage::Inside(Held { lost: true, ..held })
                }
            }
            (Action::Act(_), Stage::Told { held, .. }) => Stage::Inside(held),
            (Action::Unlock(_), Stage::Inside(Held { ino, .. }) | Stage::Releasing { ino, .. }) => {
                Stage::Releasing { ino, locked: false }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
