//! The simulator as a process of its own, and the files of one bot.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use backstop_sim::{FaultKind, FaultPlan, Ledger};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::Trouble;
use super::schedule::Plan;

/// More than a bot that polls every 50 ms can ask for.
const REQUESTS_A_MINUTE: &str = "60000";
/// What is traded where the strategy is `equity`: its ask stands still, so an order at the ask of a moment ago is filled.
pub(super) const SHARE: &str = "TSTA";
/// Hours of quotes; after the last one nobody trades.
const RECORDED_HOURS: u64 = 3;

/// One bot's corner: its simulator's files and its own.
#[derive(Debug)]
pub(super) struct World {
    program: PathBuf,
    dir: PathBuf,
    plan: Plan,
    seed: u64,
    pub(super) simulator: Simulator,
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Process(pub(super) Child);

impl Process {
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).map_err(|error| Trouble::io(format!("cannot send {signal:?}"))(error.into()))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// A simulator that runs.
#[derive(Debug)]
pub(super) struct Simulator {
    pub(super) process: Process,
    told: Told,
}

/// What it says of itself.
#[derive(Debug, Deserialize)]
struct Told {
    base_url: String,
    token: String,
    account: String,
}

impl World {
    pub(super) fn start(program: &Path, dir: &Path, plan: &Plan, seed: u64) -> Result<Self, Trouble> {
        fs::create_dir_all(dir).map_err(Trouble::io(format!("cannot create {}", dir.display())))?;
        if plan.strategy == "equity" {
            let file = dir.join("quotes.csv");
            fs::write(&file, recording()).map_err(Trouble::io(format!("cannot write {}", file.display())))?;
        }
        let simulator = simulator(program, dir, plan, seed, &faults(plan)?)?;
        Ok(Self { program: program.to_owned(), dir: dir.to_owned(), plan: plan.clone(), seed, simulator })
    }

    /// Starts the simulator again on the same account, with the faults of the plan or without any.
    pub(super) fn restart(&mut self, is_calm: bool) -> Result<(), Trouble> {
        self.simulator.stop()?;
        let faults = if is_calm { FaultPlan::none() } else { faults(&self.plan)? };
        self.simulator = simulator(&self.program, &self.dir, &self.plan, self.seed, &faults)?;
        Ok(())
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("bot")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.state().join("journal")
    }

    /// The file that the simulator replaces whenever something changes.
    pub(super) fn account(&self) -> PathBuf {
        self.dir.join("simulator").join("simulator.json")
    }

    /// What all lives say, one after the other.
    pub(super) fn said(&self) -> PathBuf {
        self.dir.join("bot.log")
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The bot's program on its state directory, with what it takes to reach the simulator.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--state-dir").arg(self.state()).stdin(Stdio::null());
        let Told { base_url, token, account } = &self.simulator.told;
        command.env("TRADIER_API_BASE", base_url).env("TRADIER_ACCESS_TOKEN", token);
        command.env("TRADIER_ACCOUNT_ID", account).env("TRADIER_REQUESTS_PER_MINUTE", REQUESTS_A_MINUTE);
        command.env_remove("BACKSTOP_LOG");
        command
    }
}

fn simulator(program: &Path, dir: &Path, plan: &Plan, seed: u64, faults: &FaultPlan) -> Result<Simulator, Trouble> {
    let file = dir.join("faults.json");
    let text = serde_json::to_string(faults).map_err(Trouble::json("the fault plan"))?;
    fs::write(&file, text).map_err(Trouble::io(format!("cannot write {}", file.display())))?;
    let said = dir.join("simulator.log");
    let said = File::options().create(true).append(true).open(&said).map_err(Trouble::io("cannot open the log"))?;
    let mut command = Command::new(program);
    command.arg("--state-dir").arg(dir.join("simulator")).args(["--json", "simulator", "--port", "0"]);
    command.args(["--requests", REQUESTS_A_MINUTE, "--seed", &seed.to_string(), "--faults"]).arg(file);
    if plan.strategy == "equity" {
        command.arg("--quotes").arg(dir.join("quotes.csv"));
    }
    command.env_remove("BACKSTOP_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
    let child = command.spawn().map_err(Trouble::io(format!("cannot start {}", program.display())))?;
    let mut process = Process(child);
    let mut line = String::new();
    if let Some(output) = process.0.stdout.as_mut() {
        BufReader::new(output).read_line(&mut line).map_err(Trouble::io("cannot hear the simulator"))?;
    }
    if line.is_empty() {
        return Err(Trouble::Simulator(format!("does not start; see {}", dir.join("simulator.log").display())));
    }
    let told = serde_json::from_str(&line).map_err(Trouble::json("the simulator's first line"))?;
    Ok(Simulator { process, told })
}

/// The plan's faults. What lasts, lasts as long as in a session on the embedded simulator, in proportion to the settling time:
/// there it is 5 s.
fn faults(plan: &Plan) -> Result<FaultPlan, Trouble> {
    let preset = FaultPlan::preset(&plan.faults)
        .ok_or_else(|| Trouble::Usage(format!("there are no faults {:?}; write none, mild or hostile", plan.faults)))?;
    let settle = plan.settle();
    let mut faults = preset.with_client_timeout(settle * 2 / 5);
    for kind in [
        FaultKind::PositionsLag,
        FaultKind::OrdersLag,
        FaultKind::FilledBeforeQuantities,
        FaultKind::RejectedLater,
        FaultKind::Throttled,
        FaultKind::ReadThrottled,
        FaultKind::ManualOrder,
        FaultKind::QuoteFrozen,
    ] {
        let scaled = faults.delay(kind) * u32::try_from(settle.as_millis()).unwrap_or(u32::MAX) / 5_000;
        faults = faults.with_delay(kind, scaled.max(Duration::from_millis(1)));
    }
    Ok(faults)
}

fn recording() -> String {
    let mut rows = String::from("symbol,exchange_ts_us,receive_ts_us,bid,bid_size,ask,ask_size\n");
    for row in 0..RECORDED_HOURS * 3_600 * 4 {
        let at = 1_700_000_000_000_000_u64 + row * 250_000;
        let cents = 10 + row % 2;
        let _infallible = writeln!(rows, "{SHARE},{at},{at},50.{cents},5,50.12,5");
    }
    rows
}

impl Simulator {
    fn stop(&mut self) -> Result<(), Trouble> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.0.wait().map_err(Trouble::io("cannot wait for the simulator"))?;
        if status.success() { Ok(()) } else { Err(Trouble::Simulator(format!("ended with {status}"))) }
    }

    /// The truth.
    pub(super) fn ledger(&self) -> Result<Ledger, Trouble> {
        serde_json::from_str(&self.get("/sim/ledger")?).map_err(Trouble::json("the simulator's ledger"))
    }

    /// How many faults have struck.
    pub(super) fn faults(&self) -> Result<u64, Trouble> {
        let counts: std::collections::BTreeMap<FaultKind, u64> = serde_json::from_str(&self.get("/sim/faults")?)
            .map_err(Trouble::json("the simulator's count of faults"))?;
        Ok(counts.values().sum())
    }

    fn get(&self, path: &str) -> Result<String, Trouble> {
        let address = self.told.base_url.trim_start_matches("http://").trim_end_matches("/v1");
        let ask = || {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(Trouble::io(format!("cannot ask the simulator for {path}")))?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
            _ => {
                Err(Trouble::Simulator(format!("answers {path} with {:?}", answer.lines().next().unwrap_or_default())))
            }
        }
    }
}
