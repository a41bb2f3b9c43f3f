use super::*;

#[test]
fn what_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    assert_eq!(DirStorage::open(&path).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    assert!(DirStorage::open(dir.path().join("none")).is_err());
}

#[test]
fn a_file_is_made_once_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let storage = DirStorage::create_or_open(dir.path().join("log")).unwrap();
    storage.create("a").unwrap().allocate(10).unwrap();
    assert_eq!(storage.create("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(storage.open("a", Access::Read).unwrap().length().unwrap(), 10);
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("log"), mode("log/a")), (0o700, 0o600));
}
