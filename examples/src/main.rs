//! A paper trader on Backstop.
//!
//! Without an argument it lets a naive bot and one on Backstop trade side by side on a hostile broker, and shows what
//! becomes of both.

mod account;
mod alerts;
mod cli;
mod demo;
mod duration;
mod failure;
mod flatten;
mod halt;
mod history;
mod naive;
mod positions;
mod render;
mod requests;
mod resolve;
mod run;
mod signals;
mod simulator;
mod state_dir;
mod status;
mod stopped;
mod strategy;
mod tls;
mod view;
mod wiring;

use std::io::Write;
use std::process::ExitCode;

use backstop::{Level, told};
use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use failure::Failure;
use state_dir::StateDir;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("BACKSTOP_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_unread() => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nobody left to tell if this fails too.
            let _told = writeln!(std::io::stderr().lock(), "paper-trader: {}", told(&failure));
            failure.code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Cli { command, common } = cli;
    let dir = StateDir::at(&common.state_dir);
    match command.unwrap_or_else(cli::default_demo) {
        Command::Demo(args) => on_runtime(demo::run(&args, &common)),
        Command::Run(args) => on_runtime(run::run(&args, &common)),
        Command::Simulator(args) => on_runtime(simulator::run(&args, &common)),
        Command::Status => status::status(&dir, common.json),
        Command::Positions => positions::positions(&dir, common.json),
        Command::Log(args) => history::log(&dir, &args, common.json),
        Command::Halt(args) => halt::pull(Level::Halt, &args, &common),
        Command::Freeze(args) => halt::pull(Level::Freeze, &args, &common),
        Command::Flatten(args) => on_runtime(flatten::run(&args, &common)),
        Command::Resolve(args) => on_runtime(resolve::run(&args, &common)),
        Command::Naive(args) => on_runtime(naive::run(args, &dir)),
        Command::Resume(args) => halt::resume(&args, &common),
    }
}

fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // A simulated answer that is still being delayed must not hold up the end.
    runtime.shutdown_background();
    done
}
