//! A close by fills: they cover the position, the broker's positions agree, again and again, and no order works.

use super::{Evidence, VerifiedClosed};
use crate::id::PositionId;
use crate::look::Look;
use crate::position::Position;
use crate::tally::Count;
use crate::verdict::{Doubt, Source};

/// Judges a position that its fills have closed. `count` goes on from look to look.
///
/// The broker merges all that is held of a symbol into one row, so the signed net quantity of each symbol is held against
/// everything else in the book.
pub(crate) fn covered(
    look: &Look<'_>,
    id: &PositionId,
    position: &Position,
    count: &mut Option<Count>,
) -> Result<VerifiedClosed, Vec<Doubt>> {
    let mut doubts: Vec<Doubt> = look.orders_at_rest(id).err().into_iter().collect();
    let Some(rows) = &look.rows else { return Err(vec![look.not_read(Source::Positions)]) };
    for leg in &position.legs {
        let symbol = &leg.symbol;
        let checks = [look.at_rest(symbol), look.none_works(symbol), look.row_is_clear(symbol)];
        doubts.extend(checks.into_iter().filter_map(Result::err));
        let (others, broker, rest) = (&look.config.others, rows.quantity(symbol), look.book.net(symbol));
        if others.ours(symbol, rest, broker) != rest {
            let expected = others.expected(symbol, rest);
            doubts.push(Doubt::Differs { symbol: symbol.clone(), broker, expected });
        }
    }
    // An answer that was asked for before the fills were known is no answer to the question.
    if let (None, Some(leg)) = (look.asked_after.filter(|known| *known >= position.revision), position.legs.first()) {
        doubts.push(Doubt::Young { symbol: leg.symbol.clone() });
    }
    // Each differing leg has said it; two orders may be the same one.
    doubts.dedup();
    let confirm = look.config.confirm;
    if doubts.is_empty() {
        Count::add(count, look.asked(), confirm, None);
    } else if doubts.iter().any(|doubt| matches!(doubt, Doubt::Differs { .. })) {
        // It was seen again: what agreed before was chance, or old.
        *count = None;
    }
    let reads = count.as_ref().map_or(0, Count::reads);
    match count.as_ref().and_then(|count| count.complete(confirm)) {
        Some(reads) if doubts.is_empty() => {
            let orders = position.orders.iter().map(|order| order.broker_order_id().clone()).collect();
            let evidence = Evidence::Fills { orders, reads };
            Ok(VerifiedClosed { position: id.clone(), revision: position.revision, evidence })
        }
        None if doubts.is_empty() => Err(vec![Doubt::Awaiting { reads, wanted: confirm.reads }]),
        Some(_) | None => Err(doubts),
    }
}
