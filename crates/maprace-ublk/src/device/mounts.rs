//! A mount namespace of the daemon's own, so that it never holds a file system on its own device.
//!
//! A process that is the last to see a mounted file system unmounts it when it ends. If that file system
//! lies on the device which the process serves, nobody answers the writes any more. So what is mounted
//! later must not reach the daemon (its mounts are made private), and what was mounted before must not
//! be kept alive by it: file systems on block devices are let go of, except those it needs.

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::thread::UnshareFlags;
use std::io;
use std::path::{Path, PathBuf};

/// Gives the calling process mounts of its own. Call it before there is a second thread; `keep` are
/// paths that have to stay reachable.
///
/// # Errors
/// The kernel refused, as it does for users without `CAP_SYS_ADMIN`; everything is as before then.
pub fn private_mounts(keep: &[&Path]) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "unsafe for shared file tables only, and this leaves them shared"
    )]
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", all)?;
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    for point in to_let_go(&table, keep) {
        // A file that is open there keeps it until it is closed.
        let _ = unmount(point, UnmountFlags::DETACH);
    }
    Ok(())
}

/// The mount points of file systems on block devices, deepest first, that none of `keep` lies under.
fn to_let_go(table: &str, keep: &[&Path]) -> Vec<PathBuf> {
    let mut points = Vec::new();
    for line in table.lines() {
        let mut words = line.split(' ');
        // The third is `major:minor`, the fifth where it is mounted; major 0 is no block device.
        let (Some(device), Some(point)) = (words.nth(2), words.nth(1)) else { continue };
        let point = PathBuf::from(unescape(point));
        let needed = point == Path::new("/") || keep.iter().any(|path| path.starts_with(&point));
        if !device.starts_with("0:") && !needed {
            points.push(point);
        }
    }
    points.reverse();
    points
}

/// Spaces and such are written as `\040`.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => plain.extend([char::from(code).to_string().as_str(), &part[3..]]),
            None => plain.extend(["\\", part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw shared:2 - proc proc rw
30 22 8:2 / /srv rw shared:3 - ext4 /dev/sda2 rw
31 22 259:3 / /mnt/my\\040disk rw shared:4 - ext4 /dev/ublkb0 rw
32 31 259:4 / /mnt/my\\040disk/deep rw shared:5 - ext4 /dev/ublkb1 rw
";

    #[test]
    fn file_systems_on_block_devices_are_let_go_of_deepest_first() {
        let keep = [Path::new("/srv/me/image")];
        let points = to_let_go(TABLE, &keep);
        assert_eq!(points, [Path::new("/mnt/my disk/deep"), Path::new("/mnt/my disk")]);
        assert_eq!(to_let_go(TABLE, &[]).len(), 3);
    }

    #[test]
    fn a_line_that_is_none_is_passed_over() {
        assert!(to_let_go("garbage\n\n1 2\n", &[]).is_empty());
        assert_eq!(unescape("a\\134b\\zc"), "a\\b\\zc");
    }
}
