//! The buffers of a queue: one mapping, whole pages, zeroed, never given back while the kernel may use it.
//!
//! Anonymous memory rather than libublk's `IoBuf`: that one is not zeroed, so that a read which nobody
//! filled would tell what the heap held, and zeroing it by hand would make all of it resident.
#![allow(unsafe_code, reason = "memory is mapped, and shared with the kernel")]

use crate::Tag;
use rustix::mm::{MapFlags, ProtFlags};
use std::io;

/// A buffer per tag.
#[derive(Debug)]
pub(super) struct Buffers {
    start: *mut u8,
    bytes_each: usize,
    depth: u16,
    /// Whether the kernel holds no address of it any more.
    pub(super) returned: bool,
}

impl Buffers {
    /// `depth` buffers of `bytes_each`, which are whole pages.
    pub(super) fn new(depth: u16, bytes_each: usize) -> io::Result<Buffers> {
        let len = usize::from(depth) * bytes_each;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, prot, MapFlags::PRIVATE)
        }?;
        Ok(Buffers { start: start.cast(), bytes_each, depth, returned: false })
    }

    /// The address of a tag's buffer.
    pub(super) fn address(&self, tag: Tag) -> *mut u8 {
        assert!(tag.0 < self.depth, "a tag beyond the depth");
        self.start.wrapping_add(usize::from(tag.0) * self.bytes_each)
    }

    /// A tag's buffer. The kernel leaves it alone from the arrival of the tag's request to its commit.
    pub(super) fn get(&mut self, tag: Tag) -> &mut [u8] {
        let address = self.address(tag);
        // SAFETY: within the mapping, which lives as long as `self`; the kernel writes into a tag's
        // buffer only before it lets the request arrive, and reads it only after the commit.
        unsafe { std::slice::from_raw_parts_mut(address, self.bytes_each) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if !self.returned {
            // A command of the kernel's still names these addresses: they stay taken.
            return;
        }
        let len = usize::from(self.depth) * self.bytes_each;
        // SAFETY: the mapping made in `new`; nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zeroed_apart_and_at_pages() {
        let mut buffers = Buffers::new(3, 8192).unwrap();
        buffers.get(Tag(1)).fill(7);
        for other in [Tag(0), Tag(2)] {
            assert!(buffers.get(other).iter().all(|byte| *byte == 0));
        }
        assert_eq!(buffers.address(Tag(2)).addr() % 4096, 0);
        assert_eq!(buffers.address(Tag(2)).addr() - buffers.address(Tag(1)).addr(), 8192);
        buffers.returned = true;
    }

    #[test]
    #[should_panic(expected = "beyond the depth")]
    fn a_tag_beyond_the_depth_has_no_buffer() {
        let _ = Buffers::new(2, 4096).unwrap().address(Tag(2));
    }
}
