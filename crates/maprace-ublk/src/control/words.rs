//! Errnos and flags in words.
//!
//! Only what can be said for sure from a command and its errno; `doctor` looks further.

use crate::device::Error;
use libublk::sys;
use rustix::io::Errno;

/// A refusal of the kernel as an error.
pub(crate) fn refused(command: &'static str, errno: i32) -> Error {
    let (meaning, advice) = meaning(command, errno);
    Error::Refused { command, errno, meaning, advice: advice.to_owned() }
}

/// What `errno` means as an answer to `command`, and what to do.
fn meaning(command: &str, errno: i32) -> (String, &'static str) {
    let system = std::io::Error::from_raw_os_error(errno).to_string();
    let system = system.split(" (os error").next().unwrap_or_default().to_owned();
    let known = match (command, Errno::from_raw_os_error(errno)) {
        ("open /dev/ublk-control", Errno::NOENT | Errno::NXIO | Errno::NODEV) => Some((
            "the driver ublk_drv is not loaded",
            "run `modprobe ublk_drv`; a kernel without it needs CONFIG_BLK_DEV_UBLK",
        )),
        ("open /dev/ublk-control", Errno::ACCESS | Errno::PERM) => Some((
            "this user may not open the control device",
            "run it as root, or give the user rights to /dev/ublk-control",
        )),
        ("io_uring_setup", Errno::PERM | Errno::NOSYS) => Some((
            "io_uring is switched off on this machine",
            "run `sysctl kernel.io_uring_disabled=0`; in a container, allow io_uring in its seccomp \
             profile",
        )),
        ("io_uring_setup", Errno::NOMEM) => Some((
            "the limit of locked memory leaves no room for a ring",
            "raise it with `ulimit -l`",
        )),
        ("UBLK_CMD_ADD_DEV", Errno::ACCESS) => Some((
            "as many devices as ublk_drv's ublks_max allows are there, or the user may not add one",
            "delete one, or raise /sys/module/ublk_drv/parameters/ublks_max",
        )),
        ("UBLK_CMD_ADD_DEV", Errno::EXIST) => {
            Some(("a device of that number is there", "choose another number, or none"))
        }
        ("UBLK_CMD_GET_FEATURES", Errno::OPNOTSUPP | Errno::INVAL) => {
            Some(("this kernel's ublk_drv cannot tell its features", "use Linux 6.5 or later"))
        }
        ("UBLK_CMD_START_USER_RECOVERY", Errno::BUSY) => Some((
            "the kernel does not see yet that the device's process is gone",
            "end the process that holds the device's /dev/ublkc node, then try again",
        )),
        ("UBLK_CMD_START_USER_RECOVERY", Errno::INVAL) => {
            Some(("the device was added without recovery", "delete it and add it again"))
        }
        (_, Errno::NODEV | Errno::NOENT) => {
            Some(("there is no such device", "see `maprace device list`"))
        }
        (_, Errno::PERM | Errno::ACCESS) => {
            Some(("this user may not do that to the device", "run it as root"))
        }
        _ => None,
    };
    match known {
        Some((meaning, advice)) => (meaning.to_owned(), advice),
        None => (system, "`maprace device doctor` looks for causes"),
    }
}

/// The flags' names, as in the kernel's header.
const FLAGS: &[(u64, &str)] = &[
    (sys::UBLK_F_SUPPORT_ZERO_COPY as u64, "SUPPORT_ZERO_COPY"),
    (sys::UBLK_F_URING_CMD_COMP_IN_TASK as u64, "URING_CMD_COMP_IN_TASK"),
    (sys::UBLK_F_NEED_GET_DATA as u64, "NEED_GET_DATA"),
    (sys::UBLK_F_USER_RECOVERY as u64, "USER_RECOVERY"),
    (sys::UBLK_F_USER_RECOVERY_REISSUE as u64, "USER_RECOVERY_REISSUE"),
    (sys::UBLK_F_UNPRIVILEGED_DEV as u64, "UNPRIVILEGED_DEV"),
    (sys::UBLK_F_CMD_IOCTL_ENCODE as u64, "CMD_IOCTL_ENCODE"),
    (sys::UBLK_F_USER_COPY as u64, "USER_COPY"),
    (sys::UBLK_F_ZONED as u64, "ZONED"),
    (sys::UBLK_F_USER_RECOVERY_FAIL_IO as u64, "USER_RECOVERY_FAIL_IO"),
    (sys::UBLK_F_UPDATE_SIZE as u64, "UPDATE_SIZE"),
    (sys::UBLK_F_AUTO_BUF_REG as u64, "AUTO_BUF_REG"),
    (sys::UBLK_F_QUIESCE as u64, "QUIESCE"),
    (sys::UBLK_F_PER_IO_DAEMON as u64, "PER_IO_DAEMON"),
    (sys::UBLK_F_BUF_REG_OFF_DAEMON as u64, "BUF_REG_OFF_DAEMON"),
    (sys::UBLK_F_BATCH_IO as u64, "BATCH_IO"),
    (sys::UBLK_F_INTEGRITY as u64, "INTEGRITY"),
    (sys::UBLK_F_SAFE_STOP_DEV as u64, "SAFE_STOP_DEV"),
    (sys::UBLK_F_NO_AUTO_PART_SCAN as u64, "NO_AUTO_PART_SCAN"),
    (sys::UBLK_F_SHMEM_ZC as u64, "SHMEM_ZC"),
    // Newer than libublk's header.
    (1 << 20, "IO_DESC_SIZE"),
];

/// The names of the set bits (`UBLK_F_` is left off), and the bits without one.
pub(crate) fn flags(bits: u64) -> (Vec<String>, u64) {
    let known = FLAGS.iter().fold(0, |all, (bit, _)| all | bit);
    let set = FLAGS.iter().filter(|(bit, _)| bits & bit != 0);
    (set.map(|(_, name)| (*name).to_owned()).collect(), bits & !known)
}

/// A device's state in the kernel, in the kernel's word.
pub(crate) fn state(state: u16) -> &'static str {
    match u32::from(state) {
        sys::UBLK_S_DEV_DEAD => "DEAD",
        sys::UBLK_S_DEV_LIVE => "LIVE",
        sys::UBLK_S_DEV_QUIESCED => "QUIESCED",
        sys::UBLK_S_DEV_FAIL_IO => "FAIL_IO",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_named_once_and_a_new_one_is_kept_as_a_number() {
        let (names, unknown) = flags(0x1fe);
        assert_eq!(names.len(), 8);
        assert!(names.contains(&"USER_RECOVERY".to_owned()) && unknown == 0);
        assert_eq!(flags(1 << 40), (Vec::new(), 1 << 40));
        let bits: u64 = FLAGS.iter().map(|(bit, _)| bit).sum();
        assert_eq!(bits, 0x1f_ffff);
    }

    #[test]
    fn an_errno_is_told_with_what_it_means_here() {
        let text = refused("UBLK_CMD_ADD_DEV", 13).to_string();
        assert!(text.contains("ublks_max") && text.contains("errno 13"), "{text}");
        let text = refused("UBLK_CMD_STOP_DEV", 5).to_string();
        assert!(text.contains("nput/output error") && !text.contains("os error"), "{text}");
        // The same errno means something else elsewhere.
        assert!(!refused("open /dev/ublk-control", 13).to_string().contains("ublks_max"));
    }
}
