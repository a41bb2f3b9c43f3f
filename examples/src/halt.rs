//! `halt`, `freeze` and `resume`: the kill switch, from outside the bot.

use std::collections::BTreeMap;
use std::io::{self, Write};

use backstop::clock::{Clock, SystemClock};
use backstop::{Level, LogJournal, Pull, PullId, Pulled, State, Switch};

use crate::cli::{Common, PullArgs, ResumeArgs};
use crate::failure::Failure;
use crate::state_dir::StateDir;

/// Pulls the switch.
pub(crate) fn pull(level: Level, args: &PullArgs, common: &Common) -> Result<(), Failure> {
    let dir = StateDir::at(&common.state_dir);
    dir.exists()?;
    let by = args.by.clone().unwrap_or_else(somebody);
    let pulled = Switch::open(&dir.switch())?.pull(level, &by, &args.reason, SystemClock::new().wall())?;
    say_pulled(level, &pulled, common.json)?;
    Ok(())
}

/// Takes back every pull that stands.
pub(crate) fn resume(args: &ResumeArgs, common: &Common) -> Result<(), Failure> {
    let dir = StateDir::at(&common.state_dir);
    dir.exists()?;
    let switch = Switch::open(&dir.switch())?;
    // What the bot could not write into the switch, or what was deleted there, is in its journal.
    if let Ok(state) =
        LogJournal::read(&dir.journal()).map_err(Failure::from).and_then(|read| Ok(State::replay(&read.batches)?))
    {
        switch.remember(&state.halts, state.switch_newest);
    }
    let lifted = switch.resume(&args.by, &args.reason, SystemClock::new().wall())?;
    say_resumed(&lifted, common.json)?;
    Ok(())
}

/// Who sits here, as far as that is known. A halt does not wait for a name.
fn somebody() -> String {
    let named =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    named.unwrap_or_else(|| "somebody".to_owned())
}

fn say_pulled(level: Level, pulled: &Pulled, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let Pulled { id, without_reason } = pulled;
        return writeln!(
            out,
            "{}",
            serde_json::json!({ "type": "pulled", "level": level, "id": id, "without_reason": without_reason })
        );
    }
    let shut = match level {
        Level::Halt => "no entry passes from now on; exits do",
        Level::Freeze => "no order passes from now on, not even an exit",
    };
    writeln!(out, "{level}: {shut} ({})", pulled.id)?;
    if let Some(why) = &pulled.without_reason {
        writeln!(out, "by whom and why could not be written: {why}")?;
    }
    writeln!(out, "to go on: `paper-trader resume --by NAME --reason TEXT`")
}

fn say_resumed(lifted: &BTreeMap<PullId, Pull>, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(
            out,
            "{}",
            serde_json::json!({ "type": "resumed", "pulls": lifted.values().collect::<Vec<_>>() })
        );
    }
    if lifted.is_empty() {
        return writeln!(out, "nothing was halted");
    }
    for pull in lifted.values() {
        let since = pull.since.map_or("?".to_owned(), |since| since.to_string());
        writeln!(out, "taken back: {pull} (since {since})")?;
    }
    Ok(())
}
