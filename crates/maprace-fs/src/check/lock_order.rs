//! Locks are taken in one order: what lockdep does, with the documented order known from the start.
//!
//! A lock is known by its class. Whoever takes one while he holds others says that those come first;
//! who says the opposite of what was said before could deadlock with him, whether he does or not. Locks
//! of the same class go by their number, as folios are locked.

use super::{Broken, Checker};
use crate::Order;
use maprace_runtime::Key;
use std::collections::BTreeSet;

/// "Lock Ordering" in `fs/ext4/super.c`, v6.8.
const BUFFER_HEAD: [&str; 6] =
    ["i_rwsem", "invalidate_lock", "transaction_locked", "jbd2_handle", "folio_lock", "i_data_sem"];

/// The same as the posted iomap series has it: the folio before the transaction.
const IOMAP: [&str; 6] =
    ["i_rwsem", "invalidate_lock", "folio_lock", "transaction_locked", "jbd2_handle", "i_data_sem"];

/// Bits that one task sets and another clears are no locks to lockdep.
const NOT_A_LOCK: &str = "writeback";

/// What is known of the order of locks, and who holds which.
#[derive(Clone, Debug)]
pub struct LockOrder {
    documented: &'static [&'static str],
    /// First and second of two classes, as somebody took them, beside what is documented.
    learnt: BTreeSet<(&'static str, &'static str)>,
    held: Vec<(usize, Key)>,
}

impl LockOrder {
    /// With what is documented for `order`.
    pub fn new(order: Order) -> LockOrder {
        let documented = match order {
            Order::BufferHead => &BUFFER_HEAD[..],
            Order::Iomap => &IOMAP[..],
        };
        LockOrder { documented, learnt: BTreeSet::new(), held: Vec::new() }
    }

    /// Task `task` has taken `lock`: what is wrong with it.
    pub fn takes(&mut self, task: usize, lock: Key) -> Option<Broken> {
        if lock.kind == NOT_A_LOCK {
            return None;
        }
        let own: Vec<Key> = self.held.iter().filter(|(by, _)| *by == task).map(|h| h.1).collect();
        self.held.push((task, lock));
        let mut inverted = false;
        for held in own {
            inverted |= match held.kind == lock.kind {
                true => held.index >= lock.index,
                false => !self.says(held.kind, lock.kind),
            };
        }
        inverted.then_some(Broken { checker: Checker::LockOrder, values: None, place: None })
    }

    /// Task `task` has released `lock`.
    pub fn drops(&mut self, task: usize, lock: Key) {
        if let Some(at) = self.held.iter().rposition(|held| *held == (task, lock)) {
            self.held.remove(at);
        }
    }

    /// What was learnt, as part of a state.
    pub fn learnt(&self) -> &BTreeSet<(&'static str, &'static str)> {
        &self.learnt
    }

    /// Takes note that `first` comes before `second`; false if the opposite is known.
    fn says(&mut self, first: &'static str, second: &'static str) -> bool {
        if self.is_before(second, first) {
            return false;
        }
        if !self.is_before(first, second) {
            self.learnt.insert((first, second));
        }
        true
    }

    /// Whether `first` comes before `second`, by what is documented and learnt, over any number of
    /// classes in between.
    fn is_before(&self, first: &str, second: &str) -> bool {
        let mut reached = vec![first];
        let mut next = 0;
        while let Some(class) = reached.get(next).copied() {
            next += 1;
            let place = self.documented.iter().position(|known| *known == class);
            let documented = place.map_or(&[][..], |at| &self.documented[at + 1..]);
            let learnt = self.learnt.iter().filter(|(a, _)| *a == class).map(|(_, b)| b);
            for after in documented.iter().chain(learnt) {
                if *after == second {
                    return true;
                }
                if !reached.contains(after) {
                    reached.push(after);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn folio(index: u64) -> Key {
        Key { kind: "folio_lock", index }
    }

    #[test]
    fn the_documented_order_is_known_and_the_opposite_is_found() {
        let mut order = LockOrder::new(Order::BufferHead);
        for lock in ["i_rwsem", "jbd2_handle"] {
            assert_eq!(order.takes(0, Key::only(lock)), None);
        }
        assert_eq!(order.takes(0, folio(3)), None);
        assert_eq!(order.takes(0, folio(4)), None);
        assert!(order.takes(0, folio(4)).is_some());
        assert!(order.takes(0, Key::only("invalidate_lock")).is_some());
        assert!(order.learnt().is_empty());
        let mut order = LockOrder::new(Order::Iomap);
        assert_eq!(order.takes(0, folio(0)), None);
        assert_eq!(order.takes(0, Key::only("jbd2_handle")), None);
        assert!(order.takes(0, folio(1)).is_some());
    }

    #[test]
    fn what_one_task_does_is_the_law_for_another_even_over_a_third_lock() {
        let mut order = LockOrder::new(Order::Iomap);
        assert_eq!(order.takes(0, Key::only("ilock")), None);
        assert_eq!(order.takes(0, Key::only("i_data_sem")), None);
        order.drops(0, Key::only("i_data_sem"));
        order.drops(0, Key::only("ilock"));
        assert_eq!(order.takes(1, Key::only("agf")), None);
        assert_eq!(order.takes(1, Key::only("ilock")), None);
        order.drops(1, Key::only("ilock"));
        order.drops(1, Key::only("agf"));
        assert_eq!(order.takes(2, Key::only("i_data_sem")), None);
        assert!(order.takes(2, Key::only("agf")).is_some());
    }

    #[test]
    fn a_bit_is_no_lock_and_what_was_released_is_not_held() {
        let mut order = LockOrder::new(Order::BufferHead);
        assert_eq!(order.takes(0, folio(0)), None);
        assert_eq!(order.takes(0, Key { kind: "writeback", index: 0 }), None);
        order.drops(0, folio(0));
        assert_eq!(order.takes(0, Key::only("jbd2_handle")), None);
    }
}
