//! With which budget a limiter starts (RATE-5): fresh only where that is known.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use backstop_clock::Timestamp;

/// What is known of the last windows when a limiter is made.
///
/// There is no default: a process that died left no trace of what it sent a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Nobody has used the token for the longest of the windows: it is new, or its server started just now.
    Unused,
    /// Nothing is known, and the server does not say: all windows are full.
    UsedUp,
    /// Nothing is known, and the server says what is left: of each class one request passes, and the others wait for the
    /// answer to it ([`RateLimiter::heard`](crate::RateLimiter::heard)). Without a word in it, all windows count as full.
    Probe,
    /// A limiter before this one wrote down what it had granted, and granted nothing afterwards.
    Remembered(Remembered),
}

/// What a limiter had granted, as text to be kept over a restart.
///
/// It is whole only if its limiter granted nothing afterwards. So write it when the last request has been sent, and delete
/// it before the first one of the next run: where there is none, nothing is known.
///
/// It counts time by the time of day, since nothing else outlives a process. A clock that was set back meanwhile grants
/// nothing extra. One that was set forward makes the grants look older than they are: where that happens, use
/// [`Start::Probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    pub(crate) wall: Timestamp,
    pub(crate) tracks: Vec<Past>,
    /// Class, units left, for how long.
    pub(crate) said: Vec<(u8, u64, Duration)>,
}

/// Units of one budget: how long before the writing, and how many; the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// `None` is the total.
    pub(crate) class: Option<u8>,
    pub(crate) units: Vec<(Duration, u32)>,
}

/// A text that no limiter wrote, or not all of one. Nothing is known then: start with [`Start::Probe`] or
/// [`Start::UsedUp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the remembered grants cannot be read; start with a probe, or as used up")]
#[non_exhaustive]
pub struct Unreadable {
    /// Counted from 1.
    pub line: usize,
}

const HEAD: &str = "backstop-rate-limiter 1";
const END: &str = "end";

impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nwall {}", self.wall)?;
        for Past { class, units } in &self.tracks {
            match class {
                Some(class) => write!(f, "class {class}")?,
                None => write!(f, "total")?,
            }
            for (age, count) in units {
                write!(f, " {}x{count}", age.as_nanos())?;
            }
            writeln!(f)?;
        }
        for (class, left, lasts) in &self.said {
            writeln!(f, "said {class} {left} {}", lasts.as_nanos())?;
        }
        writeln!(f, "{END}")
    }
}

impl FromStr for Remembered {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut known = Self { wall: Timestamp::UNIX_EPOCH, tracks: Vec::new(), said: Vec::new() };
        let mut ended = false;
        let mut count = 0;
        for (number, line) in text.lines().enumerate() {
            count = number + 1;
            let unreadable = Unreadable { line: count };
            let words: Vec<&str> = line.split(' ').collect();
            let read = match (number, words.as_slice()) {
                _ if ended => None,
                (0, _) => (line == HEAD).then_some(()),
                (1, ["wall", wall]) => wall.parse().ok().map(|wall| known.wall = wall),
                (1, _) => None,
                (_, ["total", units @ ..]) => past(None, units).map(|past| known.tracks.push(past)),
                (_, ["class", class, units @ ..]) => {
                    class.parse().ok().and_then(|class| past(Some(class), units)).map(|past| known.tracks.push(past))
                }
                (_, ["said", class, left, lasts]) => said(class, left, lasts).map(|said| known.said.push(said)),
                (_, [END]) => {
                    ended = true;
                    Some(())
                }
                _ => None,
            };
            read.ok_or(unreadable)?;
        }
        // A text that was cut short would forget grants.
        if ended && text.ends_with('\n') { Ok(known) } else { Err(Unreadable { line: count + 1 }) }
    }
}

fn past(class: Option<u8>, units: &[&str]) -> Option<Past> {
    let unit = |text: &&str| {
        let (age, count) = text.split_once('x')?;
        Some((Duration::from_nanos(age.parse().ok()?), count.parse().ok()?))
    };
    Some(Past { class, units: units.iter().map(unit).collect::<Option<_>>()? })
}

fn said(class: &str, left: &str, lasts: &str) -> Option<(u8, u64, Duration)> {
    Some((class.parse().ok()?, left.parse().ok()?, Duration::from_nanos(lasts.parse().ok()?)))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
