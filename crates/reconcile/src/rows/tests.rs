use proptest::prelude::*;

use super::*;
use crate::fixture::{dec, row as broker_row, symbol};

fn told(rows: &[Position]) -> Vec<(String, Decimal, Option<RowFault>)> {
    Rows::new(rows).iter().map(|row| (row.symbol().to_string(), row.quantity, row.fault)).collect()
}

#[test]
fn rows_of_one_symbol_are_one_row_that_says_so() {
    let rows = [broker_row("B", "1"), broker_row("A", "2"), broker_row("B", "-1"), broker_row("B", "4")];
    let wanted = [("A".to_owned(), dec("2"), None), ("B".to_owned(), dec("4"), Some(RowFault::Several))];
    assert_eq!(told(&rows), wanted);
    // Also where they come in order.
    let rows = [broker_row("A", "2"), broker_row("B", "1"), broker_row("B", "3")];
    assert_eq!(told(&rows), wanted);
}

#[test]
fn what_cannot_be_counted_exactly_stays_so_whatever_comes_after_it() {
    let most = "1000000000000";
    assert_eq!(told(&[broker_row("A", most)])[0].2, None);
    assert_eq!(told(&[broker_row("A", "0.0000000001")])[0].2, None);
    assert_eq!(told(&[broker_row("A", "0.10000000000000")])[0].2, None);
    for rows in [
        vec![broker_row("A", "1000000000000.1")],
        vec![broker_row("A", "0.00000000001")],
        vec![broker_row("A", most), broker_row("A", most)],
        vec![broker_row("A", "2000000000000"), broker_row("A", "-2000000000000")],
    ] {
        assert_eq!(told(&rows)[0].2, Some(RowFault::Uncountable), "{rows:?}");
    }
}

#[test]
fn a_row_with_zero_holds_nothing_and_one_that_is_odd_holds_who_knows_what() {
    assert!(Rows::new(&[]).hold_nothing());
    assert!(Rows::new(&[broker_row("A", "0")]).hold_nothing());
    assert!(!Rows::new(&[broker_row("A", "1")]).hold_nothing());
    assert!(!Rows::new(&[broker_row("A", "1"), broker_row("A", "-1")]).hold_nothing());
}

proptest! {
    // The texts in place sort as the symbols do, to their full length, and a prefix comes first.
    #[test]
    fn whatever_the_order_of_the_rows_they_come_in_that_of_the_symbols(
        mut names in prop::collection::vec("[!A-Z0-9./-]{1,32}", 1..40),
    ) {
        names.extend(names.clone().iter().filter(|name| name.len() < 32).map(|name| format!("{name}0")));
        let rows: Vec<Position> = names.iter().map(|name| broker_row(name, "1")).collect();
        let mut wanted: Vec<_> = names.iter().map(|name| symbol(name)).collect();
        wanted.sort();
        wanted.dedup();
        let sorted = Rows::new(&rows);
        prop_assert!(sorted.iter().map(Row::symbol).eq(wanted.iter()));
        for name in &wanted {
            let times = names.iter().filter(|other| other.as_str() == name.as_str()).count();
            prop_assert_eq!(sorted.quantity(name), Decimal::from(times));
        }
        prop_assert_eq!(sorted.quantity(&symbol("~")), Decimal::ZERO);
    }
}
