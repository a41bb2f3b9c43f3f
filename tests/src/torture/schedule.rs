//! When and how each life ends: drawn from a seed, written to a file, read back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Trouble;
use crate::workload::mix;

/// What a torture does: together with the lives that are drawn from it, everything that is random.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The seed of every instant and signal, and of the simulators' faults.
    pub seed: u64,
    /// How many lives are ended by a signal.
    pub kills: u32,
    /// How many bots run side by side, each against a simulator of its own.
    pub bots: u32,
    /// The simulators' faults: `none`, `mild` or `hostile`.
    pub faults: String,
    /// What is traded: `equity` or `spread`.
    pub strategy: String,
    /// The settling time of the bots, in milliseconds; the faults last as long in proportion.
    pub settle_ms: u64,
    /// After how many kills of one bot the faults are switched off and everything is judged.
    pub inspect_every: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            kills: 500,
            bots: 2,
            faults: "hostile".to_owned(),
            strategy: "equity".to_owned(),
            settle_ms: 1_500,
            inspect_every: 25,
        }
    }
}

/// One life of a bot: from its start to a signal that it does not survive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// Its number, from 1.
    pub life: u32,
    /// Whose, from 0.
    pub bot: u32,
    /// What strikes it, one after the other. The last one ends it.
    pub strikes: Vec<Strike>,
}

/// A signal and its instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    /// When.
    pub on: Moment,
    /// What.
    pub then: Blow,
}

/// What a strike waits for, counted from the start of the life or from the strike before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Moment {
    /// So much time.
    After {
        /// In milliseconds.
        ms: u64,
    },
    /// The journal has another record of a type.
    Journal {
        /// The record's `type`.
        record: String,
        /// Which of them, from 1.
        nth: u32,
        /// And then so many microseconds.
        us: u64,
    },
    /// The simulator has written its account once more: an order came, was filled or canceled.
    Account {
        /// Which time, from 1.
        nth: u32,
        /// And then so many microseconds.
        us: u64,
    },
    /// One more fault has struck at the simulator.
    Fault {
        /// And then so many microseconds.
        us: u64,
    },
}

/// A signal, or two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGTERM, and wait for the end.
    Term,
    /// SIGTERM, and SIGKILL if it has not ended by then.
    TermKill {
        /// After so many milliseconds.
        ms: u64,
    },
    /// SIGSTOP and SIGCONT: the life goes on.
    Pause {
        /// So many milliseconds later.
        ms: u64,
        /// Whether a second instance is started meanwhile, which must be turned away.
        second: bool,
    },
    /// SIGSTOP and SIGKILL.
    PauseKill {
        /// So many milliseconds later.
        ms: u64,
        /// As above.
        second: bool,
    },
}

/// Record types after which a strike is interesting, with their weights.
const RECORDS: [(&str, u64); 8] = [
    ("intent", 28),
    ("accepted", 20),
    ("attempt", 12),
    ("finished", 14),
    ("canceling", 6),
    ("doubted", 6),
    ("book", 10),
    ("opened", 4),
];

/// A source of numbers for one life.
struct Dice {
    seed: u64,
    life: u64,
    thrown: u64,
}

impl Dice {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.thrown += 1;
        mix(self.seed, [0x70_72_74, self.life, self.thrown]) % end.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// At once, in the next two milliseconds, or in the next forty: a request takes about as long.
    fn little(&mut self) -> u64 {
        match self.below(3) {
            0 => 0,
            1 => self.below(2_000),
            _ => self.below(40_000),
        }
    }

    fn moment(&mut self) -> Moment {
        match self.below(100) {
            // In the midst of opening and recovery.
            0..15 => Moment::After { ms: self.below(400) },
            15..35 => Moment::After { ms: self.below(4_000) },
            35..80 => {
                let record = self.record();
                // A life writes the one once, and hardly any writes three of the others.
                let nth = match record.as_str() {
                    "opened" => 1,
                    "canceling" | "doubted" => 1 + self.nth() / 3,
                    _ => 1 + self.nth(),
                };
                Moment::Journal { record, nth, us: self.little() }
            }
            80..92 => Moment::Account { nth: 1 + self.nth() * 2, us: self.little() },
            _ => Moment::Fault { us: self.little() },
        }
    }

    fn nth(&mut self) -> u32 {
        u32::try_from(self.below(4)).unwrap_or(0)
    }

    fn record(&mut self) -> String {
        let mut ticket = self.below(RECORDS.iter().map(|(_, weight)| weight).sum());
        for (record, weight) in RECORDS {
            match ticket.checked_sub(weight) {
                Some(left) => ticket = left,
                None => return record.to_owned(),
            }
        }
        "intent".to_owned()
    }

    fn pause(&mut self) -> (u64, bool) {
        (50 + self.below(2_500), self.chance(40))
    }

    fn end(&mut self) -> Blow {
        match self.below(100) {
            0..60 => Blow::Kill,
            60..73 => Blow::Term,
            73..85 => Blow::TermKill { ms: self.below(800) },
            _ => {
                let (ms, second) = self.pause();
                Blow::PauseKill { ms, second }
            }
        }
    }
}

impl Plan {
    /// The lives, in the order in which each bot has them.
    pub fn lives(&self) -> Vec<Life> {
        (0..self.kills).map(|number| self.life(number)).collect()
    }

    fn life(&self, number: u32) -> Life {
        let mut dice = Dice { seed: self.seed, life: number.into(), thrown: 0 };
        let mut strikes = Vec::new();
        if dice.chance(15) {
            let on = dice.moment();
            let (ms, second) = dice.pause();
            strikes.push(Strike { on, then: Blow::Pause { ms, second } });
        }
        let on = dice.moment();
        strikes.push(Strike { on, then: dice.end() });
        Life { life: number + 1, bot: number % self.bots.max(1), strikes }
    }

    pub(super) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }
}

/// The plan and its lives as text: one JSON object a line, the plan first.
///
/// # Errors
/// [`Trouble`] when they cannot be written as JSON, which none can that was drawn.
pub fn written(plan: &Plan, lives: &[Life]) -> Result<String, Trouble> {
    let mut text = serde_json::to_string(plan).map_err(Trouble::json("the plan"))?;
    for life in lives {
        text.push('\n');
        text += &serde_json::to_string(life).map_err(Trouble::json("a life"))?;
    }
    text.push('\n');
    Ok(text)
}

/// Reads what [`written`] made. Whoever shortens the list by hand gets fewer lives.
///
/// # Errors
/// [`Trouble::Usage`] names the line.
pub fn read(text: &str) -> Result<(Plan, Vec<Life>), Trouble> {
    let wrong = |line: usize, error: String| Trouble::Usage(format!("the schedule's line {line}: {error}"));
    let mut lines = text.lines().enumerate();
    let (_, first) = lines.next().ok_or_else(|| wrong(1, "there is none".to_owned()))?;
    let mut plan: Plan = serde_json::from_str(first).map_err(|error| wrong(1, error.to_string()))?;
    let mut lives = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let life: Life = serde_json::from_str(line).map_err(|error| wrong(index + 1, error.to_string()))?;
        let is_end = |strike: &Strike| !matches!(strike.then, Blow::Pause { .. });
        if !life.strikes.last().is_some_and(is_end) || life.bot >= plan.bots {
            return Err(wrong(index + 1, "the last strike must end a life, of a bot that there is".to_owned()));
        }
        lives.push(life);
    }
    plan.kills = u32::try_from(lives.len()).unwrap_or(u32::MAX);
    Ok((plan, lives))
}

#[cfg(test)]
mod tests;
