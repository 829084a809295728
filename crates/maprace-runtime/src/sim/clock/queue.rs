//! Who waits for which lock, and who goes next: `kernel/locking/rwsem.c` and `folio_wait_bit_common` of
//! `mm/filemap.c`, v6.8.
//!
//! A semaphore. Whoever wants it alone while its owner runs spins, in order of arrival, and takes it
//! before those that sleep (`rwsem_optimistic_spin`), unless one of them has slept for 4 ms; for readers it spins 25 us at most. When the
//! owner leaves its processor the spinners go to sleep. Sleeping readers are handed the semaphore, all
//! of them once a reader is first (`rwsem_mark_wake`); a sleeping writer is woken to try, may find that
//! another was faster, and is handed it once it has slept for 4 ms (`RWSEM_FLAG_HANDOFF`). A reader that
//! comes takes a free semaphore before those that sleep, and queues behind them where readers hold it.
//!
//! A bit, such as the folio lock. Nobody spins. Who waits is woken to try and, if another was faster,
//! waits behind the others, five times (`sysctl_page_lock_unfairness`); then it is handed the lock. Who
//! only waits until it is clear goes.
//!
//! # Divergence from Linux
//! Spinning for readers ends after 25 us whatever their number (10 us plus 0.5 us a reader, 25 us at
//! most). A spinner whose processor others want goes on spinning; who comes while others want one
//! sleeps at once. While spinners take a semaphore from each other, nobody wakes those that sleep just
//! to find it taken; whoever is handed it sends the spinners to sleep.

use super::super::{Guard, Held};
use crate::Object;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// `rwsem_rspin_threshold`: the longest a writer spins for readers.
const READERS_SPIN_NS: u64 = 25_000;
/// `RWSEM_WAIT_TIMEOUT`: after that a sleeping writer is handed the semaphore.
const HANDOFF_NS: u64 = 4_000_000;
/// `sysctl_page_lock_unfairness`: so often a waiter may find a bit taken by another.
const UNFAIR: u32 = 5;

/// What becomes of a task that wants a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// It may have it now.
    Taken,
    /// It spins, keeping its processor; until then at most.
    Spins { until_ns: Option<u64> },
    /// It sleeps.
    Sleeps,
}

/// What decides how a task waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    /// It is a semaphore, and no bit.
    pub(super) is_sem: bool,
    /// Nobody wants the processor of the one that asks.
    pub(super) may_spin: bool,
    pub(super) now_ns: u64,
}

/// Who goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Woken {
    /// It spun, and has the lock.
    Spinner(usize),
    /// It slept, and has the lock, or only waited until it was clear.
    Granted(usize),
    /// It slept, and may try.
    ToTry(usize),
}

/// One that sleeps.
#[derive(Clone, Copy, Debug)]
struct Sleeper {
    task: usize,
    since_ns: u64,
    tries: u32,
    /// Woken, and on its way to try.
    waking: bool,
}

/// Who waits for one lock.
#[derive(Default, Debug)]
struct Queue {
    spinners: VecDeque<usize>,
    sleepers: VecDeque<Sleeper>,
}

/// All locks that somebody waits for, and all that somebody owns alone.
#[derive(Default, Debug)]
pub(super) struct Queues {
    queues: FxHashMap<Object, Queue>,
    owners: FxHashMap<Object, usize>,
    /// What each task spins for, and since when.
    spins: FxHashMap<usize, (Object, u64)>,
    /// Tasks without a processor: nobody spins for what they own.
    away: Vec<bool>,
}

impl Queues {
    /// Nobody waits or owns.
    pub(super) fn clear(&mut self) {
        self.queues.clear();
        self.owners.clear();
        self.spins.clear();
        self.away.clear();
    }

    /// `task` has `obj` alone.
    pub(super) fn owned(&mut self, obj: Object, task: usize) {
        self.owners.insert(obj, task);
    }

    /// `task` has a processor.
    pub(super) fn runs(&mut self, task: usize) {
        if let Some(away) = self.away.get_mut(task) {
            *away = false;
        }
    }

    /// `task` was handed `obj`, and may still be asleep.
    pub(super) fn granted(&mut self, task: usize, obj: Object, guard: Guard) {
        if matches!(guard, Guard::Exclusive(_)) {
            self.owners.insert(obj, task);
        }
    }

    fn is_away(&self, task: usize) -> bool {
        self.away.get(task).copied().unwrap_or(false)
    }

    /// `task` leaves its processor: those that spin for what it owns go to sleep, and then those that spin
    /// for what they own. How many do.
    pub(super) fn leaves_cpu(&mut self, task: usize, now_ns: u64) -> u32 {
        self.goes_away(task);
        let (mut gone, mut slept) = (VecDeque::from([task]), 0);
        while !self.spins.is_empty()
            && let Some(owner) = gone.pop_front()
        {
            let spun_for = self.spins.values().map(|(obj, _)| *obj);
            let is_theirs = |obj: &Object| self.owners.get(obj) == Some(&owner);
            let mut objects: Vec<Object> = spun_for.filter(is_theirs).collect();
            objects.sort_unstable();
            objects.dedup();
            for obj in objects {
                let spinners = self.put_to_sleep(obj, now_ns);
                slept += u32::try_from(spinners.len()).expect("fewer spinners than processors");
                gone.extend(spinners);
            }
        }
        slept
    }

    /// Whoever spins for `obj` goes to sleep, and who spins for what they own. How many do.
    pub(super) fn stop_spinning(&mut self, obj: Object, now_ns: u64) -> u32 {
        let spinners = self.put_to_sleep(obj, now_ns);
        spinners.into_iter().map(|spinner| 1 + self.leaves_cpu(spinner, now_ns)).sum()
    }

    /// `task` has spun for readers until `now_ns`; how many go to sleep now.
    pub(super) fn spun_enough(&mut self, task: usize, now_ns: u64) -> u32 {
        let Some((obj, since_ns)) = self.spins.get(&task).copied() else { return 0 };
        if since_ns + READERS_SPIN_NS != now_ns || self.owners.contains_key(&obj) {
            return 0;
        }
        self.queues.entry(obj).or_default().spinners.retain(|spinner| *spinner != task);
        self.sleep(task, obj, now_ns);
        1 + self.leaves_cpu(task, now_ns)
    }

    /// The spinners of `obj`, asleep, in the order in which they came.
    fn put_to_sleep(&mut self, obj: Object, now_ns: u64) -> VecDeque<usize> {
        let queue = self.queues.get_mut(&obj);
        let spinners = queue.map(|queue| std::mem::take(&mut queue.spinners)).unwrap_or_default();
        spinners.iter().for_each(|spinner| self.sleep(*spinner, obj, now_ns));
        spinners
    }

    fn sleep(&mut self, task: usize, obj: Object, now_ns: u64) {
        self.spins.remove(&task);
        let sleeper = Sleeper { task, since_ns: now_ns, tries: 0, waking: false };
        self.queues.entry(obj).or_default().sleepers.push_back(sleeper);
        self.goes_away(task);
    }

    fn goes_away(&mut self, task: usize) {
        if self.away.len() <= task {
            self.away.resize(task + 1, false);
        }
        self.away[task] = true;
    }

    /// `task` wants what `guard` says, for the first time or woken to try again.
    pub(super) fn ask(&mut self, task: usize, guard: Guard, state: Held, lock: Asks) -> Asked {
        let Asks { is_sem, may_spin, now_ns } = lock;
        let Some(obj) = guard.object() else { return Asked::Taken };
        let queue = self.queues.get_mut(&obj);
        let again =
            queue.as_ref().and_then(|queue| queue.sleepers.iter().position(|s| s.task == task));
        let others_sleep = queue.as_ref().is_some_and(|queue| !queue.sleepers.is_empty());
        // Behind those that sleep, a reader joins readers only by being woken with them.
        let queues_up = matches!(guard, Guard::Shared(_)) && others_sleep && state.readers > 0;
        if state.is_open(guard) && !queues_up {
            if let (Some(at), Some(queue)) = (again, queue) {
                queue.sleepers.remove(at);
                self.drop_empty(obj);
            }
            return Asked::Taken;
        }
        if let (Some(at), Some(queue)) = (again, queue) {
            // Another was faster.
            let sleeper = &mut queue.sleepers[at];
            (sleeper.waking, sleeper.tries) = (false, sleeper.tries + 1);
            if !is_sem && let Some(sleeper) = queue.sleepers.remove(at) {
                queue.sleepers.push_back(sleeper);
            }
            return Asked::Sleeps;
        }
        let owner = self.owners.get(&obj).copied();
        let owner_runs = owner.is_none_or(|owner| !self.is_away(owner));
        if is_sem && may_spin && owner_runs && matches!(guard, Guard::Exclusive(_)) {
            self.spins.insert(task, (obj, now_ns));
            self.queues.entry(obj).or_default().spinners.push_back(task);
            let readers = owner.is_none();
            return Asked::Spins { until_ns: readers.then_some(now_ns + READERS_SPIN_NS) };
        }
        self.sleep(task, obj, now_ns);
        Asked::Sleeps
    }

    fn drop_empty(&mut self, obj: Object) {
        if self.queues.get(&obj).is_some_and(|q| q.spinners.is_empty() && q.sleepers.is_empty()) {
            self.queues.remove(&obj);
        }
    }

    /// Who goes next for `obj`, which is held as `state` says after a release; called until nobody does.
    pub(super) fn next(
        &mut self,
        obj: Object,
        guard_of: impl Fn(usize) -> Guard,
        state: Held,
        is_sem: bool,
        now_ns: u64,
    ) -> Option<Woken> {
        if state == Held::default() {
            self.owners.remove(&obj);
        }
        let queue = self.queues.get_mut(&obj)?;
        let slept_ns = |sleeper: &Sleeper| now_ns.saturating_sub(sleeper.since_ns);
        // One that was woken from a bit is on nobody's list; from a semaphore it stays the first.
        let at = queue.sleepers.iter().position(|sleeper| is_sem || !sleeper.waking);
        let first = at.map(|at| (at, queue.sleepers[at]));
        let is_due = |sleeper: &Sleeper| !sleeper.waking && slept_ns(sleeper) > HANDOFF_NS;
        if let Some(task) = queue.spinners.front().copied()
            && state == Held::default()
            && !first.is_some_and(|(_, sleeper)| is_due(&sleeper))
        {
            queue.spinners.pop_front();
            self.spins.remove(&task);
            self.drop_empty(obj);
            return Some(Woken::Spinner(task));
        }
        // With readers going, all readers go, and nobody else.
        let reads = |sleeper: &Sleeper| matches!(guard_of(sleeper.task), Guard::Shared(_));
        let (at, sleeper) = first?;
        if is_sem && state.readers > 0 && !reads(&sleeper) {
            return None;
        }
        let guard = guard_of(sleeper.task);
        if !state.is_open(guard) || sleeper.waking {
            return None;
        }
        let handed = match guard {
            Guard::Exclusive(_) if is_sem => is_due(&sleeper),
            Guard::Exclusive(_) => sleeper.tries >= UNFAIR,
            _ => true,
        };
        if !handed {
            queue.sleepers[at].waking = true;
            return Some(Woken::ToTry(sleeper.task));
        }
        queue.sleepers.remove(at);
        if matches!(guard, Guard::Shared(_)) {
            // The other readers come to the front: they are woken with this one.
            let (readers, writers): (Vec<Sleeper>, Vec<Sleeper>) =
                queue.sleepers.iter().partition(|sleeper| reads(sleeper));
            queue.sleepers = readers.into_iter().chain(writers).collect();
        }
        self.drop_empty(obj);
        Some(Woken::Granted(sleeper.task))
    }
}
