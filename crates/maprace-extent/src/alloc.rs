//! Which physical blocks are free: first fit, lowest first.
//!
//! Stands for mballoc where only *that* a block is taken matters, not which: no groups beyond one
//! bitmap that may have to be read, no buddies, no preallocation, no goals.

use crate::Pblk;
use crate::runs::{RunMap, Value};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Free;

impl Value for Free {
    fn at(self, _: u64) -> Free {
        Free
    }
}

/// No block is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSpace;

/// The block bitmap.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Allocator {
    free: RunMap<Free>,
    total: u32,
}

impl Allocator {
    /// `blocks` free blocks, numbered from 0.
    pub fn new(blocks: u32) -> Allocator {
        let mut free = RunMap::new();
        free.set(0, u64::from(blocks), Free);
        Allocator { free, total: blocks }
    }

    /// Takes the lowest run of free blocks, at most `want` (at least 1) of it.
    ///
    /// # Errors
    /// [`NoSpace`] when none is free.
    pub fn take(&mut self, want: u32) -> Result<(Pblk, u32), NoSpace> {
        let run = self.free.runs().next().ok_or(NoSpace)?;
        let len = run.len.min(u64::from(want.max(1)));
        self.free.remove(run.start, run.start + len);
        let fit = |v: u64| u32::try_from(v).expect("the bitmap was made from a u32");
        Ok((Pblk(fit(run.start)), fit(len)))
    }

    /// Gives `len` blocks back. Returns false, and changes nothing, when one of them is free already.
    #[must_use]
    pub fn give(&mut self, pblk: Pblk, len: u32) -> bool {
        let (lo, hi) = (u64::from(pblk.0), u64::from(pblk.0) + u64::from(len));
        if self.free.range(lo, hi).next().is_some() || hi > u64::from(self.total) {
            return false;
        }
        self.free.set(lo, hi, Free);
        true
    }

    /// The same without its `len` last blocks, which are free.
    ///
    /// # Panics
    /// When one of them is not.
    #[must_use]
    pub fn without_last(mut self, len: u32) -> Allocator {
        let (lo, hi) = (u64::from(self.total - len), u64::from(self.total));
        let free: u64 = self.free.range(lo, hi).map(|run| run.len).sum();
        assert_eq!(free, hi - lo, "the last {len} blocks are free");
        self.free.remove(lo, hi);
        self.total -= len;
        self
    }

    /// How many are free.
    pub fn free(&self) -> u32 {
        let sum: u64 = self.free.runs().map(|run| run.len).sum();
        u32::try_from(sum).expect("the bitmap was made from a u32")
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The lowest free block.
    pub fn first_free(&self) -> Option<u32> {
        let run = self.free.range(0, u64::from(self.total)).next()?;
        u32::try_from(run.start).ok()
    }

    /// The free runs among `lo..hi`: the first block and how many.
    pub fn free_within(&self, lo: u32, hi: u32) -> impl Iterator<Item = (u32, u32)> {
        let fit = |v: u64| u32::try_from(v).expect("the bitmap was made from a u32");
        self.free.range(lo.into(), hi.into()).map(move |run| (fit(run.start), fit(run.len)))
    }

    /// Whether `pblk` is free.
    pub fn is_free(&self, pblk: Pblk) -> bool {
        self.free.get(u64::from(pblk.0)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_lowest_and_refuses_what_is_free() {
        let mut a = Allocator::new(8);
        assert_eq!(a.take(3), Ok((Pblk(0), 3)));
        assert_eq!(a.take(9), Ok((Pblk(3), 5)));
        assert_eq!(a.take(1), Err(NoSpace));
        assert!(a.give(Pblk(1), 2));
        assert!(!a.give(Pblk(2), 1));
        assert!(!a.give(Pblk(7), 2));
        assert_eq!(a.take(9), Ok((Pblk(1), 2)));
        assert_eq!((a.free(), a.total()), (0, 8));
    }
}
