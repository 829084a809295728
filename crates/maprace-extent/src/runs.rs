//! A map from positions to values that keeps equal neighbours as one run.
//!
//! One structure serves the status tree, the extent tree, the free list and the bytes. It is a sorted
//! vector: files of this model are small or little fragmented, and a vector hashes and copies well.

/// A value that may change along a run, as a physical block number does.
pub trait Value: Copy + Eq {
    /// The value `offset` units into a run that starts with `self`.
    #[must_use]
    fn at(self, offset: u64) -> Self;
    /// Whether a run of `len` units that starts with `self` goes on with `next`.
    fn continues(self, len: u64, next: Self) -> bool {
        self.at(len) == next
    }
}

/// `len` positions from `start` on, the first with `value`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Run<V> {
    /// The first position.
    pub start: u64,
    /// How many positions; never 0.
    pub len: u64,
    /// The value at `start`.
    pub value: V,
}

impl<V: Value> Run<V> {
    /// One past the last position.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// The part of it inside `lo..hi`, if any.
    pub fn within(&self, lo: u64, hi: u64) -> Option<Run<V>> {
        let (start, end) = (self.start.max(lo), self.end().min(hi));
        (start < end).then(|| Run {
            start,
            len: end - start,
            value: self.value.at(start - self.start),
        })
    }
}

/// Positions to values; a position may have none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RunMap<V> {
    runs: Vec<Run<V>>,
}

impl<V> Default for RunMap<V> {
    fn default() -> Self {
        RunMap { runs: Vec::new() }
    }
}

impl<V: Value> RunMap<V> {
    /// A map without a value anywhere.
    pub fn new() -> Self {
        RunMap::default()
    }

    /// All runs, in order, neighbours merged.
    pub fn runs(&self) -> &[Run<V>] {
        &self.runs
    }

    /// The index of the first run that ends after `pos`.
    fn first_after(&self, pos: u64) -> usize {
        self.runs.partition_point(|run| run.end() <= pos)
    }

    /// The value at `pos`.
    pub fn get(&self, pos: u64) -> Option<V> {
        self.find(pos).map(|run| run.value.at(pos - run.start))
    }

    /// The whole run that `pos` lies in.
    pub fn find(&self, pos: u64) -> Option<Run<V>> {
        self.runs.get(self.first_after(pos)).filter(|run| run.start <= pos).copied()
    }

    /// The runs inside `lo..hi`, cut to it.
    pub fn range(&self, lo: u64, hi: u64) -> impl Iterator<Item = Run<V>> + '_ {
        self.runs[self.first_after(lo)..].iter().map_while(move |run| run.within(lo, hi))
    }

    /// Where the next value after `pos` starts, when `pos` has none; `u64::MAX` if there is none.
    pub fn gap_end(&self, pos: u64) -> u64 {
        self.runs.get(self.first_after(pos)).map_or(u64::MAX, |run| run.start)
    }

    /// Where the gap that contains `pos` starts.
    pub fn gap_start(&self, pos: u64) -> u64 {
        let i = self.first_after(pos);
        if i == 0 { 0 } else { self.runs[i - 1].end() }
    }

    /// Takes the values of `lo..hi` away.
    pub fn remove(&mut self, lo: u64, hi: u64) {
        if lo >= hi {
            return;
        }
        let from = self.first_after(lo);
        let to = from + self.runs[from..].partition_point(|run| run.start < hi);
        if from == to {
            return;
        }
        let left = self.runs[from].within(0, lo);
        let right = self.runs[to - 1].within(hi, u64::MAX);
        self.runs.splice(from..to, left.into_iter().chain(right));
    }

    /// Gives `lo..hi` values, the first `value`; what was there goes.
    pub fn set(&mut self, lo: u64, hi: u64, value: V) {
        if lo >= hi {
            return;
        }
        self.remove(lo, hi);
        let mut at = self.first_after(lo);
        let mut run = Run { start: lo, len: hi - lo, value };
        if let Some(next) = self.runs.get(at)
            && next.start == hi
            && run.value.continues(run.len, next.value)
        {
            run.len += next.len;
            self.runs.remove(at);
        }
        if at > 0 {
            let before = &mut self.runs[at - 1];
            if before.end() == lo && before.value.continues(before.len, run.value) {
                before.len += run.len;
                return;
            }
        }
        at = at.min(self.runs.len());
        self.runs.insert(at, run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    enum V {
        Same(u8),
        Moving(u64),
    }
    impl Value for V {
        fn at(self, offset: u64) -> V {
            match self {
                V::Same(v) => V::Same(v),
                V::Moving(v) => V::Moving(v + offset),
            }
        }
    }

    fn value() -> impl Strategy<Value = Option<V>> {
        prop_oneof![
            Just(None),
            (0u8..3).prop_map(|v| Some(V::Same(v))),
            (0u64..30).prop_map(|v| Some(V::Moving(v))),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_an_array(ops in prop::collection::vec((0u64..20, 0u64..20, value()), 0..40)) {
            let mut map = RunMap::new();
            let mut plain: Vec<Option<V>> = vec![None; 20];
            for (lo, hi, value) in ops {
                match value {
                    Some(v) => map.set(lo, hi, v),
                    None => map.remove(lo, hi),
                }
                for pos in lo..hi {
                    plain[usize::try_from(pos).unwrap()] = value.map(|v| v.at(pos - lo));
                }
                for pos in 0..20u64 {
                    prop_assert_eq!(map.get(pos), plain[usize::try_from(pos).unwrap()]);
                }
                for pair in map.runs().windows(2) {
                    prop_assert!(pair[0].end() <= pair[1].start);
                    let merged = pair[0].end() == pair[1].start
                        && pair[0].value.continues(pair[0].len, pair[1].value);
                    prop_assert!(!merged, "neighbours are merged: {:?}", pair);
                }
                let inside: u64 = map.range(3, 17).map(|run| run.len).sum();
                prop_assert_eq!(inside, plain[3..17].iter().flatten().count() as u64);
            }
        }
    }

    #[test]
    fn gaps_are_found_from_inside() {
        let mut map = RunMap::new();
        map.set(2, 4, V::Same(0));
        map.set(8, 9, V::Same(0));
        assert_eq!((map.gap_start(5), map.gap_end(5)), (4, 8));
        assert_eq!((map.gap_start(0), map.gap_end(0)), (0, 2));
        assert_eq!((map.gap_start(9), map.gap_end(9)), (9, u64::MAX));
    }
}
