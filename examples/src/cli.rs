//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use backstop::broker::Decimal;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::account;
use crate::duration;
use crate::requests;

const EXIT_CODES: &str = "\
Exit codes:
  0  done and at rest
  1  the broker could not be used, or the machine refused something (the message says what)
  2  usage, configuration or missing credentials
  3  another instance holds the state directory's lock
  4  ended with something open or unresolved (listed; `paper-trader status` shows more, `paper-trader resolve` settles it)
  5  state on disk is damaged
  6  halted or frozen, but not every entry is known to be at rest at the broker (listed)
  130  stopped at once by a second signal; the next start recovers

Logging: BACKSTOP_LOG=debug (or an env_logger filter) writes to standard error.";

const PULLING: &str = "\
The switch is on disk before anything else is done; it outlives restarts, and takes `resume` to go on.
Then the entries that work are canceled at the broker, by the client order ids in the bot's journal: with --broker
tradier that takes the same environment as `run`. Exits are left alone. Call it again as often as you like.

Exit codes: 0 no entry can open anything any more; 6 the switch is pulled, and some entry may still work (listed);
1 the switch could not be written: stop the bot.";

const ENVIRONMENT: &str = "\
Credentials for --broker tradier come from the environment only:
  TRADIER_ACCESS_TOKEN   the account's API token
  TRADIER_ACCOUNT_ID     the account's number
  TRADIER_API_BASE       optional: another base URL with its version path, such as http://127.0.0.1:8080/v1
  TRADIER_REQUESTS_PER_MINUTE  optional, for a simulator at that URL: its --requests, if that is not the default

Without a command the program does what `demo` does.";

/// A paper trader on Backstop.
///
/// Trades a deliberately plain strategy through the safety layer, on a simulated, hostile broker that runs in the same
/// process and is spoken to over real HTTP, or at Tradier. Without a command it shows what the layer is for: see `demo`.
#[derive(Debug, Parser)]
#[command(name = "paper-trader", version, after_help = EXIT_CODES, after_long_help = format!("{ENVIRONMENT}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What the program does without a command.
pub(crate) fn default_demo() -> Command {
    /// `demo` and nothing else.
    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        demo: DemoArgs,
    }
    Command::Demo(Defaults::parse_from(["paper-trader"]).demo)
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Where the lock, the journal and the simulator's account are kept; belongs to one environment and account.
    #[arg(long, global = true, value_name = "DIR", default_value = "./backstop-state")]
    pub(crate) state_dir: PathBuf,
    /// Print JSON, one object a line, for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a naive bot and one on Backstop trade the same hostile market side by side, and see what became of both.
    #[command(after_help = DEMONSTRATING)]
    Demo(DemoArgs),
    /// Trade one session, then leave at rest.
    Run(Box<RunArgs>),
    /// Show lock, session, positions, open operations and cash. Works beside a running bot; takes no lock.
    Status,
    /// Show the open positions. Works beside a running bot; takes no lock.
    Positions,
    /// Show what happened, oldest first. Works beside a running bot; takes no lock.
    Log(LogArgs),
    /// Let no entry pass, until somebody resumes, and cancel those that work. Exits pass. Works beside a bot that hangs.
    #[command(after_help = PULLING)]
    Halt(PullArgs),
    /// Let no order pass, not even an exit, until somebody resumes, and cancel the entries that work.
    #[command(after_help = PULLING)]
    Freeze(PullArgs),
    /// Take back every halt and freeze, by name and with a reason. Both are kept.
    Resume(ResumeArgs),
    /// Close everything that the book holds, bring to rest what works, and verify both at the broker. The bot has to be stopped.
    #[command(after_help = FLATTENING)]
    Flatten(Box<FlattenArgs>),
    /// List what is not at rest; settle what the broker cannot tell any more, by name and with a reason.
    Resolve(ResolveArgs),
    /// Run the simulated broker alone, speaking Tradier's protocol, until a signal.
    Simulator(SimulatorArgs),
    /// Trade as the bots of the incidents did, for the demo: docs/incidents says what each of its habits led to.
    #[command(hide = true)]
    Naive(NaiveArgs),
}

const DEMONSTRATING: &str = "\
Both bots are processes of their own, each against a simulated broker of its own: same seed, same prices, same faults, same
limit of requests, same strategy. Both are killed (SIGKILL) and started again at moments drawn from the seed, and once a second
instance of each is started beside the first. Nothing else is scripted; what is shown is read off the brokers' ledgers and off
what each bot believes. A seed fixes prices, faults and moments, not how processes take turns: figures differ a little from
run to run.

The measures:
  duplicates     slots whose position was opened again, and exits that closed more than was open
  unwatched      what the broker holds and neither a position in the bot's book nor an order that it follows accounts for
  orphans        the same, when all is over; what is known and left open, and what is believed in and not there, stand beside it
  cash           what the bot believes that it has, less what it has
  refused        requests that the broker refused because there were too many in the minute
  bad quotes     entries sent on a quote that was no price to trade on (old, crossed, zero, a word), with no good one a second before
  made, lost     each order's fills against the true prices of the end, summed by cause; all causes add up to the result. The
                 strategy pays the spread and earns nothing: look at what was made by orders that nobody meant

  paper-trader demo --seed 3
  paper-trader demo --requests 200     what keeping to a limit is worth: it takes longer
  paper-trader demo --svg demo.svg --json
  paper-trader demo --keep DIR     then: paper-trader --state-dir DIR/backstop log

Exit codes: 0 the one on Backstop was not harmed, whatever became of the naive one (also when it is ended by Ctrl-C); 4 it was
harmed, or left something unresolved; 1 the demo could not run; 2 usage.";

/// What is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Seed of prices, fills, faults and kills.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// What both trade.
    #[arg(long, value_enum, default_value = "spread")]
    pub(crate) strategy: StrategyKind,
    /// Slots of each bot, one every 2.5 s.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(4..=200))]
    pub(crate) entries: u32,
    /// What goes wrong at both brokers: none, mild, hostile, or a JSON file of rates.
    #[arg(long, value_name = "MIX", default_value = "hostile")]
    pub(crate) faults: String,
    /// How many requests a minute each broker answers, of each of Tradier's three kinds.
    #[arg(long, value_name = "N", default_value_t = requests::OF_A_DEMO)]
    pub(crate) requests: NonZeroU32,
    /// Draw what the brokers held and what the bots believed in, over time.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Keep what the bots wrote, in a new directory [default: a temporary one, which is removed]. --state-dir is not used.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BrokerKind {
    /// The simulator in this process.
    Sim,
    /// Tradier's sandbox, or what the environment names.
    Tradier,
}

/// What is traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyKind {
    /// A put credit spread on an index.
    Spread,
    /// Shares of one symbol.
    Equity,
}

/// What the naive bot takes of the options of `run`, with the same meaning.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct NaiveArgs {
    #[arg(long, value_enum, default_value = "spread")]
    pub(crate) strategy: StrategyKind,
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) entries: u32,
    #[arg(long, value_name = "DUR", default_value = "3s", value_parser = duration::parse)]
    pub(crate) slot: Duration,
    #[arg(long, value_name = "DUR", default_value = "8s", value_parser = duration::parse)]
    pub(crate) hold: Duration,
    #[arg(long, value_name = "DUR", default_value = "250ms", value_parser = duration::parse)]
    pub(crate) poll: Duration,
    #[arg(long, value_name = "DUR", default_value = "3s", value_parser = duration::parse)]
    pub(crate) fill_timeout: Duration,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Whom to trade with.
    #[arg(long, value_enum, default_value = "sim")]
    pub(crate) broker: BrokerKind,
    /// What to trade [default: spread; equity when --quotes is given].
    #[arg(long, value_enum)]
    pub(crate) strategy: Option<StrategyKind>,
    /// The option root or share [default: SPXW, SPY, or the first symbol of --quotes].
    #[arg(long)]
    pub(crate) symbol: Option<String>,
    /// Contracts or shares of one entry [default: 2 spreads; shares for about 5000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) quantity: Option<u32>,
    /// Slots of the session, and the most entries it can ever have.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) entries: u32,
    /// The most entries of the day, over all sessions. Required with --live.
    #[arg(long, value_name = "M")]
    pub(crate) entries_per_day: Option<u32>,
    /// Time between entry slots [default: 3s; 5m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) slot: Option<Duration>,
    /// Longest holding time; then the position is closed whatever it costs [default: 8s; 30m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) hold: Option<Duration>,
    /// Time between two looks at orders and quotes [default: 250ms; 3s with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) poll: Option<Duration>,
    /// How long an order may work before it is canceled [default: 3s; 1m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) fill_timeout: Option<Duration>,
    /// How long a request whose answer was lost may still land [default: 5s; 1m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) settle: Option<Duration>,
    /// Time between comparisons with the broker [default: 2s; 5m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) reconcile_every: Option<Duration>,
    /// The greatest age of a quote to enter on.
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = duration::parse)]
    pub(crate) max_quote_age: Duration,
    /// The widest spread to enter on, in basis points of the mid price, on top of 2 cents for shares and 30 for options
    /// [default: 100 for shares, 1000 for options].
    #[arg(long, value_name = "BPS")]
    pub(crate) max_spread: Option<u32>,
    /// Trade on quotes that are this old, as delayed data is (Tradier's sandbox serves quotes of 15 minutes ago); a tenth more
    /// is let pass. Only on paper: not with --live.
    #[arg(long, value_name = "DUR", num_args = 0..=1, default_missing_value = "15m", value_parser = duration::parse, conflicts_with = "live")]
    pub(crate) delayed_quotes: Option<Duration>,
    /// Close everything before leaving, on a signal too [default: true with sim, false with tradier].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) flatten_at_end: Option<bool>,
    /// Trade on Tradier's production host, with real money.
    #[arg(long)]
    pub(crate) live: bool,
    /// How long a position may go without a look at its exit rule by fresh quotes: before that an alert names it. Does not
    /// count while the market is shut [default: 30s; 2m with tradier; eight times --poll at least].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) watch: Option<Duration>,
    /// What is done when one goes unchecked for twice as long.
    #[arg(long, value_enum, default_value = "halt")]
    pub(crate) unwatched: Unwatched,
    #[command(flatten)]
    pub(crate) alerts: AlertArgs,
    #[command(flatten)]
    pub(crate) book: BookArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) market: MarketArgs,
}

/// Who is told of what somebody should look at. With neither, alerts are kept until a run with one of them.
#[derive(Debug, Clone, Args)]
pub(crate) struct AlertArgs {
    /// Post alerts to the URL in this environment variable, as Discord, Slack or plain JSON. The URL is a secret: it is
    /// never an argument and never shown.
    #[arg(long, value_name = "NAME")]
    pub(crate) alert_webhook_env: Option<String>,
    /// Run this in a shell for each alert, with one line on its input. Exit code 0 means taken; after 10s it is killed.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) alert_command: Option<String>,
}

/// What is done about a position that nobody has checked for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unwatched {
    /// It is closed at the market.
    Close,
    /// No entry passes until somebody resumes.
    Halt,
    /// An alert, and no more.
    Tell,
}

/// What else is on the account.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OthersArgs {
    /// What is on the account and not the bot's: SYMBOL=QUANTITY, below zero for short, or SYMBOL for whatever there is of it. As
    /// often as there are symbols. Of the rest, what the bot did not open is told, and its symbol shut for entries.
    #[arg(long, value_name = "SYMBOL[=QUANTITY]", value_parser = account::other)]
    pub(crate) others: Vec<account::Other>,
}

/// What becomes of what the book and the broker differ in. It is told in any case.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BookArgs {
    #[command(flatten)]
    pub(crate) others: OthersArgs,
    /// Take what is at the broker and nobody's into the book, and close it when it has lost this share of its price [default: leave
    /// it].
    #[arg(long, value_name = "PERCENT")]
    pub(crate) adopt_orphans: Option<Decimal>,
    /// Set the book by the broker where somebody's order explains the difference [default: leave it].
    #[arg(long)]
    pub(crate) correct_sizes: bool,
}

/// What may be done at most. What is not said stays as it is on record in the state directory; where nothing is, the default
/// is taken and recorded. With --live all are given in a file.
#[derive(Debug, Clone, Args)]
pub(crate) struct LimitArgs {
    /// What a session may lose, on paper or for good; then it is halted [default: 10000].
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) max_loss: Option<Decimal>,
    /// Positions at once; orders that may still become one count [default: 100].
    #[arg(long, value_name = "N")]
    pub(crate) max_positions: Option<u32>,
    /// Shares or contracts of any leg of one order [default: 10000].
    #[arg(long, value_name = "N")]
    pub(crate) max_quantity: Option<u32>,
    /// The value of one order: all its legs, whether bought or sold [default: 100000].
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) max_order_value: Option<Decimal>,
    /// The value of all that is open or may become so [default: 500000].
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) max_exposure: Option<Decimal>,
    /// All limits from a JSON file, such as limits.example.json of backstop-limits, instead of the options. Required with
    /// --live.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["max_loss", "max_positions", "max_quantity", "max_order_value", "max_exposure"]
    )]
    pub(crate) limits: Option<PathBuf>,
    /// The limits may be looser than those on record. --by and --reason are recorded.
    #[arg(long, requires_all = ["by", "reason"])]
    pub(crate) loosen_limits: bool,
    /// The strategy may be executed as often again as its limit of repeated executions says. --by and --reason are recorded.
    #[arg(long, requires_all = ["by", "reason"])]
    pub(crate) allow_repeats: bool,
    /// Who answers for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// What the simulator does.
#[derive(Debug, Clone, Args)]
pub(crate) struct MarketArgs {
    /// Simulator: seed of prices, fills and faults.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Simulator: none, mild, hostile, or a JSON file of rates.
    #[arg(long, value_name = "MIX", default_value = "hostile")]
    pub(crate) faults: String,
    /// Simulator: replay recorded quotes from a .csv or .csv.gz file.
    #[arg(long, value_name = "FILE")]
    pub(crate) quotes: Option<PathBuf>,
    /// Simulator: how many requests it answers a minute, of each of Tradier's three kinds. The bot keeps to it.
    #[arg(long, value_name = "N", default_value_t = requests::OF_A_SIMULATOR)]
    pub(crate) requests: NonZeroU32,
}

/// Which part of what happened.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// Only what is about this order (its client order id) or this position (its name, with all its orders).
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only what happened since then: 30m for the last half hour, or a time such as 2026-11-20T14:30:00Z.
    #[arg(long, value_name = "DUR|TIME")]
    pub(crate) since: Option<String>,
}

/// Who halts, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct PullArgs {
    /// Who halts [default: the user's name].
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub(crate) reason: String,
    /// How long to go on canceling entries that work at the broker, until none is left. The switch is pulled before.
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = duration::parse)]
    pub(crate) within: Duration,
}

/// Who resumes, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct ResumeArgs {
    /// Who answers for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why it is safe to go on.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

const FLATTENING: &str = "\
The bot has to be stopped; how it ended does not matter. In this order:
  1. The lock is taken. If a bot has it: exit 3, its pid, and how to stop it.
  2. It is halted, by name and reason: what is closed here, no later start opens anew until `resume`. A halt that stands is
     no hindrance. A freeze is: what works is canceled, and what has to be resumed first is said.
  3. Entries that work are canceled; orders that the bot left in the air are looked up; book and broker are compared.
  4. Each position is closed: at the price of fresh quotes or, without any and from the third attempt on, at the market; and
     again, until the broker's own lists say that it is gone. What turns up late is closed too.
With --broker tradier it takes the same environment as `run`. Ctrl-C: nothing new is sent, what works is brought to rest, and
the list comes. A second one stops at once (130); the next start, or `flatten`, recovers.

  paper-trader flatten --by ann --reason 'fire drill'
  paper-trader flatten --within 10m --json

Exit codes: 0 the book is empty and the broker agrees; 4 not everything could be verified: a list, and the command for each;
3 a bot is running; 2 usage; 5 the records are damaged; 1 the machine refused something.";

/// What is to be closed, and who answers for it.
#[derive(Debug, Clone, Args)]
pub(crate) struct FlattenArgs {
    /// Whom to close with: that is what the records say, and nothing else is accepted.
    #[arg(long, value_enum)]
    pub(crate) broker: Option<BrokerKind>,
    /// Who flattens [default: the user's name].
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub(crate) reason: String,
    /// How long to go on. What works then is brought to rest, which takes up to the fill time-out and three times the settling
    /// time [default: 1m; 5m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) within: Option<Duration>,
    /// Time between two looks at an order [default: 250ms; 2s with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) poll: Option<Duration>,
    /// How long an exit may work before it is canceled and tried again [default: 3s; 20s with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) fill_timeout: Option<Duration>,
    /// How long a request whose answer was lost may still land [default: 5s; 1m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) settle: Option<Duration>,
    /// The account is of Tradier's production host, with real money.
    #[arg(long)]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) others: OthersArgs,
    #[command(flatten)]
    pub(crate) market: MarketArgs,
}

const RESOLVING: &str = "\
Without an id it lists, beside a running bot. With one it takes the lock, so the bot has to be stopped; it asks the broker
first, and what the broker shows is recorded, whatever is claimed. An order that was settled as not placed and turns up
all the same is adopted as a position by the bot, which halts.

Exit codes: 0 settled; 1 the broker could not be asked; 2 usage; 3 a bot is running (named); 4 refused, it stays open.";

/// What is to be settled, and who answers for it.
#[derive(Debug, Clone, Args)]
#[command(after_help = RESOLVING)]
pub(crate) struct ResolveArgs {
    /// The client order id of an order, or the name of a position.
    pub(crate) id: Option<String>,
    /// The order was never placed, or nothing of it was filled, and nothing will be.
    #[arg(long, conflicts_with_all = ["filled", "closed"])]
    pub(crate) not_placed: bool,
    /// This much of the order was filled, at this average price, and nothing more will be. Once for each leg.
    #[arg(long, value_name = "SYMBOL=QUANTITY@PRICE", conflicts_with = "closed")]
    pub(crate) filled: Vec<String>,
    /// The broker does not hold the position any more.
    #[arg(long)]
    pub(crate) closed: bool,
    /// It is so although the broker's positions do not agree, because something else explains them.
    #[arg(long)]
    pub(crate) despite_positions: bool,
    /// Who answers for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why they are sure.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// How long a request of the stopped bot may still be on its way [default: 5s; 1m with tradier].
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub(crate) settle: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimulatorArgs {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8087)]
    pub(crate) port: u16,
    /// Symbols with a simulated price of their own, beside SPX and SPY, as SYMBOL=PRICE.
    #[arg(long = "symbol", value_name = "SYMBOL=PRICE")]
    pub(crate) symbols: Vec<String>,
    #[command(flatten)]
    pub(crate) market: MarketArgs,
}

#[cfg(test)]
mod tests;
