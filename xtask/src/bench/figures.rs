//! What was measured: by id, a value for each run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Nanoseconds for one operation, or whatever else the id stands for; several runs, rounds or parts of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    pub(super) fn add(&mut self, id: &str, values: &[f64]) {
        self.0.entry(id.to_owned()).or_default().extend_from_slice(values);
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for (id, values) in &other.0 {
            self.add(id, values);
        }
    }

    /// One object a line, `{"id": …, "values": […]}`: what a bench without criterion prints or leaves behind.
    pub(super) fn add_lines(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            let (id, values) = (value.get("id").and_then(Value::as_str), value.get("values").and_then(Value::as_array));
            let (Some(id), Some(values)) = (id, values) else {
                return Err(format!("{line}: no id, or no values"));
            };
            self.add(id, &values.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
        }
        Ok(())
    }

    pub(super) fn lines(&self) -> String {
        let lines = self.0.iter().map(|(id, values)| json!({ "id": id, "values": values }).to_string() + "\n");
        lines.collect()
    }

    pub(super) fn values(&self, id: &str) -> Option<&[f64]> {
        self.0.get(id).map(Vec::as_slice).filter(|values| !values.is_empty())
    }

    pub(super) fn spread(&self, id: &str) -> Option<Spread> {
        Spread::of(self.values(id)?.to_vec())
    }

    /// Of `ours` over `other`, run by run: what disturbs a run disturbs both.
    pub(super) fn ratio(&self, ours: &str, other: &str) -> Option<Spread> {
        let (ours, other) = (self.values(ours)?, self.values(other)?);
        Spread::of(
            ours.iter().zip(other).filter(|(_, other)| **other > 0.0).map(|(ours, other)| ours / other).collect(),
        )
    }
}

/// The median of several values, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// `None` without a value.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len() / 2)?;
        Some(Self { median, least: *values.first()?, most: *values.last()? })
    }

    /// `1.13 (1.12 to 1.15)`; the median alone where the others look like it.
    pub(super) fn shown(&self) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(short);
        if least == most { median } else { format!("{median} ({least} to {most})") }
    }
}

/// Three digits or two behind the point, whichever is less.
pub(super) fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    match value.abs() {
        large if large >= 99.5 => format!("{value:.0}"),
        medium if medium >= 9.95 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A time with its unit.
pub(super) fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        small if small < 1e3 => (nanos, "ns"),
        small if small < 1e6 => (nanos / 1e3, "µs"),
        small if small < 1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    format!("{} {unit}", short(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_run_by_run() {
        let mut figures = Figures::default();
        figures.add("ours", &[10.0, 40.0, 15.0]);
        figures.add("floor", &[10.0, 20.0, 10.0]);
        let ratio = figures.ratio("ours", "floor").expect("both were measured");
        assert_eq!(ratio, Spread { median: 1.5, least: 1.0, most: 2.0 });
        assert_eq!(figures.ratio("ours", "nothing"), None);
    }

    #[test]
    fn lines_are_read_back_as_they_were_written() {
        let mut figures = Figures::default();
        figures.add("wal, \"quoted\"/8 threads", &[1.5, 2.0]);
        let mut read = Figures::default();
        read.add_lines(&figures.lines()).expect("readable");
        assert_eq!(read, figures);
        assert!(read.add_lines("{\"id\": \"x\"}").is_err());
        assert!(read.add_lines("a word that a bench prints").is_err());
    }

    #[test]
    fn a_spread_of_nothing_is_not_shown() {
        let one = Spread { median: 1.131, least: 1.129, most: 1.134 };
        assert_eq!(one.shown(), "1.13");
        assert_eq!(Spread { most: 1.2, ..one }.shown(), "1.13 (1.13 to 1.20)");
        assert_eq!(Spread { median: 40.26, least: 9.94, most: 500.4 }.shown(), "40.3 (9.94 to 500)");
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        for (nanos, text) in
            [(0.31, "0.31 ns"), (82.0, "82 ns"), (1_500.0, "1.50 µs"), (2.5e6, "2.50 ms"), (3e9, "3 s")]
        {
            assert_eq!(time(nanos), text);
        }
    }
}
