//! `naive`: the bot of the incidents, for the demo. The strategy is the one of `run`; the plumbing is what real bots had, and each
//! weakness names the page of `docs/incidents` that tells what it led to. Without faults it works.

mod account;
mod book;
mod entry;
mod exit;
mod order;
mod pid_file;
mod say;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backstop::broker::{Quantity, Quote, Symbol};
use backstop::clock::{Clock, SystemClock};
use jiff::civil::Date;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::{NaiveArgs, StrategyKind};
use crate::failure::Failure;
use crate::state_dir::StateDir;
use crate::strategy::{Equity, Spread, Strategy};
use account::Account;
use book::Book;
use pid_file::PidFile;
use say::say;

/// Time between two looks at the broker's list of positions.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
/// After so many attempts to close it a position is given up.
const TRIES: u32 = 10;

/// What all tasks of the bot share.
struct Bot {
    account: Account,
    clock: Arc<dyn Clock>,
    strategy: Strategy,
    args: NaiveArgs,
    day: Date,
    book: Mutex<Book>,
    path: PathBuf,
    pid_file: PidFile,
    is_over: AtomicBool,
}

/// Trades the slots that are not in the file, until it believes that nothing is left.
pub(crate) async fn run(args: NaiveArgs, dir: &StateDir) -> Result<(), Failure> {
    let strategy = strategy(args.strategy)?;
    let account = Account::from_env()?;
    dir.create()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let pid_file = PidFile::take(dir.path().join("naive.pid"), &*clock).map_err(Failure::Broker)?;
    ignore_interrupts();
    let path = dir.path().join("positions.json");
    let book = match Book::load(&path) {
        Some(book) => book,
        None => Book::with_cash(insist("balances", || account.cash()).await),
    };
    let day = insist("market clock", || account.day()).await;
    let bot = Arc::new(Bot {
        account,
        clock,
        strategy,
        args,
        day,
        book: Mutex::new(book),
        path,
        pid_file,
        is_over: AtomicBool::new(false),
    });
    bot.save().await;
    Arc::clone(&bot).trade().await;
    bot.pid_file.release();
    Ok(())
}

impl Bot {
    async fn trade(self: Arc<Self>) {
        let mut entries = JoinSet::new();
        let watching = tokio::spawn(Arc::clone(&self).watch());
        let mut at = Instant::now();
        // docs/incidents/crash-between-sent-and-saved.md: whatever is not in the file was never done.
        for slot in 1..=self.args.entries {
            if self.book.lock().await.has_entered(slot) {
                continue;
            }
            sleep_until(at).await;
            at += self.args.slot;
            entries.spawn(Arc::clone(&self).enter(slot, at));
        }
        while entries.join_next().await.is_some() {}
        while !self.book.lock().await.positions.is_empty() {
            sleep(self.args.poll).await;
        }
        self.is_over.store(true, Ordering::SeqCst);
        // What it is at it brings to its end, the file first of all.
        let _ended = watching.await;
        say("flat, by the file");
    }

    /// Writes the whole file anew, one task at a time. docs/incidents/position-dropped.md: whoever is killed in here leaves half a
    /// file, which the next start takes for none.
    async fn save(&self) {
        let book = self.book.lock().await;
        if let Err(error) = book.save(&self.path) {
            swallow("cannot save", &error.to_string());
        }
    }

    /// A quote, as often as it takes to get an answer.
    async fn quote(&self, symbol: &Symbol) -> Result<Quote, String> {
        loop {
            match self.account.quote(symbol).await {
                // docs/incidents/banned-for-polling.md: sleep and hope.
                Err(trouble) if trouble.is_too_many() => sleep(Duration::from_millis(200)).await,
                answer => return answer.map_err(|trouble| trouble.to_string()),
            }
        }
    }
}

fn strategy(kind: StrategyKind) -> Result<Strategy, Failure> {
    let name = if kind == StrategyKind::Spread { "SPXW" } else { "SPY" };
    let symbol: Symbol = name.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    match kind {
        StrategyKind::Equity => Ok(Strategy::Equity(Equity::new(symbol, None))),
        StrategyKind::Spread => {
            let two = Quantity::new(2).map_err(|error| Failure::Usage(error.to_string()))?;
            Spread::new(&symbol, two).map(Strategy::Spread).map_err(Failure::Usage)
        }
    }
}

/// docs/incidents/swallowed-errors.md: `except:` without a class takes Ctrl-C for one more error.
fn ignore_interrupts() {
    tokio::spawn(async {
        while tokio::signal::ctrl_c().await.is_ok() {
            swallow("interrupted", "KeyboardInterrupt");
        }
    });
}

/// docs/incidents/swallowed-errors.md: a line in the log, and on it goes.
fn swallow(what: &str, error: &str) {
    say(&format!("error swallowed: {what}: {error}"));
}

/// Asks until there is an answer.
async fn insist<T, F>(what: &str, ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, account::Trouble>>,
{
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(trouble) => swallow(what, &trouble.to_string()),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests;
