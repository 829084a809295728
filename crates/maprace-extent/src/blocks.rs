//! Logical and physical block numbers, and ranges of logical ones.

use std::fmt;

/// A logical block number of a file, counted from 0, in blocks.
pub type Lblk = u32;

/// A physical block number of the medium, counted from 0, in blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pblk(pub u32);

/// A range of logical blocks, `lo..hi`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Blocks {
    /// The first block.
    pub lo: Lblk,
    /// One past the last block.
    pub hi: Lblk,
}

impl Blocks {
    /// `lo..hi`; empty when `hi` is not above `lo`.
    pub fn new(lo: Lblk, hi: Lblk) -> Blocks {
        Blocks { lo, hi: hi.max(lo) }
    }

    /// The one block `lo`.
    pub fn one(lo: Lblk) -> Blocks {
        Blocks { lo, hi: lo + 1 }
    }

    /// How many blocks.
    pub fn len(self) -> u32 {
        self.hi - self.lo
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.lo == self.hi
    }

    /// Whether `lblk` is one of them.
    pub fn contains(self, lblk: Lblk) -> bool {
        self.lo <= lblk && lblk < self.hi
    }

    /// The first `len` of them, or all.
    #[must_use]
    pub fn first(self, len: u32) -> Blocks {
        Blocks { lo: self.lo, hi: self.hi.min(self.lo.saturating_add(len)) }
    }

    /// Those that are also in `other`.
    #[must_use]
    pub fn within(self, other: Blocks) -> Blocks {
        Blocks::new(self.lo.max(other.lo), self.hi.min(other.hi))
    }

    /// Those of all clusters of `ratio` blocks that it meets.
    #[must_use]
    pub fn clusters_around(self, ratio: u32) -> Blocks {
        let hi = self.hi.checked_next_multiple_of(ratio).unwrap_or(u32::MAX);
        if self.is_empty() { self } else { Blocks::new(self.lo - self.lo % ratio, hi) }
    }

    /// How many clusters of `ratio` blocks it meets.
    pub fn clusters(self, ratio: u32) -> u32 {
        if self.is_empty() { 0 } else { self.hi.div_ceil(ratio) - self.lo / ratio }
    }

    /// One after the other.
    pub fn iter(self) -> std::ops::Range<Lblk> {
        self.lo..self.hi
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.lo, self.hi)
    }
}
