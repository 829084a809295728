//! A map from positions to values that keeps equal neighbours as one run.
//!
//! One structure serves the status tree, the extent tree, the free list and the bytes. The explorer makes,
//! copies and hashes millions of maps of a handful of runs; a large file has a map of hundreds of
//! thousands. So there are two ways to keep them, `few` and `many`, and a map changes over as it grows.
//! Nobody outside this file can tell which it is.

mod few;
mod many;

use few::Few;
use many::{Head, Many};
use std::collections::btree_map;
use std::fmt;
use std::hash::{Hash, Hasher};

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
///
/// Two maps with the same values are equal and hash alike, however they came to be.
#[derive(Clone)]
pub struct RunMap<V: Value>(Kept<V>);

/// It never goes back from many to few: a map that shrinks may grow again.
#[derive(Clone)]
enum Kept<V: Value> {
    Few(Few<V>),
    Many(Many<V>),
}

/// The runs from one on.
enum Runs<'a, V> {
    Few(std::slice::Iter<'a, Run<V>>),
    Many(btree_map::Range<'a, u64, Head<V>>),
}

impl<V: Value> Iterator for Runs<'_, V> {
    type Item = Run<V>;
    fn next(&mut self) -> Option<Run<V>> {
        match self {
            Runs::Few(runs) => runs.next().copied(),
            Runs::Many(runs) => runs.next().map(|(end, head)| head.until(*end)),
        }
    }
}

impl<V: Value> Default for RunMap<V> {
    fn default() -> Self {
        RunMap(Kept::Few(Few::new()))
    }
}

impl<V: Value> PartialEq for RunMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.runs().eq(other.runs())
    }
}

impl<V: Value> Eq for RunMap<V> {}

impl<V: Value + Hash> Hash for RunMap<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.runs().for_each(|run| run.hash(state));
    }
}

impl<V: Value + fmt::Debug> fmt::Debug for RunMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.runs()).finish()
    }
}

impl<V: Value> RunMap<V> {
    /// A map without a value anywhere.
    pub fn new() -> Self {
        RunMap::default()
    }

    /// All runs, in order, neighbours merged.
    pub fn runs(&self) -> impl Iterator<Item = Run<V>> + '_ {
        self.after(0)
    }

    /// How many runs there are.
    fn len(&self) -> usize {
        match &self.0 {
            Kept::Few(few) => few.runs().len(),
            Kept::Many(many) => many.len(),
        }
    }

    /// The runs that end after `pos`, whole.
    fn after(&self, pos: u64) -> Runs<'_, V> {
        match &self.0 {
            Kept::Few(few) => Runs::Few(few.after(pos).iter()),
            Kept::Many(many) => Runs::Many(many.after(pos)),
        }
    }

    /// The last run that ends at `pos` or before.
    fn before(&self, pos: u64) -> Option<Run<V>> {
        match &self.0 {
            Kept::Few(few) => few.before(pos),
            Kept::Many(many) => many.before(pos),
        }
    }

    /// The value at `pos`.
    pub fn get(&self, pos: u64) -> Option<V> {
        self.find(pos).map(|run| run.value.at(pos - run.start))
    }

    /// The whole run that `pos` lies in.
    pub fn find(&self, pos: u64) -> Option<Run<V>> {
        self.after(pos).next().filter(|run| run.start <= pos)
    }

    /// The runs inside `lo..hi`, cut to it.
    pub fn range(&self, lo: u64, hi: u64) -> impl Iterator<Item = Run<V>> + '_ {
        self.after(lo).map_while(move |run| run.within(lo, hi))
    }

    /// The last run inside `lo..hi`, cut to it.
    pub fn last_in(&self, lo: u64, hi: u64) -> Option<Run<V>> {
        let across = self.after(hi).next().and_then(|run| run.within(lo, hi));
        across.or_else(|| self.before(hi).and_then(|run| run.within(lo, hi)))
    }

    /// Where the next value after `pos` starts, when `pos` has none; `u64::MAX` if there is none.
    pub fn gap_end(&self, pos: u64) -> u64 {
        self.after(pos).next().map_or(u64::MAX, |run| run.start)
    }

    /// Where the gap that contains `pos` starts.
    pub fn gap_start(&self, pos: u64) -> u64 {
        self.before(pos).map_or(0, |run| run.end())
    }

    /// Takes the values of `lo..hi` away.
    pub fn remove(&mut self, lo: u64, hi: u64) {
        if lo >= hi {
            return;
        }
        match &mut self.0 {
            Kept::Few(few) => few.remove(lo, hi),
            Kept::Many(many) => many.remove(lo, hi),
        }
    }

    /// Gives `lo..hi` values, the first `value`; what was there goes.
    pub fn set(&mut self, lo: u64, hi: u64, value: V) {
        if lo >= hi {
            return;
        }
        match &mut self.0 {
            Kept::Few(few) => {
                few.set(lo, hi, value);
                if few.runs().len() > few::MOST {
                    self.keep_many();
                }
            }
            Kept::Many(many) => many.set(lo, hi, value),
        }
    }

    /// Goes on as a tree.
    fn keep_many(&mut self) {
        if let Kept::Few(few) = &self.0 {
            self.0 = Kept::Many(Many::of(few.runs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::DefaultHasher;

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

    fn hash_of(map: &RunMap<V>) -> u64 {
        let mut hasher = DefaultHasher::new();
        map.hash(&mut hasher);
        hasher.finish()
    }

    fn change(map: &mut RunMap<V>, (lo, hi, value): (u64, u64, Option<V>)) {
        match value {
            Some(v) => map.set(lo, hi, v),
            None => map.remove(lo, hi),
        }
    }

    /// Everything that a map says is what an array says.
    fn compare(map: &RunMap<V>, plain: &[Option<V>]) -> Result<(), TestCaseError> {
        for (pos, value) in (0..).zip(plain) {
            prop_assert_eq!(map.get(pos), *value);
            let first = |mut rest: std::ops::Range<u64>| {
                rest.find(|at| map.get(*at).is_some()).unwrap_or(u64::MAX)
            };
            let last = (0..pos).rev().find(|at| map.get(*at).is_some());
            if value.is_none() {
                prop_assert_eq!(map.gap_end(pos), first(pos..plain.len() as u64));
                prop_assert_eq!(map.gap_start(pos), last.map_or(0, |at| at + 1));
            }
        }
        let runs: Vec<_> = map.runs().collect();
        for pair in runs.windows(2) {
            prop_assert!(pair[0].end() <= pair[1].start);
            let merged = pair[0].end() == pair[1].start
                && pair[0].value.continues(pair[0].len, pair[1].value);
            prop_assert!(!merged, "neighbours are merged: {:?}", pair);
        }
        let inside: u64 = map.range(3, 17).map(|run| run.len).sum();
        prop_assert_eq!(inside, plain[3..17].iter().flatten().count() as u64);
        prop_assert_eq!(map.last_in(3, 17), map.range(3, 17).last());
        Ok(())
    }

    proptest! {
        #[test]
        fn agrees_with_an_array(ops in prop::collection::vec((0u64..20, 0u64..20, value()), 0..40)) {
            let mut few = RunMap::new();
            let mut many = RunMap::new();
            many.keep_many();
            let mut plain: Vec<Option<V>> = vec![None; 20];
            for (lo, hi, value) in ops {
                change(&mut few, (lo, hi, value));
                change(&mut many, (lo, hi, value));
                for pos in lo..hi {
                    plain[usize::try_from(pos).unwrap()] = value.map(|v| v.at(pos - lo));
                }
                compare(&few, &plain)?;
                compare(&many, &plain)?;
                prop_assert!(few == many, "{:?} {:?}", few, many);
                prop_assert_eq!(hash_of(&few), hash_of(&many));
            }
            prop_assert!(matches!(few.0, Kept::Few(_)) && matches!(many.0, Kept::Many(_)));
        }
    }

    #[test]
    fn a_map_that_was_large_equals_one_that_never_was() {
        let runs = 3 * few::MOST as u64;
        let mut large = RunMap::new();
        (0..runs).for_each(|at| large.set(2 * at, 2 * at + 1, V::Same(1)));
        assert!(matches!(large.0, Kept::Many(_)));
        assert_eq!(large.runs().count() as u64, runs);
        large.remove(1, 2 * runs);
        let mut small = RunMap::new();
        small.set(0, 1, V::Same(1));
        assert_eq!((&large, hash_of(&large)), (&small, hash_of(&small)));
        small.set(0, 1, V::Same(2));
        assert_ne!(large, small);
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
