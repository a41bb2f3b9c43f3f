//! Which figures of the benches are held beside which.

use super::figures::Figures;
use super::table::{Line, Wanted};

/// One comparison: ids of figures, and the words for them.
struct Row {
    what: &'static str,
    ours: &'static str,
    /// What is compared with, in words.
    beside: &'static str,
    floor: &'static str,
    wanted: Option<Wanted>,
    /// Name and id of others, that are held beside the same.
    others: &'static [(&'static str, &'static str)],
}

const fn row(what: &'static str, ours: &'static str, beside: &'static str, floor: &'static str) -> Row {
    Row { what, ours, beside, floor, wanted: None, others: &[] }
}

impl Row {
    const fn at_most(self, ratio: f64) -> Self {
        Self { wanted: Some(Wanted::AtMost(ratio)), ..self }
    }

    const fn under(self, nanos: f64) -> Self {
        Self { wanted: Some(Wanted::Under(nanos)), ..self }
    }

    const fn others(self, others: &'static [(&'static str, &'static str)]) -> Self {
        Self { others, ..self }
    }
}

/// What `figures` say about the rows of `section`; rows that were not measured are left out.
pub(super) fn lines(section: &str, figures: &Figures) -> Vec<Line> {
    let made = |row: &Row| {
        let others = row.others.iter();
        Some(Line {
            what: row.what.to_owned(),
            time: figures.spread(row.ours),
            beside: row.beside.to_owned(),
            ratio: figures.ratio(row.ours, row.floor)?,
            wanted: row.wanted,
            others: others.filter_map(|(name, id)| Some(((*name).to_owned(), figures.ratio(id, row.floor)?))).collect(),
        })
    };
    rows(section).iter().filter_map(made).collect()
}

fn rows(section: &str) -> &'static [Row] {
    match section {
        "lock" => &LOCK,
        "log" => &LOG,
        "guard" => &GUARD,
        "rollback" => &ROLLBACK,
        "budget" => &BUDGET,
        "symbols" => &SYMBOLS,
        "quotes" => &QUOTES,
        "reconcile" => &RECONCILE,
        "budget-peers" => &BUDGET_PEERS,
        _ => &[],
    }
}

const LOCK: [Row; 10] = [
    row("a start", "lock_acquire/backstop", "open, flock, close", "lock_acquire/floor"),
    row(
        "a start",
        "lock_acquire/backstop",
        "the same, the record read, written in place and synced",
        "lock_acquire/floor, durable record",
    ),
    row(
        "a start, where a sync costs nothing",
        "lock_acquire_in_memory/backstop",
        "open, flock, close",
        "lock_acquire_in_memory/floor",
    )
    .at_most(2.2)
    .others(&[("with the record", "lock_acquire_in_memory/floor, record")]),
    row(
        "refused, and told who is inside",
        "lock_refused/backstop",
        "open, refused, the record's bytes read",
        "lock_refused/floor",
    )
    .at_most(1.2),
    row("asked before each order", "lock_still_held/backstop", "one stat", "lock_still_held/floor"),
    row("taken over after SIGKILL", "lock_takeover/backstop", "a thread blocked in flock", "lock_takeover/floor"),
    row(
        "taken over after SIGKILL",
        "lock_takeover/backstop",
        "the same, then the record read, written and synced",
        "lock_takeover/floor, durable record",
    ),
    row(
        "the same, where a sync costs nothing",
        "lock_takeover_in_memory/backstop",
        "a thread blocked in flock",
        "lock_takeover_in_memory/floor",
    )
    .at_most(1.3),
    row(
        "the same, async",
        "lock_takeover_in_memory/backstop, async",
        "that thread, which tells a task",
        "lock_takeover_in_memory/floor, async",
    ),
    row(
        "the same, async",
        "lock_takeover_in_memory/backstop, async",
        "a thread blocked in flock",
        "lock_takeover_in_memory/floor",
    ),
];

const LOG: [Row; 4] = [
    row(
        "a durable append",
        "wal_append/backstop",
        "144 bytes into blocks that were written before, and fdatasync",
        "wal_append/floor",
    )
    .at_most(1.11),
    row(
        "an append without a sync",
        "wal_append_buffered/backstop",
        "the same without the sync",
        "wal_append_buffered/floor",
    )
    .at_most(1.18),
    row(
        "durable, one of 8 threads",
        "wal_append_together/8 threads",
        "the durable floor, one after the other",
        "wal_append/floor",
    ),
    row(
        "durable, one of 64 threads",
        "wal_append_together/64 threads",
        "the durable floor, one after the other",
        "wal_append/floor",
    ),
];

const GUARD: [Row; 10] = [
    row(
        "one key, through a handle",
        "guard_one_key/backstop",
        "a flag: look, compare-and-swap, store",
        "guard_one_key/floor",
    )
    .at_most(1.3)
    .others(&[
        ("parking_lot Mutex", "guard_one_key/parking_lot"),
        ("std Mutex", "guard_one_key/std Mutex"),
        ("tokio Mutex", "guard_one_key/tokio Mutex"),
        ("tokio Semaphore", "guard_one_key/tokio Semaphore"),
    ]),
    row("one key, owned permit", "guard_one_key/backstop, owned permit", "the same flag", "guard_one_key/floor")
        .at_most(2.5)
        .others(&[("tokio Semaphore, owned permit", "guard_one_key/tokio Semaphore, owned permit")]),
    row(
        "one key, with the machine's clock",
        "guard_one_key/backstop, with the machine's clocks",
        "the same flag",
        "guard_one_key/floor",
    ),
    row("one key, refused", "guard_one_key_refused/backstop", "one look at the flag", "guard_one_key_refused/floor")
        .at_most(1.5)
        .others(&[
            ("parking_lot Mutex", "guard_one_key_refused/parking_lot"),
            ("std Mutex", "guard_one_key_refused/std Mutex"),
            ("tokio Mutex", "guard_one_key_refused/tokio Mutex"),
            ("tokio Semaphore", "guard_one_key_refused/tokio Semaphore"),
        ]),
    row(
        "10,000 keys",
        "guard_many_keys_got/backstop",
        "a look-up in a map that nobody changes, and the flag",
        "guard_many_keys_got/floor",
    )
    .at_most(1.25)
    .others(&[
        ("DashMap, `Arc<str>` keys", "guard_many_keys_got/dashmap"),
        ("scc, `String` keys", "guard_many_keys_got/scc"),
    ]),
    row(
        "10,000 keys, refused",
        "guard_many_keys_refused/backstop",
        "the same look-up, one look at the flag",
        "guard_many_keys_refused/floor",
    )
    .others(&[("DashMap", "guard_many_keys_refused/dashmap"), ("scc", "guard_many_keys_refused/scc")]),
    row(
        "one key, two threads",
        "guard_one_key_two_threads/backstop",
        "the flag, two threads",
        "guard_one_key_two_threads/floor",
    )
    .others(&[("parking_lot Mutex", "guard_one_key_two_threads/parking_lot")]),
    row(
        "10,000 keys, two threads",
        "guard_many_keys_two_threads/backstop",
        "the look-up and the flag, two threads",
        "guard_many_keys_two_threads/floor",
    )
    .others(&[("DashMap", "guard_many_keys_two_threads/dashmap"), ("scc", "guard_many_keys_two_threads/scc")]),
    row(
        "10,000 keys, two threads",
        "guard_many_keys_two_threads/backstop",
        "DashMap, two threads",
        "guard_many_keys_two_threads/dashmap",
    )
    .at_most(0.56),
    row(
        "one key, claims on disk",
        "guard_stored/backstop, entered and ended",
        "two durable appends of 180 bytes",
        "guard_stored/floor: two appends",
    ),
];

const BY_HAND: &str = "four changes by hand under one lock";

const ROLLBACK: [Row; 12] = [
    row("commit, 10 positions", "rollback_commit/backstop/10", BY_HAND, "rollback_commit/floor/10")
        .under(1_000.0)
        .others(&[("deep copy", "rollback_commit/deep copy/10")]),
    row("commit, 1,000", "rollback_commit/backstop/1000", BY_HAND, "rollback_commit/floor/1000")
        .under(1_000.0)
        .others(&[("deep copy", "rollback_commit/deep copy/1000")]),
    row("commit, 100,000", "rollback_commit/backstop/100000", BY_HAND, "rollback_commit/floor/100000")
        .under(1_000.0)
        .others(&[("deep copy", "rollback_commit/deep copy/100000")]),
    row("undo, 10 positions", "rollback_undo/backstop/10", BY_HAND, "rollback_undo/floor/10")
        .others(&[("deep copy", "rollback_undo/deep copy/10")]),
    row("undo, 1,000", "rollback_undo/backstop/1000", BY_HAND, "rollback_undo/floor/1000")
        .others(&[("deep copy", "rollback_undo/deep copy/1000")]),
    row("undo, 100,000", "rollback_undo/backstop/100000", BY_HAND, "rollback_undo/floor/100000")
        .others(&[("deep copy", "rollback_undo/deep copy/100000")]),
    row(
        "an order, reserved to closed, 100,000 positions",
        "rollback_ledger/reserved, filled, ended, closed/100000",
        "the same with 10",
        "rollback_ledger/reserved, filled, ended, closed/10",
    ),
    row(
        "a ledger's snapshot, 100,000 positions",
        "rollback_ledger/snapshot/100000",
        "the same with 10",
        "rollback_ledger/snapshot/10",
    ),
    row(
        "the first order behind it, 100,000",
        "rollback_ledger/reserved and dropped behind a snapshot/100000",
        "an order behind none",
        "rollback_ledger/reserved and dropped/100000",
    ),
    row(
        "an order while another takes snapshots, 100,000: median",
        "rollback_stall/100000/somebody always looks/median",
        "while nobody looks",
        "rollback_stall/100000/nobody looks/median",
    ),
    row(
        "the same, 99 %",
        "rollback_stall/100000/somebody always looks/99 %",
        "while nobody looks",
        "rollback_stall/100000/nobody looks/99 %",
    ),
    row(
        "the same, the longest",
        "rollback_stall/100000/somebody always looks/longest",
        "while nobody looks",
        "rollback_stall/100000/nobody looks/longest",
    )
    .under(1e6),
];

const RING: &str = "a ring of the last grants for each window, under one lock, and `Instant::now`";

const BUDGET: [Row; 4] = [
    row("granted", "rate_granted/backstop", RING, "rate_granted/floor").at_most(1.15),
    row("refused", "rate_refused/backstop", RING, "rate_refused/floor"),
    row("granted, two threads", "rate_granted_two_threads/backstop", "the same", "rate_granted_two_threads/floor")
        .at_most(1.0),
    row("refused, two threads", "rate_refused_two_threads/backstop", "the same", "rate_refused_two_threads/floor")
        .at_most(1.0),
];

const SYMBOLS: [Row; 4] = [
    row("an equity kept", "symbol_keep/equity/backstop", "bytes looked at once, text kept", "symbol_keep/equity/floor"),
    row("an option kept", "symbol_keep/option/backstop", "the same", "symbol_keep/option/floor"),
    row(
        "an option read",
        "option_read/backstop",
        "split by position, numbers read, nothing checked",
        "option_read/floor",
    ),
    row("an option printed", "option_print/backstop", "the parts formatted", "option_print/floor"),
];

const RECEIVED: &str = "looked up in a map, copied over the one before";
const FRESH: &str = "looked up, one age compared, copied";

const QUOTES: [Row; 5] = [
    row(
        "received, from a stream",
        "quote_receive/stream/backstop",
        RECEIVED,
        "quote_receive/stream/floor: looked up and copied",
    )
    .under(100.0),
    row(
        "received, from Tradier",
        "quote_receive/tradier/backstop",
        RECEIVED,
        "quote_receive/tradier/floor: looked up and copied",
    )
    .under(100.0),
    row("judged, from a stream", "quote_fresh/stream/backstop", FRESH, "quote_fresh/stream/floor: age compared")
        .under(100.0),
    row("judged, from Tradier", "quote_fresh/tradier/backstop", FRESH, "quote_fresh/tradier/floor: age compared")
        .under(100.0),
    row(
        "once more at the submit",
        "quote_fresh/tradier/backstop, once more at the submit",
        "one reading of both clocks of the machine",
        "quote_fresh/tradier/the machine's clocks, once",
    ),
];

const WALKED: (&str, &str) =
    ("two `BTreeMap`s kept in order, walked", "reconcile_diff/two BTreeMaps, kept in order, walked");

const RECONCILE: [Row; 4] = [
    row(
        "100,003 positions, the answer shuffled",
        "reconcile_diff/backstop, a whole run",
        "a join over a `HashMap` of strings",
        "reconcile_diff/join over a HashMap of Strings",
    )
    .at_most(0.5)
    .others(&[WALKED]),
    row(
        "100,003 positions, the answer sorted",
        "reconcile_diff/backstop, a whole run, the answer sorted",
        "symbols and quantities touched once",
        "reconcile_diff/floor: each symbol and quantity touched",
    )
    .at_most(2.0)
    .others(&[WALKED]),
    row(
        "10,007 rows read and judged",
        "reconcile_parse/and judged by backstop",
        "serde_json, borrowed, numbers as text",
        "reconcile_parse/floor: serde_json, borrowed",
    )
    .at_most(1.3)
    .others(&[("made positions, not judged", "reconcile_parse/and made positions")]),
    row(
        "10,007 rows read and judged",
        "reconcile_parse/and judged by backstop",
        "the same, made positions",
        "reconcile_parse/and made positions",
    ),
];

const BUDGET_PEERS: [Row; 6] = [
    row(
        "granted",
        "rate_peers_granted/1/backstop, both windows",
        "the exact ring",
        "rate_peers_granted/1/exact ring, both windows",
    )
    .at_most(1.15),
    row(
        "refused, on `Instant`",
        "rate_peers_refused/1/backstop, both windows",
        "governor on the same clock",
        "rate_peers_refused/1/governor, one window, Instant",
    )
    .at_most(1.3),
    row(
        "refused, on `quanta`",
        "rate_peers_refused/1/backstop, both windows, quanta's clock",
        "governor on the same clock",
        "rate_peers_refused/1/governor, one window",
    )
    .at_most(1.3),
    row(
        "granted, on `quanta`",
        "rate_peers_granted/1/backstop, both windows, quanta's clock",
        "two governors on the same clock",
        "rate_peers_granted/1/governor twice",
    )
    .at_most(1.0),
    row(
        "granted, two threads",
        "rate_peers_granted/2/backstop, both windows",
        "the exact ring",
        "rate_peers_granted/2/exact ring, both windows",
    )
    .at_most(1.0),
    row(
        "refused, two threads",
        "rate_peers_refused/2/backstop, both windows",
        "the exact ring",
        "rate_peers_refused/2/exact ring, both windows",
    )
    .at_most(1.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_not_measured_is_left_out() {
        let mut figures = Figures::default();
        assert!(lines("symbols", &figures).is_empty());
        figures.add("option_read/backstop", &[30.0]);
        figures.add("option_read/floor", &[20.0]);
        let made = lines("symbols", &figures);
        assert_eq!(
            made.iter().map(|line| (line.what.as_str(), line.ratio.median)).collect::<Vec<_>>(),
            [("an option read", 1.5)]
        );
    }
}
