use std::cell::{Cell, RefCell};

use backstop_broker::OrderStatus;

use super::*;

fn row(id: u32) -> Order {
    Order {
        id: BrokerOrderId::new(&id.to_string()).unwrap(),
        label: None,
        status: OrderStatus::Open,
        legs: vec![],
        net_price: None,
        created_at: None,
        reason: None,
    }
}

/// Reads from a server whose list, newest first, is `list` at each request.
async fn read(list: impl Fn(u32) -> Vec<u32>, size: usize) -> (Result<Vec<u32>, ReadError>, u32) {
    let calls = Cell::new(0);
    let result = orders(|page| {
        calls.set(calls.get() + 1);
        let now = list(calls.get());
        let from = (usize::try_from(page).unwrap() - 1) * size;
        let rows: Vec<Order> = now.iter().skip(from).take(size).map(|id| row(*id)).collect();
        std::future::ready(Ok(rows))
    })
    .await;
    let ids = result.map(|rows| {
        let mut ids: Vec<u32> = rows.iter().map(|order| order.id.as_str().parse().unwrap()).collect();
        ids.sort_unstable();
        ids
    });
    (ids, calls.get())
}

#[tokio::test]
async fn many_pages_are_read_to_the_empty_one() {
    let all: Vec<u32> = (1..=10).collect();
    for size in 1..12 {
        assert_eq!(read(|_| all.clone(), size).await.0, Ok(all.clone()), "{size} rows a page");
    }
    assert_eq!(read(|_| vec![], 25).await, (Ok(vec![]), 1));
    assert_eq!(read(|_| vec![7], 25).await, (Ok(vec![7]), 2));
}

// proves: BRK-2
#[tokio::test]
async fn an_order_that_arrives_between_any_two_requests_hides_no_other() {
    for at in 1..12 {
        let list = |call: u32| (1..=if call >= at { 8 } else { 7 }).rev().collect::<Vec<u32>>();
        let (ids, _) = read(list, 3).await;
        let ids = ids.unwrap();
        assert!((1..=7).all(|id| ids.contains(&id)), "arrived at request {at}: {ids:?}");
    }
}

// proves: BRK-2
#[tokio::test]
async fn a_row_that_leaves_between_any_two_requests_hides_no_other() {
    for at in 1..12 {
        // Oldest first; the oldest leaves and every other moves up a place, some to a page already read.
        let list = |call: u32| (if call >= at { 2 } else { 1 }..=7).collect::<Vec<u32>>();
        let ids = read(list, 3).await.0.unwrap();
        assert!((2..=7).all(|id| ids.contains(&id)), "left at request {at}: {ids:?}");
    }
}

// proves: BRK-2
#[tokio::test]
async fn a_list_that_never_stands_still_is_not_taken_for_whole() {
    let (result, calls) = read(|call| (1..=10 + call).rev().collect(), 3).await;
    assert!(matches!(result, Err(ReadError::Partial { .. })), "{result:?}");
    assert!(calls < 100);
}

async fn read_ignoring_pages(count: u32) -> (Result<usize, ReadError>, u32) {
    let calls = Cell::new(0);
    let result = orders(|_| {
        calls.set(calls.get() + 1);
        std::future::ready(Ok((1..=count).map(row).collect()))
    })
    .await;
    (result.map(|rows| rows.len()), calls.get())
}

// proves: BRK-2
#[tokio::test]
async fn where_page_numbers_are_ignored_a_list_that_may_be_cut_is_not_taken_for_whole() {
    for count in [1, 24, 26, 249] {
        assert_eq!(read_ignoring_pages(count).await, (Ok(usize::try_from(count).unwrap()), 3));
    }
    for count in [25, 250, 251] {
        let (result, calls) = read_ignoring_pages(count).await;
        assert!(matches!(result, Err(ReadError::Partial { .. })) && calls == 3, "{count}: {result:?}");
    }
}

// proves: BRK-2
#[tokio::test]
async fn a_failure_at_any_request_is_the_answer() {
    let failed = ReadError::TimedOut { detail: String::new() };
    for bad in 1..=5 {
        let calls = Cell::new(0);
        let result = orders(|page| {
            calls.set(calls.get() + 1);
            let rows = if page <= 3 { vec![row(page)] } else { vec![] };
            std::future::ready(if calls.get() == bad { Err(failed.clone()) } else { Ok(rows) })
        })
        .await;
        assert_eq!(result, Err(failed.clone()), "request {bad}");
    }
}

#[tokio::test]
async fn pages_without_end_are_given_up() {
    let endless = orders(|page| std::future::ready(Ok(vec![row(page)]))).await;
    assert!(matches!(endless, Err(ReadError::Partial { .. })));
    let asked = RefCell::new(vec![]);
    let clamped = rows(|page| {
        asked.borrow_mut().push(page);
        std::future::ready(Ok(vec![page.min(3)]))
    })
    .await;
    assert_eq!((clamped, asked.into_inner()), (Ok(vec![1, 2, 3]), vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn a_row_seen_twice_counts_once_in_its_later_form() {
    let calls = Cell::new(0);
    let read = orders(|page| {
        calls.set(calls.get() + 1);
        let later = Order { status: OrderStatus::Filled, ..row(2) };
        std::future::ready(Ok(match page {
            1 => vec![row(1), row(2)],
            2 => vec![later, row(3)],
            _ => vec![],
        }))
    })
    .await
    .unwrap();
    assert_eq!(read.len(), 3);
    assert!(read.iter().any(|order| order.id.as_str() == "2" && order.status == OrderStatus::Filled));
}
