//! What is due when: the requests of one queue that are done and wait for their time.
//!
//! Where a medium answers in the order of arrival, which is the rule, this is a queue and nothing is
//! compared but two numbers; what comes out of order goes to a heap. At most as many as a queue is deep.

use crate::Tag;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Requests by the instant at which they are due.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// Ascending.
    in_order: VecDeque<(u64, Tag)>,
    /// Those that were due before the last of the others when they came; the number keeps the order of
    /// those that are due together.
    out_of_order: BinaryHeap<Reverse<(u64, u64, Tag)>>,
    pushed: u64,
}

impl Deadlines {
    /// Room for so many.
    pub(crate) fn new(depth: usize) -> Deadlines {
        Deadlines {
            in_order: VecDeque::with_capacity(depth),
            out_of_order: BinaryHeap::with_capacity(depth),
            pushed: 0,
        }
    }

    /// Adds a request that is due then.
    pub(crate) fn push(&mut self, due_ns: u64, tag: Tag) {
        match self.in_order.back() {
            Some((last_ns, _)) if due_ns < *last_ns => {
                self.pushed += 1;
                self.out_of_order.push(Reverse((due_ns, self.pushed, tag)));
            }
            _ => self.in_order.push_back((due_ns, tag)),
        }
    }

    /// When the next one is due.
    pub(crate) fn first(&self) -> Option<u64> {
        let early = self.out_of_order.peek().map(|Reverse((due_ns, ..))| *due_ns);
        match (self.in_order.front().map(|(due_ns, _)| *due_ns), early) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes out the next one, if it is due by `now_ns`.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<Tag> {
        let first_ns = self.first().filter(|due_ns| *due_ns <= now_ns)?;
        match self.in_order.front() {
            Some((due_ns, _)) if *due_ns == first_ns => {
                self.in_order.pop_front().map(|(_, tag)| tag)
            }
            _ => self.out_of_order.pop().map(|Reverse((.., tag))| tag),
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.in_order.clear();
        self.out_of_order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(deadlines: &mut Deadlines, now_ns: u64) -> Vec<u16> {
        std::iter::from_fn(|| deadlines.pop(now_ns)).map(|tag| tag.0).collect()
    }

    #[test]
    fn nothing_is_taken_before_it_is_due() {
        let mut deadlines = Deadlines::new(4);
        for (due_ns, tag) in [(10, 0), (30, 1), (20, 2), (20, 3)] {
            deadlines.push(due_ns, Tag(tag));
        }
        assert_eq!(deadlines.first(), Some(10));
        assert_eq!(all(&mut deadlines, 9), [0_u16; 0]);
        assert_eq!(all(&mut deadlines, 20), [0, 2, 3]);
        assert_eq!(deadlines.first(), Some(30));
        deadlines.clear();
        assert_eq!((deadlines.first(), all(&mut deadlines, u64::MAX)), (None, vec![]));
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_list(steps in prop::collection::vec((0_u64..50, prop::bool::ANY), 1..200)) {
            let (mut deadlines, mut list) = (Deadlines::new(8), Vec::new());
            for (tag, (time, is_push)) in (0..).zip(steps) {
                if is_push {
                    deadlines.push(time, Tag(tag));
                    list.push(time);
                    continue;
                }
                let due = list.iter().filter(|due| **due <= time).count();
                list.retain(|due| *due > time);
                prop_assert_eq!(all(&mut deadlines, time).len(), due);
                prop_assert_eq!(deadlines.first(), list.iter().min().copied());
            }
        }
    }
}
