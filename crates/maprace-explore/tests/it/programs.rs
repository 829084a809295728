//! The small programs: written to meet each primitive, learnt from a mistake, made up by chance.

use crate::small::{Op, Small};
use Op::{Add, Clear, Load, Lock, Read, Spawn, Store, Test, Try, Unlock, Up, Wait, Write};

fn small<const N: usize>(expected: Option<&[u64]>, tasks: [&[Op]; N]) -> Small {
    let tasks = tasks.into_iter().map(<[Op]>::to_vec).collect();
    Small { tasks, expected: expected.map(<[u64]>::to_vec) }
}

/// The programs, and what they are about.
pub(crate) fn programs() -> Vec<(&'static str, Small)> {
    [updates(), deadlocks(), bits(), children()].concat()
}

/// An update that can be lost.
const UPDATE: &[Op] = &[Load(0), Store(0)];

fn child(ops: &[Op]) -> Op {
    Spawn(ops.to_vec())
}

fn updates() -> Vec<(&'static str, Small)> {
    let locked: &[Op] = &[Lock(0), Load(0), Store(0), Unlock(0)];
    let twice: &[Op] = &[Read(0), Load(0), Up, Write(0), Store(0), Up];
    vec![
        ("an update is lost", small(Some(&[2]), [UPDATE, UPDATE])),
        ("three tasks, two updates lost", small(Some(&[3]), [UPDATE, UPDATE, UPDATE])),
        ("a bit lock protects the update", small(Some(&[3]), [locked, locked, locked])),
        ("a semaphore protects the store, not the load", small(Some(&[2]), [twice, twice])),
        (
            "additions commute, and a look at them does not",
            small(Some(&[3]), [&[Add(0), Add(1)], &[Add(0), Add(1)], &[Load(1), Add(0)]]),
        ),
        (
            "readers do not keep each other out",
            small(Some(&[0]), [&[Read(0), Load(0), Up], &[Read(0), Load(0), Up], &[Write(0), Up]]),
        ),
        ("a task without a step", small(Some(&[1]), [&[], UPDATE])),
    ]
}

fn deadlocks() -> Vec<(&'static str, Small)> {
    vec![
        (
            "two locks in opposite orders",
            small(
                Some(&[2]),
                [
                    &[Lock(0), Lock(1), Load(0), Store(0), Unlock(1), Unlock(0)],
                    &[Lock(1), Lock(0), Load(0), Store(0), Unlock(0), Unlock(1)],
                ],
            ),
        ),
        (
            "a bit that nobody clears",
            small(None, [&[Lock(0), Store(0)], &[Wait(0), Load(0)], &[Load(0), Lock(0)]]),
        ),
        (
            "three semaphores in a ring",
            small(
                None,
                [
                    &[Write(0), Write(1), Add(0), Up, Up],
                    &[Write(1), Write(2), Add(0), Up, Up],
                    &[Write(2), Write(0), Add(0), Up, Up],
                ],
            ),
        ),
        (
            "a reader that wants to write",
            small(None, [&[Read(0), Write(1), Up, Up], &[Read(1), Write(0), Up, Up]]),
        ),
    ]
}

fn bits() -> Vec<(&'static str, Small)> {
    vec![
        (
            "a try against an unlock",
            small(
                Some(&[2]),
                [&[Lock(0), Load(0), Store(0), Unlock(0)], &[Try(0), Load(0), Store(0), Unlock(0)]],
            ),
        ),
        (
            "two tries and a test",
            small(
                Some(&[1]),
                [
                    &[Try(0), Store(0), Unlock(0)],
                    &[Try(0), Store(0), Unlock(0)],
                    &[Test(0), Store(1)],
                ],
            ),
        ),
    ]
}

fn children() -> Vec<(&'static str, Small)> {
    vec![
        (
            "a child clears the bit that others wait for",
            small(
                Some(&[2]),
                [
                    &[Lock(0), child(&[Load(0), Store(0), Clear(0)]), Load(1)],
                    &[Wait(0), Load(0), Store(0)],
                ],
            ),
        ),
        (
            "children of children",
            small(
                Some(&[3]),
                [
                    &[child(&[Load(0), child(UPDATE), Store(0)]), Load(0), Store(0)],
                    &[Add(1), Load(1)],
                ],
            ),
        ),
        (
            "a child lets its parent's lock go",
            small(
                None,
                [
                    &[Lock(1), child(&[Add(0), Clear(1)]), Add(0), Lock(1)],
                    &[Lock(1), Load(0), Unlock(1)],
                ],
            ),
        ),
    ]
}

/// Programs of which an engine that had one thing wrong lost interleavings: made up by chance, then
/// made small.
pub(crate) fn lessons() -> Vec<(&'static str, Small)> {
    let held_off = "a lock that is tried by its holder: who waits for it races with the acquire";
    let readers = "two readers in a row: who waits for both races with the first";
    let cut = "a run that is cut leaves a task waiting: its race is seen there or never";
    vec![
        (
            held_off,
            small(
                Some(&[1]),
                [
                    &[Lock(1), Wait(0), Try(0), Unlock(0), Unlock(1)],
                    &[Wait(1), Lock(0), Try(0), Unlock(0)],
                ],
            ),
        ),
        (readers, small(None, [&[Read(0), Read(0)], &[Store(1), Write(0)]])),
        (cut, small(None, [&[], &[child(&[Wait(0), Try(0)]), Read(1)], &[Lock(0), Write(1)]])),
        (
            cut,
            small(
                None,
                [
                    &[Wait(0)],
                    &[child(&[Lock(1), Lock(0), Unlock(0), Unlock(1)]), Test(1)],
                    &[Lock(1)],
                ],
            ),
        ),
        (
            cut,
            small(
                None,
                [&[Store(0), Lock(0)], &[Load(0), Store(1)], &[Store(0), Lock(0), Store(1)]],
            ),
        ),
        (
            cut,
            small(
                None,
                [
                    &[Store(1), child(&[Write(1), Lock(0), Unlock(0), Up])],
                    &[Try(0), Wait(0), Write(0)],
                    &[Add(1), Write(0)],
                ],
            ),
        ),
    ]
}

/// A source of chance for made-up programs: xorshift (Marsaglia, 2003).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }

    /// How many programs to make up: few where code is slow.
    pub(crate) const fn programs() -> usize {
        if cfg!(debug_assertions) { 100 } else { 2_000 }
    }

    /// Two or three tasks of a few steps. Locks may be left locked, and so be waited for in vain.
    pub(crate) fn program(&mut self) -> Small {
        let tasks = 2 + self.below(2);
        let steps = if tasks == 2 { 4 } else { 3 };
        let tasks = (0..tasks).map(|_| self.task(steps, true)).collect();
        Small { tasks, expected: Some(vec![1, 1, 1]) }
    }

    fn task(&mut self, steps: usize, may_spawn: bool) -> Vec<Op> {
        let (mut ops, mut open) = (Vec::new(), Vec::new());
        while ops.len() < steps {
            let at = self.below(2);
            let op = match self.below(if may_spawn { 14 } else { 13 }) {
                0 => Op::Load(at),
                1 | 2 => Op::Store(at),
                3 => Op::Add(at),
                4 | 5 => Op::Lock(at),
                6 => Op::Try(at),
                7 => Op::Wait(at),
                8 => Op::Test(at),
                9 => Op::Read(at),
                10 => Op::Write(at),
                11 | 12 => open.pop().unwrap_or(Op::Load(at)),
                _ => Op::Spawn(self.task(2, false)),
            };
            match op {
                Op::Lock(at) | Op::Try(at) => open.push(Op::Unlock(at)),
                Op::Read(_) | Op::Write(_) => open.push(Op::Up),
                _ => {}
            }
            ops.push(op);
        }
        if self.below(4) > 0 {
            ops.extend(open.into_iter().rev());
        }
        ops
    }
}
