//! The data checker: what each byte of the file must be, exactly, and a comparison of every byte read.
//!
//! The truth about a byte changes in the very steps that change the page cache: a copy under the folio
//! lock, a store through a mapping. A punch takes a while: from the step in which its range is unmapped
//! until it is done, a read may see the old bytes or zeroes, afterwards only zeroes. A read may return
//! what a byte was at any time between its look-up of the folio and its copy, as in Linux, where the
//! copy takes no lock.

use super::{Broken, Checker, Idle};
use crate::layer::Layer;
use crate::setup::Setup;
use maprace_extent::{Blocks, Content, Origin};
use std::collections::{BTreeMap, BTreeSet};

/// What the bytes of the file are.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Truth {
    now: Content,
    /// Changes of many bytes under way: range and what was there, by operation and first byte.
    changes: BTreeMap<(u64, u64), (u64, u64, Content)>,
    /// Reads under way: range and everything it has been since they looked, by operation and folio.
    reads: BTreeMap<(u64, u32), (u64, u64, Vec<Content>)>,
    /// Blocks that a short write in buffer_head order has left reserved.
    reserved_only: BTreeSet<u32>,
}

/// A byte that should not have been seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Seen {
    /// Where in the file, in bytes.
    pub(crate) pos: u64,
}

impl Truth {
    /// A write: `lo..hi` now come from `origin`.
    pub(crate) fn write(&mut self, lo: u64, hi: u64, origin: Origin) {
        self.now.set(lo, hi, origin);
        self.tell_readers(lo, hi);
    }

    /// The file grew from `old` to `end` bytes: what nobody wrote there reads as zero.
    pub(crate) fn grow(&mut self, old: u64, end: u64) {
        let written: Vec<_> = self.now.runs(old, end).collect();
        self.now.set(old, end, Origin::Zero);
        for (start, len, origin) in written {
            self.now.set(start, start + len, origin);
        }
    }

    /// A punch of `lo..hi` has unmapped its range.
    pub(crate) fn begin_hole(&mut self, op: u64, lo: u64, hi: u64) {
        self.begin_change(op, lo, hi);
        self.write(lo, hi, Origin::Zero);
    }

    /// A collapse has unmapped the file from `lo` on: the bytes from `hi` up to `size` move down to it.
    pub(crate) fn begin_collapse(&mut self, op: u64, lo: u64, hi: u64, size: u64) {
        self.begin_change(op, lo, size);
        let mut moved = Content::default();
        moved.copy(lo, &self.now, hi, size - hi);
        let end = lo + size - hi;
        self.now.copy(lo, &moved, lo, end - lo);
        self.now.set(end, size, Origin::Zero);
        self.tell_readers(lo, size);
    }

    /// An insertion has unmapped the file from `lo` on: the bytes up to `size` move up by `len`.
    pub(crate) fn begin_insert(&mut self, op: u64, lo: u64, len: u64, size: u64) {
        self.begin_change(op, lo, size);
        let mut moved = Content::default();
        moved.copy(lo + len, &self.now, lo, size - lo);
        self.now.copy(lo + len, &moved, lo + len, size - lo);
        self.now.set(lo, lo + len, Origin::Zero);
        self.tell_readers(lo, size);
    }

    /// The bytes `lo..hi` of a direct write that begins at `start` reach the medium.
    pub(crate) fn begin_direct(&mut self, op: u64, start: u64, lo: u64, hi: u64) {
        self.begin_change(op, lo, hi);
        self.write(lo, hi, Origin::write(op, lo - start));
    }

    /// From here until it ends, operation `op` may show the old bytes of `lo..hi` or the new ones.
    fn begin_change(&mut self, op: u64, lo: u64, hi: u64) {
        let mut old = Content::default();
        old.copy(lo, &self.now, lo, hi - lo);
        self.changes.insert((op, lo), (lo, hi, old));
    }

    /// The change is done: the old bytes must not be seen any more by who looks from now on.
    pub(crate) fn end_change(&mut self, op: u64) {
        self.changes.retain(|(of, _), _| *of != op);
    }

    /// The change came to nothing.
    pub(crate) fn undo_change(&mut self, op: u64) {
        let undone: Vec<_> =
            self.changes.extract_if(.., |(of, _), _| *of == op).map(|(_, change)| change).collect();
        for (lo, hi, old) in undone {
            self.now.copy(lo, &old, lo, hi - lo);
            self.tell_readers(lo, hi);
        }
    }

    /// `i_size` goes from `old` to `size`: what is past it is gone for good.
    pub(crate) fn resize(&mut self, old: u64, size: u64) {
        if size >= old {
            return self.grow(old, size);
        }
        self.write(size, old, Origin::Zero);
        self.now.remove(size, u64::MAX);
        for (_, hi, _) in self.changes.values_mut() {
            *hi = (*hi).min(size);
        }
    }

    /// Blocks that a short write has reserved and not filled.
    pub(crate) fn leave_reserved(&mut self, blocks: Blocks) {
        self.reserved_only.extend(blocks.iter());
    }

    /// Somebody has written there.
    pub(crate) fn not_reserved_only(&mut self, blocks: Blocks) {
        while let Some(lblk) = self.reserved_only.range(blocks.iter()).next().copied() {
            self.reserved_only.remove(&lblk);
        }
    }

    /// Whether a short write has left block `lblk` reserved.
    pub(crate) fn is_reserved_only(&self, lblk: u32) -> bool {
        self.reserved_only.contains(&lblk)
    }

    fn tell_readers(&mut self, lo: u64, hi: u64) {
        for (from, to, seen) in self.reads.values_mut() {
            if *from < hi && lo < *to {
                let mut now = Content::default();
                now.copy(*from, &self.now, *from, *to - *from);
                seen.push(now);
            }
        }
    }

    fn allowed_now(&self, lo: u64, hi: u64) -> Vec<Content> {
        let mut now = Content::default();
        now.copy(lo, &self.now, lo, hi - lo);
        let mut allowed = vec![now];
        for (from, to, old) in self.changes.values() {
            let (from, to) = ((*from).max(lo), (*to).min(hi));
            if from < to {
                let mut part = Content::default();
                part.copy(from, old, from, to - from);
                allowed.push(part);
            }
        }
        allowed
    }

    /// A read of `lo..hi` has looked the folio up; the first look of one read counts.
    pub(crate) fn begin_read(&mut self, read: (u64, u32), lo: u64, hi: u64) {
        let allowed = self.allowed_now(lo, hi);
        self.reads.entry(read).or_insert((lo, hi, allowed));
    }

    /// The read has copied `got`: the first byte that nobody wrote there.
    pub(crate) fn end_read(&mut self, read: (u64, u32), got: &Content) -> Option<Seen> {
        let (lo, hi, allowed) = self.reads.remove(&read)?;
        compare(&allowed, got, lo, hi)
    }

    /// A load through a mapping: look and copy in one.
    pub(crate) fn load(&self, lo: u64, hi: u64, got: &Content) -> Option<Seen> {
        compare(&self.allowed_now(lo, hi), got, lo, hi)
    }
}

/// The first byte of `lo..hi` that `got` has from an origin that none of `allowed` has there.
pub(crate) fn compare(allowed: &[Content], got: &Content, lo: u64, hi: u64) -> Option<Seen> {
    let mut pos = lo;
    while pos < hi {
        let run_of = |content: &Content| content.runs(pos, hi).next().filter(|run| run.0 == pos);
        let origin = |run: Option<(u64, u64, Origin)>| run.map_or(Origin::Zero, |run| run.2);
        let length = |content: &Content| match content.runs(pos, hi).next() {
            Some((start, len, _)) if start == pos => len,
            Some((start, ..)) => start - pos,
            None => hi - pos,
        };
        let found = origin(run_of(got));
        let agrees = |content: &&Content| run_of(content).is_some_and(|run| run.2 == found);
        if !allowed.iter().any(|content| agrees(&content)) {
            return Some(Seen { pos });
        }
        let step = allowed.iter().map(length).chain([length(got)]).min();
        pos += step.expect("there is at least one").max(1);
    }
    None
}

/// The truth about the file of `setup` before anything happens: write 0 is what it held.
pub(super) fn truth_at_start(setup: &Setup) -> Truth {
    let mut now = Content::of(0, setup.file.size, Origin::Zero);
    for blocks in setup.file.written.iter().chain(&setup.file.dirty) {
        let (lo, hi) = setup.geometry.bytes_of(*blocks);
        let hi = hi.min(setup.file.size);
        now.set(lo, hi, Origin::write(0, lo));
    }
    Truth { now, ..Truth::default() }
}

/// At the end: what a read would return, and, where nothing is dirty, what a read after dropping the
/// caches would return.
pub(super) fn check<L: Layer>(idle: &Idle<'_, L>) -> Option<Broken> {
    let inode = idle.inode;
    let size = inode.size_now();
    let truth = [inode.truth_now()];
    let broken =
        |seen: Seen| Broken { checker: Checker::Data, values: None, place: Some(seen.pos) };
    let cached = inode.content_now(true);
    if let Some(seen) = compare(&truth, &cached, 0, size) {
        return Some(broken(seen));
    }
    let on_medium = inode.content_now(false);
    compare(&truth, &on_medium, 0, size).map(broken)
}

impl Truth {
    /// The truth now.
    pub(crate) fn now(&self) -> Content {
        self.now.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Origin = Origin::Write { id: 0, offset: 0 };
    const NEW: Origin = Origin::Write { id: 7, offset: 0 };

    fn truth() -> Truth {
        Truth { now: Content::of(0, 100, OLD), ..Truth::default() }
    }

    #[test]
    fn a_punch_under_way_allows_old_and_zero_and_then_zero_only() {
        let mut t = truth();
        let old = Content::of(0, 100, OLD);
        let mut zeroed = old.clone();
        zeroed.set(10, 20, Origin::Zero);
        t.begin_hole(1, 10, 20);
        assert_eq!(t.load(0, 100, &old), None);
        assert_eq!(t.load(0, 100, &zeroed), None);
        t.end_change(1);
        assert_eq!(t.load(0, 100, &old), Some(Seen { pos: 10 }));
        assert_eq!(t.load(0, 100, &zeroed), None);
    }

    #[test]
    fn bytes_move_with_a_collapse_and_with_an_insertion() {
        let at = |offset| Some(Origin::write(0, offset));
        let mut t = truth();
        t.begin_collapse(1, 10, 30, 100);
        assert_eq!((t.now.get(9), t.now.get(10), t.now.get(79)), (at(9), at(30), at(99)));
        assert_eq!(t.now.get(80), Some(Origin::Zero));
        let old = Content::of(0, 100, OLD);
        assert_eq!(t.load(0, 100, &old), None);
        t.resize(100, 80);
        t.end_change(1);
        assert_eq!(t.load(0, 80, &old), Some(Seen { pos: 10 }));
        t.begin_insert(2, 10, 5, 80);
        t.resize(80, 85);
        assert_eq!(
            (t.now.get(14), t.now.get(15), t.now.get(84)),
            (Some(Origin::Zero), at(30), at(99))
        );
        t.undo_change(2);
        assert_eq!(t.now.get(10), at(30));
    }

    #[test]
    fn what_lies_past_a_smaller_size_never_comes_back() {
        let mut t = truth();
        t.resize(100, 40);
        t.resize(40, 60);
        assert_eq!(t.now.get(39), Some(Origin::write(0, 39)));
        assert_eq!((t.now.get(40), t.now.get(60)), (Some(Origin::Zero), None));
    }

    #[test]
    fn a_read_may_see_what_was_there_while_it_ran() {
        let mut t = truth();
        t.begin_read((1, 0), 0, 100);
        t.write(50, 60, NEW);
        assert_eq!(t.end_read((1, 0), &Content::of(0, 100, OLD)), None);
        assert_eq!(t.load(0, 100, &Content::of(0, 100, OLD)), Some(Seen { pos: 50 }));
    }

    #[test]
    fn a_shifted_or_foreign_byte_is_found() {
        let t = truth();
        let shifted = Content::of(0, 100, Origin::Write { id: 0, offset: 1 });
        assert_eq!(t.load(0, 100, &shifted), Some(Seen { pos: 0 }));
        let mut foreign = Content::of(0, 100, OLD);
        foreign.set(99, 100, Origin::Foreign { pos: 99 });
        assert_eq!(t.load(0, 100, &foreign), Some(Seen { pos: 99 }));
    }
}
