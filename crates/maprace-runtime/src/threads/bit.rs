//! The folio lock and the writeback bit on threads: one byte, spun for a little, then parked for.
//!
//! Parking goes through a mutex and a condition variable, and only who waits long touches those.

use super::{Pause, Probe, Threads, now};
use crate::{BitLock, Effect, Foot, Happening, Key, Step};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Nobody has it; nobody is parked.
const FREE: u8 = 0;
/// Somebody has it, and nobody is parked.
const SET: u8 = 1;
/// Somebody has it, and somebody may be parked.
const AWAITED: u8 = 2;

/// How often a waiter looks before it parks, with one pause more between looks each time: some 20 us
/// in all. To be woken takes longer than that, so parking earlier would seldom be faster.
const LOOKS: u32 = 45;

/// A folio lock or a bit that threads wait for.
///
/// # Divergence from Linux
/// Whoever comes at the right moment gets it, however often a waiter is overtaken; the kernel hands a
/// folio lock over to a waiter that was overtaken five times (`sysctl_page_lock_unfairness`,
/// `mm/filemap.c`, from v5.9). A waiter spins for some 20 microseconds before it sleeps; the kernel
/// sleeps at once. Times under contention differ.
#[derive(Debug)]
pub struct ThreadBit<P: Probe> {
    pause: Pause,
    which: P::Lock,
    state: AtomicU8,
    parked: Mutex<()>,
    cleared: Condvar,
}

impl<P: Probe> ThreadBit<P> {
    #[inline]
    fn take(&self) -> bool {
        self.state.compare_exchange(FREE, SET, Acquire, Relaxed).is_ok()
    }

    /// Spins until `got` it or for so long that parking is better.
    fn spin(&self, got: impl Fn() -> bool) -> bool {
        (0..LOOKS).any(|pauses| {
            (0..pauses).for_each(|_| std::hint::spin_loop());
            self.state.load(Relaxed) == FREE && got()
        })
    }

    #[cold]
    fn take_slowly(&self) {
        if self.spin(|| self.take()) {
            return;
        }
        let mut parked = self.parked.lock();
        // It is taken as AWAITED, since others may be parked behind this one.
        while self.state.swap(AWAITED, Acquire) != FREE {
            self.cleared.wait(&mut parked);
        }
    }

    #[cold]
    fn wait_slowly(&self) {
        if self.spin(|| self.state.load(Acquire) == FREE) {
            return;
        }
        let mut parked = self.parked.lock();
        while self.note_waiter(&parked) {
            self.cleared.wait(&mut parked);
        }
    }

    /// Marks a bit that is set as waited for; false if it is clear. Under the lock, so that no release
    /// comes between this and the sleep.
    fn note_waiter(&self, _: &MutexGuard<'_, ()>) -> bool {
        let awaited = |state| (state != FREE).then_some(AWAITED);
        self.state.fetch_update(Acquire, Acquire, awaited).is_ok()
    }

    #[inline]
    fn release(&self) {
        P::tell_at(self.which, |key| Happening::Drops { key, exclusive: true });
        if self.state.swap(FREE, Release) == AWAITED {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        drop(self.parked.lock());
        self.cleared.notify_all();
    }

    #[inline]
    fn taken(&self) {
        P::tell_at(self.which, |key| Happening::Takes { key, exclusive: true });
    }
}

/// A probe is told of a wait for a clear bit as of a shared hold that is dropped at once; of what cannot
/// wait it is told that it was taken, not that it was asked for.
impl<P: Probe> BitLock<Threads<P>> for ThreadBit<P> {
    fn new(rt: &Threads<P>, key: Key) -> Self {
        ThreadBit {
            pause: rt.pause,
            which: P::lock(key),
            state: AtomicU8::new(FREE),
            parked: Mutex::new(()),
            cleared: Condvar::new(),
        }
    }
    #[inline]
    fn lock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            self.pause.take();
            P::tell_at(self.which, |key| Happening::Asks { key, exclusive: true });
            if !self.take() {
                self.take_slowly();
            }
            self.taken();
            act()
        })
    }
    #[inline]
    fn try_lock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce(bool) -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            let free = self.take();
            if free {
                self.taken();
            }
            act(free)
        })
    }
    #[inline]
    fn unlock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            let out = act();
            self.release();
            out
        })
    }
    #[inline]
    fn wait(&self, _: &'static Step) -> impl Future<Output = ()> {
        now(|| {
            P::tell_at(self.which, |key| Happening::Asks { key, exclusive: false });
            if self.state.load(Acquire) != FREE {
                self.wait_slowly();
            }
            P::tell_at(self.which, |key| Happening::Takes { key, exclusive: false });
            P::tell_at(self.which, |key| Happening::Drops { key, exclusive: false });
        })
    }
    #[inline]
    fn set(&self) {
        assert!(self.take(), "the bit is set already");
        self.taken();
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

#[cfg(test)]
mod tests {
    use super::super::{Off, run};
    use super::*;
    use std::sync::atomic::AtomicU64;

    static STEP: Step = Step::new("test");

    #[test]
    fn many_threads_lock_out_each_other_and_all_get_in() {
        let bit: ThreadBit<Off> = BitLock::new(&Threads::new(), Key::only("test"));
        let inside = AtomicU64::new(0);
        let total = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for turn in 0..500 {
                        run(bit.lock(&STEP, || Foot::NONE, || ()));
                        assert_eq!(inside.fetch_add(1, Relaxed), 0);
                        // Now and then so long that the others park.
                        let spins = if turn % 100 == 0 { 3_000 } else { 0 };
                        (0..spins).for_each(|_| std::hint::spin_loop());
                        inside.fetch_sub(1, Relaxed);
                        total.fetch_add(1, Relaxed);
                        run(bit.unlock(&STEP, || Foot::NONE, || ()));
                        run(bit.wait(&STEP));
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4_000);
        assert!(!bit.is_set());
    }

    #[test]
    fn only_one_try_succeeds_until_it_is_released() {
        let bit: ThreadBit<Off> = BitLock::new(&Threads::new(), Key::only("test"));
        let attempt = || run(bit.try_lock(&STEP, || Foot::NONE, |free| free));
        assert_eq!((attempt(), attempt()), (true, false));
        bit.clear();
        assert!(attempt());
    }
}
