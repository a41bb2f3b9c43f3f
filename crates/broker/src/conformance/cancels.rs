//! Cancels: what they end, what they cannot end, and what is known when they go wrong.

use super::bench::{Bench, Checked, MOST_BYTES, Stop, ensure, fail};
use super::rig::Effect;
use super::{Calls, Disturbance};
use crate::{BrokerOrderId, Outcome, Progress};

pub(super) async fn check(bench: &mut Bench<'_>) {
    let ended = working(bench).await;
    bench.note("a cancel of a working order is accepted and ends it", "trait", ended).await;
    let ended = finished(bench).await;
    bench.note("a cancel of a finished order is rejected", "trait", ended).await;
    let ended = refused_connection(bench).await;
    bench.note("a cancel without a connection is not sent", "BRK-1", ended).await;
    for doubt in Disturbance::DOUBTS {
        let ended = doubted(bench, doubt).await;
        bench.note(format!("a cancel is unknown after: {doubt}"), "BRK-1", ended).await;
    }
}

/// For the end of a run: places an order per byte.
pub(super) async fn check_cuts(bench: &mut Bench<'_>) {
    let ended = cut_requests(bench).await;
    bench.note("a cancel is unknown wherever its request is cut", "BRK-1", ended).await;
    let ended = cut_answers(bench).await;
    bench.note("a cancel is unknown wherever its answer is cut", "BRK-1", ended).await;
}

async fn place(bench: &mut Bench<'_>) -> Result<BrokerOrderId, Stop> {
    let order = bench.resting()?;
    let id = bench.place(&order).await?;
    bench.rig().settle().await;
    Ok(id)
}

async fn working(bench: &mut Bench<'_>) -> Checked {
    let id = place(bench).await?;
    let outcome = bench.cancel(&id).await?;
    ensure(matches!(outcome, Outcome::Accepted(())), || format!("the cancel of a working order ended as {outcome:?}"))?;
    let report = bench.final_report(&id).await?;
    ensure(report.progress() == Progress::Final(vec![]), || {
        format!("a resting order was canceled and reports {} with {:?}", report.status, report.progress())
    })
}

async fn finished(bench: &mut Bench<'_>) -> Checked {
    let id = place(bench).await?;
    if !matches!(bench.cancel(&id).await?, Outcome::Accepted(())) {
        return fail("the cancel that should finish the order was not accepted");
    }
    bench.final_report(&id).await?;
    let again = bench.cancel(&id).await?;
    ensure(matches!(again, Outcome::Rejected(_)), || format!("the cancel of a finished order ended as {again:?}"))
}

async fn refused_connection(bench: &mut Bench<'_>) -> Checked {
    let id = place(bench).await?;
    bench.disturb(Calls::Cancels, Disturbance::RefuseConnection).await?;
    let outcome = bench.cancel(&id).await?;
    bench.calm_and_settle().await;
    ensure(matches!(outcome, Outcome::NotSent(_)), || format!("not a byte left, and the cancel ended as {outcome:?}"))?;
    arrived(bench, &id, 0).await?;
    still(bench, &id, Effect::NotDone).await
}

async fn doubted(bench: &mut Bench<'_>, doubt: Disturbance) -> Checked {
    let id = place(bench).await?;
    bench.disturb(Calls::Cancels, doubt).await?;
    let outcome = bench.cancel(&id).await?;
    bench.calm_and_settle().await;
    ensure(matches!(outcome, Outcome::Unknown(_)), || format!("the cancel ended as {outcome:?}, not as unknown"))?;
    arrived(bench, &id, 1).await?;
    still(bench, &id, doubt.effect()).await
}

/// Cuts the cancel of one order at each byte of its request, until one passes unharmed. None of the cut ones is done.
async fn cut_requests(bench: &mut Bench<'_>) -> Checked {
    let id = place(bench).await?;
    // From 1: whether a connection that takes no byte at all was used is the adapter's to say.
    for after in 1..MOST_BYTES {
        let cuts = after - 1;
        let disturbance = Disturbance::CutRequest { after };
        bench.disturb(Calls::Cancels, disturbance).await?;
        match bench.cancel(&id).await? {
            Outcome::Unknown(_) => {}
            Outcome::Accepted(()) => {
                bench.calm_and_settle().await;
                ensure(cuts > 0, || "the very first cut did no harm".to_owned())?;
                arrived(bench, &id, after).await?;
                return still(bench, &id, Effect::Done).await;
            }
            certain => return fail(format!("{disturbance}: the cancel ended as {certain:?}, not as unknown")),
        }
    }
    fail(format!("no cancel passed unharmed with {MOST_BYTES} bytes allowed"))
}

/// Cuts cancels at each byte of the answer, until one passes unharmed. All of them are done, so each has its order.
async fn cut_answers(bench: &mut Bench<'_>) -> Checked {
    for after in 0..MOST_BYTES {
        bench.rig().calm().await;
        let id = place(bench).await?;
        let disturbance = Disturbance::CutAnswer { after };
        bench.disturb(Calls::Cancels, disturbance).await?;
        let outcome = bench.cancel(&id).await?;
        bench.calm_and_settle().await;
        arrived(bench, &id, 1).await?;
        still(bench, &id, Effect::Done).await?;
        match outcome {
            Outcome::Unknown(_) => {}
            Outcome::Accepted(()) => return ensure(after > 0, || "the very first cut did no harm".to_owned()),
            certain => return fail(format!("{disturbance}: the cancel ended as {certain:?}, not as unknown")),
        }
    }
    fail(format!("no cancel passed unharmed with {MOST_BYTES} bytes allowed"))
}

async fn arrived(bench: &Bench<'_>, id: &BrokerOrderId, at_most: usize) -> Checked {
    let arrivals = bench.rig().cancel_arrivals(id).await;
    ensure(arrivals <= at_most, || format!("one cancel arrived {arrivals} times, not at most {at_most}"))
}

/// Asked again in quiet, the broker says whether the order still works.
async fn still(bench: &Bench<'_>, id: &BrokerOrderId, effect: Effect) -> Checked {
    match effect {
        Effect::Done => bench.final_report(id).await.map(drop),
        Effect::NotDone => {
            let report = bench.order(id).await?;
            ensure(!report.status.is_terminal(), || format!("a cancel that was not done left it {}", report.status))
        }
    }
}
