//! What bytes are: not their values but where each came from, exact to the byte and cheap to compare.

use crate::runs::{RunMap, Value};

/// Where a byte came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// It reads as zero: never written, or zeroed.
    Zero,
    /// The byte at `offset` of the data that write number `id` carried.
    Write {
        /// Which write; the file's first content counts as one.
        id: u32,
        /// Where in it, in bytes.
        offset: u64,
    },
    /// Whatever the medium held at byte `pos` before the file system was made: a previous owner's.
    Foreign {
        /// The position on the medium, in bytes.
        pos: u64,
    },
}

impl Value for Origin {
    fn at(self, step: u64) -> Origin {
        match self {
            Origin::Zero => Origin::Zero,
            Origin::Write { id, offset } => Origin::Write { id, offset: offset + step },
            Origin::Foreign { pos } => Origin::Foreign { pos: pos + step },
        }
    }
}

/// The bytes of a range of positions.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Content {
    bytes: RunMap<Origin>,
}

impl Content {
    /// Bytes `lo..hi`, the first from `origin`.
    pub fn of(lo: u64, hi: u64, origin: Origin) -> Content {
        let mut content = Content::default();
        content.set(lo, hi, origin);
        content
    }

    /// Overwrites `lo..hi`; its first byte is from `origin`.
    pub fn set(&mut self, lo: u64, hi: u64, origin: Origin) {
        self.bytes.set(lo, hi, origin);
    }

    /// Copies bytes `from..from + len` of `source` to `to`. Bytes that `source` lacks become zero.
    pub fn copy(&mut self, to: u64, source: &Content, from: u64, len: u64) {
        let mut next = to;
        for run in source.bytes.range(from, from + len) {
            let at = run.start - from + to;
            self.bytes.set(next, at, Origin::Zero);
            next = at + run.len;
            self.bytes.set(at, next, run.value);
        }
        self.bytes.set(next, to + len, Origin::Zero);
    }

    /// Cuts `lo..hi` out: those positions have no content any more.
    pub fn remove(&mut self, lo: u64, hi: u64) {
        self.bytes.remove(lo, hi);
    }

    /// The byte at `pos`.
    pub fn get(&self, pos: u64) -> Option<Origin> {
        self.bytes.get(pos)
    }

    /// The runs inside `lo..hi`: start, length, origin of the first byte.
    pub fn runs(&self, lo: u64, hi: u64) -> impl Iterator<Item = (u64, u64, Origin)> + '_ {
        self.bytes.range(lo, hi).map(|run| (run.start, run.len, run.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_moves_runs_and_fills_with_zero() {
        let mut disk = Content::default();
        disk.set(100, 110, Origin::Write { id: 1, offset: 0 });
        let mut folio = Content::of(0, 16, Origin::Foreign { pos: 0 });
        folio.copy(2, &disk, 104, 10);
        assert_eq!(folio.get(1), Some(Origin::Foreign { pos: 1 }));
        assert_eq!(folio.get(2), Some(Origin::Write { id: 1, offset: 4 }));
        assert_eq!(folio.get(7), Some(Origin::Write { id: 1, offset: 9 }));
        assert_eq!(folio.get(8), Some(Origin::Zero));
        assert_eq!(folio.get(12), Some(Origin::Foreign { pos: 12 }));
    }
}
