//! `struct rw_semaphore` on threads: a readers-writer lock, and guards that tell when they go.

use super::{Pause, Probe, Threads, now};
use crate::{Happening, Key, Object, RwSem, SemSteps, State};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::future::Future;
use std::ops::{Deref, DerefMut};

/// A `struct rw_semaphore` on threads.
///
/// # Divergence from Linux
/// Who gets it next. Behind a writer that waits, new readers queue, in both. Who waits here spins for
/// some microseconds and then parks; a writer in Linux spins as long as the owner runs on a processor
/// (`rwsem_optimistic_spin`, `kernel/locking/rwsem.c`). A thread that is running may take the lock
/// before one that is being woken: here until a fair release, about each half millisecond, in Linux
/// until the first in the queue has waited 4 ms (`RWSEM_WAIT_TIMEOUT`). Times under contention differ,
/// never who may hold it together.
#[derive(Debug)]
pub struct ThreadSem<T, P: Probe> {
    pause: Pause,
    which: P::Lock,
    lock: RwLock<T>,
}

/// A shared hold; releases when dropped.
#[derive(Debug)]
pub struct Shared<'a, T, P: Probe> {
    data: RwLockReadGuard<'a, T>,
    which: P::Lock,
}

/// An exclusive hold; releases when dropped.
#[derive(Debug)]
pub struct Exclusive<'a, T, P: Probe> {
    data: RwLockWriteGuard<'a, T>,
    which: P::Lock,
}

impl<T, P: Probe> Deref for Shared<'_, T, P> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T, P: Probe> Deref for Exclusive<'_, T, P> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T, P: Probe> DerefMut for Exclusive<'_, T, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

// The lock is released behind these, when the field is dropped: who takes it next is later.
impl<T, P: Probe> Drop for Shared<'_, T, P> {
    #[inline]
    fn drop(&mut self) {
        P::tell_at(self.which, |key| Happening::Drops { key, exclusive: false });
    }
}

impl<T, P: Probe> Drop for Exclusive<'_, T, P> {
    #[inline]
    fn drop(&mut self) {
        P::tell_at(self.which, |key| Happening::Drops { key, exclusive: true });
    }
}

impl<T: State, P: Probe> RwSem<Threads<P>, T> for ThreadSem<T, P> {
    type Read<'a> = Shared<'a, T, P>;
    type Write<'a> = Exclusive<'a, T, P>;

    fn new(rt: &Threads<P>, key: Key, _: &'static SemSteps, value: T) -> Self {
        ThreadSem { pause: rt.pause, which: P::lock(key), lock: RwLock::new(value) }
    }
    #[inline]
    fn down_read(&self) -> impl Future<Output = Shared<'_, T, P>> {
        now(|| {
            self.pause.take();
            P::tell_at(self.which, |key| Happening::Asks { key, exclusive: false });
            self.share()
        })
    }
    #[inline]
    fn share(&self) -> Shared<'_, T, P> {
        let data = self.lock.read();
        P::tell_at(self.which, |key| Happening::Takes { key, exclusive: false });
        Shared { data, which: self.which }
    }
    #[inline]
    fn down_write(&self) -> impl Future<Output = Exclusive<'_, T, P>> {
        now(|| {
            self.pause.take();
            P::tell_at(self.which, |key| Happening::Asks { key, exclusive: true });
            let data = self.lock.write();
            P::tell_at(self.which, |key| Happening::Takes { key, exclusive: true });
            Exclusive { data, which: self.which }
        })
    }
    #[inline]
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> Option<O> {
        self.lock.try_read().map(|data| look(&data))
    }
    #[inline]
    fn object(&self) -> Object {
        Object::NONE
    }
}
