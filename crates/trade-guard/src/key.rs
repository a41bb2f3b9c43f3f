//! What an entry is counted under: a scope, a session, and perhaps a slot of it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use jiff::civil::Date;

/// Whose entries count together: a strategy, with account and symbol where those count apart. `scalper:SPY`, say.
///
/// One to [`MAX_LEN`](Scope::MAX_LEN) printable ASCII characters without spaces, so that it can stand in a log line as it
/// is. Copied, not shared: making and comparing one allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Filled up with zeros, which no scope has.
    bytes: [u8; Scope::MAX_LEN],
    /// Of the bytes. Kept, because a scope is made once and looked up often.
    hash: u64,
}

impl Scope {
    /// The longest scope that is taken, in characters.
    pub const MAX_LEN: usize = 40;

    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidScope`] when it is empty, too long, or has a character that is not allowed.
    pub fn new(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() {
            return Err(InvalidScope::Empty);
        }
        if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(InvalidScope::Character { text: text.chars().take(Self::MAX_LEN).collect(), character });
        }
        let mut bytes = [0; Self::MAX_LEN];
        match bytes.get_mut(..text.len()) {
            Some(place) => place.copy_from_slice(text.as_bytes()),
            None => return Err(InvalidScope::TooLong { length: text.len() }),
        }
        Ok(Self { bytes, hash: hash_of(&bytes) })
    }

    /// Equal for equal scopes, and spread out.
    pub(crate) fn spread(&self) -> u64 {
        self.hash
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(Self::MAX_LEN);
        // Never the other one: what was checked is ASCII.
        self.bytes.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Spreads scopes over a table. Scopes come from the program itself, so nobody chooses them to collide.
fn hash_of(bytes: &[u8]) -> u64 {
    let mut hash = 0_u64;
    for chunk in bytes.chunks(8) {
        let word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    // The product mixes upwards only.
    hash ^ hash >> 32
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::new(text)
    }
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScope {
    /// Nothing.
    #[error("a scope must not be empty")]
    Empty,
    /// Too much.
    #[error("a scope of {length} characters is too long; at most {} are taken", Scope::MAX_LEN)]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A space, a control character, or none of ASCII.
    #[error("{character:?} in {text:?} is not allowed; a scope has printable ASCII characters without spaces")]
    Character {
        /// The text, or how it begins.
        text: String,
        /// What is not allowed.
        character: char,
    },
}

/// A day of the exchange's calendar, or the k-th session of one. Later days and greater numbers are newer. Written
/// `YYYYMMDD-k`.
///
/// Which day it is, the caller says: from the broker's market clock, or from [`backstop_clock`]'s calendar (feature
/// `nyse`), which gives an error rather than a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    day: Date,
    number: u32,
}

impl Session {
    /// The only session of `day`: number 1.
    pub const fn of(day: Date) -> Self {
        Self { day, number: 1 }
    }

    /// The session of `day` with this number.
    pub const fn numbered(day: Date, number: u32) -> Self {
        Self { day, number }
    }

    /// The day.
    pub const fn day(&self) -> Date {
        self.day
    }

    /// Which session of the day.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// As a number that is greater for a newer session, and never zero.
    pub(crate) fn rank(self) -> u64 {
        // Years count from -9999.
        let year = u64::from(self.day.year().unsigned_abs());
        let year = if self.day.year() < 0 { 10_000 - year } else { 10_000 + year };
        let byte = |part: i8| u64::from(part.unsigned_abs());
        year << 48 | byte(self.day.month()) << 40 | byte(self.day.day()) << 32 | u64::from(self.number)
    }

    /// Reads [`rank`](Session::rank) back.
    pub(crate) fn of_rank(rank: u64) -> Option<Self> {
        let year = i16::try_from(i64::try_from(rank >> 48).ok()? - 10_000).ok()?;
        let byte = |shift: u32| i8::try_from(rank >> shift & 0xff).ok();
        let day = Date::new(year, byte(40)?, byte(32)?).ok()?;
        Some(Self { day, number: u32::try_from(rank & 0xffff_ffff).ok()? })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.day.year(), self.day.month(), self.day.day());
        f.pad(&format!("{year:04}{month:02}{day:02}-{}", self.number))
    }
}

impl FromStr for Session {
    type Err = InvalidSession;

    fn from_str(text: &str) -> Result<Self, InvalidSession> {
        let read = || {
            let (day, number) = text.rsplit_once('-')?;
            let (year, rest) = day.split_at_checked(day.len().checked_sub(4)?)?;
            let (month, day) = rest.split_at_checked(2)?;
            let day = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
            Some(Self { day, number: number.parse().ok()? })
        };
        // One session has one spelling.
        read().filter(|read| read.to_string() == text).ok_or_else(|| InvalidSession { text: text.to_owned() })
    }
}

/// A text that is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no session; one is written YYYYMMDD-k")]
#[non_exhaustive]
pub struct InvalidSession {
    /// The text.
    pub text: String,
}

/// What is guarded: the entries of a scope in a session, or one slot of them.
///
/// Without a slot, entries come one after another, as many as the limit allows. With slots, several may be in progress
/// side by side, each slot is executed once at most, and together they count against the limit. Cheap to make and to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Key {
    scope: Scope,
    session: Session,
    /// Zero for none.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_zero"))]
    slot: u32,
}

impl Key {
    /// The key of nothing.
    pub(crate) const NONE: Self =
        Self::new(Scope { bytes: [0; Scope::MAX_LEN], hash: 0 }, Session::of(Date::constant(1, 1, 1)));

    /// The entries of `scope` in `session`.
    pub const fn new(scope: Scope, session: Session) -> Self {
        Self { scope, session, slot: 0 }
    }

    /// The same, one slot of them. Slots are numbered from 1; with zero it is the key without a slot.
    #[must_use]
    pub const fn with_slot(self, slot: u32) -> Self {
        Self { slot, ..self }
    }

    /// Whose entries.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// In which session.
    pub const fn session(&self) -> Session {
        self.session
    }

    /// Which slot, from 1.
    pub const fn slot(&self) -> Option<u32> {
        if self.slot == 0 { None } else { Some(self.slot) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.scope, self.session)?;
        self.slot().map_or(Ok(()), |slot| write!(f, ", slot {slot}"))
    }
}

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "asked by serde")]
fn is_zero(slot: &u32) -> bool {
    *slot == 0
}

#[cfg(feature = "serde")]
mod text;

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
