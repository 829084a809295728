//! Many runs in a search tree: no change costs more than a way down the tree for each run that it meets.
//!
//! A run is kept under its end, so that the first run that ends after a position is one look-up.

use super::{Run, Value};
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

/// A run without its end.
#[derive(Clone, Copy)]
pub(super) struct Head<V> {
    start: u64,
    value: V,
}

impl<V: Copy> Head<V> {
    pub(super) fn until(self, end: u64) -> Run<V> {
        Run { start: self.start, len: end - self.start, value: self.value }
    }
}

/// Runs in order, neighbours merged.
#[derive(Clone)]
pub(super) struct Many<V>(BTreeMap<u64, Head<V>>);

impl<V: Value> Many<V> {
    /// These, which are in order, with neighbours merged.
    pub(super) fn of(runs: &[Run<V>]) -> Many<V> {
        let kept = |run: &Run<V>| (run.end(), Head { start: run.start, value: run.value });
        Many(runs.iter().map(kept).collect())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The runs that end after `pos`.
    pub(super) fn after(&self, pos: u64) -> btree_map::Range<'_, u64, Head<V>> {
        self.0.range((Bound::Excluded(pos), Bound::Unbounded))
    }

    fn first_after(&mut self, pos: u64) -> Option<(u64, &mut Head<V>)> {
        let mut after = self.0.range_mut((Bound::Excluded(pos), Bound::Unbounded));
        after.next().map(|(end, head)| (*end, head))
    }

    /// The last run that ends at `pos` or before.
    pub(super) fn before(&self, pos: u64) -> Option<Run<V>> {
        self.0.range(..=pos).next_back().map(|(end, head)| head.until(*end))
    }

    /// Gives the run `lo..hi` another value, if there is that run and it stays one of its own; whether.
    fn replace(&mut self, lo: u64, hi: u64, value: V) -> bool {
        if self.0.get(&hi).is_none_or(|head| head.start != lo) {
            return false;
        }
        let is_joined = |before: &Head<V>| before.value.continues(lo - before.start, value);
        if self.0.get(&lo).is_some_and(is_joined) {
            return false;
        }
        let mut from = self.0.range_mut(hi..);
        let Some((_, head)) = from.next() else { return false };
        if let Some((_, next)) = from.next()
            && next.start == hi
            && value.continues(hi - lo, next.value)
        {
            return false;
        }
        head.value = value;
        true
    }

    /// Takes the values of `lo..hi`, which is not empty, away.
    pub(super) fn remove(&mut self, lo: u64, hi: u64) {
        while let Some((end, head)) = self.first_after(lo)
            && head.start < hi
        {
            let old = *head;
            if end > hi {
                *head = Head { start: hi, value: old.value.at(hi - old.start) };
            } else {
                self.0.remove(&end);
            }
            if old.start < lo {
                self.0.insert(lo, old);
            }
            if end >= hi {
                return;
            }
        }
    }

    /// Gives `lo..hi`, which is not empty, values, the first `value`; what was there goes.
    pub(super) fn set(&mut self, lo: u64, hi: u64, value: V) {
        if self.replace(lo, hi, value) {
            return;
        }
        self.remove(lo, hi);
        let mut new = Head { start: lo, value };
        if let Some(before) = self.0.get(&lo).copied()
            && before.value.continues(lo - before.start, value)
        {
            self.0.remove(&lo);
            new = before;
        }
        if let Some((_, next)) = self.first_after(lo)
            && next.start == hi
            && value.continues(hi - lo, next.value)
        {
            *next = new;
            return;
        }
        self.0.insert(hi, new);
    }
}
