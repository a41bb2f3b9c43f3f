//! The whole torture: bots side by side, each with its lives and its inspections.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::Duration;

use backstop_clock::{Clock, Mono, SystemClock};
use parking_lot::Mutex;
use serde::Serialize;

use super::Trouble;
use super::inspection::inspect;
use super::judge::Violation;
use super::life::{Lived, Struck, live, look_at};
use super::report::{Figures, Report};
use super::samples::{Bound, Peak, judge};
use super::schedule::{Life, Plan};
use super::world::World;
use crate::workload::mix;

/// How often a life is tried again that ended before it was struck.
const TRIES: u32 = 3;

/// Where it is done, and with what.
#[derive(Debug, Clone)]
pub struct Place {
    /// The paper trader.
    pub program: PathBuf,
    /// A folder for everything; what is in it stays.
    pub dir: PathBuf,
    /// No life begins later than this; `None`: all of them.
    pub within: Option<Duration>,
}

/// One life that is over.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// Its number.
    pub life: u32,
    /// Whose.
    pub bot: u32,
    /// What struck it, and when.
    pub struck: Vec<Struck>,
    /// Operations that were not at rest when it died.
    pub in_flight: usize,
    /// Lives that are over, of all bots.
    pub done: u64,
    /// And how many there are to be.
    pub of: usize,
}

/// What all bots share.
struct Shared<'a> {
    plan: &'a Plan,
    place: &'a Place,
    clock: SystemClock,
    began: Mono,
    lives: usize,
    stop: AtomicBool,
    figures: Mutex<Figures>,
    told: &'a (dyn Fn(&Progress) + Sync),
}

/// Does all of it.
///
/// # Errors
/// [`Trouble`] when the machine or the simulator does not do its part. A violation is none: it is in the report, and ends the
/// torture early.
pub fn run(plan: &Plan, lives: &[Life], place: &Place, told: &(dyn Fn(&Progress) + Sync)) -> Result<Report, Trouble> {
    let clock = SystemClock::new();
    let shared = Shared {
        plan,
        place,
        clock,
        began: clock.mono(),
        lives: lives.len(),
        stop: AtomicBool::new(false),
        figures: Mutex::default(),
        told,
    };
    let of_bot = |bot: u32| lives.iter().filter(|life| life.bot == bot).collect::<Vec<_>>();
    let ends: Vec<Result<Ended, Trouble>> = scope(|scope| {
        let shared = &shared;
        let threads = (0..plan.bots).map(|bot| scope.spawn(move || shared.bot(bot, &of_bot(bot))));
        let threads: Vec<_> = threads.collect();
        let died = |_| Err(Trouble::Simulator("was given up: the thread that looked after it has died".to_owned()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
    });
    let figures = shared.figures.lock().clone();
    let mut report = Report {
        plan: plan.clone(),
        floors: figures.floors(plan),
        figures,
        violations: Vec::new(),
        trends: std::collections::BTreeMap::default(),
        seconds: clock.mono().since(shared.began).as_secs(),
    };
    for (bot, end) in ends.into_iter().enumerate() {
        let Ended { bots, simulators, mut violations } = end?;
        for (who, peaks, bound) in [("bot", bots, Bound::BOT), ("simulator", simulators, Bound::SIMULATOR)] {
            let who = format!("{who} {bot}");
            let (trend, grown) = judge(&who, &peaks, bound);
            violations.extend(grown.into_iter().map(|grown| (format!("bot {bot} at the end"), grown)));
            report.trends.insert(who, trend);
        }
        report.violations.extend(violations);
    }
    Ok(report)
}

/// What is left of one bot.
#[derive(Default)]
struct Ended {
    bots: Vec<Peak>,
    simulators: Vec<Peak>,
    violations: Vec<(String, Violation)>,
}

impl Ended {
    fn take(&mut self, place: &str, found: Vec<Violation>) -> bool {
        let any = !found.is_empty();
        self.violations.extend(found.into_iter().map(|violation| (place.to_owned(), violation)));
        any
    }
}

impl Shared<'_> {
    fn bot(&self, bot: u32, lives: &[&Life]) -> Result<Ended, Trouble> {
        let ended = self.all_lives(bot, lives);
        if ended.as_ref().map_or(true, |ended| !ended.violations.is_empty()) {
            self.stop.store(true, Ordering::SeqCst);
        }
        ended
    }

    fn all_lives(&self, bot: u32, lives: &[&Life]) -> Result<Ended, Trouble> {
        let Place { program, dir, .. } = self.place;
        let dir = dir.join(format!("bot-{bot}"));
        let mut world = World::start(program, &dir, self.plan, mix(self.plan.seed, [bot.into(), 0, 0]))?;
        let mut ended = Ended::default();
        self.until_found(&mut world, lives, &mut ended)?;
        self.figures.lock().add_ledger(&world.simulator.ledger()?);
        Ok(ended)
    }

    /// All lives with their inspections, or until something is found.
    fn until_found(&self, world: &mut World, lives: &[&Life], ended: &mut Ended) -> Result<(), Trouble> {
        let is_late = || self.place.within.is_some_and(|within| self.clock.mono().since(self.began) >= within);
        let (mut last, mut not_inspected) = (None, 0);
        for life in lives {
            if is_late() || self.is_stopped() {
                break;
            }
            let mut peak = Peak::default();
            let found = self.one_life(world, life, ended, &mut peak)?;
            ended.simulators.push(peak);
            if ended.take(&format!("bot {}, life {}", life.bot, life.life), found) {
                return Ok(());
            }
            (last, not_inspected) = (Some(life), not_inspected + 1);
            if not_inspected >= self.plan.inspect_every {
                not_inspected = 0;
                if self.inspection(world, life, ended)? {
                    return Ok(());
                }
            }
        }
        match last.filter(|_| not_inspected > 0 && !self.is_stopped()) {
            Some(last) => self.inspection(world, last, ended).map(drop),
            None => Ok(()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Until it is struck, or has ended by itself too often.
    fn one_life(
        &self,
        world: &World,
        life: &Life,
        ended: &mut Ended,
        peak: &mut Peak,
    ) -> Result<Vec<Violation>, Trouble> {
        for _ in 0..TRIES {
            let mut lived = live(world, &self.clock, life)?;
            let ledger = look_at(world, &mut lived)?;
            peak.sample(world.simulator.process.id());
            peak.orders = ledger.orders.len() as u64;
            ended.bots.push(lived.peak);
            self.tell(life, &lived);
            if !lived.by_itself || !lived.violations.is_empty() {
                return Ok(lived.violations);
            }
        }
        Ok(Vec::new())
    }

    fn tell(&self, life: &Life, lived: &Lived) {
        let mut figures = self.figures.lock();
        figures.count(lived);
        let done = figures.kills;
        drop(figures);
        (self.told)(&Progress {
            life: life.life,
            bot: life.bot,
            struck: lived.struck.clone(),
            in_flight: lived.in_flight,
            done,
            of: self.lives,
        });
    }

    fn inspection(&self, world: &mut World, life: &Life, ended: &mut Ended) -> Result<bool, Trouble> {
        let seen = inspect(world, &self.clock)?;
        let mut figures = self.figures.lock();
        figures.inspections += 1;
        figures.with_positions += u64::from(seen.held > 0);
        figures.resumed += u64::from(seen.resumed);
        drop(figures);
        Ok(ended.take(&format!("bot {}, inspected after life {}", life.bot, life.life), seen.violations))
    }
}
