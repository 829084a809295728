//! Discard on a block device, for which there is no system call but an `ioctl`.
#![allow(unsafe_code, reason = "an ioctl is what its number says it is")]

use rustix::ioctl::{Setter, ioctl, opcode};
use std::os::fd::AsFd;

/// `BLKDISCARD` of the kernel's `linux/fs.h`.
const BLKDISCARD: rustix::ioctl::Opcode = opcode::none(0x12, 119);

/// Discards `len` bytes at `pos`, and returns when that is done.
pub(crate) fn discard(device: impl AsFd, pos: u64, len: u64) -> rustix::io::Result<()> {
    // SAFETY: the number takes a pointer to two words of 64 bits, start and length, and only reads them.
    let order = unsafe { Setter::<BLKDISCARD, [u64; 2]>::new([pos, len]) };
    // SAFETY: the descriptor is open as long as it is borrowed, and the order outlives the call.
    unsafe { ioctl(device, order) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_has_no_discard() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(discard(&file, 0, 512), Err(rustix::io::Errno::NOTTY));
    }
}
