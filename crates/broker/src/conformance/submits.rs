//! Submits that go wrong: certain only where it is certain, and on the wire at most once.

use tokio::time::timeout;

use super::bench::{Bench, Checked, MOST_BYTES, Stop, ensure, fail};
use super::rig::Effect;
use super::{Calls, Disturbance};
use crate::{ClientOrderId, Lookup, Outcome, Priority};

pub(super) async fn check(bench: &mut Bench<'_>) {
    let ended = refused_connection(bench).await;
    bench.note("a submit without a connection is not sent", "BRK-1", ended).await;
    for doubt in Disturbance::DOUBTS {
        let ended = doubted(bench, doubt).await;
        bench.note(format!("a submit is unknown after: {doubt}"), "BRK-1", ended).await;
    }
    let ended = dropped(bench).await;
    bench.note("a dropped submit arrives at most once", "BRK-1", ended).await;
}

/// For the end of a run: places an order per byte.
pub(super) async fn check_cuts(bench: &mut Bench<'_>) {
    // From 1: whether a connection that takes no byte at all was used is the adapter's to say.
    let ended = cut_everywhere(bench, 1, |after| Disturbance::CutRequest { after }).await;
    bench.note("a submit is unknown wherever its request is cut", "BRK-1", ended).await;
    let ended = cut_everywhere(bench, 0, |after| Disturbance::CutAnswer { after }).await;
    bench.note("a submit is unknown wherever its answer is cut", "BRK-1", ended).await;
}

async fn refused_connection(bench: &mut Bench<'_>) -> Checked {
    let order = bench.resting()?;
    bench.disturb(Calls::Submits, Disturbance::RefuseConnection).await?;
    let outcome = bench.submit(&order).await?;
    bench.calm_and_settle().await;
    ensure(matches!(outcome, Outcome::NotSent(_)), || format!("not a byte left, and the submit ended as {outcome:?}"))?;
    let arrivals = bench.rig().arrivals(order.client_order_id()).await;
    ensure(arrivals == 0, || format!("the submit is said to be not sent and arrived {arrivals} times"))?;
    bench.reconcile_submit(order.client_order_id(), Effect::NotDone).await
}

async fn doubted(bench: &mut Bench<'_>, doubt: Disturbance) -> Checked {
    let order = bench.resting()?;
    bench.disturb(Calls::Submits, doubt).await?;
    let outcome = bench.submit(&order).await?;
    bench.calm_and_settle().await;
    ensure(matches!(outcome, Outcome::Unknown(_)), || format!("the submit ended as {outcome:?}, not as unknown"))?;
    bench.reconcile_submit(order.client_order_id(), doubt.effect()).await
}

async fn dropped(bench: &mut Bench<'_>) -> Checked {
    let order = bench.resting()?;
    bench.disturb(Calls::Submits, Disturbance::HoldAnswer).await?;
    let broker = bench.broker();
    let Ok(grant) = broker.grant(Priority::Entry, broker.call_timeout()).await else {
        return fail("no grant for a submit; give the rig an ample budget");
    };
    let early = broker.call_timeout() / 4;
    if let Ok(outcome @ (Outcome::Accepted(_) | Outcome::Rejected(_) | Outcome::NotSent(_))) =
        timeout(early, broker.submit(&order, grant)).await
    {
        return fail(format!("the answer was held back, and the submit ended early as {outcome:?}"));
    }
    bench.calm_and_settle().await;
    bench.reconcile_submit(order.client_order_id(), Effect::Done).await
}

/// Cuts a submit at each byte in turn, until one passes unharmed.
async fn cut_everywhere(bench: &mut Bench<'_>, first: usize, cut: fn(usize) -> Disturbance) -> Checked {
    let mut unknown = Vec::new();
    for after in first..MOST_BYTES {
        let (order, disturbance) = (bench.resting()?, cut(after));
        bench.disturb(Calls::Submits, disturbance).await?;
        match bench.submit(&order).await? {
            Outcome::Unknown(_) => unknown.push(order.client_order_id().clone()),
            Outcome::Accepted(id) => {
                bench.calm_and_settle().await;
                ensure(!unknown.is_empty(), || "the very first cut did no harm".to_owned())?;
                whole(bench, order.client_order_id(), id.as_str(), after).await?;
                return judge(bench, &unknown, disturbance.effect()).await;
            }
            certain => return fail(format!("{disturbance}: the submit ended as {certain:?}, not as unknown")),
        }
    }
    fail(format!("no submit passed unharmed with {MOST_BYTES} bytes allowed"))
}

/// An id that was cut short would name another order.
async fn whole(bench: &Bench<'_>, id: &ClientOrderId, accepted: &str, after: usize) -> Checked {
    match bench.look_up(id).await? {
        Lookup::One(order) if order.id.as_str() == accepted => Ok(()),
        lookup => fail(format!("cut after {after} bytes, accepted as {accepted}, and the lookup says {lookup:?}")),
    }
}

/// One read for all of them: the list has grown long.
async fn judge(bench: &Bench<'_>, unknown: &[ClientOrderId], effect: Effect) -> Result<(), Stop> {
    let list = bench.orders().await?;
    let promised = usize::from(effect == Effect::Done);
    for id in unknown {
        let (arrivals, placed) = (bench.rig().arrivals(id).await, bench.rig().placed(id).await);
        ensure(arrivals <= 1 && placed <= 1, || format!("{id} arrived {arrivals} times and placed {placed} orders"))?;
        ensure(placed == promised, || format!("{id}: the rig promised {effect:?}, yet {placed} order(s) exist"))?;
        match list.find(id) {
            Lookup::One(_) if placed == 1 => {}
            Lookup::NotListed if placed == 0 => {}
            lookup => return fail(format!("{placed} order(s) {id} exist, and the list says {lookup:?}")),
        }
    }
    Ok(())
}
