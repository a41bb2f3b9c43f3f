//! Which file systems may be reached from another machine, where a lock of this one may mean nothing (LOCK-7).

use std::fs::File;
use std::io;

/// The file system of `file`, if another machine may reach the same file; `None` if it is local, or not known here.
#[cfg(target_os = "linux")]
pub(crate) fn network(file: &File) -> io::Result<Option<&'static str>> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    // The field is signed on some processors and wider than the number on most.
    Ok(u32::try_from(i128::from(kind) & 0xffff_ffff).ok().and_then(by_magic))
}

/// The file system of `file`: this system does not say by a number that is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn network(_: &File) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Numbers of `statfs(2)` and of Linux' `include/uapi/linux/magic.h`; those of clustered file systems from their own
/// sources. A file system in user space may be anything, sshfs for one, so it counts as one of these (law 5).
#[cfg(target_os = "linux")]
fn by_magic(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x786f_4256 => "a VirtualBox shared folder",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    // proves: LOCK-7
    #[test]
    fn what_another_machine_may_reach_is_known_by_its_number_and_a_local_disk_is_not_among_it() {
        // The numbers as `stat -f` shows them.
        let remote = [0x6969, 0xff53_4d42, 0x6573_5546, 0x0102_1997];
        assert!(remote.into_iter().all(|magic| by_magic(magic).is_some()));
        // ext4, XFS, btrfs, tmpfs, overlay, ZFS, F2FS.
        let local = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1, 0xf2f5_2010];
        assert!(local.into_iter().all(|magic| by_magic(magic).is_none()));
        assert_eq!(network(&tempfile::tempfile().unwrap()).unwrap(), None);
    }
}
