//! One record of the switch on disk: what its name says, and what stands in it.
//!
//! ```text
//! 00000012-halt-9e3779b97f4a7c15.json
//! number   \_____ name of the pull _____/
//! ```
//!
//! The number is one more than the greatest that the writer saw; two writers at once may have the same. While a record is
//! written its name ends in `.tmp`, and counts for nothing. The content is one JSON object.

use std::fmt;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the content that this program writes; it reads the first one, too, which had nothing of `settled` on.
const VERSION: u32 = 2;
/// The most characters of a name or a reason that are kept.
const LONGEST: usize = 4_000;

/// How much the switch shuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a third level must break whoever asks")]
pub enum Level {
    /// No entry passes; exits and cancels do.
    Halt,
    /// No order passes, not even an exit. What may still be canceled is what opens: that only takes risk away.
    Freeze,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Halt => "halted",
            Self::Freeze => "frozen",
        })
    }
}

/// One pull of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// How much it shuts.
    pub level: Level,
    /// Who pulled.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// Since when; unknown where the record itself is what is wrong.
    pub since: Option<Timestamp>,
}

impl fmt::Display for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}: {}", self.level, self.by, self.reason)
    }
}

/// The name of a pull: of the one who made it, or of what is wrong with the switch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PullId(String);

impl PullId {
    /// The name of what is wrong with the switch as a whole, for as long as it is.
    pub(super) fn of_fault(what: &str) -> Self {
        Self(format!("{FAULT}{what}"))
    }

    /// The name of a file that is no record.
    pub(super) fn of_file(file: &str) -> Self {
        Self(file.to_owned())
    }

    /// Whether it stands for what is wrong now, and for nothing once that is mended.
    pub(crate) fn is_fault(&self) -> bool {
        self.0.starts_with(FAULT)
    }
}

impl fmt::Display for PullId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Halt,
    Freeze,
    Resume,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Freeze => "freeze",
            Self::Resume => "resume",
        }
    }
}

const SUFFIX: &str = ".json";
const FAULT: &str = "?";
const BESIDE: &str = ".tmp";

/// The name of a record's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) nonce: u64,
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_suffix(SUFFIX)?.splitn(3, '-');
        let (number, kind, nonce) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = [Kind::Halt, Kind::Freeze, Kind::Resume].into_iter().find(|known| known.word() == kind)?;
        let name = Self { number: number.parse().ok()?, kind, nonce: u64::from_str_radix(nonce, 16).ok()? };
        // One record has one spelling.
        (name.number > 0 && name.to_string() == text).then_some(name)
    }

    /// What the file is called while it is written.
    pub(super) fn beside(self) -> String {
        format!("{self}{BESIDE}")
    }

    pub(super) fn id(self) -> PullId {
        PullId(format!("{}-{:016x}", self.kind.word(), self.nonce))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{}-{:016x}{SUFFIX}", self.number, self.kind.word(), self.nonce)
    }
}

/// Whether a file is a record in the making, or what is left of one: nobody was told that it counts.
pub(super) fn is_unfinished(file: &str) -> bool {
    file.strip_suffix(BESIDE).is_some_and(|text| Name::parse(text).is_some())
}

/// What stands in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) version: u32,
    pub(super) kind: Kind,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
    /// The pulls that a resume takes back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lifts: Vec<PullId>,
    /// Of a resume: up to this number nothing stands but what is still there, and files may be gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) settled: u64,
    /// Of a resume: what is still there, or still wrong, and was taken back by resumes that may be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lifted_before: Vec<PullId>,
}

impl Written {
    pub(super) fn new(kind: Kind, by: &str, reason: &str, at: Timestamp) -> Self {
        let kept = |text: &str| text.chars().take(LONGEST).collect();
        let (by, reason) = (kept(by), kept(reason));
        Self { version: VERSION, kind, by, reason, at, lifts: Vec::new(), settled: 0, lifted_before: Vec::new() }
    }

    /// Every pull that it takes back, or keeps back.
    pub(super) fn lifted(&self) -> impl Iterator<Item = &PullId> {
        self.lifts.iter().chain(&self.lifted_before)
    }

    /// Nothing, if it cannot be put into words: for a pull that is one all the same.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn from_bytes(bytes: &[u8], name: Name) -> io::Result<Self> {
        let written: Self = serde_json::from_slice(bytes)?;
        let fits = (1..=VERSION).contains(&written.version) && written.kind == name.kind;
        if fits { Ok(written) } else { Err(io::Error::other("a record of another version or kind")) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
