//! Kills the real paper trader again and again over a hostile broker, and judges it by the broker's own ledger.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it does is said there")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use backstop_tests::torture::{Blow, Life, Place, Plan, Progress, Report, Trouble, read, run, written};
use clap::Parser;

const AFTER: &str = "\
What it does:
  For each bot a simulator is started as a process of its own, and `paper-trader run --broker tradier` against it, with
  faults on. Each life of the bot is ended by a signal, at an instant that is drawn from the seed: at a time, or right
  after a record of its journal, a write of the simulator or a fault. SIGKILL; SIGTERM, and sometimes SIGKILL after it;
  SIGSTOP for up to 2.5 s, then SIGCONT or SIGKILL, sometimes with a second instance started meanwhile, which must be
  turned away. After each death the simulator's ledger is looked at; every --inspect-every kills, and at the end, the
  faults are switched off, the bot runs to its end with positions and without, and book, cash, log and ledger are compared.

What a seed fixes:
  The instants and signals, and the simulators' dice. Not the interleaving of threads and processes: a schedule is
  replayed, a run is not. A failure that does not come again at once is looked for by replaying its schedule some times.

Exit codes:
  0  enough was done, and nothing was found
  1  a violation (listed, with the command that replays the schedule), or too little was done to say anything
  2  usage, or the machine refused something

Examples:
  torture                                   500 kills
  torture --kills 40 --within 90s --bots 1  a short one
  torture --seed 7 --schedule-out 7.jsonl   another one, with its schedule in a file
  torture --schedule 7.jsonl                the same schedule again; lines may be deleted to narrow it down";

/// Kills the real paper trader again and again over a hostile broker, and judges it by the broker's own ledger.
#[derive(Debug, Parser)]
#[command(name = "torture", version, after_help = AFTER)]
struct Cli {
    /// The seed of every instant and signal, and of the faults.
    #[arg(long, value_name = "N", default_value_t = Plan::default().seed, conflicts_with = "schedule")]
    seed: u64,
    /// How many lives are ended by a signal.
    #[arg(long, value_name = "N", default_value_t = Plan::default().kills, conflicts_with = "schedule")]
    kills: u32,
    /// How many bots run side by side, each against a simulator of its own.
    #[arg(long, value_name = "N", default_value_t = Plan::default().bots, conflicts_with = "schedule",
        value_parser = clap::value_parser!(u32).range(1..=32))]
    bots: u32,
    /// The simulators' faults: none, mild or hostile.
    #[arg(long, value_name = "MIX", default_value_t = Plan::default().faults, conflicts_with = "schedule")]
    faults: String,
    /// What is traded: equity, or spread, which brings hardly any entry after 16:00 in New York.
    #[arg(long, value_name = "NAME", default_value_t = Plan::default().strategy, conflicts_with = "schedule")]
    strategy: String,
    /// The settling time of the bots; faults last as long in proportion.
    #[arg(long, value_name = "DUR", value_parser = duration, conflicts_with = "schedule", default_value = "1500ms")]
    settle: Duration,
    /// After how many kills of one bot everything is compared.
    #[arg(long, value_name = "N", default_value_t = Plan::default().inspect_every, conflicts_with = "schedule",
        value_parser = clap::value_parser!(u32).range(1..))]
    inspect_every: u32,
    /// Replay the schedule in this file.
    #[arg(long, value_name = "FILE")]
    schedule: Option<PathBuf>,
    /// Write the schedule to this file before anything is done.
    #[arg(long, value_name = "FILE")]
    schedule_out: Option<PathBuf>,
    /// Begin no life later than this; what is left of the schedule is not done.
    #[arg(long, value_name = "DUR", value_parser = duration)]
    within: Option<Duration>,
    /// The paper trader [default: the one beside this program; build it with `cargo build -p paper-trader`].
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where everything is kept: state directories, accounts, what was said [default: a temporary folder, which is removed
    /// when nothing was found].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Say nothing of single lives.
    #[arg(long)]
    quiet: bool,
    /// Print JSON, one object a line: each life, then the report.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match torture(&cli) {
        Ok(report) if report.is_passed() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(trouble) => {
            let chain = std::iter::successors(Some(&trouble as &dyn std::error::Error), |error| (*error).source());
            eprintln!("torture: {}", chain.map(ToString::to_string).collect::<Vec<_>>().join(": "));
            ExitCode::from(2)
        }
    }
}

fn torture(cli: &Cli) -> Result<Report, Trouble> {
    let io = |what: String| move |source| Trouble::Io { what, source };
    let (plan, lives) = planned(cli)?;
    let program = match &cli.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(io("cannot find itself".to_owned()))?.with_file_name("paper-trader"),
    };
    if !program.is_file() {
        let text = format!("there is no {}: cargo build -p paper-trader, or --program FILE", program.display());
        return Err(Trouble::Usage(text));
    }
    let temporary =
        tempfile::Builder::new().prefix("torture-").tempdir().map_err(io("no temporary folder".to_owned()))?;
    let dir = cli.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    if dir.join("bot-0").exists() {
        return Err(Trouble::Usage(format!("{} holds another torture: name a new folder", dir.display())));
    }
    fs::create_dir_all(&dir).map_err(io(format!("cannot create {}", dir.display())))?;
    let schedule = dir.join("schedule.jsonl");
    for file in cli.schedule_out.iter().chain([&schedule]) {
        fs::write(file, written(&plan, &lives)?).map_err(io(format!("cannot write {}", file.display())))?;
    }
    if !cli.json {
        println!(
            "seed {}, {} kills of {} bots, faults {}, in {}",
            plan.seed,
            lives.len(),
            plan.bots,
            plan.faults,
            dir.display()
        );
    }
    let place = Place { program, dir: dir.clone(), within: cli.within };
    let report = run(&plan, &lives, &place, &|progress| tell(cli, progress))?;
    if cli.json {
        println!("{}", line(&report));
    } else {
        print!("\n{report}");
    }
    if !report.is_passed() {
        let _kept = temporary.keep();
        eprintln!("what it found is in {}; the same schedule again:", dir.display());
        eprintln!("  torture --schedule {}", schedule.display());
    }
    Ok(report)
}

fn planned(cli: &Cli) -> Result<(Plan, Vec<Life>), Trouble> {
    if let Some(file) = &cli.schedule {
        let what = format!("cannot read {}", file.display());
        return read(&fs::read_to_string(file).map_err(|source| Trouble::Io { what, source })?);
    }
    let plan = Plan {
        seed: cli.seed,
        kills: cli.kills,
        bots: cli.bots,
        faults: cli.faults.clone(),
        strategy: cli.strategy.clone(),
        settle_ms: u64::try_from(cli.settle.as_millis()).unwrap_or(u64::MAX),
        inspect_every: cli.inspect_every,
    };
    let lives = plan.lives();
    Ok((plan, lives))
}

fn tell(cli: &Cli, progress: &Progress) {
    if cli.quiet {
        return;
    }
    if cli.json {
        println!("{}", line(progress));
        return;
    }
    let Progress { life, bot, struck, in_flight, done, of, .. } = progress;
    let struck: Vec<String> = struck
        .iter()
        .map(|struck| {
            let blow = match struck.blow {
                Blow::Kill => "SIGKILL".to_owned(),
                Blow::Term => "SIGTERM".to_owned(),
                Blow::TermKill { ms } => format!("SIGTERM, SIGKILL {ms} ms later"),
                Blow::Pause { ms, .. } => format!("SIGSTOP for {ms} ms"),
                Blow::PauseKill { ms, .. } => format!("SIGSTOP, SIGKILL {ms} ms later"),
                _ => "?".to_owned(),
            };
            format!("{blow} at {} ms{}", struck.at_ms, if struck.in_time { "" } else { " (late)" })
        })
        .collect();
    println!("{done:>4}/{of}  life {life} of bot {bot}: {}; {in_flight} in flight", struck.join(", "));
}

fn line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// Durations as the paper trader takes them.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write 500ms, 5s, 2m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(split).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(scale).filter(|ms| *ms > 0).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pages_type_is_understood() {
        let calls = xtask::calls::calls(&xtask::files::root(), "torture").unwrap();
        assert!(!calls.is_empty(), "the pages are not found");
        for call in calls {
            let words = ["torture"].into_iter().chain(call.arguments.iter().map(String::as_str));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: {error}", call.place);
            }
        }
    }
}
