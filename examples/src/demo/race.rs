//! The demo while it runs: both bots at work, what is done to them, and a look at both sides several times a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use backstop::clock::{Clock, Mono, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::bots::Kind;
use super::schedule::Kill;
use super::screen::Screen;
use super::side::{Finished, Side};
use super::world::{Place, Plan, SETTLE};
use crate::failure::Failure;

/// Between two looks at the processes.
const STEP: Duration = Duration::from_millis(50);
/// So many steps lie between two samples.
const STEPS_A_SAMPLE: u32 = 4;
/// How much longer than expected it may take. A bot that goes on is ended then.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a demo went.
#[derive(Debug)]
pub(crate) struct Raced {
    /// How long it took.
    pub(crate) took: Duration,
    /// Ended by a signal.
    pub(crate) is_partial: bool,
    /// When the bots were killed, and for how long they were down.
    pub(crate) kills: Vec<Kill>,
    /// When the second instances were started.
    pub(crate) second_bot: Option<Duration>,
    pub(crate) naive: Finished,
    pub(crate) backstop: Finished,
}

/// Ctrl-C and SIGTERM. From the beginning on they end nothing by themselves, however often they come: whoever leaves takes the
/// bots along.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Runs it.
pub(crate) async fn run(
    plan: &Plan,
    place: &Place,
    clock: &Arc<dyn Clock>,
    screen: &Screen,
    mut interrupts: Interrupts,
) -> Result<Raced, Failure> {
    let mut race = Race::start(plan, place, clock).await?;
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limit = plan.expected() + PATIENCE;
    let mut is_partial = false;
    let mut over_at: Option<Duration> = None;
    for step in 0_u32.. {
        tokio::select! {
            _ = steps.tick() => {}
            () = interrupts.next() => {
                is_partial = true;
                break;
            }
        }
        let now = race.elapsed();
        race.act(now, screen)?;
        if step.is_multiple_of(STEPS_A_SAMPLE) {
            race.look(now, screen);
        }
        if over_at.is_none() && (race.is_over() || now >= limit) {
            race.stop(now, screen);
            // What is still on its way to the broker lands before all is compared.
            over_at = Some(now + SETTLE);
        }
        if over_at.is_some_and(|at| now >= at) {
            break;
        }
    }
    let now = race.elapsed();
    race.stop(now, screen);
    race.look(now, screen);
    Ok(race.finish(now, is_partial))
}

struct Race {
    clock: Arc<dyn Clock>,
    began: Mono,
    began_at: Timestamp,
    to_kill: VecDeque<Kill>,
    to_start_second: Option<Duration>,
    kills: Vec<Kill>,
    second_bot: Option<Duration>,
    naive: Side,
    backstop: Side,
}

impl Race {
    async fn start(plan: &Plan, place: &Place, clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        // One right after the other: their prices take the same steps, less than a millisecond apart.
        let (for_naive, for_backstop) = (plan.broker().await?, plan.broker().await?);
        let (began, began_at) = (clock.mono(), clock.wall());
        Ok(Self {
            clock: Arc::clone(clock),
            began,
            began_at,
            to_kill: plan.schedule.kills.iter().copied().collect(),
            to_start_second: Some(plan.schedule.second_bot),
            kills: Vec::new(),
            second_bot: None,
            naive: Side::start(Kind::Naive, for_naive, plan, place)?,
            backstop: Side::start(Kind::Backstop, for_backstop, plan, place)?,
        })
    }

    fn elapsed(&self) -> Duration {
        self.clock.mono().since(self.began)
    }

    fn sides(&mut self) -> [&mut Side; 2] {
        [&mut self.naive, &mut self.backstop]
    }

    /// Notes what both bots did, and does to them what is due.
    fn act(&mut self, now: Duration, screen: &Screen) -> Result<(), Failure> {
        let kill = self.to_kill.pop_front_if(|kill| now >= kill.at);
        self.kills.extend(kill.map(|kill| Kill { at: now, ..kill }));
        let starts_second = self.to_start_second.take_if(|at| now >= *at).is_some();
        self.second_bot = self.second_bot.or(starts_second.then_some(now));
        for side in self.sides() {
            side.listen(now, screen);
            side.note_ends(now, screen)?;
            if let Some(kill) = kill {
                side.kill(now, kill, screen);
            }
            side.restart(now, screen)?;
            if starts_second {
                side.start_second(now, screen)?;
            }
        }
        Ok(())
    }

    fn look(&mut self, now: Duration, screen: &Screen) {
        for side in self.sides() {
            side.look(now, screen);
        }
        if let (Some(naive), Some(backstop)) = (self.naive.newest(), self.backstop.newest()) {
            screen.samples(now, [naive, backstop]);
        }
    }

    fn is_over(&self) -> bool {
        self.naive.is_over() && self.backstop.is_over()
    }

    /// Ends whatever runs.
    fn stop(&mut self, now: Duration, screen: &Screen) {
        for side in self.sides() {
            side.stop(now, screen);
        }
    }

    fn finish(self, took: Duration, is_partial: bool) -> Raced {
        Raced {
            took,
            is_partial,
            kills: self.kills,
            second_bot: self.second_bot,
            naive: self.naive.finish(self.began_at),
            backstop: self.backstop.finish(self.began_at),
        }
    }
}
