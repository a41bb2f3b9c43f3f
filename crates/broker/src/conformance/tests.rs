//! The suite against itself: an honest broker passes whole, and each way to be dishonest is caught by name.

use std::sync::Arc;

use async_trait::async_trait;

use self::adapter::{Adapter, Flaw};
use self::server::Server;
use super::*;
use crate::{
    Broker, BrokerOrderId, ClientOrderId, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, TimeInForce,
};

mod adapter;
mod server;

struct TestRig {
    server: Arc<Server>,
    broker: Arc<Adapter>,
    declined: fn(Disturbance) -> bool,
}

impl TestRig {
    fn with(flaw: Option<Flaw>) -> Self {
        let server = Arc::new(Server::default());
        Self { broker: Arc::new(Adapter::new(Arc::clone(&server), flaw)), server, declined: |_| false }
    }
}

#[async_trait]
impl Rig for TestRig {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker) as Arc<dyn Broker>
    }

    async fn disturb(&self, _: Calls, disturbance: Disturbance) -> bool {
        if (self.declined)(disturbance) {
            return false;
        }
        self.server.disturb(Some(disturbance));
        true
    }

    async fn calm(&self) {
        self.server.disturb(None);
    }

    async fn settle(&self) {
        self.server.settle();
    }

    async fn arrivals(&self, id: &ClientOrderId) -> usize {
        self.server.arrivals(&format!("submit {id}"))
    }

    async fn placed(&self, id: &ClientOrderId) -> usize {
        self.server.placed(id.as_str())
    }

    async fn cancel_arrivals(&self, id: &BrokerOrderId) -> usize {
        self.server.arrivals(&format!("cancel {id}"))
    }

    fn resting_order(&self, id: ClientOrderId) -> OrderRequest {
        shares(id, OrderKind::Limit { price: "1".parse().unwrap() })
    }

    fn marketable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(shares(id, OrderKind::Market))
    }

    fn unacceptable_order(&self, id: ClientOrderId) -> Option<OrderRequest> {
        Some(shares(id, OrderKind::Limit { price: "1000000".parse().unwrap() }))
    }
}

fn shares(id: ClientOrderId, kind: OrderKind) -> OrderRequest {
    let symbol = "SPY".parse().unwrap();
    let quantity = Quantity::new(10).unwrap();
    let leg = Leg { symbol, side: Side::Buy, effect: PositionEffect::Open, quantity };
    OrderRequest::new(id, "SPY".parse().unwrap(), vec![leg], kind, TimeInForce::Day).unwrap()
}

// proves: BRK-1
// proves: BRK-2
#[tokio::test(start_paused = true)]
async fn an_honest_broker_passes_every_check_and_none_is_skipped() {
    let report = run(&TestRig::with(None)).await;
    assert!(report.conforms(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
    assert!(report.checks().len() > 50, "{report}");
}

/// A broker with this flaw fails this check.
#[track_caller]
fn caught(flaw: Flaw, check: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let report = runtime.block_on(run(&TestRig::with(Some(flaw))));
    assert!(!report.conforms());
    assert!(report.failed().any(|failed| failed.name == check), "{flaw:?} passed {check:?}:\n{report}");
}

// proves: BRK-1
#[test]
fn a_repeated_submit_or_cancel_is_caught() {
    caught(Flaw::RepeatsSubmit, "a submit is unknown after: lost answer");
    caught(Flaw::RepeatsSubmit, "a submit is unknown after: answer held back");
    caught(Flaw::RepeatsSubmit, "a submit is unknown wherever its answer is cut");
    caught(Flaw::FollowsRedirects, "a submit is unknown after: redirect");
    caught(Flaw::RepeatsCancel, "a cancel is unknown after: lost answer");
    caught(Flaw::RepeatsCancel, "a cancel is unknown wherever its request is cut");
}

// proves: BRK-1
#[test]
fn a_doubt_that_passes_for_certainty_is_caught() {
    caught(Flaw::TimeOutIsRejected, "a submit is unknown after: lost request");
    caught(Flaw::TimeOutIsRejected, "a cancel is unknown after: answer held back");
    caught(Flaw::LostConnectionIsNotSent, "a submit is unknown wherever its request is cut");
    caught(Flaw::LostConnectionIsNotSent, "a cancel is unknown wherever its request is cut");
    caught(Flaw::LostConnectionIsNotSent, "a cancel is unknown wherever its answer is cut");
    caught(Flaw::ServerErrorIsRejected, "a submit is unknown after: failure after");
    caught(Flaw::ThrottledIsRejected, "a submit is unknown after: throttling");
    caught(Flaw::AnySuccessIsAccepted, "a submit is unknown after: garbage");
    caught(Flaw::AnySuccessIsAccepted, "a cancel is unknown after: empty answer");
}

// proves: BRK-1
#[test]
fn a_call_without_a_time_out_is_caught() {
    caught(Flaw::NoTimeOut, "a submit is unknown after: lost request");
    caught(Flaw::NoTimeOut, "a submit is unknown after: trickling answer");
    caught(Flaw::NoTimeOut, "a cancel is unknown after: answer held back");
    caught(Flaw::NoTimeOut, "every read is an error under: lost request");
}

// proves: BRK-2
#[test]
fn a_failed_read_that_passes_for_an_answer_is_caught() {
    caught(Flaw::FailedReadIsEmpty, "every read is an error under: refused connection");
    caught(Flaw::FailedReadIsEmpty, "every read is an error under: garbage");
    caught(Flaw::FailedReadIsEmpty, "positions is whole or an error wherever its answer is cut");
    caught(Flaw::NothingIsEmpty, "every read is an error under: null answer");
    caught(Flaw::NothingIsEmpty, "every read is an error under: empty answer");
}

// proves: BRK-2
#[test]
fn a_part_that_passes_for_the_whole_is_caught() {
    caught(Flaw::FirstPageOnly, "the list of orders is complete over all pages");
    caught(Flaw::KeepsPagesBeforeFailure, "a failed later page fails the whole list");
}

// proves: BRK-2
#[test]
fn a_word_read_as_another_is_caught() {
    let check = "an unknown word is neither terminal, nor filled, nor open market";
    caught(Flaw::UnknownStatusIsFilled, check);
    caught(Flaw::UnknownMarketIsOpen, check);
}

#[test]
fn the_rest_of_the_contract_is_not_taken_on_trust() {
    caught(Flaw::ForgetsLabels, "an accepted order is found by each of its names, once");
    caught(Flaw::RefusedConnectionIsUnknown, "a submit without a connection is not sent");
    caught(Flaw::UnknownIdIsAnyOrder, "a broker order id never given is an error");
    caught(Flaw::TakesFillsBack, "a fill is final, whole, and moves the position");
    caught(Flaw::FinishedCancelIsAccepted, "a cancel of a finished order is rejected");
}

#[tokio::test(start_paused = true)]
async fn what_the_rig_cannot_do_is_skipped_aloud_and_never_passed() {
    let rig = TestRig { declined: |disturbance| disturbance == Disturbance::HoldAnswer, ..TestRig::with(None) };
    let report = run(&rig).await;
    assert!(report.conforms(), "{report}");
    let skipped: Vec<_> = report.skipped().map(|check| check.name.as_str()).collect();
    let expected = [
        "every read is an error under: answer held back",
        "a cancel is unknown after: answer held back",
        "a submit is unknown after: answer held back",
        "a dropped submit arrives at most once",
    ];
    assert_eq!(skipped, expected);
    assert!(report.to_string().contains("SKIPPED"));
}

#[tokio::test(start_paused = true)]
async fn a_run_in_which_nothing_could_be_checked_is_not_conforming() {
    assert!(!Report::default().conforms());
}

/// A rig that cries wolf must not make a suite that passes.
#[tokio::test(start_paused = true)]
async fn a_rig_that_claims_a_disturbance_and_makes_none_fails_the_check() {
    let rig = TestRig::with(None);
    rig.server.ignore_disturbances();
    let report = run(&rig).await;
    for check in report.checks().iter().filter(|check| check.name.contains(" after: ") || check.name.contains("under:"))
    {
        assert!(matches!(check.verdict, Verdict::Failed(_)), "{check:?}");
    }
}
