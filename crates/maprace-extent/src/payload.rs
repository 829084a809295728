//! What bytes are: not their values but where each came from, exact to the byte and cheap to compare.
//!
//! Where somebody has given the bytes themselves, they stand beside ([`Pages`]): moved by the same calls,
//! never asked what a byte is. Where nobody has, which is every world but a device, there are none.

mod pages;

use crate::runs::{RunMap, Value};
use pages::Pages;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Where a byte came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// It reads as zero: never written, or zeroed.
    Zero,
    /// The byte at `offset` of the data that write number `id` carried.
    Write {
        /// Which write; the file's first content counts as one.
        id: u64,
        /// Where in it, in bytes, modulo 2^32: so far apart no two bytes are mistaken for each other,
        /// and an origin is as small as it was when a device's writes could not be counted.
        offset: u32,
    },
    /// Whatever the medium held at byte `pos` before the file system was made: a previous owner's.
    Foreign {
        /// The position on the medium, in bytes.
        pos: u64,
    },
}

impl Origin {
    /// The byte at `offset` of write `id`.
    pub fn write(id: u64, offset: u64) -> Origin {
        Origin::Write { id, offset: low(offset) }
    }
}

/// Modulo 2^32.
fn low(offset: u64) -> u32 {
    u32::try_from(offset & u64::from(u32::MAX)).expect("it was made to fit")
}

impl Value for Origin {
    fn at(self, step: u64) -> Origin {
        match self {
            Origin::Zero => Origin::Zero,
            Origin::Write { id, offset } => {
                Origin::Write { id, offset: offset.wrapping_add(low(step)) }
            }
            Origin::Foreign { pos } => Origin::Foreign { pos: pos + step },
        }
    }
}

/// What the medium held before is shown as this, over and over: nobody's bytes.
const FOREIGN: &[u8; 8] = b"*FOREIGN";

/// The bytes of a range of positions. What they are equal and hash by is where they came from.
#[derive(Clone, Default)]
pub struct Content {
    bytes: RunMap<Origin>,
    real: Pages,
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Content {}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

impl Content {
    /// Bytes `lo..hi`, the first from `origin`.
    pub fn of(lo: u64, hi: u64, origin: Origin) -> Content {
        let mut content = Content::default();
        content.set(lo, hi, origin);
        content
    }

    /// What write `id` carries to `lo`, with the bytes themselves.
    pub fn real(id: u64, lo: u64, bytes: &[u8]) -> Content {
        let hi = lo + bytes.len() as u64;
        let mut content = Content::of(lo, hi, Origin::write(id, 0));
        content.real.put(lo, bytes);
        content
    }

    /// Overwrites `lo..hi`; its first byte is from `origin`.
    pub fn set(&mut self, lo: u64, hi: u64, origin: Origin) {
        self.bytes.set(lo, hi, origin);
        self.real.drop_within(lo, hi);
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
        self.real.copy(to, &source.real, from, len);
    }

    /// Fills `into` with the bytes from `pos` on: those that were given, zeroes, and a pattern for those
    /// of a previous owner and for those that nobody gave.
    pub fn fill(&self, pos: u64, into: &mut [u8]) {
        let end = pos + into.len() as u64;
        let mut next = pos;
        for run in self.bytes.range(pos, end) {
            part(into, pos, next, run.start).fill(0);
            next = run.end();
            let part = part(into, pos, run.start, next);
            match run.value {
                Origin::Zero => part.fill(0),
                Origin::Write { .. } if self.real.get(run.start, part) => {}
                Origin::Write { .. } | Origin::Foreign { .. } => {
                    let pattern = FOREIGN.iter().cycle().skip(pages::index(run.start % 8));
                    part.iter_mut().zip(pattern).for_each(|(to, from)| *to = *from);
                }
            }
        }
        part(into, pos, next, end).fill(0);
    }

    /// How many bytes are kept for real, in whole pages.
    pub fn kept(&self) -> u64 {
        self.real.kept()
    }

    /// Cuts `lo..hi` out: those positions have no content any more.
    pub fn remove(&mut self, lo: u64, hi: u64) {
        self.bytes.remove(lo, hi);
        self.real.drop_within(lo, hi);
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

/// Of `into`, which begins at `pos`, what is to hold `lo..hi`.
fn part(into: &mut [u8], pos: u64, lo: u64, hi: u64) -> &mut [u8] {
    &mut into[pages::index(lo - pos)..pages::index(hi - pos)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_origin_is_small() {
        assert_eq!(size_of::<Origin>(), 16);
    }

    /// What a test does to one of two contents of 21000 bytes, and to plain bytes beside it.
    #[derive(Clone, Debug)]
    enum Act {
        Write(u64, u64),
        Zero(u64, u64),
        Remove(u64, u64),
        Copy { to: u64, from: u64, len: u64 },
    }

    fn act() -> impl Strategy<Value = Act> {
        let at = || prop_oneof![(0u64..4).prop_map(|page| 4096 * page), 0u64..12_000];
        let len = || prop_oneof![Just(4096u64), Just(8192), 1u64..6_000];
        prop_oneof![
            (at(), len()).prop_map(|(lo, len)| Act::Write(lo, len)),
            (at(), len()).prop_map(|(lo, len)| Act::Zero(lo, lo + len)),
            (at(), len()).prop_map(|(lo, len)| Act::Remove(lo, lo + len)),
            (at(), at(), len()).prop_map(|(to, from, len)| Act::Copy { to, from, len }),
        ]
    }

    proptest! {
        #[test]
        fn real_bytes_are_those_of_an_array(acts in prop::collection::vec((any::<bool>(), act()), 0..25)) {
            let mut contents = [Content::default(), Content::default()];
            let mut plain = [vec![0u8; 21_000], vec![0u8; 21_000]];
            for (id, (second, act)) in (1u8..).zip(acts) {
                let (one, other) = (usize::from(second), usize::from(!second));
                let at = pages::index;
                match act {
                    Act::Write(lo, len) => {
                        let bytes = vec![id; at(len)];
                        let write = Content::real(id.into(), lo, &bytes);
                        contents[one].copy(lo, &write, lo, len);
                        plain[one][at(lo)..at(lo + len)].fill(id);
                    }
                    Act::Zero(lo, hi) => {
                        contents[one].set(lo, hi, Origin::Zero);
                        plain[one][at(lo)..at(hi)].fill(0);
                    }
                    Act::Remove(lo, hi) => {
                        contents[one].remove(lo, hi);
                        plain[one][at(lo)..at(hi)].fill(0);
                    }
                    Act::Copy { to, from, len } => {
                        let source = contents[other].clone();
                        contents[one].copy(to, &source, from, len);
                        let bytes = plain[other][at(from)..at(from + len)].to_vec();
                        plain[one][at(to)..at(to + len)].copy_from_slice(&bytes);
                    }
                }
                for (content, plain) in contents.iter().zip(&plain) {
                    let mut got = vec![0xEE; plain.len()];
                    content.fill(0, &mut got);
                    prop_assert!(got == *plain, "{:?}", content);
                }
            }
        }
    }

    #[test]
    fn what_nobody_gave_is_shown_as_foreign_and_pages_go_when_they_are_overwritten() {
        let mut content = Content::of(0, 16, Origin::Foreign { pos: 0 });
        content.set(4, 8, Origin::Zero);
        let mut got = [0xEE; 18];
        content.fill(1, &mut got);
        assert_eq!(&got, b"FOR\0\0\0\0*FOREIGN\0\0\0");
        content.copy(0, &Content::real(1, 0, &[7; 3 * 4096]), 0, 3 * 4096);
        assert_eq!(content.kept(), 3 * 4096);
        content.set(0, 2 * 4096 + 1, Origin::Foreign { pos: 0 });
        assert_eq!(content.kept(), 4096);
        let same = Content::of(8193, 12_288, Origin::write(1, 8193));
        content.remove(0, 8193);
        assert_eq!(content, same, "bytes are no part of what content is");
    }

    #[test]
    fn a_copy_moves_runs_and_fills_with_zero() {
        let mut disk = Content::default();
        disk.set(100, 110, Origin::write(1, 0));
        let mut folio = Content::of(0, 16, Origin::Foreign { pos: 0 });
        folio.copy(2, &disk, 104, 10);
        assert_eq!(folio.get(1), Some(Origin::Foreign { pos: 1 }));
        assert_eq!(folio.get(2), Some(Origin::write(1, 4)));
        assert_eq!(folio.get(7), Some(Origin::write(1, 9)));
        assert_eq!(folio.get(8), Some(Origin::Zero));
        assert_eq!(folio.get(12), Some(Origin::Foreign { pos: 12 }));
    }
}
