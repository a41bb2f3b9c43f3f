//! Plays what the fuzzers found worth keeping through their checks again, on any compiler.

mod counting;
mod image;
mod mutation;

use std::path::Path;

use crate::sim::Dice;

/// Says which input it was, if its check panics.
struct Told(String);

#[expect(clippy::print_stderr, reason = "how a test says which of its inputs it was")]
impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Runs `check` on every file of a corpus, and on as many inputs that are drawn.
fn replay(corpus: &str, check: fn(&[u8])) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The corpus stays in the repository. What cargo packaged has this file, and is tested by what is drawn alone.
    if package.join("Cargo.toml.orig").exists() {
        return draw(300, check);
    }
    let mut count = 0;
    for entry in std::fs::read_dir(package.join("fuzz/corpus").join(corpus)).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let _told = Told(path.display().to_string());
        check(&bytes);
        count += 1;
    }
    assert!(count > 100, "{count} inputs");
    draw(count, check);
}

fn draw(count: u64, check: fn(&[u8])) {
    for seed in 0..count {
        let mut dice = Dice::new(seed);
        let bytes: Vec<u8> = (0..dice.below(500)).map(|_| dice.roll().to_le_bytes()[0]).collect();
        let _told = Told(format!("seed {seed}"));
        check(&bytes);
    }
}

// proves: WAL-3
#[test]
fn whatever_lies_in_a_directory_is_read_or_refused_at_a_cost_in_proportion() {
    replay("image", image::check);
}

// proves: WAL-2, WAL-3
#[test]
fn of_a_damaged_log_what_was_written_is_read_or_nothing() {
    replay("mutation", mutation::check);
}
