//! How many requests the broker answers a minute, told to the adapter before it sends the first (RATE-1, RATE-5, RATE-6).

use std::env;
use std::num::NonZeroU32;

use backstop_tradier::{ConfigError, Start, TradierConfig};

use crate::failure::Failure;

/// What a simulator answers a minute in each class, if nothing else is said: a hundred times what the sandbox does, because
/// a session on it goes a hundred times as fast (a slot of 3 s stands for one of 5 minutes).
pub(crate) const OF_A_SIMULATOR: NonZeroU32 = NonZeroU32::new(60 * 100).unwrap();

/// What each broker of a demo answers: about what the bot on Backstop asks for at its pace.
pub(crate) const OF_A_DEMO: NonZeroU32 = NonZeroU32::new(400).unwrap();

/// The same for a simulator in another process.
const VARIABLE: &str = "TRADIER_REQUESTS_PER_MINUTE";

/// The limits of the server that `config` names: Tradier's, as documented, or those of a simulator on this machine.
pub(crate) fn limited(config: TradierConfig, is_local: bool) -> Result<TradierConfig, Failure> {
    let told = told()?;
    if is_local {
        // Where the state directory remembers nothing, no bot has asked: it is not Tradier, which others may have.
        return simulator(config, told.unwrap_or(OF_A_SIMULATOR)).map_err(|error| refuse(&error));
    }
    if told.is_some() {
        let text = format!("{VARIABLE} is for a simulator on this machine; Tradier's limits are known: unset it");
        return Err(Failure::Usage(text));
    }
    // The state directory remembers. Where it does not, all counts as used up for a minute; and where its file cannot be used
    // either, Tradier's answers say what is left.
    config.with_documented_limits(Start::Probe).map_err(|error| refuse(&error))
}

/// The limits of a simulator that has just been started, or has not been asked before.
pub(crate) fn simulator(config: TradierConfig, requests: NonZeroU32) -> Result<TradierConfig, ConfigError> {
    config.with_requests_a_minute(requests.get(), Start::Unused)
}

fn refuse(error: &ConfigError) -> Failure {
    Failure::Usage(error.to_string())
}

fn told() -> Result<Option<NonZeroU32>, Failure> {
    let text = match env::var(VARIABLE) {
        Ok(text) => text,
        Err(env::VarError::NotPresent) => return Ok(None),
        Err(env::VarError::NotUnicode(_)) => String::new(),
    };
    let number = text.trim().parse().map_err(|_| {
        Failure::Usage(format!("{VARIABLE} must be how many requests a minute the simulator answers, such as 6000"))
    });
    number.map(Some)
}
