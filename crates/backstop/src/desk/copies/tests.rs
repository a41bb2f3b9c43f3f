use super::*;

fn name(number: usize) -> String {
    format!("20300102T150000.{number:06}Z-test-20300102-1-1")
}

#[test]
fn the_newest_are_kept_and_older_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let copies = dir.path().join("book");
    for number in 0..KEPT + 7 {
        write(&copies, &name(number), "before", "after").unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(&copies).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!((names.len(), names[0].to_str().unwrap()), (KEPT * 2, format!("{}-after.json", name(7)).as_str()));
    assert_eq!(fs::read_to_string(copies.join(format!("{}-before.json", name(56)))).unwrap(), "before");
}

#[test]
fn what_is_not_a_copy_stays_and_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let others = ["0-notes.json", "20300101-after.json", "a-before.json"];
    for other in others {
        fs::write(dir.path().join(other), "mine").unwrap();
    }
    fs::create_dir(dir.path().join("00")).unwrap();
    for number in 0..KEPT + 7 {
        write(dir.path(), &name(number), "before", "after").unwrap();
    }
    assert!(others.iter().all(|other| dir.path().join(other).exists()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), KEPT * 2 + others.len() + 1);
}
