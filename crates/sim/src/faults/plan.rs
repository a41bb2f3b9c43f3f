//! How often each kind of fault strikes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{FaultKind, names};

/// How often each kind of fault strikes, and how long those last that last.
///
/// As a file it is one JSON object: names of kinds with a rate per mille, or with rate and duration; `preset` (`none`,
/// `mild`, `hostile`) says what holds for the kinds that are not named, `none` without it.
///
/// ```
/// use backstop_sim::{FaultKind, FaultPlan};
/// let plan = FaultPlan::from_json(r#"{"preset": "mild", "answer_lost": 100,
///     "late_processing": {"per_mille": 50, "delay_ms": 2500}}"#)?;
/// assert_eq!(plan.per_mille(FaultKind::AnswerLost), 100);
/// assert!(FaultPlan::from_json(r#"{"answer_lots": 1}"#).is_err());
/// # Ok::<(), backstop_sim::InvalidPlan>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultPlan(BTreeMap<FaultKind, Rule>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    per_mille: u16,
    delay_ms: u64,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::with_rates(|_| 0)
    }

    /// A bad day: a few percent of what matters.
    pub fn mild() -> Self {
        Self::with_rates(|kind| kind.rates().0)
    }

    /// A day on which one order in five ends in doubt. Everything but
    /// [`DuplicateProcessing`](FaultKind::DuplicateProcessing), which no client can prevent.
    pub fn hostile() -> Self {
        Self::with_rates(|kind| kind.rates().1)
    }

    fn with_rates(rate: impl Fn(FaultKind) -> u16) -> Self {
        let rule = |&kind: &FaultKind| (kind, Rule { per_mille: rate(kind), delay_ms: kind.delay_ms() });
        Self(FaultKind::ALL.iter().map(rule).collect())
    }

    /// A preset by its name: `none`, `mild` or `hostile`.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::none()),
            "mild" => Some(Self::mild()),
            "hostile" => Some(Self::hostile()),
            _ => None,
        }
    }

    /// The same plan in which `kind` strikes `per_mille` of the calls that can suffer it; 1000 and more is always.
    #[must_use]
    pub fn with_rate(mut self, kind: FaultKind, per_mille: u16) -> Self {
        let delay_ms = self.delay_ms(kind);
        self.0.insert(kind, Rule { per_mille: per_mille.min(1000), delay_ms });
        self
    }

    /// The same plan in which `kind` lasts for `delay`.
    #[must_use]
    pub fn with_delay(mut self, kind: FaultKind, delay: Duration) -> Self {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.0.insert(kind, Rule { per_mille: self.per_mille(kind), delay_ms });
        self
    }

    /// The same plan for a client that gives up after `call_timeout`: answers are delayed and requests land half as
    /// long again after they came.
    ///
    /// An order can so be missing from the list for [`LateProcessing`](FaultKind::LateProcessing) plus
    /// [`OrdersLag`](FaultKind::OrdersLag) and live: a settling time must be longer than both together.
    #[must_use]
    pub fn with_client_timeout(self, call_timeout: Duration) -> Self {
        let past = call_timeout.saturating_mul(3) / 2;
        self.with_delay(FaultKind::RequestLost, call_timeout.saturating_mul(4))
            .with_delay(FaultKind::CancelLost, call_timeout.saturating_mul(4))
            .with_delay(FaultKind::AnswerDelayed, past)
            .with_delay(FaultKind::ReadDelayed, past)
            .with_delay(FaultKind::LateProcessing, past)
    }

    /// How many of a thousand calls suffer `kind`.
    pub fn per_mille(&self, kind: FaultKind) -> u16 {
        self.0.get(&kind).map_or(0, |rule| rule.per_mille)
    }

    /// How long `kind` lasts; zero for the kinds that do not last.
    pub fn delay(&self, kind: FaultKind) -> Duration {
        Duration::from_millis(self.delay_ms(kind))
    }

    fn delay_ms(&self, kind: FaultKind) -> u64 {
        self.0.get(&kind).map_or(kind.delay_ms(), |rule| rule.delay_ms)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`InvalidPlan`] names the key; one that is not known is refused, because a misspelled fault would never strike
    /// and the test that relies on it would pass.
    pub fn from_json(text: &str) -> Result<Self, InvalidPlan> {
        let value: Value = serde_json::from_str(text).map_err(|source| InvalidPlan::Json { source })?;
        let Value::Object(keys) = value else { return Err(InvalidPlan::NotAnObject) };
        let mut plan = match keys.get("preset") {
            None => Self::none(),
            Some(preset) => preset
                .as_str()
                .and_then(Self::preset)
                .ok_or_else(|| InvalidPlan::Preset { found: preset.to_string() })?,
        };
        for (key, value) in keys.iter().filter(|(key, _)| *key != "preset") {
            let kind: FaultKind = key.parse().map_err(|_| InvalidPlan::UnknownKey { key: key.clone() })?;
            let (per_mille, delay_ms) =
                rule(value).ok_or_else(|| InvalidPlan::Value { key: key.clone(), found: value.to_string() })?;
            plan = plan.with_rate(kind, per_mille);
            if let Some(delay_ms) = delay_ms {
                plan = plan.with_delay(kind, Duration::from_millis(delay_ms));
            }
        }
        Ok(plan)
    }
}

/// A rate, or an object of rate and duration with nothing else in it.
fn rule(value: &Value) -> Option<(u16, Option<u64>)> {
    let rate = |value: &Value| value.as_u64().and_then(|rate| u16::try_from(rate).ok()).filter(|rate| *rate <= 1000);
    if let Some(per_mille) = rate(value) {
        return Some((per_mille, None));
    }
    let keys: &Map<String, Value> = value.as_object()?;
    if keys.keys().any(|key| key != "per_mille" && key != "delay_ms") {
        return None;
    }
    let delay_ms = match keys.get("delay_ms") {
        None => None,
        Some(delay) => Some(delay.as_u64()?),
    };
    Some((rate(keys.get("per_mille")?)?, delay_ms))
}

/// Why a text is not a fault plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPlan {
    /// Not JSON.
    #[error("the fault plan is not JSON")]
    Json {
        /// Where and why.
        source: serde_json::Error,
    },
    /// JSON, but not an object.
    #[error(r#"the fault plan is not a JSON object such as {{"answer_lost": 40}}"#)]
    NotAnObject,
    /// A preset that does not exist.
    #[error("there is no fault preset {found}; there are none, mild and hostile")]
    Preset {
        /// What stands there.
        found: String,
    },
    /// A kind that does not exist.
    #[error("the fault plan names {key:?}; there are preset, {}", names())]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A rate or duration that cannot be meant.
    #[error(
        r#"the fault plan says {found} for {key}; write a rate from 0 to 1000 per mille, or {{"per_mille": 30, "delay_ms": 5000}}"#
    )]
    Value {
        /// The kind.
        key: String,
        /// What stands there.
        found: String,
    },
}

#[cfg(test)]
mod tests;
