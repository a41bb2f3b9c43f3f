//! What a person sees while a session runs, or a book is flattened: events as lines, and in a terminal the open positions below them.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use backstop::broker::Decimal;
use backstop::{Batch, Desk, SlotId, State};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use crate::render;

/// The output of a run.
#[derive(Debug)]
pub(crate) struct View {
    screen: Arc<Screen>,
    done: Arc<Notify>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Screen {
    /// Lines for people.
    Plain,
    /// Lines, and below them a table that is drawn over.
    Live { lines: MultiProgress, table: ProgressBar },
    /// One JSON object a line.
    Json,
}

impl View {
    /// Shows what is about to happen, and from here on every record.
    pub(crate) fn start(desk: &Desk, json: bool, what: &str) -> Self {
        let screen = Arc::new(if json {
            Screen::Json
        } else if std::io::stdout().is_terminal() {
            let lines = MultiProgress::new();
            let table = lines.add(ProgressBar::no_length());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                table.set_style(style);
            }
            Screen::Live { lines, table }
        } else {
            Screen::Plain
        });
        if !json {
            screen.line(what);
        }
        let done = Arc::new(Notify::new());
        let listener = tokio::spawn(show(desk.events(), Arc::clone(&screen), Arc::clone(&done)));
        Self { screen, done, listener: Mutex::new(Some(listener)) }
    }

    /// A line that is not in the records.
    pub(crate) fn say(&self, text: &str) {
        match &*self.screen {
            Screen::Json => self.screen.line(&serde_json::json!({ "type": "note", "text": text }).to_string()),
            Screen::Plain | Screen::Live { .. } => self.screen.line(&format!("{:14}{text}", "")),
        }
    }

    /// The open positions at what closing them now would bring; `closing` has none where no fresh quote says it.
    pub(crate) fn marks(&self, state: &State, closing: impl Fn(&SlotId) -> Option<Decimal>) {
        if let Screen::Live { table, .. } = &*self.screen {
            table.set_message(positions_table(state, closing));
        }
    }

    /// Shows what is left to show, and clears the table.
    pub(crate) async fn finish(&self) {
        self.done.notify_one();
        let listener = self.listener.lock().await.take();
        if let Some(listener) = listener {
            // It only ends early by a panic, which has been printed by then.
            let _shown = listener.await;
        }
        if let Screen::Live { table, .. } = &*self.screen {
            table.finish_and_clear();
        }
    }
}

impl Screen {
    fn line(&self, text: &str) {
        // A closed pipe must not stop a bot that holds positions.
        let _written: std::io::Result<()> = match self {
            Self::Plain | Self::Json => writeln!(std::io::stdout().lock(), "{text}"),
            Self::Live { lines, .. } => lines.println(text),
        };
    }

    fn batch(&self, batch: &Batch) {
        if matches!(self, Self::Json) {
            batch.records.iter().for_each(|record| self.line(&render::json_line(batch, record).to_string()));
            return;
        }
        let at = render::time_of_day(batch.at);
        for line in batch.records.iter().filter_map(render::line) {
            self.line(&format!("{at}  {line}"));
        }
    }
}

async fn show(mut events: Receiver<Arc<Batch>>, screen: Arc<Screen>, done: Arc<Notify>) {
    loop {
        tokio::select! {
            // Everything that was written before the end is shown before it.
            biased;
            event = events.recv() => match event {
                Ok(batch) => screen.batch(&batch),
                Err(RecvError::Lagged(missed)) => screen.line(&format!("({missed} batches not shown; see `paper-trader log`)")),
                Err(RecvError::Closed) => return,
            },
            () = done.notified() => return,
        }
    }
}

fn positions_table(state: &State, closing: impl Fn(&SlotId) -> Option<Decimal>) -> String {
    let session = state.session.as_ref().map_or(String::new(), |s| {
        format!("session {}: {} of {} entries, {} refused", s.id, s.executed, s.limit, s.refused)
    });
    let mut rows = vec![String::new(), format!("{session}   in flight {}", state.operations.len())];
    for (slot, position) in state.positions() {
        let legs =
            position.legs().iter().map(|leg| format!("{} {}", leg.left, leg.symbol)).collect::<Vec<_>>().join("  ");
        let profit = closing(&slot).and_then(|cash| position.cash_flow().checked_add(cash));
        let profit = profit.map_or("?".to_owned(), render::money);
        let note = position.pending().map_or(String::new(), |pending| format!("  leaving: {}", pending.reason));
        rows.push(format!("  {slot:<26} {legs:<52} {profit:>12}{note}"));
    }
    rows.join("\n")
}
