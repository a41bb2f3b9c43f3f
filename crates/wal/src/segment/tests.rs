use super::*;

#[test]
fn only_names_as_they_are_made_are_names_of_the_log() {
    assert_eq!(named(&name(17)), Named::Segment(17));
    assert_eq!(named(&temporary_name(17)), Named::Temporary);
    assert_eq!(named("lock"), Named::Lock);
    for text in
        ["1.wal", "00000000000000000000.wal", "notes.txt", "00000000000000000001.wal~", "+0000000000000000001.wal"]
    {
        assert_eq!(named(text), Named::Foreign, "{text}");
    }
}
