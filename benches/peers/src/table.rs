//! What was measured: a table of medians over rounds for a reader, all rounds for a program.

use std::fmt::Write;

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Markdown,
    /// One object a line, `{"id": …, "values": […]}`, a value for each round.
    Json,
}

/// Tells a program one thing that was measured.
pub fn json(id: &str, values: &[f64]) {
    println!("{}", serde_json::json!({ "id": id, "values": values }));
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub a_second: f64,
    pub done: u64,
    pub flushes: u64,
}

impl Cell {
    fn each(&self) -> f64 {
        self.done as f64 / self.flushes as f64
    }
}

#[derive(Debug)]
pub struct Table {
    /// What a program calls it.
    id: String,
    title: &'static str,
    columns: Vec<String>,
    rows: Vec<(&'static str, Vec<Vec<Cell>>)>,
}

impl Table {
    pub fn new(id: &str, title: &'static str, columns: &[String]) -> Self {
        Self { id: id.to_owned(), title, columns: columns.to_vec(), rows: Vec::new() }
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

    pub fn print(&self, form: Form) {
        match form {
            Form::Markdown => println!("{}", self.markdown()),
            Form::Json => self.json(),
        }
    }

    fn json(&self) {
        for (name, cells) in &self.rows {
            for (column, rounds) in self.columns.iter().zip(cells).filter(|(_, rounds)| !rounds.is_empty()) {
                let id = format!("{}/{column}/{name}", self.id);
                json(&id, &rounds.iter().map(|cell| cell.a_second).collect::<Vec<_>>());
                if rounds.iter().all(|cell| cell.flushes > 0) {
                    json(&format!("{id}/a flush"), &rounds.iter().map(Cell::each).collect::<Vec<_>>());
                }
            }
        }
    }

    fn markdown(&self) -> String {
        let mut out =
            format!("| {} | {} |\n|---|{}\n", self.title, self.columns.join(" | "), "---|".repeat(self.columns.len()));
        for (name, cells) in &self.rows {
            let _ = write!(out, "| {name} |");
            for rounds in cells {
                let _ = write!(out, " {} |", median(rounds).map_or(String::new(), |cell| show(&cell)));
            }
            out.push('\n');
        }
        out
    }
}

fn median(rounds: &[Cell]) -> Option<Cell> {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.a_second.total_cmp(&b.a_second));
    rounds.get(rounds.len() / 2).copied()
}

fn show(cell: &Cell) -> String {
    let each = if cell.flushes == 0 { String::new() } else { format!(" ({:.1})", cell.each()) };
    if cell.a_second >= 10_000.0 {
        format!("{:.0} k{each}", cell.a_second / 1000.0)
    } else {
        format!("{:.0}{each}", cell.a_second)
    }
}
