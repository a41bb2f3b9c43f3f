//! Who we are: account number and token, from the environment and nowhere else (DESK-5).

use std::env;
use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use crate::config::ConfigError;

const TOKEN_VARIABLE: &str = "TRADIER_ACCESS_TOKEN";
const ACCOUNT_VARIABLE: &str = "TRADIER_ACCOUNT_ID";
/// A token is taken out of every answer before it is read. One of a character or two would take out half of the answer.
pub(crate) const SHORTEST_TOKEN: usize = 8;

/// A token and the account it is for. Neither is printed; the token cannot be had back.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(crate) account: AccountId,
    pub(crate) token: SecretString,
}

impl Credentials {
    /// Credentials from elsewhere than the environment: tests, a simulator.
    ///
    /// # Errors
    /// [`ConfigError::Token`] when the token could not stand in a header, [`ConfigError::ShortToken`] when it has fewer
    /// than eight characters.
    pub fn new(account: AccountId, token: SecretString) -> Result<Self, ConfigError> {
        let text = token.expose_secret();
        // RFC 6750, section 2.1: the characters of a bearer token.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if !text.bytes().all(fits) {
            return Err(ConfigError::Token);
        }
        if text.len() < SHORTEST_TOKEN {
            return Err(ConfigError::ShortToken);
        }
        Ok(Self { account, token })
    }

    /// What `TRADIER_ACCESS_TOKEN` and `TRADIER_ACCOUNT_ID` say.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] names every variable that is not set; [`ConfigError::Account`],
    /// [`ConfigError::Token`] and [`ConfigError::ShortToken`] say that one is malformed, without repeating it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| env::var(name).ok())
    }

    /// [`from_env`](Self::from_env) with the environment as a parameter.
    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name| var(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        match (set(TOKEN_VARIABLE), set(ACCOUNT_VARIABLE)) {
            (Some(token), Some(account)) => Self::new(AccountId::new(&account)?, SecretString::from(token)),
            (token, account) => {
                let missing = [(TOKEN_VARIABLE, token.is_none()), (ACCOUNT_VARIABLE, account.is_none())];
                Err(ConfigError::Missing { names: missing.into_iter().filter(|m| m.1).map(|m| m.0).collect() })
            }
        }
    }

    /// Whose account it is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }
}

/// An account number. Printed as its last four characters; [`as_str`](AccountId::as_str) is the whole of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// Checks and keeps `text`: it stands in the path of every URL.
    ///
    /// # Errors
    /// [`ConfigError::Account`] when it is not 1 to 32 ASCII letters, digits or `-`.
    pub fn new(text: &str) -> Result<Self, ConfigError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(fits) {
            return Err(ConfigError::Account);
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole number, for comparison and for state that belongs to one account. Not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last four characters, or nothing of a number so short that they would be most of it.
    pub(crate) fn masked(&self) -> String {
        let end = self.0.len().checked_sub(4).filter(|start| *start >= 2).and_then(|start| self.0.get(start..));
        format!("...{}", end.unwrap_or_default())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.masked())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl FromStr for AccountId {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests;
