//! Telling people: the task that hands alerts to sinks, and the one that sees to it that whatever is unresolved has one.
//!
//! Neither is ever waited for by an order: alerts wait in a queue that is never full, and sinks have tasks of their own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use backstop_clock::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::tasks::Running;
use super::{Desk, Inner};
use crate::alert::{AlertPolicy, AlertSink, AlertTally, Next, Notice, Queue};
use crate::record::Record;
use crate::state::{DRIFT, HALT, Stage, State};

/// Between two looks at what is unresolved.
const LOOK: Duration = Duration::from_secs(1);

impl Desk {
    /// From now on alerts are offered to `sinks`, those that an earlier process could not get rid of first. One is told once
    /// any of them took it; all get it.
    ///
    /// Ends with the desk. Without a call of this, alerts are kept in the records and nobody is told.
    pub fn tell(&self, sinks: Vec<Arc<dyn AlertSink>>, policy: AlertPolicy) {
        tokio::spawn(deliver(Arc::downgrade(&self.inner), sinks, policy));
        tokio::spawn(say_unresolved(Arc::downgrade(&self.inner)));
    }

    /// How the alerts of this process fared so far.
    pub fn alert_tally(&self) -> AlertTally {
        self.inner.alerts.with(|queue| queue.tally())
    }

    /// Waits until every alert is told, `within` at most: for the end of a process. Says how they fared.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn flush_alerts(&self, within: Duration) -> AlertTally {
        self.inner.alerts.with(Queue::hurry);
        self.inner.alerts.woken.notify_one();
        let told = async {
            while !self.alert_tally().waiting.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let _in_time: Result<(), _> = timeout(within, told).await;
        self.alert_tally()
    }
}

async fn deliver(desk: Weak<Inner>, sinks: Vec<Arc<dyn AlertSink>>, policy: AlertPolicy) {
    loop {
        let Some(inner) = desk.upgrade() else { return };
        match inner.next_alert(&policy) {
            Next::Wait(pause) => {
                let woken = Arc::clone(&inner.alerts.woken);
                // Nobody who waits keeps the desk.
                drop(inner);
                let _woken: Result<(), _> = timeout(pause, woken.notified()).await;
            }
            Next::Tell(notice, version) => {
                drop(inner);
                let offered = offer(&sinks, &notice, policy.call_timeout).await;
                let Some(inner) = desk.upgrade() else { return };
                inner.note_offered(&notice, version, offered, &policy);
            }
        }
    }
}

/// Offers a notice to every sink at once. `Ok` when any took it.
async fn offer(sinks: &[Arc<dyn AlertSink>], notice: &Notice, within: Duration) -> Result<(), String> {
    // A task each: one that panics or never answers harms nobody.
    let mut offers = JoinSet::new();
    for sink in sinks {
        let (sink, notice) = (Arc::clone(sink), notice.clone());
        offers.spawn(async move {
            let failed = match timeout(within, sink.deliver(&notice)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => why.to_string(),
                Err(_) => format!("no answer within {within:?}"),
            };
            Err(format!("{}: {failed}", sink.name()))
        });
    }
    let mut failures = Vec::new();
    let mut taken = false;
    while let Some(offered) = offers.join_next().await {
        match offered {
            Ok(Ok(())) => taken = true,
            Ok(Err(why)) => failures.push(why),
            Err(died) => failures.push(format!("a sink died: {died}")),
        }
    }
    if !failures.is_empty() {
        tracing::warn!(subject = notice.subject, failures = failures.join("; "), "an alert was not taken");
    }
    if taken { Ok(()) } else { Err(failures.join("; ")) }
}

impl Inner {
    fn next_alert(&self, policy: &AlertPolicy) -> Next {
        let broken = self.failed.lock().is_some();
        let state = self.state.lock();
        // What cannot be written any more is true for as long as the journal has failed.
        let lasts = |subject: &str| broken || state.alerts.contains_key(subject);
        self.alerts.with(|queue| queue.next(self.clock.mono(), policy, lasts))
    }

    fn note_offered(
        self: &Arc<Self>,
        notice: &Notice,
        version: u64,
        offered: Result<(), String>,
        policy: &AlertPolicy,
    ) {
        let now = self.clock.mono();
        let is_told = match offered {
            Ok(()) => self.alerts.with(|queue| queue.taken(&notice.subject, version, now)),
            Err(why) => return self.alerts.with(|queue| queue.failed(why, now, policy)),
        };
        if !is_told {
            return;
        }
        // Not waited for: a disk that takes its time delays no other alert.
        let (inner, running) = (Arc::clone(self), Running::new(self));
        let (subject, text) = (notice.subject.clone(), notice.text.clone());
        tokio::spawn(async move {
            let _running = running;
            let of = subject.clone();
            let still = move |state: &State| state.untold.get(&of).is_some_and(|untold| untold.text == text);
            // Unwritten, it is told once more after a restart.
            let _written = inner.commit_if(vec![Record::Told { subject }], still).await;
        });
    }
}

/// Law 6: whatever is unresolved for longer than it should has an alert, and the alert goes with it.
async fn say_unresolved(desk: Weak<Inner>) {
    loop {
        let Some(inner) = desk.upgrade() else { return };
        let (alerts, over) = inner.unsaid();
        for (subject, text, still) in alerts {
            inner.alert_while(&subject, text, still).await;
        }
        for subject in over {
            inner.alert_over(subject).await;
        }
        drop(inner);
        sleep(LOOK).await;
    }
}

/// Whether what an alert is about is not over yet.
type Still = Box<dyn Fn(&State) -> bool + Send>;

impl Inner {
    /// Alerts that are missing, and those whose cause is gone.
    fn unsaid(&self) -> (Vec<(String, String, Still)>, Vec<&'static str>) {
        // Whoever looks after it says it first, and knows more.
        let (wall, patience) = (self.clock.wall(), self.patience().saturating_mul(2));
        let state = self.state.lock();
        let is_old = |since: Timestamp| Duration::try_from(wall.duration_since(since)).is_ok_and(|age| age >= patience);
        let is_said = |subject: &str| state.alerts.contains_key(subject);
        let mut alerts: Vec<(String, String, Still)> = Vec::new();
        for (id, operation) in &state.operations {
            if let Stage::Unknown { reason } = &operation.stage
                && is_old(operation.since)
                && !is_said(id.as_str())
            {
                let text =
                    format!("the outcome of order {id} is unknown ({reason}). It may be live: do not place it again");
                let of = id.clone();
                alerts.push((id.to_string(), text, Box::new(move |state| state.operations.contains_key(&of))));
            }
        }
        for (of, position) in state.positions() {
            let slot = of.to_string();
            if let Some(pending) = position.pending().filter(|pending| is_old(pending.since))
                && !is_said(&slot)
            {
                let text = format!("position {slot} is not verified as closed ({}). The bot goes on", pending.reason);
                alerts.push((slot, text, Box::new(move |state| state.held(&of).is_some())));
            }
        }
        let drift: Vec<String> =
            (state.reconciled.iter().flat_map(|compared| &compared.drift)).map(ToString::to_string).collect();
        let mut standing = vec![(HALT, state.halted().map(ToString::to_string))];
        // Not compared yet is not agreed.
        if state.reconciled.is_some() {
            standing.push((DRIFT, (!drift.is_empty()).then(|| drift.join("; "))));
        }
        let mut over = Vec::new();
        for (subject, text) in standing {
            let said = state.alerts.get(subject).map(|alert| &alert.text);
            match text {
                Some(text) if said != Some(&text) => alerts.push((subject.to_owned(), text, Box::new(|_| true))),
                None if said.is_some() => over.push(subject),
                _ => {}
            }
        }
        (alerts, over)
    }

    /// The cause of an alert is gone.
    pub(super) async fn alert_over(self: &Arc<Self>, subject: &str) {
        let of = subject.to_owned();
        let record = Record::AlertOver { subject: subject.to_owned() };
        if let Err(error) = self.commit_if(vec![record], move |state| state.alerts.contains_key(&of)).await {
            tracing::error!(%error, "that the cause of an alert is gone is not in the records");
        }
    }
}
