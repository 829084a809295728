//! Memory for buffers: whole pages, one piece for all slots, filled with what compresses badly.
#![allow(unsafe_code, reason = "memory is mapped, and lent to the kernel")]

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::io;

/// Buffers of equal length, each on whole pages.
#[derive(Debug)]
pub(crate) struct Memory {
    base: *mut c_void,
    len: usize,
    /// Bytes of a buffer.
    bs: usize,
    /// Bytes from one buffer to the next.
    stride: usize,
    /// Set while the kernel may still write into it: then it is never given back.
    pub(crate) lent: bool,
}

/// Bytes of a page.
const PAGE: usize = 4096;

impl Memory {
    /// `slots` buffers of `bs` bytes.
    pub(crate) fn new(slots: u32, bs: u32, seed: u64) -> io::Result<Memory> {
        let too_long = || io::Error::from_raw_os_error(rustix::io::Errno::NOMEM.raw_os_error());
        let index = |n: u32| usize::try_from(n).map_err(|_| too_long());
        let (slots, bs) = (index(slots)?, index(bs)?);
        let stride = bs.next_multiple_of(PAGE).max(PAGE);
        let len = stride.checked_mul(slots.max(1)).ok_or_else(too_long)?;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: the kernel chooses the address, so no mapping of anybody else is replaced.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len, protection, flags) }?;
        let mut memory = Memory { base, len, bs, stride, lent: false };
        let mut draws = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..slots).for_each(|slot| draws.fill_bytes(memory.get(slot)));
        Ok(memory)
    }

    /// Where a slot's buffer is.
    pub(crate) fn address(&self, slot: usize) -> *mut u8 {
        let at = slot * self.stride;
        assert!(at + self.bs <= self.len, "slot {slot} has no buffer");
        self.base.cast::<u8>().wrapping_add(at)
    }

    /// A slot's buffer. Whoever lends memory to the kernel asks for no buffer that the kernel has.
    pub(crate) fn get(&mut self, slot: usize) -> &mut [u8] {
        let address = self.address(slot);
        // SAFETY: `bs` bytes at the address lie in the mapping, which lives as long as `self`; they were
        // zero when mapped, and `&mut self` keeps every other slice away.
        unsafe { std::slice::from_raw_parts_mut(address, self.bs) }
    }

    /// The whole, for registration: one entry for each slot.
    pub(crate) fn entries(&self) -> Vec<libc::iovec> {
        let slots = self.len / self.stride;
        let entry = |slot| libc::iovec { iov_base: self.address(slot).cast(), iov_len: self.bs };
        (0..slots).map(entry).collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.lent {
            return;
        }
        // SAFETY: base and length are those of the mapping made in `new`, and no slice of it outlives
        // `self`; the kernel has none of it.
        let unmapped = unsafe { munmap(self.base, self.len) };
        debug_assert!(unmapped.is_ok(), "the mapping is ours");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_apart_and_on_pages() {
        let mut memory = Memory::new(3, 512, 1).unwrap();
        for slot in 0..3_u8 {
            assert_eq!(memory.address(slot.into()).addr() % PAGE, 0);
            memory.get(slot.into()).fill(slot);
        }
        assert!((0..3_u8).all(|slot| *memory.get(slot.into()) == [slot; 512]));
        assert_eq!(memory.entries().len(), 3);
    }

    #[test]
    fn a_seed_fills_them_with_what_does_not_compress() {
        let mut memory = Memory::new(1, 4096, 7).unwrap();
        let ones: u32 = memory.get(0).iter().map(|byte| byte.count_ones()).sum();
        assert!(ones.abs_diff(4096 * 4) < 1000, "{ones}");
    }
}
