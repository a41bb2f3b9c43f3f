//! What was measured, for a reader or for a program.

/// How results are told.
pub(crate) struct Report {
    pub(crate) is_json: bool,
}

impl Report {
    /// Begins a table, for a reader.
    pub(crate) fn title(&self, title: &str) {
        if !self.is_json {
            println!("\n## {title}");
        }
    }

    /// One row: `values` for a program, under the name of the table and its own; `text` for a reader.
    pub(crate) fn row(&self, table: &str, name: &str, values: &[f64], text: &str) {
        if self.is_json {
            println!("{}", serde_json::json!({ "id": format!("{table}/{name}"), "values": values }));
        } else {
            println!("{name:<42} {text}");
        }
    }
}
