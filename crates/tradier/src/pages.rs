//! Lists that come in pages, without ever taking a part for the whole (BRK-2).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use backstop_broker::{BrokerOrderId, Order, ReadError};

/// Rows that we ask for per page.
pub(crate) const LIMIT: usize = 250;
/// Rows per page when the limit is ignored, as documented.
const DEFAULT_LIMIT: usize = 25;
/// More pages than a day of trading fills.
const MAX_PAGES: u32 = 100;
/// How often the list of orders is read again because it moved meanwhile.
const MAX_PASSES: u32 = 3;

/// All orders: each row once, in its latest form.
///
/// New orders push older ones from page to page. After more than one page the first one is read again; when it has
/// changed, the whole list is, because a row may have slipped from a page not read yet to one already read.
pub(crate) async fn orders<F>(mut page: impl FnMut(u32) -> F) -> Result<Vec<Order>, ReadError>
where
    F: Future<Output = Result<Vec<Order>, ReadError>>,
{
    for _ in 0..MAX_PASSES {
        let (pages, end) = collect(&mut page, same_orders).await?;
        let moved = match pages.first() {
            Some(first) if pages.len() > 1 || end == End::Repeats => !same_orders(first, &page(1).await?),
            _ => false,
        };
        if !moved {
            whole(&pages, end)?;
            let rows: BTreeMap<BrokerOrderId, Order> =
                pages.into_iter().flatten().map(|order| (order.id.clone(), order)).collect();
            return Ok(rows.into_values().collect());
        }
    }
    Err(partial(format!("the list of orders changed during each of {MAX_PASSES} reads")))
}

/// All rows of a list that does not move while it is read: the nightly ones.
pub(crate) async fn rows<T: PartialEq, F>(mut page: impl FnMut(u32) -> F) -> Result<Vec<T>, ReadError>
where
    F: Future<Output = Result<Vec<T>, ReadError>>,
{
    let (pages, end) = collect(&mut page, |a: &[T], b: &[T]| a == b).await?;
    whole(&pages, end)?;
    Ok(pages.into_iter().flatten().collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A page without rows.
    Empty,
    /// A page with the rows of the page before: page numbers are ignored, or stop counting at the last page.
    Repeats,
}

async fn collect<T, F>(
    page: &mut impl FnMut(u32) -> F,
    same: impl Fn(&[T], &[T]) -> bool,
) -> Result<(Vec<Vec<T>>, End), ReadError>
where
    F: Future<Output = Result<Vec<T>, ReadError>>,
{
    let mut pages: Vec<Vec<T>> = Vec::new();
    for number in 1..=MAX_PAGES {
        let rows = page(number).await?;
        if rows.is_empty() {
            return Ok((pages, End::Empty));
        }
        if pages.last().is_some_and(|last| same(last, &rows)) {
            return Ok((pages, End::Repeats));
        }
        pages.push(rows);
    }
    Err(partial(format!("more than {MAX_PAGES} pages")))
}

/// A server that ignores page numbers may still cut the list: then one page is not known to be all.
fn whole<T>(pages: &[Vec<T>], end: End) -> Result<(), ReadError> {
    match pages {
        [only] if end == End::Repeats && (only.len() >= LIMIT || only.len() == DEFAULT_LIMIT) => {
            Err(partial(format!("page numbers are ignored, and {} rows may be a cut list", only.len())))
        }
        _ => Ok(()),
    }
}

fn same_orders(a: &[Order], b: &[Order]) -> bool {
    let ids = |rows: &[Order]| rows.iter().map(|order| order.id.clone()).collect::<BTreeSet<_>>();
    ids(a) == ids(b)
}

fn partial(detail: String) -> ReadError {
    ReadError::Partial { detail }
}

#[cfg(test)]
mod tests;
