//! `resolve`: what nobody can settle by evidence any more, settled by name and reason, with the bot stopped.

use std::io::{self, Write};
use std::time::Duration;

use backstop::broker::{ClientOrderId, Decimal};
use backstop::{Claim, ClaimedFill, Desk, LogJournal, Operation, Operator, ResolveError, SlotId, Stage, State, told};

use crate::cli::{Common, MarketArgs, OthersArgs, ResolveArgs};
use crate::failure::Failure;
use crate::positions;
use crate::render::{self, instant};
use crate::requests;
use crate::state_dir::StateDir;
use crate::stopped::{Stopped, Terms};
use crate::wiring::Simulator;

/// Between two looks at the broker.
const POLL: Duration = Duration::from_millis(500);

/// Lists what is open, or settles one thing of it.
pub(crate) async fn run(args: &ResolveArgs, common: &Common) -> Result<(), Failure> {
    let dir = StateDir::at(&common.state_dir);
    dir.is_used()?;
    match &args.id {
        None => Ok(list(&state(&dir)?, common.json)?),
        Some(id) => Box::pin(settle(id, args, &dir, common.json)).await,
    }
}

fn state(dir: &StateDir) -> Result<State, Failure> {
    Ok(LogJournal::read(&dir.journal())?.state)
}

/// What the command names: an order by its client order id, or a position by its own.
enum Subject {
    Order(ClientOrderId, Claim),
    Position(SlotId),
}

impl Subject {
    fn of(id: &str, args: &ResolveArgs) -> Result<Self, Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        let order = ClientOrderId::new(id).ok().filter(|id| SlotId::of_label(id.as_str()).is_some());
        let position = id.parse::<SlotId>().ok();
        match (order, position, args.closed) {
            (Some(order), _, false) => {
                let claim = match (args.not_placed, args.filled.as_slice()) {
                    (true, []) => Claim::NotPlaced,
                    (false, rows) if !rows.is_empty() => {
                        Claim::Filled(rows.iter().map(|row| fill(row)).collect::<Result<_, _>>()?)
                    }
                    _ => {
                        return Err(usage(
                            "say what became of the order: --not-placed, or --filled SYMBOL=QUANTITY@PRICE",
                        ));
                    }
                };
                Ok(Self::Order(order, claim))
            }
            (None, Some(position), true) => Ok(Self::Position(position)),
            (None, Some(_), false) => Err(usage("a position is settled with --closed")),
            (Some(_), _, true) => Err(usage("--closed is for a position; an order ends --not-placed or --filled")),
            (None, None, _) => {
                Err(Failure::Usage(format!("{id} is neither an order nor a position; `resolve` lists both")))
            }
        }
    }

    fn slot(&self) -> Option<SlotId> {
        match self {
            Self::Order(id, _) => SlotId::of_label(id.as_str()),
            Self::Position(slot) => Some(slot.clone()),
        }
    }
}

fn fill(text: &str) -> Result<ClaimedFill, Failure> {
    let read = || {
        let (symbol, rest) = text.split_once('=')?;
        let (quantity, price) = rest.split_once('@')?;
        let (quantity, price) = (quantity.parse::<Decimal>().ok()?, price.parse::<Decimal>().ok()?);
        Some(ClaimedFill { symbol: symbol.parse().ok()?, quantity, price })
    };
    read().ok_or_else(|| Failure::Usage(format!("--filled {text}: write SYMBOL=QUANTITY@PRICE, such as SPY=10@560.25")))
}

async fn settle(id: &str, args: &ResolveArgs, dir: &StateDir, json: bool) -> Result<(), Failure> {
    let subject = Subject::of(id, args)?;
    let operator = Operator {
        by: args.by.clone().unwrap_or_default(),
        reason: args.reason.clone().unwrap_or_default(),
        despite_positions: args.despite_positions,
    };
    if operator.by.trim().is_empty() || operator.reason.trim().is_empty() {
        return Err(Failure::Usage("settling by hand takes --by NAME and --reason TEXT".to_owned()));
    }
    let (desk, _simulator) = open(&subject, args, dir).await?;
    // What evidence can settle, it settles here; and no request of the dead bot is on its way any more after it.
    desk.recover()
        .await
        .map_err(|error| Failure::Broker(format!("the broker has to be asked first: {}", told(&error))))?;
    let mut ended = attempt(&desk, &subject, &operator).await;
    if let Err(ResolveError::TooEarly { after, .. }) = &ended {
        tokio::time::sleep(*after).await;
        ended = attempt(&desk, &subject, &operator).await;
    }
    // The book's cash, where nothing is in flight any more. Without it the next start reads it.
    let _read = desk.read_cash().await;
    let stopped = desk.stop().await;
    let ended = ended?;
    stopped.map_err(|error| Failure::Broker(told(&error)))?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(
            out,
            "{}",
            serde_json::json!({ "type": "resolved", "id": id, "by": operator.by, "reason": operator.reason, "end": ended })
        )?;
    } else {
        writeln!(out, "{id}: {ended}")?;
    }
    Ok(())
}

async fn attempt(desk: &Desk, subject: &Subject, operator: &Operator) -> Result<String, ResolveError> {
    match subject {
        Subject::Order(id, claim) if desk.state().operations.contains_key(id) => {
            let (end, fills) = desk.resolve(id, claim, operator).await?;
            Ok(render::finished(&end, &fills))
        }
        Subject::Order(id, _) if desk.state().issued.contains_key(id) => {
            Ok("the broker's own word has settled it; see `log`".to_owned())
        }
        Subject::Order(id, _) => Err(ResolveError::NotOpen { what: id.to_string() }),
        Subject::Position(slot) => {
            desk.resolve_position(slot, operator).await?;
            Ok("closed, and out of the book".to_owned())
        }
    }
}

/// A desk that trades nothing, on the account that the records belong to.
async fn open(subject: &Subject, args: &ResolveArgs, dir: &StateDir) -> Result<(Desk, Option<Simulator>), Failure> {
    let strategy = subject.slot().map(|slot| slot.strategy);
    let strategy = strategy.ok_or_else(|| Failure::Usage("it names no strategy".to_owned()))?;
    let stopped = Stopped::take(dir, "paper-trader resolve")?;
    let settle = args.settle.unwrap_or(Duration::from_secs(if stopped.is_simulated() { 5 } else { 60 }));
    let market = MarketArgs { seed: 7, faults: "none".to_owned(), quotes: None, requests: requests::OF_A_SIMULATOR };
    let others = OthersArgs::default();
    let terms = Terms { strategy, settle, poll: POLL, fill_timeout: settle, others: &others, market: &market };
    let opened = stopped.open(dir, terms).await?;
    Ok((opened.desk, opened.simulator))
}

/// What to type about an order that is not at rest.
pub(crate) fn settles(operation: &Operation) -> String {
    let id = operation.order.client_order_id();
    let on = "a bot that runs or is started goes on asking the broker; with none, `paper-trader flatten`";
    // What the broker shows is not settled by hand.
    if operation.stage == Stage::Working {
        return on.to_owned();
    }
    format!(
        "{on}; what the broker cannot tell any more: `paper-trader resolve {id} --not-placed --by NAME --reason TEXT`"
    )
}

/// Everything that is not at rest, with what is known of it.
fn list(state: &State, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut is_quiet = true;
    for (id, operation) in &state.operations {
        is_quiet = false;
        let order = render::describe(&operation.order);
        let number = operation.broker_order_id.as_ref().map(ToString::to_string);
        let reason = if let Stage::Unknown { reason } = &operation.stage { Some(reason) } else { None };
        let (stage, since, next) = (operation.stage.word(), operation.since, settles(operation));
        if json {
            let line = serde_json::json!({
                "type": "operation", "id": id.as_str(), "kind": if operation.order.opens() { "open" } else { "close" },
                "state": stage, "since": since, "order": order, "broker_order_id": number, "reason": reason, "next": next,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{id}  {stage} since {}: {order}", instant(since))?;
        let number =
            number.map_or("the broker never gave it a number".to_owned(), |n| format!("order {n} at the broker"));
        writeln!(out, "    {number}")?;
        if let Some(reason) = reason {
            writeln!(out, "    {reason}")?;
        }
        writeln!(out, "    {next}")?;
    }
    for row in positions::views(state) {
        let pending = row.pending();
        if json {
            let (since, reason, next) =
                pending.map_or((None, None, None), |(since, reason, next)| (Some(since), Some(reason), Some(next)));
            let line = serde_json::json!({
                "type": "position", "id": row.id(), "flat": row.is_flat(), "since": since, "reason": reason, "next": next,
            });
            writeln!(out, "{line}")?;
        } else if let Some((since, reason, next)) = pending {
            is_quiet = false;
            writeln!(out, "{}  not known to be closed since {}: {reason}", row.id(), instant(since))?;
            writeln!(out, "    {next}")?;
        }
    }
    if json {
        return Ok(());
    }
    if is_quiet {
        let held: Vec<String> = state.positions().map(|(slot, _)| slot.to_string()).collect();
        return match held.as_slice() {
            [] => writeln!(out, "nothing is open"),
            held => writeln!(
                out,
                "nothing is in doubt; open: {}. They are watched only while a bot runs: paper-trader status says whether one does",
                held.join(", ")
            ),
        };
    }
    writeln!(out, "\na start of the bot asks the broker first; what it cannot settle, settle with the bot stopped:")?;
    writeln!(out, "as above, or with what was filled, once for each leg: --filled SYMBOL=QUANTITY@PRICE")
}
