//! The tables of the page: which benches each is made of, and what stands in it.

use super::figures::{Figures, short, time};
use super::plot::{self, Bar};
use super::table::{Line, Wanted, grid, markdown};
use super::{peers, rows};

/// A table with a picture.
pub(super) struct Section {
    /// In the marks of the page, and of the picture's file.
    pub(super) name: &'static str,
    pub(super) benches: &'static [&'static str],
    title: &'static str,
}

const fn section(name: &'static str, benches: &'static [&'static str], title: &'static str) -> Section {
    Section { name, benches, title }
}

/// In the order of the page.
pub(super) const SECTIONS: [Section; 13] = [
    section("lock", &["lock_acquire", "lock_takeover"], "The lock file: time over the floor's, less is better"),
    section("log", &["wal_append"], "The log: time over the floor's, less is better"),
    section("durable", &["peers"], "Durable appends: records a second over the floor's, more is better"),
    section("slow", &["peers"], "Durable appends on a slow disk: records a second over the floor's, more is better"),
    section("buffered", &["peers"], "Appends without a sync: records a second over the floor's, more is better"),
    section("recovery", &["peers"], "Opening with 1,000,000 records live: time over the floor's, less is better"),
    section("guard", &["guard_enter"], "The guard: time over the floor's, less is better"),
    section("rollback", &["rollback_txn"], "Transactions and the ledger: time over the other's, less is better"),
    section("budget", &["rate_acquire"], "The request budget: time over the exact ring's, less is better"),
    section("budget-peers", &["rate-peers"], "The request budget: time over the exact ring's, less is better"),
    section("symbols", &["symbol_parse"], "Symbols: time over the floor's, less is better"),
    section("quotes", &["quote_check"], "Quotes: time over the floor's, less is better"),
    section("reconcile", &["reconcile"], "Reconciliation: time over the other's, less is better"),
];

/// What stands between the marks of a section, and its picture.
pub(super) struct Block {
    pub(super) markdown: String,
    pub(super) svg: String,
}

impl Section {
    /// `None` where nothing of it was measured.
    pub(super) fn block(&self, figures: &Figures) -> Option<Block> {
        let (tables, bars) = match self.name {
            "durable" | "slow" | "buffered" => {
                let made = peers::logs(self.name, figures);
                (vec![made.markdown], made.bars)
            }
            "recovery" => {
                let (lines, rows) = peers::openings(figures);
                let few = if rows.len() > 1 { grid(&rows) } else { String::new() };
                (vec![markdown("time over the floor's", &lines), few], bars(&lines))
            }
            "budget-peers" => {
                let made = peers::budgets(figures);
                let lines = rows::lines(self.name, figures);
                (vec![made.markdown, markdown("ratio of times", &lines)], made.bars)
            }
            "rollback" => {
                let lines = rows::lines(self.name, figures);
                (vec![markdown("ratio of times", &lines), stalls(figures)], bars(&lines))
            }
            _ => {
                let lines = rows::lines(self.name, figures);
                (vec![markdown("ratio of times", &lines)], bars(&lines))
            }
        };
        if bars.is_empty() {
            return None;
        }
        let tables: Vec<String> = tables.into_iter().filter(|table| !table.is_empty()).collect();
        let picture = format!("![{}](plots/{}.svg)", self.title, self.name);
        let markdown = format!("{}\n{picture}\n\n{}\n", tables.join("\n"), machine(figures));
        Some(Block { markdown, svg: plot::svg(self.title, &bars) })
    }
}

fn bars(lines: &[Line]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for line in lines {
        let wanted = match line.wanted {
            Some(Wanted::AtMost(ratio)) => Some(ratio),
            Some(Wanted::Under(_)) | None => None,
        };
        let heading = format!("{}, beside: {}", line.what, line.beside.replace('`', ""));
        // Where whole tables are of peers, each is a row of its own.
        let (label, is_ours) = match line.what.split_once(", ") {
            Some((name, _)) if peers::is_peer(name) => (name, false),
            _ => ("backstop", true),
        };
        bars.push(Bar { heading: heading.clone(), label: label.to_owned(), ratio: line.ratio, wanted, is_ours });
        bars.extend(line.others.iter().map(|(name, ratio)| Bar {
            heading: heading.clone(),
            label: name.replace('`', ""),
            ratio: *ratio,
            wanted: None,
            is_ours: false,
        }));
    }
    bars
}

/// The distribution of what one order takes, while somebody looks and while nobody does.
fn stalls(figures: &Figures) -> String {
    const SHARES: [&str; 4] = ["median", "99 %", "99.9 %", "longest"];
    let head = [
        "an order, while another thread takes snapshots",
        "positions",
        "median",
        "99 %",
        "99.9 %",
        "longest",
        "over 1 ms",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (size, shown) in [("10", "10"), ("1000", "1,000"), ("100000", "100,000")] {
        for who in ["nobody looks", "somebody always looks"] {
            let of = |what: &str| figures.spread(&format!("rollback_stall/{size}/{who}/{what}"));
            let Some(over) = of("over 1 ms") else { continue };
            let mut row = vec![who.to_owned(), shown.to_owned()];
            row.extend(SHARES.map(|share| of(share).map_or_else(String::new, |spread| time(spread.median))));
            row.push(format!("{} of 200,000", short(over.median)));
            rows.push(row);
        }
    }
    if rows.len() > 1 { grid(&rows) } else { String::new() }
}

/// Under what circumstances.
fn machine(figures: &Figures) -> String {
    let of = |what: &str| figures.spread(&format!("machine/{what}"));
    let runs = of("runs").map_or_else(String::new, |runs| match runs.most {
        one if one <= 1.0 => "one run, in rounds".to_owned(),
        more => format!("{} runs", short(more)),
    });
    let cores = of("cores").map_or_else(String::new, |cores| format!("{} cores, ", short(cores.median)));
    let load = of("load").map_or_else(String::new, |load| {
        format!("load {} to {} while running, the bench's own included; ", short(load.least), short(load.most))
    });
    let quick = of("quick").is_some_and(|quick| quick.most > 0.0);
    let short = if quick { ", shortened: only large differences count" } else { "" };
    format!("*{cores}{load}{runs}{short}. Medians, from the least to the most in brackets.*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        for (id, values) in [
            ("machine/cores", &[2.0][..]),
            ("machine/load", &[1.5, 4.25]),
            ("machine/runs", &[3.0]),
            ("lock_refused/backstop", &[2.0, 2.6, 2.4]),
            ("lock_refused/floor", &[2.0, 2.0, 2.0]),
        ] {
            figures.add(id, values);
        }
        figures
    }

    #[test]
    fn a_block_has_the_table_the_picture_and_the_machine() {
        let lock = SECTIONS.iter().find(|section| section.name == "lock").expect("it is there");
        let block = lock.block(&figures()).expect("it was measured");
        assert!(block.markdown.contains("| 1.20 (1 to 1.30) | at most 1.2 |"), "{}", block.markdown);
        assert!(block.markdown.contains("](plots/lock.svg)"));
        assert!(block.markdown.contains("2 cores, load 1.50 to 4.25 while running"), "{}", block.markdown);
        assert!(block.markdown.contains("; 3 runs."), "{}", block.markdown);
        assert!(block.svg.starts_with("<svg") && block.svg.contains("refused, and told who is inside"));
    }

    #[test]
    fn what_was_not_measured_is_no_block() {
        let measured: Vec<&str> =
            SECTIONS.iter().filter(|section| section.block(&figures()).is_some()).map(|section| section.name).collect();
        assert_eq!(measured, ["lock"]);
    }

    #[test]
    fn orders_over_the_limit_are_counted() {
        let mut figures = Figures::default();
        figures.add("rollback_stall/1000/nobody looks/median", &[1_600.0]);
        figures.add("rollback_stall/1000/nobody looks/over 1 ms", &[2.0]);
        assert!(stalls(&figures).ends_with("| nobody looks | 1,000 | 1.60 µs |  |  |  | 2 of 200,000 |\n"));
    }
}
