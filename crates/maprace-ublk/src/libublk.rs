//! The real transport, over libublk 0.4.8: the only module that knows its types.
//!
//! libublk adds the device, opens its character device (`UblkDev`), maps a queue's descriptors and
//! encodes its commands (`UblkQueue`). Left out on purpose: its `run_target` and `configure_queue`
//! (they export the device's state to a world-writable directory; without them nothing is written), its
//! tasks and executor (one task per tag for each request), its waiting (it swallows errors, and knows no
//! instant), and its commands on devices that exist (`control.rs` says why).
//!
//! `UblkDev` can be made from an `UblkCtrl` only. The one that adds a device deletes it when dropped, so
//! it is disowned at once and dropped before anybody else sees the device. The one that goes on with a
//! device looks for a file in that directory and, missing it, prints one line on the standard error:
//! it is kept from there by [`quietly`].

mod memory;
mod queue;

pub(crate) use queue::Queue;

use crate::control;
use crate::device::Error;
use libublk::ctrl::UblkCtrl;
use libublk::io::UblkDev;
use libublk::{UblkError, UblkFlags, sys};
use rustix::io::Errno;
use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// A device's character device, open; closed when the last queue and the last owner are gone.
pub(crate) struct Device {
    /// libublk's.
    dev: UblkDev,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What is asked of the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Its number; none: the next free one.
    pub(crate) id: Option<u32>,
    pub(crate) queues: u16,
    pub(crate) depth: u16,
    pub(crate) buffer_bytes: u32,
    pub(crate) recoverable: bool,
    /// Whether the kernel copies bytes.
    pub(crate) copies: bool,
}

impl Device {
    /// Adds a device and opens its character device.
    ///
    /// # Errors
    /// The kernel refused, or did not answer within `limit`; nothing is left then.
    pub(crate) fn add(shape: Shape, limit: Duration) -> Result<Arc<Device>, Error> {
        let undo = move |device: Arc<Device>| {
            let id = device.id();
            drop(device);
            let _ = control::delete(id, limit);
        };
        on_a_thread("UBLK_CMD_ADD_DEV", limit, undo, move || add_now(shape))
    }

    /// Opens the character device of one that waits for a process.
    ///
    /// # Errors
    /// There is none, or it did not open within `limit`; it is as it was then.
    pub(crate) fn reopen(id: u32, limit: Duration) -> Result<Arc<Device>, Error> {
        quietly(|| on_a_thread("open /dev/ublkc", limit, drop, move || reopen_now(id)))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.dev.dev_info.dev_id
    }

    /// Whether the kernel copies bytes: it was asked to, or knows nothing else.
    pub(crate) fn copies(&self) -> bool {
        self.dev.dev_info.flags & u64::from(sys::UBLK_F_USER_COPY) == 0
    }

    /// Queues.
    pub(crate) fn queues(&self) -> u16 {
        self.dev.dev_info.nr_hw_queues
    }
}

/// Runs `work` on a thread that is left behind when it takes longer than `limit`; what it brings too
/// late is given to `undo`.
fn on_a_thread<T: Send + 'static>(
    what: &'static str,
    limit: Duration,
    undo: impl FnOnce(T) + Send + 'static,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("ublk-control".to_owned()).spawn(move || {
        if let Err(mpsc::SendError(Ok(late))) = tell.send(work()) {
            undo(late);
        }
    });
    spawned.map_err(|source| Error::Io { what: "a thread for a control command", source })?;
    told.recv_timeout(limit).unwrap_or_else(|_| {
        let advice = "the kernel still works on it: look for `ublk` in its log".to_owned();
        Err(Error::TooLate { what, limit, advice })
    })
}

fn add_now(shape: Shape) -> Result<Arc<Device>, Error> {
    let mut flags = sys::UBLK_F_CMD_IOCTL_ENCODE;
    if shape.recoverable {
        flags |= sys::UBLK_F_USER_RECOVERY | sys::UBLK_F_USER_RECOVERY_REISSUE;
    }
    if !shape.copies {
        flags |= sys::UBLK_F_USER_COPY;
    }
    let id = shape.id.map_or(Ok(-1), i32::try_from);
    let id = id.map_err(|_| Error::Plan(format!("no device has the number {:?}", shape.id)))?;
    let ctrl = UblkCtrl::new(
        Some("maprace".to_owned()),
        id,
        u32::from(shape.queues),
        u32::from(shape.depth),
        shape.buffer_bytes,
        u64::from(flags),
        0,
        UblkFlags::UBLK_DEV_F_ADD_DEV,
    );
    let ctrl = match ctrl {
        Ok(ctrl) => ctrl,
        Err(UblkError::UringIOError(errno)) => {
            let info = sys::ublksrv_ctrl_dev_info {
                nr_hw_queues: shape.queues,
                queue_depth: shape.depth,
                max_io_buf_bytes: shape.buffer_bytes,
                dev_id: shape.id.unwrap_or(u32::MAX),
                flags: u64::from(flags),
                ..Default::default()
            };
            let first = control::why_not_added(info);
            return Err(
                first.unwrap_or_else(|| control::words::refused("UBLK_CMD_ADD_DEV", -errno))
            );
        }
        Err(other) => return Err(translate("UBLK_CMD_ADD_DEV", other)),
    };
    ctrl.disown();
    let id = ctrl.dev_info().dev_id;
    open(&ctrl).inspect_err(|_| {
        let _ = control::delete(id, Duration::from_secs(5));
    })
}

fn reopen_now(id: u32) -> Result<Arc<Device>, Error> {
    let number =
        i32::try_from(id).map_err(|_| Error::Plan(format!("no device has the number {id}")))?;
    let ctrl = UblkCtrl::new(None, number, 0, 0, 0, 0, 0, UblkFlags::UBLK_DEV_F_RECOVER_DEV)
        .map_err(|error| translate("UBLK_CMD_GET_DEV_INFO2", error))?;
    open(&ctrl)
}

/// Opens the character device; libublk waits up to 3 s for udev.
fn open(ctrl: &UblkCtrl) -> Result<Arc<Device>, Error> {
    let dev = UblkDev::new("maprace".to_owned(), |_| Ok(()), ctrl)
        .map_err(|error| translate("open /dev/ublkc", error))?;
    Ok(Arc::new(Device { dev }))
}

/// libublk's error as ours.
fn translate(what: &'static str, error: UblkError) -> Error {
    match error {
        UblkError::UringIOError(errno) | UblkError::OtherError(errno) => {
            control::words::refused(what, errno.abs())
        }
        UblkError::IOError(source) => Error::Io { what, source },
        other => Error::Io { what, source: std::io::Error::other(other.to_string()) },
    }
}

/// Does `work` while nothing reaches the standard error.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let swapped = rustix::io::dup(rustix::stdio::stderr()).and_then(|kept| {
        let null = File::create("/dev/null").map_err(|_| Errno::NOENT)?;
        rustix::stdio::dup2_stderr(null)?;
        Ok(kept)
    });
    let result = work();
    if let Ok(kept) = swapped {
        let _ = rustix::stdio::dup2_stderr(kept);
    }
    result
}
