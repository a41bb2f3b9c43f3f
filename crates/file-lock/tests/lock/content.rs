//! What is in the file, and what is never done to it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use backstop_file_lock::AcquireError;
use proptest::prelude::*;

use crate::{acquire, next_fence};

// proves: LOCK-2
#[test]
fn the_file_stays_through_release_refusal_and_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mut lock = acquire(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let mut length = fs::metadata(&path).unwrap().len();
    let mut check = |what| {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.ino(), inode, "{what}");
        assert!(metadata.len() >= length, "{what} made the file shorter");
        length = metadata.len();
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["lock"], "{what} left something behind");
    };
    check("acquisition");
    let _refused = acquire(&path).unwrap_err();
    check("a refusal");
    lock.raise_fence_above(9).unwrap();
    check("a raised fence");
    drop(lock);
    check("release");
    drop(acquire(&path).unwrap());
    check("a second release");
    fs::write(&path, vec![b'x'; 2000]).unwrap();
    let _unreadable = acquire(&path).unwrap_err();
    check("an error");
}

// proves: LOCK-2
#[test]
fn what_is_not_ours_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    for content in [&b"4711\n"[..], b"{\"fence\":3}", &[0; 1], &[0; 1024], &[b' '; 512], &[b'x'; 5000]] {
        let path = dir.path().join("precious");
        fs::write(&path, content).unwrap();
        let error = acquire(&path).unwrap_err();
        assert!(
            matches!(&error, AcquireError::Unreadable { length, .. } if *length == content.len() as u64),
            "{error}"
        );
        assert!(error.to_string().contains("nothing was changed"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_new_file_is_its_owners_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    drop(acquire(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_emptied_as_the_error_says_is_a_lock_file_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    fs::write(&path, "damaged").unwrap();
    let _unreadable = acquire(&path).unwrap_err();
    fs::write(&path, "").unwrap();
    assert_eq!(next_fence(&path), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // proves: LOCK-4
    #[test]
    fn whatever_the_file_holds_a_refusal_is_a_refusal(
        bytes in prop::collection::vec(any::<u8>(), 0..1500),
        at in 0usize..1024,
        over in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        drop(acquire(&path).unwrap());
        let lock = acquire(&path).unwrap();
        let before = fs::read(&path).unwrap();
        let mut after = before.clone();
        if over {
            let end = after.len().min(at + bytes.len());
            after[at..end].copy_from_slice(&bytes[..end - at]);
        } else {
            after = bytes;
        }
        fs::write(&path, &after).unwrap();
        let refused = acquire(&path).unwrap_err();
        prop_assert!(!refused.to_string().is_empty());
        let AcquireError::Held { holder, .. } = refused else {
            return Err(TestCaseError::fail(format!("{refused}")));
        };
        // What is left of the holder's own record is told.
        if after.len() == before.len() && after[512..] != before[512..] && after[..512] == before[..512] {
            prop_assert_eq!(holder.unwrap().fence, 1);
        } else if after.get(512..1024) == before.get(512..) {
            prop_assert_eq!(holder.unwrap().fence, lock.fence());
        }
        prop_assert_eq!(fs::read(&path).unwrap(), after);
    }
}
