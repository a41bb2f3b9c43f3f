use super::*;

#[test]
fn the_newest_are_kept_and_older_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let copies = dir.path().join("book");
    for number in 0..KEPT + 7 {
        write(&copies, &format!("{number:03}"), "before", "after").unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(&copies).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!((names.len(), names[0].to_str().unwrap()), (KEPT * 2, "007-after.json"));
    assert_eq!(fs::read_to_string(copies.join("056-before.json")).unwrap(), "before");
}
