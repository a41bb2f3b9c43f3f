//! `cargo xtask bench`: runs the benches and makes tables and pictures of what they measured, as ratios to floors and peers of
//! the same run.

#![expect(clippy::float_arithmetic, clippy::disallowed_types, reason = "ratios of times; there is no money here")]

mod figures;
mod measure;
mod page;
mod peers;
mod plot;
mod rows;
mod sections;
mod table;

use std::fs;
use std::path::Path;

use self::figures::Figures;
use self::measure::{BENCHES, Bed};
use self::sections::SECTIONS;
use crate::Verdict;
use xtask::files::{read, replace};

const PAGE: &str = "docs/performance.md";
const PLOTS: &str = "docs/plots";

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
struct Options<'a> {
    is_quick: bool,
    is_written: bool,
    /// Nothing is measured: the last figures are shown.
    is_kept: bool,
    only: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn of(words: &[&'a str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => options.is_quick = true,
                "--write" => options.is_written = true,
                "--kept" => options.is_kept = true,
                "--only" => {
                    let name = words.next().copied().unwrap_or_default();
                    if !BENCHES.iter().any(|bench| bench.name == name) {
                        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
                        return Err(format!("--only takes one of {}", names.join(", ")));
                    }
                    options.only.push(name);
                }
                unknown => return Err(format!("bench does not take {unknown:?}")),
            }
        }
        if options.is_kept && options.is_quick {
            return Err("--kept measures nothing, and so not quickly".to_owned());
        }
        Ok(options)
    }

    fn is_chosen(&self, bench: &str) -> bool {
        self.only.is_empty() || self.only.contains(&bench)
    }
}

/// Why these words after `bench` cannot be, if they cannot.
pub(crate) fn misunderstood(words: &[&str]) -> Option<String> {
    Options::of(words).err()
}

/// Measures, prints all tables of what was measured and, if so asked, puts them into the page.
pub(crate) fn run(root: &Path, words: &[&str]) -> Verdict {
    let options = Options::of(words).map_err(|complaint| vec![complaint])?;
    let bed = Bed::new(root)?;
    let mut complaints = Vec::new();
    if !options.is_kept {
        for bench in BENCHES.iter().filter(|bench| options.is_chosen(bench.name)) {
            // One that fails does not take the others' figures with it.
            if let Err(complaint) = bed.measure(bench, options.is_quick) {
                complaints.push(complaint);
            }
        }
    }
    let mut page = read(root, PAGE)?;
    let mut shown = 0;
    for section in SECTIONS.iter().filter(|section| section.benches.iter().any(|bench| options.is_chosen(bench))) {
        let mut figures = Figures::default();
        for bench in BENCHES.iter().filter(|bench| section.benches.contains(&bench.name)) {
            figures.extend(&bed.read(bench).map_err(|complaint| vec![complaint])?);
        }
        let Some(block) = section.block(&figures) else { continue };
        println!("\n{}", block.markdown);
        shown += 1;
        if options.is_written {
            page = page::with_block(&page, section.name, &block.markdown).map_err(|complaint| vec![complaint])?;
            let path = root.join(PLOTS).join(section.name).with_extension("svg");
            fs::write(&path, block.svg).map_err(|error| vec![format!("cannot write {}: {error}", path.display())])?;
        }
    }
    if options.is_written {
        replace(root, PAGE, &page)?;
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    Ok(format!("{shown} tables{}", if options.is_written { ", written" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_that_does_not_exist_is_not_taken_for_one_that_measured_nothing() {
        let all = Options::of(&["--quick", "--only", "symbol_parse", "--only", "peers"]).expect("in order");
        assert_eq!(all, Options { is_quick: true, only: vec!["symbol_parse", "peers"], ..Options::default() });
        for wrong in [&["--only", "symbols"][..], &["--only"], &["--fast"], &["--kept", "--quick"]] {
            assert!(Options::of(wrong).is_err(), "{wrong:?}");
        }
    }
}
