//! Tables in Markdown: reading rows, and setting one cell.

/// A row of a table, without heading and rule.
pub(crate) struct Row {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

impl Row {
    /// The cell in `column`, empty where the row is too short.
    pub(crate) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// All rows of all tables whose first heading is `first_heading`.
pub(crate) fn rows(text: &str, first_heading: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        let Some(cells) = cells(line) else {
            inside = false;
            continue;
        };
        if !inside {
            inside = cells.first().is_some_and(|heading| heading == first_heading);
        } else if !cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':'))) {
            rows.push(Row { line: number + 1, cells });
        }
    }
    rows
}

/// `text` with the cells of `column` replaced by `value` of their row, where it has one.
pub(crate) fn with_column(
    text: &str,
    first_heading: &str,
    column: usize,
    value: impl Fn(&Row) -> Option<String>,
) -> String {
    let rows = rows(text, first_heading);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for row in &rows {
        let mut cells = row.cells.clone();
        if let (Some(value), Some(cell)) = (value(row), cells.get_mut(column)) {
            *cell = value;
            if let Some(line) = lines.get_mut(row.line - 1) {
                *line = format!("| {} |", cells.join(" | "));
            }
        }
    }
    lines.join("\n") + "\n"
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# Title\n\n| id | by |\n|---|---|\n| A-1 | x |\n| A-2 | |\n\n| other | by |\n|---|---|\n| A-1 | y |\n";

    #[test]
    fn rows_are_those_of_the_named_tables_only() {
        let found: Vec<_> = rows(TEXT, "id").iter().map(|row| (row.line, row.cell(0).to_owned())).collect();
        assert_eq!(found, [(5, "A-1".to_owned()), (6, "A-2".to_owned())]);
    }

    #[test]
    fn setting_a_column_leaves_everything_else_as_it_was() {
        let set = with_column(TEXT, "id", 1, |row| (row.cell(0) == "A-2").then(|| "new".to_owned()));
        assert_eq!(set, TEXT.replace("| A-2 | |", "| A-2 | new |"));
    }
}
