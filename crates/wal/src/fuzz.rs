//! Plays what the fuzzers found worth keeping through their checks again, on any compiler.

#[path = "../fuzz/checks/counting.rs"]
mod counting;
#[path = "../fuzz/checks/image.rs"]
mod image;
#[path = "../fuzz/checks/mutation.rs"]
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let _told = Told(path.display().to_string());
        check(&bytes);
        count += 1;
    }
    assert!(count > 100, "{count} inputs");
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
