//! `simulator`: the hostile broker alone, for a bot in another process.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::Arc;

use backstop::broker::{Decimal, Symbol};
use backstop::clock::{Clock, SystemClock};
use backstop_sim::SimServer;

use crate::cli::{Common, SimulatorArgs};
use crate::failure::Failure;
use crate::state_dir::StateDir;
use crate::wiring;

/// Serves until a signal.
pub(crate) async fn run(args: &SimulatorArgs, common: &Common) -> Result<(), Failure> {
    let symbols = args.symbols.iter().map(|text| priced(text)).collect::<Result<Vec<_>, _>>()?;
    let config = wiring::simulation(&args.market, &symbols)?;
    let dir = StateDir::at(&common.state_dir);
    dir.create()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let simulator = wiring::start(config.with_port(args.port), &dir, &clock).await?;
    announce(&simulator.server, args.market.requests, common.json)?;
    // Both signals end it: nothing is lost, the account is in the file.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    simulator.server.shutdown().await;
    Ok(())
}

fn announce(server: &SimServer, requests: NonZeroU32, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let (url, token, account) = (server.base_url(), server.token(), server.account());
    if json {
        writeln!(out, "{}", serde_json::json!({ "base_url": url, "token": token, "account": account }))?;
    } else {
        writeln!(out, "the simulator listens at {url}; in another terminal:\n")?;
        writeln!(out, "  export TRADIER_API_BASE={url} TRADIER_ACCESS_TOKEN={token} TRADIER_ACCOUNT_ID={account}")?;
        writeln!(out, "  export TRADIER_REQUESTS_PER_MINUTE={requests}")?;
        writeln!(
            out,
            "  paper-trader run --broker tradier --slot 3s --hold 8s --poll 250ms --fill-timeout 3s --settle 5s\n"
        )?;
        let root = url.trim_end_matches("/v1");
        writeln!(out, "the truth: {root}/sim/ledger    the faults that struck: {root}/sim/faults    Ctrl-C ends it")?;
    }
    Ok(out.flush()?)
}

fn priced(text: &str) -> Result<(Symbol, Option<Decimal>), Failure> {
    let usage =
        |error: String| Failure::Usage(format!("--symbol {text}: {error}; write SYMBOL=PRICE, such as QQQ=480"));
    let (symbol, price) = text.split_once('=').ok_or_else(|| usage("no price".to_owned()))?;
    let symbol = symbol.parse().map_err(|error: backstop::quote::InvalidSymbol| usage(error.to_string()))?;
    let price = price.parse::<Decimal>().map_err(|error| usage(error.to_string()))?;
    if price <= Decimal::ZERO {
        return Err(usage("a price is positive".to_owned()));
    }
    Ok((symbol, Some(price)))
}
