//! What a medium remembers of the requests before: where they ended, and where they were hot.

use crate::params::Pattern;
use std::collections::{BTreeMap, VecDeque};

/// Ends that are remembered, by direction.
const ENDS: usize = 8;

/// Writes over which a block is hot or not.
const WRITES: usize = 1024;

/// A block that took more of the last writes than this is hot: three quarters of them.
const HOT_ABOVE: u32 = 768;

/// Bits of an address within such a block: 64 KiB.
const BLOCK_BITS: u32 = 16;

/// Where the last requests of one direction ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Ends(VecDeque<u64>);

impl Ends {
    /// Whether a request goes on where one of them ended; remembers its own end.
    pub(super) fn pattern(&mut self, pos: u64, len: u64) -> Pattern {
        let goes_on = self.0.iter().position(|end| *end == pos);
        if let Some(i) = goes_on {
            self.0.remove(i);
        } else if self.0.len() == ENDS {
            self.0.pop_front();
        }
        self.0.push_back(pos.saturating_add(len));
        if goes_on.is_some() { Pattern::Sequential } else { Pattern::Random }
    }
}

/// Which blocks of 64 KiB took the last writes; a write counts for the block it begins in.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Heat {
    last: VecDeque<u64>,
    writes: BTreeMap<u64, u32>,
}

impl Heat {
    /// Counts a write, and tells whether its block is hot.
    pub(super) fn is_hot(&mut self, pos: u64) -> bool {
        let block = pos >> BLOCK_BITS;
        if self.last.len() == WRITES
            && let Some(oldest) = self.last.pop_front()
            && let Some(count) = self.writes.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.writes.remove(&oldest);
            }
        }
        self.last.push_back(block);
        let count = self.writes.entry(block).or_insert(0);
        *count += 1;
        *count > HOT_ABOVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_streams_are_sequential_and_nine_are_not() {
        for (streams, want) in [(8_u64, Pattern::Sequential), (9, Pattern::Random)] {
            let mut ends = Ends::default();
            for round in 0..3 {
                for stream in 0..streams {
                    let found = ends.pattern((stream << 32) + round * 4096, 4096);
                    assert!(round == 0 || found == want, "{streams} {round} {stream}");
                }
            }
        }
    }

    #[test]
    fn a_region_of_32_kib_is_hot_and_one_of_128_kib_is_not() {
        let hot = |region: u64| {
            let mut heat = Heat::default();
            (0..4096_u64).filter(|i| heat.is_hot((i * 7919 * 256) % region)).count()
        };
        assert_eq!(hot(32 << 10), 4096 - 768);
        assert_eq!(hot(128 << 10), 0);
    }
}
