//! A table of medians over rounds, as Markdown.

use std::fmt::Write;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub a_second: f64,
    pub done: u64,
    pub flushes: u64,
}

#[derive(Debug)]
pub struct Table {
    title: &'static str,
    columns: Vec<String>,
    rows: Vec<(&'static str, Vec<Vec<Cell>>)>,
}

impl Table {
    pub fn new(title: &'static str, columns: &[String]) -> Self {
        Self { title, columns: columns.to_vec(), rows: Vec::new() }
    }

    pub fn add(&mut self, row: &'static str, column: usize, cell: Cell) {
        let width = self.columns.len();
        if !self.rows.iter().any(|(name, _)| *name == row) {
            self.rows.push((row, vec![Vec::new(); width]));
        }
        if let Some((_, cells)) = self.rows.iter_mut().find(|(name, _)| *name == row) {
            cells[column].push(cell);
        }
    }

    pub fn print(&self) {
        let mut out =
            format!("| {} | {} |\n|---|{}\n", self.title, self.columns.join(" | "), "---|".repeat(self.columns.len()));
        for (name, cells) in &self.rows {
            let _ = write!(out, "| {name} |");
            for rounds in cells {
                let _ = write!(out, " {} |", median(rounds).map_or(String::new(), |cell| show(&cell)));
            }
            out.push('\n');
        }
        println!("{out}");
    }
}

fn median(rounds: &[Cell]) -> Option<Cell> {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.a_second.total_cmp(&b.a_second));
    rounds.get(rounds.len() / 2).copied()
}

fn show(cell: &Cell) -> String {
    let each =
        if cell.flushes == 0 { String::new() } else { format!(" ({:.1})", cell.done as f64 / cell.flushes as f64) };
    if cell.a_second >= 10_000.0 {
        format!("{:.0} k{each}", cell.a_second / 1000.0)
    } else {
        format!("{:.0}{each}", cell.a_second)
    }
}
