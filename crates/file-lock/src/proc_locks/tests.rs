use super::*;

const LIST: &str = "\
1: FLOCK  ADVISORY  WRITE 9485 fe:00:10010721 0 EOF
1: -> FLOCK  ADVISORY  WRITE 9486 fe:00:10010721 0 EOF
2: POSIX  ADVISORY  WRITE 812 fe:00:131842 0 EOF
3: OFDLCK ADVISORY  READ -1 00:19:43 0 EOF
4: FLOCK  ADVISORY  READ 77 103:1a:5 0 EOF
5: FLOCK  ADVISORY  WRITE -1 00:30:6 0 EOF
6: LEASE  ACTIVE    READ 12 fe:00:7 0 EOF
";

#[test]
fn reads_flocks_that_are_held_and_nothing_else() {
    let expected = [
        Flock { pid: Some(9485), device: (0xfe, 0), inode: 10_010_721 },
        Flock { pid: Some(77), device: (0x103, 0x1a), inode: 5 },
        Flock { pid: None, device: (0, 0x30), inode: 6 },
    ];
    assert_eq!(flocks(LIST).collect::<Vec<_>>(), expected);
}

#[test]
fn a_line_that_is_cut_anywhere_is_left_out_or_read() {
    let line = LIST.lines().next().unwrap();
    for end in 0..line.len() {
        assert!(flocks(&line[..end]).all(|flock| flock.pid == Some(9485)));
    }
    assert_eq!(flocks("1: FLOCK ADVISORY WRITE 1 <none>:0 0 EOF").count(), 0);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC| |:|FLOCK|\n){0,40}") {
        let _count = flocks(&text).count();
    }
}
