use super::*;

const ID: FileId = FileId { device: 0xfe00, inode: 42 };

fn last_holder(pid: u32, host: Option<&str>) -> Holder {
    Holder { fence: 1, pid, host: host.map(str::to_owned), label: "bot".to_owned(), since: jiff::Timestamp::UNIX_EPOCH }
}

/// Our host is `here`; the record names pid 10.
#[track_caller]
fn check(list: &[(u32, (u64, u64), u64)], recorded_host: Option<&str>, expected: Presence) {
    let list = list.iter().map(|&(pid, device, inode)| Flock { pid: Some(pid), device, inode });
    assert_eq!(presence(list, ID, Some(&last_holder(10, recorded_host)), Some("here")), expected);
}

#[test]
fn a_lock_in_the_list_is_held_whoever_the_record_names() {
    check(&[(10, (0xfe, 0), 42)], Some("here"), Presence::Held);
    check(&[(99, (0xfe, 0), 42)], Some("here"), Presence::Held);
    check(&[(99, (0xfe, 0), 42)], Some("elsewhere"), Presence::Held);
}

#[test]
fn under_another_device_it_is_held_if_the_pid_agrees() {
    check(&[(10, (0, 0x1c), 42)], Some("here"), Presence::Held);
    check(&[(11, (0, 0x1c), 42)], Some("here"), Presence::CannotTell);
}

#[test]
fn not_in_the_list_is_free_only_where_the_list_reaches() {
    check(&[(10, (0xfe, 0), 43)], Some("here"), Presence::Free);
    check(&[], Some("elsewhere"), Presence::CannotTell);
    check(&[], None, Presence::CannotTell);
    assert_eq!(presence([].into_iter(), ID, None, Some("here")), Presence::CannotTell);
    assert_eq!(presence([].into_iter(), ID, Some(&last_holder(10, None)), None), Presence::CannotTell);
}

#[test]
fn device_numbers_unpack_as_linux_packs_them() {
    for (device, expected) in [(0xfe00, (0xfe, 0)), (0x1c, (0, 0x1c)), (0x1a11_03b2, (0x103, 0x1_a1b2))] {
        assert_eq!(FileId { device, inode: 0 }.device_numbers(), expected);
    }
}
