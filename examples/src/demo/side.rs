//! One side of the demo: a broker, the bot that trades there, and what was seen of both.

use std::cmp::Ordering;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::clock::Timestamp;
use backstop_sim::{Ledger, SimHandle, SimServer};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::beliefs::{self, Followed};
use super::bots::{Bot, Kind, Said};
use super::measures::{Measures, Observed};
use super::samples::{Belief, Net, Sample};
use super::schedule::Kill;
use super::screen::Screen;
use super::words;
use super::world::{Place, Plan};
use crate::failure::Failure;
use crate::state_dir::StateDir;

/// One bot's side, while it goes on.
#[derive(Debug)]
pub(crate) struct Side {
    broker: SimServer,
    bot: Bot,
    heard: UnboundedReceiver<Said>,
    dir: StateDir,
    followed: Followed,
    belief: Belief,
    samples: Vec<Sample>,
    restart_at: Option<Duration>,
    end: Option<End>,
    second: Second,
    second_since: Duration,
}

/// Whoever is refused leaves before that.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// How the instance that is meant to run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself. `None`: by a signal that was none of ours.
    Exited { code: Option<i32>, complaint: Option<String> },
    /// It had to be ended.
    Stopped,
}

/// What became of the second instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    NotStarted,
    /// It left at once, with this exit code.
    Refused {
        code: Option<i32>,
    },
    /// It ran beside the first one.
    GotIn,
}

/// One bot's side, when all is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) kind: Kind,
    pub(crate) ledger: Ledger,
    pub(crate) samples: Vec<Sample>,
    pub(crate) measures: Measures,
    pub(crate) end: End,
    pub(crate) second: Second,
    /// When the demo began, by the broker's clock.
    pub(crate) began: Timestamp,
}

impl Side {
    /// Starts the bot of a broker.
    pub(crate) fn start(kind: Kind, broker: SimServer, plan: &Plan, place: &Place) -> Result<Self, Failure> {
        let (said, heard) = unbounded_channel();
        let mut bot = Bot::new(plan.recipe(kind, &broker, place.path())?, said);
        bot.start()?;
        Ok(Self {
            bot,
            heard,
            dir: StateDir::at(&place.path().join(kind.name())),
            broker,
            followed: Followed::default(),
            belief: Belief::default(),
            samples: Vec::new(),
            restart_at: None,
            end: None,
            second: Second::NotStarted,
            second_since: Duration::ZERO,
        })
    }

    pub(crate) fn broker(&self) -> SimHandle {
        self.broker.handle()
    }

    pub(crate) fn newest(&self) -> Option<&Sample> {
        self.samples.last()
    }

    /// Whether every instance has left by itself, or was ended.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some() && !self.bot.is_up()
    }

    /// Takes a sample. The truth first, then the belief: whoever sends an order knows of it before the broker does, and
    /// nothing that is closed is forgotten before it has been looked at again.
    pub(crate) fn look(&mut self, at: Duration, screen: &Screen) {
        let held: Net = self.broker().ledger().positions;
        self.listen(at, screen);
        let belief = match self.bot.kind() {
            Kind::Naive => beliefs::of_naive(self.dir.path(), &self.followed),
            Kind::Backstop => beliefs::of_backstop(&self.dir),
        };
        // What cannot be read at this moment is as it was.
        if let Some(belief) = belief {
            self.belief = belief;
        }
        self.samples.push(Sample { at, is_up: self.bot.is_up(), held, belief: self.belief.clone() });
    }

    /// Takes in what the instances wrote.
    pub(crate) fn listen(&mut self, at: Duration, screen: &Screen) {
        while let Ok(Said { instance, line }) = self.heard.try_recv() {
            let text = match self.bot.kind() {
                Kind::Backstop => words::of_backstop(&line),
                Kind::Naive => self.heard_naive(instance, &line),
            };
            if let Some(text) = text {
                let whose = if self.bot.is_second(instance) { "second instance: " } else { "" };
                screen.event(self.bot.kind(), at, &format!("{whose}{text}"));
            }
        }
    }

    fn heard_naive(&mut self, instance: u32, line: &str) -> Option<String> {
        let line: Value = serde_json::from_str(line).ok()?;
        // What one that is dead waited for, nobody waits for.
        if !self.bot.runs(instance) || !self.followed.hear(instance, &line) {
            return words::of_naive(&line);
        }
        None
    }

    /// Notes who has left.
    pub(crate) fn note_ends(&mut self, now: Duration, screen: &Screen) -> Result<(), Failure> {
        let kind = self.bot.kind();
        if let Some((instance, status)) = self.bot.ended()? {
            self.followed.forget(instance);
            let complaint = if status.success() { None } else { self.bot.complaint() };
            let end = complaint.as_ref().map_or("ended".to_owned(), |text| format!("ended with {status}: {text}"));
            screen.event(kind, now, &end);
            self.end = Some(End::Exited { code: status.code(), complaint });
        }
        // Whoever was let in and is through has traded all the same.
        let is_refusal = now.saturating_sub(self.second_since) < REFUSED_WITHIN;
        if let Some((instance, status)) = self.bot.second_ended()? {
            self.followed.forget(instance);
            if status.success() || !is_refusal {
                return Ok(());
            }
            self.second = Second::Refused { code: status.code() };
            let code = status.code().map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            screen.event(kind, now, &format!("the second instance was REFUSED, with {code}"));
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self, now: Duration, kill: Kill, screen: &Screen) {
        if let Some(instance) = self.bot.kill() {
            self.followed.forget(instance);
            self.restart_at = Some(now + kill.down);
            screen.event(self.bot.kind(), now, "KILLED (SIGKILL)");
        }
    }

    /// Starts the bot again, once its time has come.
    pub(crate) fn restart(&mut self, now: Duration, screen: &Screen) -> Result<(), Failure> {
        if self.restart_at.take_if(|at| now >= *at).is_some() {
            screen.event(self.bot.kind(), now, "started again");
            self.bot.start()?;
        }
        Ok(())
    }

    /// Starts one instance too many, unless the bot has left: a deployment runs over nobody then.
    pub(crate) fn start_second(&mut self, now: Duration, screen: &Screen) -> Result<(), Failure> {
        if !self.is_over() {
            screen.event(self.bot.kind(), now, "a SECOND INSTANCE is started beside the first");
            self.bot.start_second()?;
            self.second = Second::GotIn;
            self.second_since = now;
        }
        Ok(())
    }

    /// Ends whatever runs.
    pub(crate) fn stop(&mut self, now: Duration, screen: &Screen) {
        self.listen(now, screen);
        self.bot.kill_all();
        self.restart_at = None;
        self.end.get_or_insert(End::Stopped);
    }

    /// Measures, at the true prices of the end.
    pub(crate) fn finish(self, began: Timestamp) -> Finished {
        let ledger = self.broker().ledger();
        let refused_requests = self.broker.refused_requests();
        let marks = marks(&ledger, &self.broker());
        let observed = Observed { ledger: &ledger, samples: &self.samples, marks: &marks, refused_requests };
        Finished {
            kind: self.bot.kind(),
            measures: Measures::of(&observed),
            samples: self.samples,
            end: self.end.unwrap_or(End::Stopped),
            second: self.second,
            began,
            ledger,
        }
    }
}

/// The true price of everything that was traded: what is still held, at what closing it would bring or cost; the rest half way
/// between bid and ask.
fn marks(ledger: &Ledger, broker: &SimHandle) -> Net {
    let symbols = ledger.orders.iter().flat_map(|order| &order.fills).map(|fill| fill.symbol.clone());
    let marked = symbols.filter_map(|symbol| {
        let (bid, ask) = broker.true_prices(&symbol)?;
        let held = ledger.position(&symbol);
        let mark = match held.cmp(&Decimal::ZERO) {
            Ordering::Greater => bid,
            Ordering::Less => ask,
            Ordering::Equal => (bid + ask) / Decimal::TWO,
        };
        Some((symbol, mark))
    });
    marked.collect()
}
