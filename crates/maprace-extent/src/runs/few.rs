//! Some runs in a sorted vector: what nearly every map is. It hashes and copies well, and a map of one
//! run allocates nothing; an insertion moves what is behind it, so there is a most.

use super::{Run, Value};
use smallvec::SmallVec;

/// Past so many runs moving them costs more than a tree would.
pub(super) const MOST: usize = 32;

/// Runs in order, neighbours merged.
pub(super) struct Few<V>(SmallVec<[Run<V>; 1]>);

impl<V: Value> Clone for Few<V> {
    fn clone(&self) -> Self {
        Few(SmallVec::from_slice(&self.0))
    }
}

impl<V> Few<V> {
    pub(super) fn new() -> Few<V> {
        Few(SmallVec::new())
    }

    /// All of them.
    pub(super) fn runs(&self) -> &[Run<V>] {
        &self.0
    }
}

impl<V: Value> Few<V> {
    /// The index of the first run that ends after `pos`.
    fn first_after(&self, pos: u64) -> usize {
        self.0.partition_point(|run| run.end() <= pos)
    }

    /// The runs that end after `pos`.
    pub(super) fn after(&self, pos: u64) -> &[Run<V>] {
        &self.0[self.first_after(pos)..]
    }

    /// The last run that ends at `pos` or before.
    pub(super) fn before(&self, pos: u64) -> Option<Run<V>> {
        self.0[..self.first_after(pos)].last().copied()
    }

    /// Takes the values of `lo..hi`, which is not empty, away.
    pub(super) fn remove(&mut self, lo: u64, hi: u64) {
        let from = self.first_after(lo);
        let to = from + self.0[from..].partition_point(|run| run.start < hi);
        if from == to {
            return;
        }
        let left = self.0[from].within(0, lo);
        let right = self.0[to - 1].within(hi, u64::MAX);
        let mut at = from;
        for kept in left.into_iter().chain(right) {
            if at < to {
                self.0[at] = kept;
            } else {
                self.0.insert(at, kept);
            }
            at += 1;
        }
        if at < to {
            self.0.drain(at..to);
        }
    }

    /// Gives `lo..hi`, which is not empty, values, the first `value`; what was there goes.
    pub(super) fn set(&mut self, lo: u64, hi: u64, value: V) {
        self.remove(lo, hi);
        let at = self.first_after(lo);
        let mut run = Run { start: lo, len: hi - lo, value };
        if let Some(next) = self.0.get(at)
            && next.start == hi
            && run.value.continues(run.len, next.value)
        {
            run.len += next.len;
            self.0.remove(at);
        }
        if at > 0 {
            let before = &mut self.0[at - 1];
            if before.end() == lo && before.value.continues(before.len, run.value) {
                before.len += run.len;
                return;
            }
        }
        self.0.insert(at, run);
    }
}
