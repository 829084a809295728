//! Values by an index: `xa_load` without its nodes. An index without a value costs nothing, however far
//! out it is.
//!
//! The first, 65,536 if nothing else is said, stand side by side, as files of the explorer have none but those and look at them a
//! million times a second; the others are in a tree, as a device has some of them anywhere. Nobody outside
//! this file can tell which is which.

use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;

/// Values by index; one that was never given, or was taken away, is the default.
#[derive(Debug, Default)]
pub(super) struct Sparse<T, const NEAR: u32 = 65_536> {
    near: SmallVec<[T; 1]>,
    far: BTreeMap<u32, T>,
}

impl<T: Hash, const NEAR: u32> Hash for Sparse<T, NEAR> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.near.hash(state);
        self.far.iter().for_each(|far| far.hash(state));
    }
}

impl<T: Default + PartialEq, const NEAR: u32> Sparse<T, NEAR> {
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        if index < NEAR { self.near.get(index as usize) } else { self.far.get(&index) }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        if index < NEAR { self.near.get_mut(index as usize) } else { self.far.get_mut(&index) }
    }

    /// The value at `index`, to become another one than the default.
    pub(super) fn or_default(&mut self, index: u32) -> &mut T {
        if index >= NEAR {
            return self.far.entry(index).or_default();
        }
        let at = index as usize;
        if self.near.len() <= at {
            self.near.resize_with(at + 1, T::default);
        }
        &mut self.near[at]
    }

    /// The default is at `index` again.
    pub(super) fn clear(&mut self, index: u32) {
        if index >= NEAR {
            self.far.remove(&index);
        } else if let Some(value) = self.near.get_mut(index as usize) {
            *value = T::default();
        }
    }

    /// The values among `at`, in order; those that are not there are left out, or are the default.
    pub(super) fn range(&self, at: Range<u32>) -> impl Iterator<Item = (u32, &T)> {
        let near = (at.start as usize).min(self.near.len())..(at.end as usize).min(self.near.len());
        let near = self.near.get(near).into_iter().flatten();
        let far = at.start.max(NEAR)..at.end.max(at.start).max(NEAR);
        let far = self.far.range(far).map(|(index, value)| (*index, value));
        (at.start..).zip(near).chain(far)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &T)> {
        self.range(0..u32::MAX)
    }

    /// Changes the values among `at` that are there.
    pub(super) fn change(&mut self, at: Range<u32>, change: impl Fn(&mut T)) {
        let near = (at.start as usize).min(self.near.len())..(at.end as usize).min(self.near.len());
        self.near.get_mut(near).into_iter().flatten().for_each(&change);
        let far = at.start.max(NEAR)..at.end.max(at.start).max(NEAR);
        let same = |value: &mut T| {
            change(value);
            *value == T::default()
        };
        self.far.extract_if(far, |_, value| same(value)).for_each(drop);
    }
}

/// A tag of the folios, by index: who looks for it passes over 64 that lack it at once, and over all
/// that were never tagged.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// Those of as many folios side by side as stand side by side: past them a word without a tag is gone,
    /// and nobody has to pass over it.
    words: Sparse<u64, 1024>,
    count: u32,
}

impl Tags {
    pub(super) fn is_set(&self, index: u32) -> bool {
        self.words.get(index / 64).is_some_and(|bits| bits & (1 << (index % 64)) != 0)
    }

    /// How many have it.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn set(&mut self, index: u32, tagged: bool) {
        if self.is_set(index) == tagged {
            return;
        }
        let bits = self.words.or_default(index / 64);
        *bits ^= 1 << (index % 64);
        if *bits == 0 {
            self.words.clear(index / 64);
        }
        if tagged {
            self.count += 1;
        } else {
            self.count -= 1;
        }
    }

    /// Those of `at` that have it, in order.
    pub(super) fn among(&self, at: Range<u32>) -> impl Iterator<Item = u32> {
        let words = self.words.range(at.start / 64..at.end.div_ceil(64));
        let bits = |(word, bits): (u32, &u64)| {
            let next = |rest: &u64| Some(rest & (rest - 1)).filter(|rest| *rest != 0);
            let first = Some(*bits).filter(|bits| *bits != 0);
            let rests = std::iter::successors(first, next);
            rests.map(move |rest| word * 64 + rest.trailing_zeros())
        };
        words.flat_map(bits).filter(move |index| at.contains(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_order_over_the_ends_of_words_near_and_far() {
        let among = |tags: &Tags, at| tags.among(at).collect::<Vec<_>>();
        for base in [0, 65_536 - 64, 65_536, 1 << 30] {
            let mut tags = Tags::default();
            let all = [0, 3, 63, 64, 130, 200];
            all.iter().for_each(|index| tags.set(base + index, true));
            tags.set(base + 3, false);
            tags.set(base + 999, false);
            let found = |all: &[u32]| all.iter().map(|index| base + index).collect::<Vec<_>>();
            assert_eq!(among(&tags, base..base + 1_000), found(&[0, 63, 64, 130, 200]));
            assert_eq!(among(&tags, base + 1..base + 64), found(&[63]));
            assert_eq!(among(&tags, base + 64..base + 200), found(&[64, 130]));
            assert_eq!(among(&tags, base + 65..base + 65), []);
            assert_eq!(among(&tags, 0..u32::MAX), found(&[0, 63, 64, 130, 200]));
            assert!(tags.is_set(base + 130) && !tags.is_set(base + 3));
            assert_eq!(tags.count(), 5);
        }
    }

    #[test]
    fn values_are_kept_side_by_side_and_in_the_tree_alike() {
        const NEAR: u32 = 65_536;
        let all = [0, 7, NEAR - 1, NEAR, NEAR + 9, u32::MAX - 1];
        let mut sparse: Sparse<u32> = Sparse::default();
        all.iter().for_each(|index| *sparse.or_default(*index) = *index + 1);
        assert!(all.iter().all(|index| sparse.get(*index) == Some(&(index + 1))));
        let found = |sparse: &Sparse<u32>, at| {
            let there = sparse.range(at).filter(|(_, value)| **value != 0);
            there.map(|(index, value)| (index, *value)).collect::<Vec<_>>()
        };
        assert_eq!(found(&sparse, 7..NEAR + 9), [(7, 8), (NEAR - 1, NEAR), (NEAR, NEAR + 1)]);
        assert_eq!(found(&sparse, NEAR..NEAR + 1), [(NEAR, NEAR + 1)]);
        assert_eq!(found(&sparse, 9..9), []);
        sparse.change(7..NEAR + 1, |value| *value = if *value % 2 == 0 { 0 } else { 2 });
        assert_eq!(found(&sparse, 1..NEAR + 9), [(NEAR, 2)]);
        sparse.clear(NEAR);
        assert_eq!((sparse.get(NEAR), sparse.get(0)), (None, Some(&1)));
        assert_eq!(sparse.all().filter(|(_, value)| **value != 0).count(), 3);
    }
}
