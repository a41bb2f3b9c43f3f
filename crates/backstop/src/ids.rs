//! The names that a session, a slot and its orders go by.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use backstop_broker::{ClientOrderId, InvalidId};
use backstop_reconcile::{InvalidPositionId, PositionId};
use backstop_trade_guard::{Key, Scope, Session};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The prefix of every client order id of ours.
const PREFIX: &str = "bs-";

/// A strategy's name: one to 32 ASCII letters and digits, so that it can stand in a client order id between hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrategyName(Scope);

impl StrategyName {
    /// Checks and keeps `name`.
    ///
    /// # Errors
    /// [`InvalidName`] when it is empty, longer than 32 characters, or holds anything but ASCII letters and digits.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let fits = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let invalid = || InvalidName { text: name.to_owned() };
        if fits { Scope::new(name).map(Self).map_err(|_| invalid()) } else { Err(invalid()) }
    }

    /// What the entry guard counts its entries under.
    pub(crate) fn scope(&self) -> &Scope {
        &self.0
    }
}

impl fmt::Display for StrategyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

/// A session: the k-th of a trading day. Written `YYYYMMDD-k`, ordered by day and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId {
    /// The trading day, by the exchange's calendar.
    pub day: Date,
    /// Which session of that day, from 1.
    pub number: NonZeroU32,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.day.year(), self.day.month(), self.day.day());
        f.pad(&format!("{year:04}{month:02}{day:02}-{}", self.number))
    }
}

impl SessionId {
    /// The same, as the entry guard has it.
    pub(crate) fn guarded(self) -> Session {
        Session::numbered(self.day, self.number.get())
    }
}

/// One entry slot of one session of one strategy, and the position that it makes. Written
/// `<strategy>-<session>-<slot>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotId {
    /// Whose entry it is.
    pub strategy: StrategyName,
    /// In which session.
    pub session: SessionId,
    /// Which entry of the session, from 1.
    pub slot: NonZeroU32,
}

impl SlotId {
    /// What the entry guard keeps shut while somebody is inside.
    pub(crate) fn key(&self) -> Key {
        Key::new(*self.strategy.scope(), self.session.guarded()).with_slot(self.slot.get())
    }

    /// The slot that the entry guard knows as `key`.
    pub(crate) fn of_key(key: &Key) -> Option<Self> {
        let (strategy, session) = (StrategyName::new(key.scope().as_str()).ok()?, key.session());
        let session = SessionId { day: session.day(), number: NonZeroU32::new(session.number())? };
        Some(Self { strategy, session, slot: NonZeroU32::new(key.slot()?)? })
    }

    /// What the label of every order of a strategy begins with, and of no other's.
    pub(crate) fn prefix_of(strategy: &StrategyName) -> String {
        format!("{PREFIX}{strategy}-")
    }

    /// What the book calls its position.
    ///
    /// # Errors
    /// None in practice: a slot's name is short, and of characters that a position's may have.
    pub(crate) fn position(&self) -> Result<PositionId, InvalidPositionId> {
        PositionId::new(&self.to_string())
    }

    /// The slot whose position has this name in the book.
    pub(crate) fn of_position(id: &PositionId) -> Option<Self> {
        id.as_str().parse().ok()
    }

    /// The client order id of the entry: `bs-<strategy>-<session>-<slot>-open-<fence>`.
    ///
    /// # Errors
    /// [`InvalidId`] when the whole is too long for a broker.
    pub fn open_order(&self, fence: u64) -> Result<ClientOrderId, InvalidId> {
        ClientOrderId::new(&format!("{PREFIX}{self}-open-{fence}"))
    }

    /// The client order id of the `attempt`-th exit: `bs-<strategy>-<session>-<slot>-close<attempt>-<fence>`.
    ///
    /// # Errors
    /// [`InvalidId`] when the whole is too long for a broker.
    pub fn close_order(&self, attempt: u32, fence: u64) -> Result<ClientOrderId, InvalidId> {
        ClientOrderId::new(&format!("{PREFIX}{self}-close{attempt}-{fence}"))
    }

    /// The slot that an order's label belongs to, or `None` when it is not one of ours.
    pub fn of_label(label: &str) -> Option<Self> {
        let (slot, action) = label
            .strip_prefix(PREFIX)?
            .rsplit_once('-')
            .and_then(|(rest, fence)| fence.bytes().all(|b| b.is_ascii_digit()).then(|| rest.rsplit_once('-'))?)?;
        (action == "open" || action.starts_with("close")).then(|| slot.parse().ok())?
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}-{}", self.strategy, self.session, self.slot))
    }
}

impl FromStr for SessionId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let read = || {
            let (day, number) = text.split_once('-')?;
            let number = number.parse().ok()?;
            let packed: i32 =
                (day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit())).then(|| day.parse().ok())??;
            let part = |value: i32| i8::try_from(value).ok();
            let year = i16::try_from(packed / 10_000).ok()?;
            let day = Date::new(year, part(packed / 100 % 100)?, part(packed % 100)?).ok()?;
            Some(Self { day, number })
        };
        // `+7` and `007` are numbers too, but one name must have one spelling.
        read().filter(|read| read.to_string() == text).ok_or_else(|| InvalidName { text: text.to_owned() })
    }
}

impl FromStr for SlotId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let read = || {
            let (strategy, rest) = text.split_once('-')?;
            let (session, slot) = rest.rsplit_once('-')?;
            let slot = slot.parse().ok()?;
            Some(Self { strategy: StrategyName::new(strategy).ok()?, session: session.parse().ok()?, slot })
        };
        read().filter(|read| read.to_string() == text).ok_or_else(|| InvalidName { text: text.to_owned() })
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(session: SessionId) -> Self {
        session.to_string()
    }
}

impl TryFrom<String> for SlotId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<SlotId> for String {
    fn from(slot: SlotId) -> Self {
        slot.to_string()
    }
}

/// A text that names no strategy, session or slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no name of a strategy (letters and digits), session (YYYYMMDD-k) or slot (strategy-session-slot)")]
pub struct InvalidName {
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests;
