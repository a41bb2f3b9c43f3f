//! Limits change in one direction while a bot runs (LIMIT-1).

use std::fmt;

use backstop_broker::Symbol;

use crate::check::Limits;
use crate::config::{Config, ConfigError};

/// A limit that is wider than it was. For the record: whoever reads it later must see who allowed what since when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loosened {
    /// The field of [`Config`].
    pub name: &'static str,
    /// What it was.
    pub from: String,
    /// What it is now.
    pub to: String,
}

impl fmt::Display for Loosened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} to {}", self.name, self.from, self.to)
    }
}

/// Why limits were not changed. They are what they were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TightenError {
    /// That would loosen some.
    #[error("limits can only be tightened while they are in use; restart to loosen {}", list(loosened))]
    Loosens {
        /// Which.
        loosened: Vec<Loosened>,
    },
    /// It is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn list(loosened: &[Loosened]) -> String {
    loosened.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What `after` allows that `before` does not.
fn loosened(before: &Config, after: &Config) -> Vec<Loosened> {
    let mut found = Vec::new();
    for ((name, from), (_, to)) in before.figures().into_iter().zip(after.figures()) {
        // More of the same in a longer span is less.
        let is_looser = if name.ends_with(".seconds") { to < from } else { to > from };
        if is_looser {
            found.push(Loosened { name, from: from.to_string(), to: to.to_string() });
        }
    }
    let added: Vec<_> = after.underlyings.difference(&before.underlyings).map(Symbol::as_str).collect();
    if !added.is_empty() {
        let list: Vec<_> = before.underlyings.iter().map(Symbol::as_str).collect();
        found.push(Loosened {
            name: "underlyings",
            from: list.join(" "),
            to: format!("these and {}", added.join(" ")),
        });
    }
    found
}

impl Limits {
    /// Takes `config` into use, when a bot starts. `before` is what it last ran with, if it ever did; what is wider than
    /// that is returned, to be written down with the name of whoever started it.
    ///
    /// # Errors
    /// [`ConfigError`] names the limit.
    pub fn start(config: Config, before: Option<&Config>) -> Result<(Self, Vec<Loosened>), ConfigError> {
        config.check()?;
        let loosened = before.map(|before| loosened(before, &config)).unwrap_or_default();
        Ok((Self::new(config), loosened))
    }

    /// Takes `config` into use, which allows nothing that is not allowed now.
    ///
    /// # Errors
    /// [`TightenError`]; then nothing has changed.
    pub fn tighten(&mut self, config: Config) -> Result<(), TightenError> {
        config.check()?;
        let loosened = loosened(self.config(), &config);
        if !loosened.is_empty() {
            return Err(TightenError::Loosens { loosened });
        }
        *self = Self::new(config);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
