//! The log and the request budget beside their peers: a column for each way of calling, a row for each peer.

use super::figures::{Figures, Spread, short, time};
use super::plot::Bar;
use super::table::{Line, Wanted, grid, round};

const LOGS: [&str; 7] = ["backstop", "okaywal", "raft-engine", "wal-db", "fjall", "rusqlite", "redb"];
const OURS: &str = "backstop";
/// One thread that writes as many records at once as the column has writers.
const LIMIT: &str = "limit: batch";

/// One way of appending: what is the floor, and what was wanted of ours.
struct Column {
    name: &'static str,
    floor: &'static str,
    /// Of the best peer, of the floor and of the limit, where there is such a wish.
    wanted: [Option<f64>; 3],
}

const fn column(name: &'static str, floor: &'static str, wanted: [Option<f64>; 3]) -> Column {
    Column { name, floor, wanted }
}

/// A table, and its bars.
pub(super) struct Made {
    pub(super) markdown: String,
    pub(super) bars: Vec<Bar>,
}

pub(super) fn logs(section: &str, figures: &Figures) -> Made {
    let (columns, title): (&[Column], _) = match section {
        "durable" => (
            &[
                column("1 thread", LIMIT, [Some(0.95), Some(0.9), None]),
                column("8 threads", "floor: group", [Some(1.5), Some(0.85), Some(0.55)]),
                column("64 threads", "floor: group", [Some(1.8), Some(0.85), Some(0.18)]),
                column("64 tasks", "floor: async", [Some(6.0), Some(0.7), Some(0.35)]),
            ],
            "durable appends of 128 bytes",
        ),
        "slow" => (
            &[
                column("1 thread", LIMIT, [None; 3]),
                column("8 threads", "floor: group", [Some(1.5), None, Some(0.75)]),
                column("64 threads", "floor: group", [Some(1.5), None, Some(0.7)]),
                column("64 tasks", "floor: async", [Some(1.6), None, Some(0.7)]),
            ],
            "durable appends of 128 bytes, every sync one millisecond longer",
        ),
        _ => (
            &[
                column("1 thread", "floor: one pwrite", [Some(1.0), Some(0.85), None]),
                column("8 threads", "floor: one pwrite", [Some(1.0), None, None]),
            ],
            "appends of 128 bytes without a sync",
        ),
    };
    let id = |column: &Column, row: &str| format!("{section}/{}/{row}", column.name);
    let mut head = vec![title.to_owned()];
    head.extend(columns.iter().map(|column| column.name.to_owned()));
    let mut rows = vec![head];
    let mut push = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
        }
    };
    let best = |column: &Column| {
        let peers = LOGS.into_iter().filter(|name| *name != OURS);
        let measured = peers.filter_map(|name| Some((name, figures.spread(&id(column, name))?.median)));
        measured.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, _)| name)
    };
    let over = |column: &Column, other: &str| figures.ratio(&id(column, OURS), &id(column, other));
    push("backstop over the best peer", &|column| {
        let Some((peer, ratio)) = best(column).and_then(|peer| Some((peer, over(column, peer)?))) else {
            return String::new();
        };
        format!("{peer}: {}", judged(ratio, column.wanted[0]))
    });
    push("backstop over the floor", &|column| {
        over(column, column.floor).map_or_else(String::new, |ratio| judged(ratio, column.wanted[1]))
    });
    push("backstop, of one who writes as many at once", &|column| {
        // One alone has nobody to write for.
        let limit = (column.floor != LIMIT).then(|| over(column, LIMIT)).flatten();
        limit.map_or_else(String::new, |ratio| judged(ratio, column.wanted[2]))
    });
    push("records a flush: backstop, best peer", &|column| {
        let each = |name| figures.spread(&format!("{}/a flush", id(column, name))).map(|each| short(each.median));
        match (each(OURS), best(column).and_then(each)) {
            (Some(ours), Some(theirs)) => format!("{ours}, {theirs}"),
            _ => String::new(),
        }
    });
    for name in LOGS.into_iter().filter(|name| *name != OURS) {
        push(&format!("{name} over the floor"), &|column| {
            figures.ratio(&id(column, name), &id(column, column.floor)).map_or_else(String::new, |ratio| ratio.shown())
        });
    }
    let bars = columns.iter().flat_map(|column| {
        LOGS.iter().filter_map(move |name| {
            let best = (*name == OURS).then(|| best(column)).flatten();
            let best = best.and_then(|peer| figures.ratio(&id(column, peer), &id(column, column.floor)));
            Some(Bar {
                heading: column.name.to_owned(),
                label: (*name).to_owned(),
                ratio: figures.ratio(&id(column, name), &id(column, column.floor))?,
                wanted: column.wanted[0].zip(best).map(|(wanted, best)| wanted * best.median),
                is_ours: *name == OURS,
            })
        })
    });
    Made { markdown: grid(&rows), bars: bars.collect() }
}

/// Whether it is the name of a log that is not ours.
pub(super) fn is_peer(name: &str) -> bool {
    name != OURS && LOGS.contains(&name)
}

/// `1.26 (1.20 to 1.31), wanted 1.5: **missed**`; more is better.
fn judged(ratio: Spread, wanted: Option<f64>) -> String {
    match wanted {
        None => ratio.shown(),
        Some(wanted) if round(ratio.median) >= wanted => {
            format!("{}, wanted {wanted}", ratio.shown())
        }
        Some(wanted) => format!("{}, wanted {wanted}: **missed**", ratio.shown()),
    }
}

/// Opening: with all records live, and with few of many.
pub(super) fn openings(figures: &Figures) -> (Vec<Line>, Vec<Vec<String>>) {
    let millis = |id: &str| figures.spread(id).map(|spread| spread.median * 1e6);
    let mut lines = Vec::new();
    for name in LOGS {
        let id = format!("recovery/{name}");
        let Some(ratio) = figures.ratio(&id, "recovery/floor") else { continue };
        let memory = figures.spread(&format!("{id}/memory")).map_or_else(String::new, |most| short(most.median));
        lines.push(Line {
            what: format!("{name}, {memory} MiB at the peak"),
            time: None,
            beside: "the file read, CRC-32C of each record".to_owned(),
            ratio,
            wanted: (name == OURS).then_some(Wanted::AtMost(1.7)),
            others: Vec::new(),
        });
    }
    let mut rows =
        vec![["opening with 10 records live, after checkpoints", "takes", "left on disk"].map(str::to_owned).to_vec()];
    for (name, id) in [
        ("floor: a file of 10 records", "floor"),
        ("backstop, 1,000,000 written before", "1000000 written"),
        ("backstop, 100,000,000 written before", "100000000 written"),
    ] {
        let Some(took) = millis(&format!("history/{id}")) else { continue };
        let bytes = figures.spread(&format!("history/{id}/bytes"));
        let left = bytes.map_or_else(String::new, |bytes| format!("{} MiB", short(bytes.median / 1_048_576.0)));
        rows.push(vec![name.to_owned(), time(took), left]);
    }
    (lines, rows)
}

const BUDGETS: [(&str, &str); 12] = [
    ("exact ring, both windows", "exact ring, both windows"),
    ("backstop, both windows", "backstop, both windows"),
    ("backstop, both windows, on governor's clock (`quanta`)", "backstop, both windows, quanta's clock"),
    ("governor, one window", "governor, one window"),
    ("governor, one window, on `Instant`", "governor, one window, Instant"),
    ("governor twice", "governor twice"),
    ("ratelimit, one window", "ratelimit, one window"),
    ("leaky-bucket, one window", "leaky-bucket, one window"),
    ("throttle-net `Throttle`, one window", "throttle-net Throttle, one window"),
    ("throttle-net `SlidingWindowLog`, one window", "throttle-net SlidingWindowLog, one window"),
    ("throttle-net `Hybrid` of two logs", "throttle-net Hybrid of two logs"),
    ("tokio `Semaphore`, topped up each window, no clock", "tokio Semaphore, topped up each window"),
];
/// It counts by whole seconds: nothing can be said of what it takes in windows of microseconds.
const BY_SECONDS: (&str, &str) =
    ("rate_limiters `SlidingWindowLog`, one window", "rate_limiters SlidingWindowLog, one window");

pub(super) fn budgets(figures: &Figures) -> Made {
    const FLOOR: &str = "exact ring, both windows";
    const SPEEDS: [&str; 4] = ["granted/1", "refused/1", "granted/2", "refused/2"];
    let head =
        ["", "granted", "refused", "granted, two threads", "refused, two threads", "most in a window of 3", "of 950"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let ratio = |table: &str, id: &str| {
        figures.ratio(&format!("rate_peers_{table}/{id}"), &format!("rate_peers_{table}/{FLOOR}"))
    };
    for (name, id) in BUDGETS.into_iter().chain([BY_SECONDS]) {
        let mut row = vec![name.to_owned()];
        row.extend(SPEEDS.map(|table| ratio(table, id).map_or_else(String::new, |ratio| ratio.shown())));
        for max in [3, 950] {
            let most = figures.spread(&format!("rate_peers_most/{max}/{id}")).map(|most| most.most);
            row.push(most.map_or_else(String::new, |most| {
                if most > f64::from(max) { format!("**{most}**") } else { most.to_string() }
            }));
        }
        if row.iter().skip(1).any(|cell| !cell.is_empty()) {
            rows.push(row);
        }
    }
    let bars = [("granted", SPEEDS[0], Some(1.15)), ("refused", SPEEDS[1], None)].into_iter().flat_map(
        |(heading, table, wanted)| {
            BUDGETS.iter().skip(1).filter_map(move |(name, id)| {
                Some(Bar {
                    heading: heading.to_owned(),
                    label: name.replace('`', "").replace(" (quanta)", ""),
                    ratio: ratio(table, id)?,
                    wanted: wanted.filter(|_| *name == "backstop, both windows"),
                    is_ours: name.starts_with(OURS),
                })
            })
        },
    );
    Made { markdown: grid(&rows), bars: bars.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_peer_is_named_and_the_wish_is_marked_where_it_would_be() {
        let mut figures = Figures::default();
        for (row, rates) in [("backstop", [30.0, 26.0]), ("okaywal", [10.0, 10.0]), ("fjall", [20.0, 20.0])] {
            figures.add(&format!("durable/8 threads/{row}"), &rates);
        }
        figures.add("durable/8 threads/floor: group", &[40.0, 40.0]);
        figures.add("durable/8 threads/backstop/a flush", &[6.0]);
        figures.add("durable/8 threads/fjall/a flush", &[1.0]);
        let made = logs("durable", &figures);
        let row = |name: &str| made.markdown.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        assert!(row("over the best peer").contains("fjall: 1.50 (1.30 to 1.50), wanted 1.5 |"), "{}", made.markdown);
        assert!(row("backstop over the floor").contains("0.75 (0.65 to 0.75), wanted 0.85: **missed**"));
        assert!(row("records a flush").contains("6, 1"));
        assert!(!made.markdown.contains("redb"), "{}", made.markdown);
        let ours = made.bars.iter().find(|bar| bar.is_ours).expect("ours");
        assert_eq!((ours.ratio.median, ours.wanted), (0.75, Some(0.75)));
    }

    #[test]
    fn more_grants_than_a_window_allows_stand_out() {
        let mut figures = Figures::default();
        figures.add("rate_peers_most/3/governor, one window", &[5.0]);
        figures.add("rate_peers_most/3/backstop, both windows", &[3.0]);
        let made = budgets(&figures);
        assert!(made.markdown.contains("| governor, one window |  |  |  |  | **5** |  |"), "{}", made.markdown);
        assert!(made.markdown.contains("| backstop, both windows |  |  |  |  | 3 |  |"), "{}", made.markdown);
    }
}
