//! One command on `/dev/ublk-control`: given to a thread of its own, waited for until a limit.
//!
//! The kernel may keep a command for ever (`UBLK_CMD_START_DEV` until all queues ask, `UBLK_CMD_DEL_DEV`
//! until nobody holds the character device), so whoever issues one must be able to go away: the thread,
//! its ring and the memory that the kernel writes into are left behind then. Each command has a ring of
//! its own; they are rare. What libublk's own control does not do, and why it is not used for this, is
//! told in `control.rs`.
#![allow(
    unsafe_code,
    reason = "a submission entry is handed to the kernel with the address of what it reads and writes"
)]

use crate::device::Error;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use libublk::sys;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::Duration;

/// Where commands go.
pub(crate) const NODE: &str = "/dev/ublk-control";

/// Entries of a command's ring: one command.
const ENTRIES: u32 = 4;

/// What the kernel may fill: any bytes are a value of it, and none of them is padding.
///
/// # Safety
/// Every pattern of bits is a valid value.
pub(super) unsafe trait Plain: Copy + Send + 'static {
    /// Bytes at its beginning that name the device's node.
    const PATH_LEN: usize = 0;
}

// SAFETY: integers only.
unsafe impl Plain for () {}
// SAFETY: integers only.
unsafe impl Plain for u64 {}
// SAFETY: integers only.
unsafe impl Plain for [u64; 16] {}
// SAFETY: integers only, as bindgen made it from the kernel's header.
unsafe impl Plain for sys::ublksrv_ctrl_dev_info {}
// SAFETY: integers only, as bindgen made it from the kernel's header.
unsafe impl Plain for sys::ublk_params {}

/// A device's node by name, and room for what the kernel knows of it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct WithPath {
    path: [u8; PATH_LEN],
    pub(super) info: sys::ublksrv_ctrl_dev_info,
}

/// Bytes of the name; what is left over is zeroes. Whole words, so that nothing lies between the two.
const PATH_LEN: usize = 24;

// SAFETY: integers only, and no gap between them.
unsafe impl Plain for WithPath {
    const PATH_LEN: usize = PATH_LEN;
}

impl WithPath {
    pub(super) fn new(device: u32) -> WithPath {
        let mut path = [0; PATH_LEN];
        let name = format!("/dev/ublkc{device}");
        path[..name.len()].copy_from_slice(name.as_bytes());
        WithPath { path, info: sys::ublksrv_ctrl_dev_info::default() }
    }
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// As the kernel's header calls it.
    pub(super) name: &'static str,
    /// Its number, encoded as an ioctl.
    pub(super) op: u32,
    /// The device it is about; `u32::MAX` for none.
    pub(super) device: u32,
    /// Its argument.
    pub(super) data: u64,
}

/// Issues `command` with `payload`, which the kernel reads or fills; gives it back.
///
/// # Errors
/// The kernel refused, or did not answer within `limit`.
pub(super) fn issue<T: Plain>(command: Command, payload: T, limit: Duration) -> Result<T, Error> {
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new()
        .name("ublk-control".to_owned())
        .spawn(move || {
            // Nobody may be listening any more.
            let _ = tell.send(execute(command, payload));
        })
        .map_err(|source| Error::Io { what: "a thread for a control command", source })?;
    match told.recv_timeout(limit) {
        Ok(result) => result.map_err(|failed| failed.into_error(command.name)),
        Err(_) => Err(Error::TooLate {
            what: command.name,
            limit,
            advice:
                "the kernel still works on it: look for `ublk` in its log, and for who holds the \
                     device with `maprace device doctor`"
                    .to_owned(),
        }),
    }
}

/// How a command failed, and at what.
struct Failed {
    /// None: the command itself.
    step: Option<&'static str>,
    error: io::Error,
}

impl Failed {
    fn into_error(self, name: &'static str) -> Error {
        let errno = self.error.raw_os_error().unwrap_or(0);
        super::words::refused(self.step.unwrap_or(name), errno)
    }
}

/// Does it, and waits as long as it takes.
fn execute<T: Plain>(command: Command, payload: T) -> Result<T, Failed> {
    let at = |step| move |error| Failed { step: Some(step), error };
    let node = OpenOptions::new()
        .read(true)
        .write(true)
        .open(NODE)
        .map_err(at("open /dev/ublk-control"))?;
    let mut ring: IoUring<squeue::Entry128, cqueue::Entry> =
        IoUring::builder().build(ENTRIES).map_err(at("io_uring_setup"))?;
    let mut payload = Box::new(payload);
    let entry = entry(command, &node, &raw mut *payload, size_of::<T>());
    // SAFETY: `node` and `payload` live until the completion is there: the loop below ends with it only.
    unsafe { ring.submission().push(&entry) }.expect("the ring is empty");
    let answer = loop {
        match ring.submit_and_wait(1) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // What is in flight goes with the process; its memory must not go before.
                std::mem::forget((ring, payload, node));
                return Err(Failed { step: Some("io_uring_enter"), error });
            }
            Ok(_) | Err(_) => {}
        }
        if let Some(answer) = ring.completion().next() {
            break answer.result();
        }
    };
    if answer < 0 {
        return Err(Failed { step: None, error: io::Error::from_raw_os_error(-answer) });
    }
    Ok(*payload)
}

/// `struct ublksrv_ctrl_cmd` in an entry.
fn entry<T: Plain>(
    command: Command,
    node: &File,
    payload: *mut T,
    bytes: usize,
) -> squeue::Entry128 {
    let bytes = u16::try_from(bytes).expect("payloads are small");
    let mut block = [0_u8; 80];
    block[0..4].copy_from_slice(&command.device.to_ne_bytes());
    // `queue_id` is no command's; the kernel wants it to be -1.
    block[4..6].copy_from_slice(&u16::MAX.to_ne_bytes());
    block[6..8].copy_from_slice(&bytes.to_ne_bytes());
    if bytes > 0 {
        block[8..16].copy_from_slice(&payload.expose_provenance().to_ne_bytes());
    }
    block[16..24].copy_from_slice(&command.data.to_ne_bytes());
    let path_len = u16::try_from(T::PATH_LEN).expect("a short name");
    block[24..26].copy_from_slice(&path_len.to_ne_bytes());
    opcode::UringCmd80::new(types::Fd(node.as_raw_fd()), command.op).cmd(block).build()
}
