//! Control commands on devices that exist, each with an honest errno and a time limit.
//!
//! libublk's `UblkCtrl` adds devices for us (`libublk.rs`); everything else goes through here, because
//! there `-EBUSY` passes for success, a refused command is tried again with the old encoding whose
//! errno is then the one told, `EINTR` counts as an answer, a device's state is exported to a
//! world-writable directory, and nothing ends a command that the kernel keeps. The numbers and
//! structures of the ABI are libublk's. Only commands encoded as ioctls are used.

mod command;
pub(crate) mod params;
pub(crate) mod words;

use crate::Attributes;
use crate::device::Error;
pub(crate) use command::NODE;
use command::{Command, WithPath, issue};
use libublk::sys;
use rustix::io::Errno;
use std::time::Duration;

/// For commands that only read.
const QUICK: Duration = Duration::from_secs(5);

/// No device.
const NONE: u32 = u32::MAX;

/// What the driver can do, as flags: `UBLK_CMD_GET_FEATURES`.
pub(crate) fn features() -> Result<u64, Error> {
    let command = Command {
        name: "UBLK_CMD_GET_FEATURES",
        op: sys::UBLK_U_CMD_GET_FEATURES,
        device: NONE,
        data: 0,
    };
    issue(command, 0_u64, QUICK)
}

/// Why the kernel does not add a device: asks it once more, since libublk tells the errno of its second
/// try, in an encoding that the kernel may not have. None: now it would.
pub(crate) fn why_not_added(info: sys::ublksrv_ctrl_dev_info) -> Option<Error> {
    let command = Command {
        name: "UBLK_CMD_ADD_DEV",
        op: sys::UBLK_U_CMD_ADD_DEV,
        device: info.dev_id,
        data: 0,
    };
    match issue(command, info, QUICK) {
        Err(error) => Some(error),
        Ok(added) => {
            // It was refused a moment ago, so nobody expects this one.
            let _ = delete(added.dev_id, QUICK);
            None
        }
    }
}

/// A device as the kernel knows it: `UBLK_CMD_GET_DEV_INFO`, or for one that was added without rights
/// `UBLK_CMD_GET_DEV_INFO2`, which wants to see its node.
pub(crate) fn info(id: u32) -> Result<sys::ublksrv_ctrl_dev_info, Error> {
    let command = Command {
        name: "UBLK_CMD_GET_DEV_INFO",
        op: sys::UBLK_U_CMD_GET_DEV_INFO,
        device: id,
        data: 0,
    };
    match issue(command, sys::ublksrv_ctrl_dev_info::default(), QUICK) {
        Err(error) if error.errno() == Some(Errno::INVAL) => {
            let (name, op) = ("UBLK_CMD_GET_DEV_INFO2", sys::UBLK_U_CMD_GET_DEV_INFO2);
            let payload = WithPath::new(id);
            Ok(issue(Command { name, op, ..command }, payload, QUICK)?.info)
        }
        other => other,
    }
}

/// Whether the kernel still knows a device.
pub(crate) fn exists(id: u32) -> Result<bool, Error> {
    match info(id) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == Some(Errno::NODEV) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A device's attributes: `UBLK_CMD_GET_PARAMS`.
pub(crate) fn attributes(id: u32) -> Result<Attributes, Error> {
    let command = Command {
        name: "UBLK_CMD_GET_PARAMS",
        op: sys::UBLK_U_CMD_GET_PARAMS,
        device: id,
        data: 0,
    };
    let len = u32::try_from(size_of::<sys::ublk_params>()).expect("a small structure");
    let empty = sys::ublk_params { len, ..Default::default() };
    Ok(params::decode(&issue(command, empty, QUICK)?))
}

/// Tells the kernel a device's attributes: `UBLK_CMD_SET_PARAMS`, before it is started.
pub(crate) fn set_attributes(
    id: u32,
    attributes: &Attributes,
    buffer_bytes: u32,
) -> Result<(), Error> {
    let command = Command {
        name: "UBLK_CMD_SET_PARAMS",
        op: sys::UBLK_U_CMD_SET_PARAMS,
        device: id,
        data: 0,
    };
    issue(command, params::encode(attributes, buffer_bytes), QUICK).map(drop)
}

/// The processors that send to a queue, as a mask: `UBLK_CMD_GET_QUEUE_AFFINITY`.
pub(crate) fn affinity(id: u32, queue: u16) -> Result<[u64; 16], Error> {
    let command = Command {
        name: "UBLK_CMD_GET_QUEUE_AFFINITY",
        op: sys::UBLK_U_CMD_GET_QUEUE_AFFINITY,
        device: id,
        data: u64::from(queue),
    };
    issue(command, [0_u64; 16], QUICK)
}

/// Makes the block device: `UBLK_CMD_START_DEV`. The kernel waits until every queue has asked for
/// requests, then reads the partition table.
pub(crate) fn start(id: u32, limit: Duration) -> Result<(), Error> {
    let data = u64::from(std::process::id());
    let command =
        Command { name: "UBLK_CMD_START_DEV", op: sys::UBLK_U_CMD_START_DEV, device: id, data };
    issue(command, (), limit)
}

/// Takes the block device away: `UBLK_CMD_STOP_DEV`. The kernel waits for what is in flight, so the
/// queues have to serve.
pub(crate) fn stop(id: u32, limit: Duration) -> Result<(), Error> {
    let command =
        Command { name: "UBLK_CMD_STOP_DEV", op: sys::UBLK_U_CMD_STOP_DEV, device: id, data: 0 };
    issue(command, (), limit)
}

/// Begins to go on with a device whose process is gone: `UBLK_CMD_START_USER_RECOVERY`.
pub(crate) fn start_recovery(id: u32) -> Result<(), Error> {
    let command = Command {
        name: "UBLK_CMD_START_USER_RECOVERY",
        op: sys::UBLK_U_CMD_START_USER_RECOVERY,
        device: id,
        data: 0,
    };
    issue(command, (), QUICK)
}

/// Ends it: `UBLK_CMD_END_USER_RECOVERY`. Waits as [`start`] does.
pub(crate) fn end_recovery(id: u32, limit: Duration) -> Result<(), Error> {
    let command = Command {
        name: "UBLK_CMD_END_USER_RECOVERY",
        op: sys::UBLK_U_CMD_END_USER_RECOVERY,
        device: id,
        data: u64::from(std::process::id()),
    };
    issue(command, (), limit)
}

/// Gives a device's number back: `UBLK_CMD_DEL_DEV_ASYNC` where the kernel has it (6.9), else
/// `UBLK_CMD_DEL_DEV`, which waits until nobody holds the device.
pub(crate) fn delete(id: u32, limit: Duration) -> Result<(), Error> {
    let command = Command {
        name: "UBLK_CMD_DEL_DEV_ASYNC",
        op: sys::UBLK_U_CMD_DEL_DEV_ASYNC,
        device: id,
        data: 0,
    };
    match issue(command, (), limit) {
        Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::INVAL)) => {
            let (name, op) = ("UBLK_CMD_DEL_DEV", sys::UBLK_U_CMD_DEL_DEV);
            issue(Command { name, op, ..command }, (), limit)
        }
        other => other,
    }
}
