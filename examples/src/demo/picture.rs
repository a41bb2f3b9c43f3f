//! The picture of a demo: for each bot, what the broker held and what the bot believed in, over time. SVG by hand, in colors
//! that can be read on white and on dark pages.

use std::fmt::Write;
use std::time::Duration;

use backstop::broker::Decimal;
use backstop::clock::Timestamp;

use super::race::Raced;
use super::samples::Sample;

/// Where a panel's axes lie, in pixels.
const LEFT: u64 = 56;
const WIDE: u64 = 804;
const HIGH: u64 = 132;
/// From the top of a panel to its axis, and from one panel to the next.
const HEAD: u64 = 44;
const PANEL: u64 = HEAD + HIGH + 34;
const TOP: u64 = 46;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#7d8590}.title{font-size:15px;font-weight:600}\
.axis{stroke:#7d8590;stroke-width:1;fill:none}.grid{stroke:#7d8590;stroke-opacity:.25}\
.held{stroke:#3b82f6;stroke-width:2.5;fill:none}.believed{stroke:#d97706;stroke-width:2;fill:none;stroke-dasharray:5 3}\
.unwatched{fill:#ef4444;fill-opacity:.32}.kill{stroke:#8b5cf6;stroke-width:1.5;stroke-dasharray:2 3}\
.dup{fill:#ef4444}.killword{fill:#8b5cf6}.dupword{fill:#ef4444}";

/// What a panel shows.
#[derive(Debug)]
pub(crate) struct Panel<'p> {
    pub(crate) title: &'p str,
    /// What came of it, beside the title.
    pub(crate) verdict: String,
    pub(crate) samples: &'p [Sample],
    /// When the slot of an order had been entered before.
    pub(crate) duplicates: Vec<Duration>,
}

/// The picture of a demo that is over.
pub(crate) fn of(raced: &Raced, seed: u64) -> String {
    let panel = |title, side: &'_ super::side::Finished| {
        let after = |at: Timestamp| Duration::try_from(at.duration_since(side.began)).unwrap_or_default();
        let duplicates = side.ledger.orders.iter().filter(|order| side.measures.duplicate_entries.contains(&order.id));
        let duplicates = duplicates.map(|order| after(order.received_at)).collect();
        let ways = side.measures.harms().len();
        let verdict = if ways == 0 { "no harm".to_owned() } else { format!("harmed in {ways} ways") };
        (title, verdict, duplicates)
    };
    let sides = [("a naive bot", &raced.naive), ("the same strategy on Backstop", &raced.backstop)];
    let panels = sides.map(|(title, side)| {
        let (title, verdict, duplicates) = panel(title, side);
        Panel { title, verdict, samples: &side.samples, duplicates }
    });
    let kills: Vec<Duration> = raced.kills.iter().map(|kill| kill.at).collect();
    drawn(&panels, &kills, raced.second_bot, raced.took, &format!("seed {seed}"))
}

/// Draws panels below each other, over the same time and with the same scale.
pub(crate) fn drawn(
    panels: &[Panel<'_>],
    kills: &[Duration],
    second_bot: Option<Duration>,
    took: Duration,
    note: &str,
) -> String {
    let sizes = panels.iter().flat_map(|panel| panel.samples);
    let most = sizes.map(|sample| whole(sample.size_held().max(sample.size_tracked()))).max().unwrap_or(0);
    let scale = Scale { took_ms: millis(took).max(1), most: step_of(most) * most.max(1).div_ceil(step_of(most)) };
    let height = TOP + PANEL * panels.len() as u64 + 24;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 880 {height}\" role=\"img\" aria-label=\"Contracts at the \
         broker and contracts that each bot believes in, over time\"><style>{STYLE}</style>\n"
    );
    legend(&mut svg, note);
    for (panel, number) in panels.iter().zip(0..) {
        let top = TOP + PANEL * number;
        add(&mut svg, format_args!("<g transform=\"translate({LEFT} {})\">", top + HEAD));
        axes(&mut svg, panel, &scale);
        unwatched(&mut svg, panel.samples, &scale);
        marks(&mut svg, kills, "killed", &scale);
        marks(&mut svg, second_bot.as_slice(), "second started", &scale);
        line(&mut svg, "held", panel.samples, Sample::size_held, &scale);
        line(&mut svg, "believed", panel.samples, Sample::size_tracked, &scale);
        for at in &panel.duplicates {
            let x = scale.x(*at);
            let points = format!("{x},{} {},{} {},{}", HIGH - 12, x.saturating_sub(5), HIGH - 2, x + 5, HIGH - 2);
            add(&mut svg, format_args!("<polygon class=\"dup\" points=\"{points}\"/>"));
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// From time and contracts to pixels.
struct Scale {
    took_ms: u64,
    most: u64,
}

impl Scale {
    fn x(&self, at: Duration) -> u64 {
        millis(at).min(self.took_ms) * WIDE / self.took_ms
    }

    fn y(&self, size: u64) -> u64 {
        HIGH - size.min(self.most) * HIGH / self.most
    }
}

fn legend(svg: &mut String, note: &str) {
    let mut x = LEFT;
    let y = 22;
    for (class, text, room) in [("held", "contracts at the broker", 176), ("believed", "contracts it believes in", 176)]
    {
        add(svg, format_args!("<line class=\"{class}\" x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>", x + 24));
        add(svg, format_args!("<text x=\"{}\" y=\"{}\">{text}</text>", x + 30, y + 4));
        x += room;
    }
    add(svg, format_args!("<rect class=\"unwatched\" x=\"{x}\" y=\"{}\" width=\"24\" height=\"12\"/>", y - 6));
    add(svg, format_args!("<text x=\"{}\" y=\"{}\">nobody watches</text>", x + 30, y + 4));
    x += 138;
    add(
        svg,
        format_args!("<polygon class=\"dup\" points=\"{},{} {x},{} {},{}\"/>", x + 5, y - 5, y + 5, x + 10, y + 5),
    );
    add(svg, format_args!("<text x=\"{}\" y=\"{}\">the same slot again</text>", x + 16, y + 4));
    add(svg, format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{note}</text>", LEFT + WIDE, y + 4));
}

fn axes(svg: &mut String, panel: &Panel<'_>, scale: &Scale) {
    add(svg, format_args!("<text class=\"title\" x=\"0\" y=\"-22\">{}: {}</text>", panel.title, panel.verdict));
    let step = step_of(scale.most);
    for size in (0..=scale.most).step_by(usize::try_from(step).unwrap_or(1)) {
        let y = scale.y(size);
        add(svg, format_args!("<line class=\"grid\" x1=\"0\" y1=\"{y}\" x2=\"{WIDE}\" y2=\"{y}\"/>"));
        add(svg, format_args!("<text x=\"-8\" y=\"{}\" text-anchor=\"end\">{size}</text>", y + 4));
    }
    add(svg, format_args!("<path class=\"axis\" d=\"M0 0V{HIGH}H{WIDE}\"/>"));
    for second in (0..=scale.took_ms / 1_000).step_by(5) {
        let x = scale.x(Duration::from_secs(second));
        add(svg, format_args!("<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{second}s</text>", HIGH + 16));
    }
}

/// Dashed lines over the whole panel, each with its word.
fn marks(svg: &mut String, moments: &[Duration], word: &str, scale: &Scale) {
    for at in moments {
        let x = scale.x(*at);
        add(svg, format_args!("<line class=\"kill\" x1=\"{x}\" y1=\"-6\" x2=\"{x}\" y2=\"{HIGH}\"/>"));
        add(svg, format_args!("<text class=\"killword\" x=\"{x}\" y=\"-8\" text-anchor=\"middle\">{word}</text>"));
    }
}

/// A size over time in pixels: at each column the newest sample that falls into it.
fn columns(samples: &[Sample], size: fn(&Sample) -> Decimal, scale: &Scale) -> Vec<(u64, u64)> {
    let mut columns: Vec<(u64, u64)> = Vec::new();
    for sample in samples {
        let (x, y) = (scale.x(sample.at), scale.y(whole(size(sample))));
        match columns.last_mut() {
            Some(last) if last.0 == x => last.1 = y,
            _ => columns.push((x, y)),
        }
    }
    columns
}

/// A line of steps: between two samples nothing is known to have changed.
fn line(svg: &mut String, class: &str, samples: &[Sample], size: fn(&Sample) -> Decimal, scale: &Scale) {
    let columns = columns(samples, size, scale);
    let (Some((left, first)), Some((right, _))) = (columns.first(), columns.last()) else { return };
    let (mut path, mut before) = (format!("M{left} {first}"), first);
    for (x, y) in &columns {
        if y != before {
            add(&mut path, format_args!("H{x}V{y}"));
            before = y;
        }
    }
    add(svg, format_args!("<path class=\"{class}\" d=\"{path}H{right}\"/>"));
}

/// As high as what nobody watches, from the sample that shows it to the first one that does not.
fn unwatched(svg: &mut String, samples: &[Sample], scale: &Scale) {
    let columns = columns(samples, |sample| sample.unwatched().values().sum(), scale);
    let (mut path, mut before) = (String::new(), HIGH);
    for (x, y) in &columns {
        if *y != before {
            let begin = if before == HIGH { format!("M{x} {HIGH}") } else { format!("H{x}") };
            let end = if *y == HIGH { "Z" } else { "" };
            add(&mut path, format_args!("{begin}V{y}{end}"));
            before = *y;
        }
    }
    if let Some((right, _)) = columns.last().filter(|_| before != HIGH) {
        add(&mut path, format_args!("H{right}V{HIGH}Z"));
    }
    if !path.is_empty() {
        add(svg, format_args!("<path class=\"unwatched\" d=\"{path}\"/>"));
    }
}

/// The distance of grid lines: about four of them.
fn step_of(most: u64) -> u64 {
    [1, 2, 4, 5, 10, 20, 25, 50, 100].into_iter().find(|step| most <= step * 4).unwrap_or(most / 4)
}

fn add(svg: &mut String, what: std::fmt::Arguments<'_>) {
    let _infallible = svg.write_fmt(what);
}

fn whole(size: Decimal) -> u64 {
    u64::try_from(size.ceil()).unwrap_or(0)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
