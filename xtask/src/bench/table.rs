//! A table of ratios: what of ours, beside what, how far, and whether that was wanted.

use super::figures::{Spread, time};

/// What a ratio, or a time, was to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    AtMost(f64),
    /// Nanoseconds of ours, whatever the ratio.
    Under(f64),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) what: String,
    /// Nanoseconds, where what was measured is a time.
    pub(super) time: Option<Spread>,
    pub(super) beside: String,
    pub(super) ratio: Spread,
    pub(super) wanted: Option<Wanted>,
    /// Others, beside the same.
    pub(super) others: Vec<(String, Spread)>,
}

impl Line {
    /// What was wanted and whether it was reached by the median, as it is shown.
    fn verdict(&self) -> String {
        let (words, is_met) = match self.wanted {
            None => return String::new(),
            Some(Wanted::AtMost(limit)) => (format!("at most {limit}"), round(self.ratio.median) <= limit),
            Some(Wanted::Under(limit)) => {
                (format!("under {}", time(limit)), self.time.is_some_and(|time| time.median < limit))
            }
        };
        if is_met { words } else { format!("{words}: **missed**") }
    }

    fn others(&self) -> String {
        let others: Vec<String> = self.others.iter().map(|(name, ratio)| format!("{name} {}", ratio.shown())).collect();
        others.join("; ")
    }
}

/// As it is shown: two digits behind the point.
pub(super) fn round(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

/// As Markdown. `ratio` heads the column of the ratios and says of what they are; a column that would be empty is left out.
pub(super) fn markdown(ratio: &str, lines: &[Line]) -> String {
    let cells = lines.iter().map(|line| {
        let time = line.time.map_or_else(String::new, |spread| time(spread.median));
        [line.what.clone(), time, line.beside.clone(), line.ratio.shown(), line.verdict(), line.others()]
    });
    let rows: Vec<[String; 6]> =
        std::iter::once(["what", "takes", "beside", ratio, "wanted", "others, beside the same"].map(str::to_owned))
            .chain(cells)
            .collect();
    let is_used = |column: usize| rows.iter().skip(1).any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let used: Vec<usize> = (0..6).filter(|column| is_used(*column)).collect();
    let kept = |row: &[String; 6]| used.iter().filter_map(|column| row.get(*column).cloned()).collect::<Vec<_>>();
    grid(&rows.iter().map(kept).collect::<Vec<_>>())
}

/// A table of cells, the first row its head.
pub(super) fn grid(rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        out += "| ";
        out += &cells.join(" | ");
        out += " |\n";
        if number == 0 {
            out += "|";
            out += &"---|".repeat(row.len());
            out += "\n";
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(median: f64, wanted: Option<Wanted>) -> Line {
        Line {
            what: "granted".to_owned(),
            time: Some(Spread { median: 70.0, least: 69.0, most: 71.0 }),
            beside: "a ring".to_owned(),
            ratio: Spread { median, least: median, most: median },
            wanted,
            others: Vec::new(),
        }
    }

    #[test]
    fn what_was_wanted_and_missed_is_said() {
        for (wanted, verdict) in [
            (Wanted::AtMost(1.2), "at most 1.2"),
            (Wanted::AtMost(1.1), "at most 1.1: **missed**"),
            (Wanted::Under(100.0), "under 100 ns"),
            (Wanted::Under(70.0), "under 70 ns: **missed**"),
        ] {
            // Shown as 1.20.
            assert_eq!(line(1.204, Some(wanted)).verdict(), verdict);
        }
    }

    #[test]
    fn a_column_without_a_word_is_left_out() {
        let plain = line(1.5, None);
        assert_eq!(
            markdown("ratio", std::slice::from_ref(&plain)),
            "| what | takes | beside | ratio |\n|---|---|---|---|\n| granted | 70 ns | a ring | 1.50 |\n"
        );
        let others = vec![("governor".to_owned(), Spread { median: 0.5, least: 0.4, most: 0.6 })];
        let text = markdown("ratio", &[Line { others, time: None, ..plain }]);
        assert!(text.contains("| what | beside | ratio | others, beside the same |"), "{text}");
        assert!(text.ends_with("| granted | a ring | 1.50 | governor 0.50 (0.40 to 0.60) |\n"), "{text}");
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        assert_eq!(grid(&[vec!["a|b".to_owned()]]), "| a\\|b |\n|---|\n");
    }
}
