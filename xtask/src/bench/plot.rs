//! A picture of ratios: a bar each, away from one, with what was wanted. For white pages and dark ones.

use std::fmt::Write as _;

use super::figures::Spread;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// Bars with the same heading stand together.
    pub(super) heading: String,
    pub(super) label: String,
    pub(super) ratio: Spread,
    /// Where a mark stands.
    pub(super) wanted: Option<f64>,
    /// Ours are colored.
    pub(super) is_ours: bool,
}

const WIDTH: f64 = 820.0;
/// Where labels end, and where figures begin.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 700.0;
const ROW: f64 = 18.0;
/// The gray of the words is readable on both, for viewers that do not say which page it is.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#6e7781}.t{font-weight:600}.e{text-anchor:end}\
.m{text-anchor:middle;font-size:10px}.o{fill:#2f81f7}.p{fill:#9198a1}.g{stroke:#9198a1;stroke-opacity:.35}\
.a{stroke:#9198a1}.s{stroke:#6e7781}.w{stroke:#e5534b;stroke-width:3}\
@media(prefers-color-scheme:light){text{fill:#59636e}}\
@media(prefers-color-scheme:dark){text{fill:#a5aeb8}.s{stroke:#d1d7e0}}";

/// An SVG file; `title` says of what to what the ratios are.
pub(super) fn svg(title: &str, bars: &[Bar]) -> String {
    let scale = Scale::over(bars);
    let mut body = String::new();
    let mut y = 34.0;
    let mut heading = "";
    for bar in bars {
        if bar.heading != heading {
            heading = &bar.heading;
            y += 4.0;
            line(&mut body, format_args!(r#"<text class="t" x="8" y="{:.0}">{}</text>"#, y + 13.0, escaped(heading)));
            y += ROW;
        }
        row(&mut body, &scale, bar, y);
        y += ROW;
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {:.0}\" role=\"img\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n",
        y + 26.0,
        title = escaped(title),
    );
    line(&mut out, format_args!(r#"<text class="t" x="8" y="16">{}</text>"#, escaped(title)));
    for mark in scale.marks() {
        let (x, class) = (scale.x(mark), if (mark - 1.0).abs() < f64::EPSILON { "a" } else { "g" });
        line(&mut out, format_args!(r#"<line class="{class}" x1="{x:.1}" y1="26" x2="{x:.1}" y2="{y:.0}"/>"#));
        line(&mut out, format_args!(r#"<text class="m" x="{x:.1}" y="{:.0}">{mark}</text>"#, y + 11.0));
    }
    out.push_str(&body);
    line(
        &mut out,
        format_args!(
            r#"<text class="m" x="{:.0}" y="{:.0}">blue: backstop; gray: others; red: wanted; thin: from the least run to the most</text>"#,
            WIDTH / 2.0,
            y + 23.0
        ),
    );
    out.push_str("</svg>\n");
    out
}

fn row(out: &mut String, scale: &Scale, bar: &Bar, y: f64) {
    let (one, end) = (scale.x(1.0), scale.x(bar.ratio.median));
    let (from, width) = (one.min(end), (one - end).abs().max(1.0));
    let class = if bar.is_ours { "o" } else { "p" };
    let middle = y + 8.0;
    line(
        out,
        format_args!(r#"<text class="e" x="{:.0}" y="{:.0}">{}</text>"#, LEFT - 8.0, y + 12.0, escaped(&bar.label)),
    );
    line(
        out,
        format_args!(r#"<rect class="{class}" x="{from:.1}" y="{:.0}" width="{width:.1}" height="10"/>"#, y + 3.0),
    );
    let (least, most) = (scale.x(bar.ratio.least), scale.x(bar.ratio.most));
    line(out, format_args!(r#"<line class="s" x1="{least:.1}" y1="{middle}" x2="{most:.1}" y2="{middle}"/>"#));
    if let Some(wanted) = bar.wanted {
        let x = scale.x(wanted);
        line(
            out,
            format_args!(r#"<line class="w" x1="{x:.1}" y1="{:.0}" x2="{x:.1}" y2="{:.0}"/>"#, y + 1.0, y + 15.0),
        );
    }
    line(
        out,
        format_args!(r#"<text x="{:.0}" y="{:.0}">{}</text>"#, RIGHT + 8.0, y + 12.0, escaped(&bar.ratio.shown())),
    );
}

/// Equal steps for equal ratios.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// One is always in sight, and something on both sides of it.
    fn over(bars: &[Bar]) -> Self {
        let shown = bars.iter().flat_map(|bar| [bar.ratio.least, bar.ratio.most, bar.wanted.unwrap_or(1.0)]);
        let shown = shown.filter(|ratio| ratio.is_finite() && *ratio > 0.0);
        let (least, most) =
            shown.fold((0.8_f64, 1.25_f64), |(least, most), ratio| (least.min(ratio * 0.95), most.max(ratio * 1.05)));
        Self { least, most }
    }

    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio.max(self.least) / self.least).ln() / (self.most / self.least).ln();
        LEFT + (RIGHT - LEFT) * share.min(1.0)
    }

    /// Powers of two, or of ten where those are too many.
    fn marks(&self) -> Vec<f64> {
        let base: f64 = if self.most / self.least > 600.0 { 10.0 } else { 2.0 };
        (-20..=20).map(|power| base.powi(power)).filter(|mark| (self.least..=self.most).contains(mark)).collect()
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = writeln!(out, "{text}");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, median: f64, wanted: Option<f64>) -> Bar {
        let ratio = Spread { median, least: median * 0.9, most: median * 1.1 };
        Bar { heading: "a start".to_owned(), label: label.to_owned(), ratio, wanted, is_ours: true }
    }

    /// The number behind `name="` in the first line that holds `class`.
    fn attribute(svg: &str, class: &str, name: &str) -> f64 {
        let line = svg.lines().find(|line| line.contains(&format!("class=\"{class}\""))).expect("such a line");
        let (_, rest) = line.split_once(&format!(" {name}=\"")).expect("such an attribute");
        rest.split('"').next().and_then(|number| number.parse().ok()).expect("a number")
    }

    #[test]
    fn a_bar_goes_from_one_to_its_ratio_and_the_mark_stands_where_it_was_wanted() {
        let more = svg("time over the floor's", &[bar("ours", 2.0, Some(4.0))]);
        let (one, wide) = (attribute(&more, "o", "x"), attribute(&more, "o", "width"));
        assert!((attribute(&more, "a", "x1") - one).abs() < 0.2, "{more}");
        // Twice is half of the way to four times.
        assert!((attribute(&more, "w", "x1") - (one + 2.0 * wide)).abs() < 0.3, "{more}");
        let less = svg("time over the floor's", &[bar("ours", 0.5, None)]);
        let end = attribute(&less, "o", "x") + attribute(&less, "o", "width");
        assert!((attribute(&less, "a", "x1") - end).abs() < 0.2, "{less}");
        assert!(!less.contains("class=\"w\""), "{less}");
    }

    #[test]
    fn headings_are_written_once_and_names_are_escaped() {
        let text = svg("a < b", &[bar("Vec<u8> & more", 1.0, None), bar("other", 3.0, None)]);
        assert_eq!(text.matches(">a start<").count(), 1);
        assert!(text.contains("Vec&lt;u8&gt; &amp; more") && text.contains("<title>a &lt; b</title>"), "{text}");
    }

    #[test]
    fn it_is_readable_on_a_dark_page() {
        let text = svg("x", &[bar("ours", 1.5, None)]);
        assert!(text.contains("prefers-color-scheme:dark"));
        assert!(!text.contains("fill=\"black\"") && !text.contains("background"));
    }

    #[test]
    fn a_ratio_far_away_leaves_few_marks_and_stays_on_the_page() {
        let scale = Scale::over(&[bar("ours", 500.0, None), bar("ours", 0.01, None)]);
        assert!(scale.marks().len() < 8 && scale.marks().contains(&1.0));
        assert!(scale.x(1e9) <= RIGHT && scale.x(1e-9) >= LEFT);
    }
}
