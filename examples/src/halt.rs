//! `halt`, `freeze` and `resume`: the kill switch, from outside the bot.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use backstop::clock::{Clock, SystemClock};
use backstop::{Fate, Level, LogJournal, Pull, PullId, Pulled, Purpose, State, Swept, Switch, cancel_entries, told};

use crate::cli::{Common, PullArgs, ResumeArgs};
use crate::failure::Failure;
use crate::render;
use crate::state_dir::StateDir;
use crate::{on_runtime, wiring};

/// The least that the time-outs of calls are made from.
const SHORTEST: Duration = Duration::from_secs(1);

/// Pulls the switch, then cancels at the broker what might still open something.
pub(crate) fn pull(level: Level, args: &PullArgs, common: &Common) -> Result<(), Failure> {
    let dir = StateDir::at(&common.state_dir);
    dir.exists()?;
    let by = args.by.clone().unwrap_or_else(somebody);
    let switch = Switch::open(&dir.switch());
    let pulled = switch.and_then(|switch| switch.pull(level, &by, &args.reason, SystemClock::new().wall()));
    if let Ok(pulled) = &pulled {
        // That nobody reads it keeps no entry from being canceled.
        let _said = say_pulled(level, pulled, common.json);
    }
    // Also when the switch could not be written: what works would fill all the same.
    let swept = sweep(&dir, args);
    let said = say_swept(&swept, common.json);
    pulled.map_err(Failure::NotPulled)?;
    if !swept.is_clean() {
        return Err(Failure::Unconfirmed);
    }
    Ok(said?)
}

/// Cancels the entries of the bot in `dir`, in the time that `args` give.
fn sweep(dir: &StateDir, args: &PullArgs) -> Swept {
    let blind = |why: String| Swept { blind: Some(why), ..Swept::default() };
    let read = || state(dir).map_err(|error| told(&error));
    let home = match read() {
        Ok(State { home: Some(home), .. }) => Some(home),
        // Nothing was ever traded from here.
        Ok(_) => return Swept::default(),
        Err(_) => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    match wiring::reach(home.as_deref(), args.within.max(SHORTEST), dir, &clock) {
        Ok(Some(broker)) => {
            let swept = on_runtime(async { Ok(cancel_entries(&broker, read, args.within).await) });
            swept.unwrap_or_else(|error| blind(told(&error)))
        }
        // It hangs and ends with the bot, and so does everything that works there.
        Ok(None) => Swept::default(),
        Err(error) => {
            let mut swept = blind(told(&error));
            let why = "the broker was not asked".to_owned();
            let open = read().map(|state| state.operations).unwrap_or_default().into_iter();
            let open = open.filter(|(_, operation)| operation.purpose == Purpose::Open);
            swept.entries = open.map(|(id, _)| (id.to_string(), Fate::Unconfirmed { why: why.clone() })).collect();
            swept
        }
    }
}

fn state(dir: &StateDir) -> Result<State, Failure> {
    Ok(LogJournal::read(&dir.journal())?.state)
}

/// Takes back every pull that stands.
pub(crate) fn resume(args: &ResumeArgs, common: &Common) -> Result<(), Failure> {
    let dir = StateDir::at(&common.state_dir);
    dir.exists()?;
    let switch = Switch::open(&dir.switch())?;
    // What the bot could not write into the switch, or what was deleted there, is in its journal.
    if let Ok(state) = state(&dir) {
        switch.remember(&state.halts, state.switch_newest);
    }
    let lifted = switch.resume(&args.by, &args.reason, SystemClock::new().wall())?;
    say_resumed(&lifted, common.json)?;
    Ok(())
}

/// Who sits here, as far as that is known. A halt does not wait for a name.
pub(crate) fn somebody() -> String {
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

fn say_swept(swept: &Swept, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let entries = swept.entries.iter().map(|(id, fate)| {
            let (state, detail) = match fate {
                Fate::AtRest { how } => ("at_rest", how),
                Fate::Unconfirmed { why } => ("unconfirmed", why),
            };
            serde_json::json!({ "client_order_id": id, "state": state, "detail": detail })
        });
        let entries: Vec<_> = entries.collect();
        return writeln!(out, "{}", serde_json::json!({ "type": "swept", "entries": entries, "blind": swept.blind }));
    }
    for (id, fate) in &swept.entries {
        match fate {
            Fate::AtRest { how } => writeln!(out, "at rest        {id}: {how}")?,
            Fate::Unconfirmed { why } => writeln!(out, "NOT CONFIRMED  {id}: {why}")?,
        }
    }
    match &swept.blind {
        Some(why) => writeln!(out, "NOT CONFIRMED  that these are all: {why}"),
        None if swept.entries.is_empty() => writeln!(out, "no entry was at work"),
        None => Ok(()),
    }
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
        let since = pull.since.map_or("?".to_owned(), render::instant);
        writeln!(out, "taken back: {pull} (since {since})")?;
    }
    Ok(())
}
