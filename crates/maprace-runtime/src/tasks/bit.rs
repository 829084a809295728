//! The folio lock and the writeback bit between tasks: one byte, and an event for those who wait.

use super::{Tasks, Yields};
use crate::{BitLock, Effect, Foot, Key, Step};
use event_listener::Event;
use std::hash::Hash;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// Nobody has it; nobody waits.
const FREE: u8 = 0;
/// Somebody has it, and nobody waits.
const SET: u8 = 1;
/// Somebody has it, and somebody may wait.
const AWAITED: u8 = 2;

/// A folio lock or a bit that tasks wait for.
///
/// # Divergence from Linux
/// Whoever comes at the right moment gets it, however often a waiter is overtaken, and a release wakes
/// all who wait; the kernel hands a folio lock over to a waiter that was overtaken five times
/// (`sysctl_page_lock_unfairness`, `mm/filemap.c`, from v5.9). Times under contention differ.
#[derive(Debug)]
pub struct TaskBit {
    yields: Yields,
    state: AtomicU8,
    cleared: Event,
}

impl TaskBit {
    #[inline]
    fn take(&self) -> bool {
        self.state.compare_exchange(FREE, SET, Acquire, Relaxed).is_ok()
    }

    #[cold]
    async fn take_slowly(&self) {
        loop {
            let cleared = self.cleared.listen();
            // It is taken as AWAITED, since others may wait behind this one.
            if self.state.swap(AWAITED, AcqRel) == FREE {
                return;
            }
            cleared.await;
        }
    }

    #[cold]
    async fn wait_slowly(&self) {
        loop {
            let cleared = self.cleared.listen();
            let awaited = |state| (state != FREE).then_some(AWAITED);
            if self.state.fetch_update(AcqRel, Acquire, awaited).is_err() {
                return;
            }
            cleared.await;
        }
    }

    #[inline]
    fn release(&self) {
        // Listening comes before marking, so whoever has marked it hears this.
        if self.state.swap(FREE, AcqRel) == AWAITED {
            self.cleared.notify(usize::MAX);
        }
    }
}

impl BitLock<Tasks> for TaskBit {
    fn new(rt: &Tasks, _: Key) -> Self {
        TaskBit { yields: rt.yields, state: AtomicU8::new(FREE), cleared: Event::new() }
    }
    #[inline]
    async fn lock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> O {
        self.yields.step_back().await;
        if !self.take() {
            self.take_slowly().await;
        }
        act()
    }
    #[inline]
    async fn try_lock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce(bool) -> O,
    ) -> O {
        act(self.take())
    }
    #[inline]
    async fn unlock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> O {
        let out = act();
        self.release();
        out
    }
    #[inline]
    async fn wait(&self, _: &'static Step) {
        if self.state.load(Acquire) != FREE {
            self.wait_slowly().await;
        }
    }
    #[inline]
    fn set(&self) {
        assert!(self.take(), "the bit is set already");
    }
    #[inline]
    fn clear(&self) {
        self.release();
    }
    #[inline]
    fn is_set(&self) -> bool {
        self.state.load(Acquire) != FREE
    }
    #[inline]
    fn touch(&self, _: Effect) -> Foot {
        Foot::NONE
    }
    #[inline]
    fn identity(&self) -> u128 {
        0
    }
}
