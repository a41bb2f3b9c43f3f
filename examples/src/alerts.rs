//! Who is told of alerts, as the command line says, and the command that settles what each is about.

mod webhook;

use std::sync::Arc;
use std::time::Duration;

use backstop::broker::ClientOrderId;
use backstop::{AlertPolicy, AlertSink, CASH, CommandSink, DRIFT, Desk, HALT, SlotId};

use crate::cli::AlertArgs;
use crate::failure::Failure;
use webhook::Webhook;

/// How long the end of a run waits for alerts that nobody has taken yet.
const AT_THE_END: Duration = Duration::from_secs(5);

/// The sinks of a run.
#[derive(Debug)]
pub(crate) struct Sinks(Vec<Arc<dyn AlertSink>>);

impl Sinks {
    pub(crate) fn of(args: &AlertArgs) -> Result<Self, Failure> {
        let mut sinks: Vec<Arc<dyn AlertSink>> = Vec::new();
        if let Some(name) = &args.alert_webhook_env {
            let webhook =
                Webhook::from_env(name).map_err(|why| Failure::Usage(format!("--alert-webhook-env: {why}")))?;
            sinks.push(Arc::new(webhook));
        }
        if let Some(command) = &args.alert_command {
            sinks.push(Arc::new(CommandSink::new(command)));
        }
        Ok(Self(sinks))
    }

    /// From now on they are told.
    pub(crate) fn tell(&self, desk: &Desk) {
        if !self.0.is_empty() {
            desk.tell(self.0.clone(), AlertPolicy { remedy, ..AlertPolicy::default() });
        }
    }

    /// Waits a little for what nobody has taken. `None` where nobody is told of anything.
    pub(crate) async fn end(&self, desk: &Desk) -> Option<backstop::AlertTally> {
        if self.0.is_empty() { None } else { Some(desk.flush_alerts(AT_THE_END).await) }
    }
}

/// The command that shows or settles what an alert or a row of `status` is about.
pub(crate) fn remedy(subject: &str) -> String {
    let is_order = ClientOrderId::new(subject).is_ok() && SlotId::of_label(subject).is_some();
    match subject {
        HALT => "settle: paper-trader resume --by NAME --reason TEXT".to_owned(),
        CASH | DRIFT => "see: paper-trader status".to_owned(),
        _ if subject.starts_with("unwatched ") => "settle: start the bot, or paper-trader flatten".to_owned(),
        _ if is_order || subject.parse::<SlotId>().is_ok() => format!("settle: paper-trader resolve {subject}"),
        _ => "see: paper-trader status, paper-trader log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ALERT-1
    #[test]
    fn each_kind_of_alert_names_the_command_that_settles_it() {
        for (subject, command) in [
            ("bs-test-20300102-1-2-open-7", "paper-trader resolve bs-test-20300102-1-2-open-7"),
            ("halt", "paper-trader resume"),
            ("drift", "paper-trader status"),
            ("unwatched test-20300102-1-2", "paper-trader flatten"),
            ("journal", "paper-trader log"),
        ] {
            assert!(remedy(subject).contains(command), "{subject}: {}", remedy(subject));
        }
    }
}
