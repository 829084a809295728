//! Who waits for which lock, and who goes next: `kernel/locking/rwsem.c` and `folio_wait_bit_common` of
//! `mm/filemap.c`, v6.8.
//!
//! A semaphore. Whoever wants it alone while its owner runs spins, in order of arrival, and takes it
//! before those that sleep (`rwsem_optimistic_spin`); for readers it spins 25 us at most. When the
//! owner leaves its processor the spinners go to sleep. Sleeping readers are handed the semaphore, all
//! of them once a reader is first (`rwsem_mark_wake`); a sleeping writer is woken to try, may find that
//! another was faster, and is handed it once it has slept for 4 ms (`RWSEM_FLAG_HANDOFF`). A reader that
//! comes takes a free semaphore before those that sleep, and queues behind them where readers hold it.
//!
//! A bit, such as the folio lock. Nobody spins. Who waits is woken to try, five times
//! (`sysctl_page_lock_unfairness`), and then handed the lock; who only waits until it is clear goes.
//!
//! # Divergence from Linux
//! Spinning for readers ends after 25 us whatever their number (10 us plus 0.5 us a reader, 25 us at
//! most). A spinner whose processor others want goes on spinning; who comes while others want one
//! sleeps at once.

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

    /// `task` leaves its processor: those that spin for what it owns go to sleep. How many do.
    pub(super) fn leaves_cpu(&mut self, task: usize) -> u32 {
        if self.away.len() <= task {
            self.away.resize(task + 1, false);
        }
        self.away[task] = true;
        if self.spins.is_empty() {
            return 0;
        }
        let owns = |obj: &Object| self.owners.get(obj) == Some(&task);
        let theirs: Vec<usize> = self
            .spins
            .iter()
            .filter(|(_, (obj, _))| owns(obj))
            .map(|(spinner, _)| *spinner)
            .collect();
        let mut slept = 0;
        let mut objects: Vec<Object> = theirs.iter().map(|spinner| self.spins[spinner].0).collect();
        objects.sort_unstable();
        objects.dedup();
        for obj in objects {
            // In the order in which they came, whatever the order of the map.
            let spinners = std::mem::take(&mut self.queues.entry(obj).or_default().spinners);
            for spinner in spinners {
                self.sleep(spinner, obj);
                slept += 1;
            }
        }
        slept
    }

    /// `task` has spun for readers until `now_ns`; whether it goes to sleep now.
    pub(super) fn spun_enough(&mut self, task: usize, now_ns: u64) -> bool {
        let Some((obj, since_ns)) = self.spins.get(&task).copied() else { return false };
        if since_ns + READERS_SPIN_NS != now_ns || self.owners.contains_key(&obj) {
            return false;
        }
        self.queues.entry(obj).or_default().spinners.retain(|spinner| *spinner != task);
        self.sleep(task, obj);
        true
    }

    fn sleep(&mut self, task: usize, obj: Object) {
        let since_ns = self.spins.remove(&task).map_or(0, |(_, since_ns)| since_ns);
        let sleeper = Sleeper { task, since_ns, tries: 0, waking: false };
        self.queues.entry(obj).or_default().sleepers.push_back(sleeper);
        if self.away.len() <= task {
            self.away.resize(task + 1, false);
        }
        self.away[task] = true;
    }

    /// `task` wants what `guard` says, for the first time or woken to try again.
    pub(super) fn ask(
        &mut self,
        task: usize,
        guard: Guard,
        state: Held,
        may_spin: bool,
        now_ns: u64,
    ) -> Asked {
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
            return Asked::Sleeps;
        }
        let owner = self.owners.get(&obj).copied();
        let owner_runs = owner.is_none_or(|owner| !self.is_away(owner));
        let spins = may_spin && owner_runs && matches!(guard, Guard::Exclusive(_));
        self.spins.insert(task, (obj, now_ns));
        if spins {
            self.queues.entry(obj).or_default().spinners.push_back(task);
            let readers = owner.is_none();
            return Asked::Spins { until_ns: readers.then_some(now_ns + READERS_SPIN_NS) };
        }
        self.sleep(task, obj);
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
        if let Some(task) = queue.spinners.front().copied()
            && state == Held::default()
        {
            queue.spinners.pop_front();
            self.spins.remove(&task);
            self.drop_empty(obj);
            return Some(Woken::Spinner(task));
        }
        // With readers going, all readers go, and nobody else.
        let reads = |sleeper: &Sleeper| matches!(guard_of(sleeper.task), Guard::Shared(_));
        let sleeper = *queue.sleepers.front()?;
        if is_sem && state.readers > 0 && !reads(&sleeper) {
            return None;
        }
        let guard = guard_of(sleeper.task);
        if !state.is_open(guard) || sleeper.waking {
            return None;
        }
        let handed = match guard {
            Guard::Exclusive(_) if is_sem => now_ns.saturating_sub(sleeper.since_ns) > HANDOFF_NS,
            Guard::Exclusive(_) => sleeper.tries >= UNFAIR,
            _ => true,
        };
        if !handed {
            queue.sleepers[0].waking = true;
            return Some(Woken::ToTry(sleeper.task));
        }
        queue.sleepers.pop_front();
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
