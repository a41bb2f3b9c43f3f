//! Every sequence, up to a length, of what a broker's answers may do while positions are opened, closed, closed in part, sold by
//! hand, and the process crashes: no position that is open leaves the book. The same search finds the incident where the proof
//! is taken out, once, often, or with the orders beside the list; and where only the grace for what is young is taken out, it
//! finds it by a list that lags and does nothing else.
//!
//! The list of positions may fail, be empty, be any list that it ever was, or lack any one row, for as long as it likes; the
//! list of orders may fail, or begin a new day; the answer to an exit may be lost. What is not in the model: two endpoints that
//! lie alike; and, beside somebody's undeclared shares in the same row, a process that has just come, or a list that is older
//! than the lag and right by chance (the crate's documentation says what is believed then).

mod node;

use std::collections::HashSet;

use self::node::{Broker, Node, Rule, Start};

/// How long a sequence is.
const LENGTH: usize = 4;
/// With `BACKSTOP_DEEP=1`.
const DEEP: usize = 5;

/// What a search came by.
#[derive(Debug, Default)]
struct Search {
    /// States, each of them judged.
    visited: usize,
    /// Different ones from which it went on.
    different: usize,
    /// How often a position left the book.
    removed: usize,
    /// The first in which something that is held is in no position.
    lost: Option<String>,
}

/// Visits every state that can be reached in so many steps.
#[expect(clippy::print_stdout, reason = "how far a search went, for whoever asks")]
fn explore(start: Start, rule: Rule, broker: Broker, length: usize) -> Search {
    let mut layer = vec![Node::first(start)];
    let mut search = Search::default();
    for step in 1..=length {
        let is_last = step == length;
        let mut next = Vec::new();
        let mut seen = HashSet::new();
        for node in layer {
            for step in if is_last { node.looks(broker) } else { node.steps(broker) } {
                let mut after = node.clone();
                after.take(step, rule);
                search.visited += 1;
                search.removed += usize::from(after.positions() < node.positions());
                search.lost = after.forgotten();
                if search.lost.is_some() {
                    return search;
                }
                if !is_last && seen.insert(after.key()) {
                    next.push(after);
                }
            }
        }
        search.different += next.len();
        layer = next;
    }
    println!("{start:?}, {rule:?}, {broker:?}: {search:?}");
    search
}

// proves: REC-5
#[test]
fn no_sequence_of_failed_old_or_empty_lists_takes_an_open_position_out_of_the_book() {
    let is_deep = std::env::var_os("BACKSTOP_DEEP").is_some_and(|value| value != "0");
    for start in [Start::Alone, Start::BesideTheirs] {
        let search = explore(start, Rule::Ours, Broker::Hostile, if is_deep { DEEP } else { LENGTH });
        assert_eq!(search.lost, None, "{search:?}");
        // It is no search in which nothing ever leaves.
        assert!(search.visited > 10_000 && search.removed > 50, "{search:?}");
    }
}

#[test]
fn the_search_finds_the_incident_where_the_list_alone_decides() {
    for rule in [Rule::NotListed, Rule::NotListedOften, Rule::NoneWorks { grace: true }] {
        let search = explore(Start::Alone, rule, Broker::Hostile, LENGTH);
        assert!(search.lost.is_some(), "{search:?}");
    }
}

// proves: REC-3
#[test]
fn without_grace_a_list_that_lags_and_does_nothing_else_is_enough() {
    let search = explore(Start::Alone, Rule::NoneWorks { grace: false }, Broker::Lags, LENGTH);
    assert!(search.lost.is_some(), "{search:?}");
    for rule in [Rule::NoneWorks { grace: true }, Rule::Ours] {
        let search = explore(Start::Alone, rule, Broker::Lags, LENGTH);
        assert!(search.lost.is_none() && search.removed > 0, "{search:?}");
    }
}
