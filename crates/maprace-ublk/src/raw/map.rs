//! A file in memory: bytes copied in and out of a shared mapping.
//!
//! Unsafe, because the mapping is memory that no Rust value owns: queues copy into it and out of it
//! without a lock, and other processes may have it too. No reference to it is ever made, only copies
//! through raw pointers within its length. Whoever asks for overlapping ranges at once gets either's
//! bytes, as on any disk. The file must have the length and the pages: an access beyond them is `SIGBUS`.

#![allow(unsafe_code, reason = "copies between buffers and a mapping that no Rust value owns")]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io;
use std::ptr::NonNull;

/// A file's bytes in memory.
#[derive(Debug)]
pub(super) struct Map {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; it is unmapped when this is dropped, once.
unsafe impl Send for Map {}

// SAFETY: all access is by copies of plain bytes through raw pointers; no reference is made that two
// threads could hold.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `len` bytes of a file that is as long, for reading and writing.
    pub(super) fn new(file: &File, len: u64) -> io::Result<Map> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let (prot, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::NORESERVE);
        // SAFETY: a new mapping at an address of the kernel's choice; nothing of this process is there.
        let start = unsafe { mmap(std::ptr::null_mut(), len, prot, flags, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Map { start, len })
    }

    /// The address of `len` bytes at `pos`, which lie within the mapping.
    fn at(&self, pos: u64, len: usize) -> *mut u8 {
        let pos = usize::try_from(pos).expect("a place within the mapping");
        assert!(pos.checked_add(len).is_some_and(|end| end <= self.len), "beyond the mapping");
        // SAFETY: within the mapping, as just checked.
        unsafe { self.start.as_ptr().add(pos) }
    }

    /// Copies bytes out.
    pub(super) fn read(&self, pos: u64, into: &mut [u8]) {
        let from = self.at(pos, into.len());
        // SAFETY: `from` has as many bytes, and no Rust value lies in the mapping, so they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
    }

    /// Copies bytes in.
    pub(super) fn write(&self, pos: u64, bytes: &[u8]) {
        let to = self.at(pos, bytes.len());
        // SAFETY: `to` has room for as many, and no Rust value lies in the mapping, so they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Makes bytes zero.
    pub(super) fn zero(&self, pos: u64, len: usize) {
        let to = self.at(pos, len);
        // SAFETY: `to` has room for as many.
        unsafe { std::ptr::write_bytes(to, 0, len) };
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: this mapping, whole; nobody can have an address in it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}
