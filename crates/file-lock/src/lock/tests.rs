#![expect(clippy::print_stdout, reason = "the counts are the result")]

mod disk;

use std::collections::HashSet;

use self::disk::{Disk, Left};
use super::*;
use crate::record::Records;

/// Takes the lock of the file on `disk`.
fn take(disk: &Disk) -> Result<Holder, AcquireError> {
    let claim = Claim { label: "test".to_owned(), since: jiff::Timestamp::UNIX_EPOCH };
    let sync_name = || {
        disk.sync_name();
        Ok(())
    };
    record_acquisition(disk, Path::new("lock"), &claim, sync_name)
}

/// What the next acquisition can tell of a file: of those that look alike, one is enough to go on from. `None` for numbers
/// so great that nothing new comes of them.
fn looks(left: &Left) -> Option<String> {
    let content = Slots::read(&Disk::after(left)).unwrap().content();
    let next = content.records().and_then(Records::next_fence).unwrap_or(0);
    (next < 8).then(|| format!("{content:?} {}", left.is_some()))
}

/// Files after crashes, with the greatest number that a caller has seen.
#[derive(Default)]
struct Search {
    seen: HashSet<(String, u64)>,
    todo: Vec<(Left, u64, u32)>,
    crashes: u64,
    after_a_crash: u64,
}

impl Search {
    /// The next number is greater than `greatest`, whatever is left of the file.
    fn check(&mut self, left: &[Left], greatest: u64, crashes: u32) {
        for left in left {
            self.crashes += 1;
            self.after_a_crash += u64::from(crashes > 0);
            match take(&Disk::after(left)) {
                Ok(next) => assert!(next.fence > greatest, "{} after {greatest}, {crashes} crashes before", next.fence),
                // The very first record was torn: nobody was given a number yet.
                Err(AcquireError::Unreadable { .. }) if greatest == 0 => continue,
                Err(error) => panic!("after number {greatest}: {error}"),
            }
            self.go_on(left.clone(), greatest, crashes + 1);
        }
    }

    fn go_on(&mut self, left: Left, greatest: u64, crashes: u32) {
        if let Some(looks) = looks(&left)
            && self.seen.insert((looks, greatest))
        {
            self.todo.push((left, greatest, crashes));
        }
    }
}

// Crashes of the machine, or of the process alone, after every step of an acquisition and of a leap, and again in those
// that follow, over every file that looks different.
// proves: LOCK-5
#[test]
fn no_crash_makes_a_number_come_twice() {
    let mut search = Search::default();
    search.todo.push((None, 0, 0));
    while let Some((left, greatest, crashes)) = search.todo.pop() {
        let disk = Disk::after(&left);
        let holder = take(&disk).unwrap();
        assert!(holder.fence > greatest, "{} after {greatest}", holder.fence);
        search.check(&disk.left_on_the_way(), greatest, crashes);
        // From here on its caller has the number.
        search.check(&disk.left(), holder.fence, crashes);
        search.go_on(Some(disk.bytes()), holder.fence, crashes);
        for leap in [1, 3] {
            let disk = Disk::after(&Some(disk.bytes()));
            let raised = Holder { fence: holder.fence + leap, ..holder.clone() };
            record_leap(&disk, &raised).unwrap();
            search.check(&disk.left_on_the_way(), holder.fence, crashes);
            search.check(&disk.left(), raised.fence, crashes);
            search.go_on(Some(disk.bytes()), raised.fence, crashes);
        }
    }
    println!("{} crashes, {} of them after earlier ones", search.crashes, search.after_a_crash);
    assert!(search.crashes > 100_000 && search.after_a_crash > 50_000);
}
