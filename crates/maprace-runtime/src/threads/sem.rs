//! `struct rw_semaphore` on threads: a readers-writer lock, and guards that tell when they go.

use super::{Pause, Probe, Threads, now};
use crate::{Happening, Key, Object, RwSem, SemSteps, State};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::future::Future;
use std::ops::{Deref, DerefMut};

/// A `struct rw_semaphore` on threads.
///
/// # Divergence from Linux
/// Who gets it next. Behind a writer that waits, new readers queue, in both, but here not those of a
/// task that was started inside another one. Who waits here spins for
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

impl<T, P: Probe> ThreadSem<T, P> {
    /// A task that runs inside another one may not queue behind a writer: that may be waiting for the
    /// hold of the outer one, which goes on only when the inner one has ended.
    #[cold]
    fn read_slowly(&self) -> RwLockReadGuard<'_, T> {
        if super::is_inside() { self.lock.read_recursive() } else { self.lock.read() }
    }

    #[inline]
    fn shared<'a>(&self, data: RwLockReadGuard<'a, T>) -> Shared<'a, T, P> {
        P::tell_at(self.which, |key| Happening::Takes { key, exclusive: false });
        Shared { data, which: self.which }
    }
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
            let data = self.lock.try_read().unwrap_or_else(|| self.read_slowly());
            self.shared(data)
        })
    }
    #[inline]
    fn share(&self) -> Shared<'_, T, P> {
        self.shared(self.lock.read())
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

#[cfg(test)]
mod tests {
    use super::super::{Off, run};
    use super::*;
    use crate::Runtime;
    use std::sync::Arc;

    static STEPS: SemSteps = crate::sem_steps!("test");

    // The end of an I/O joined the transaction that its submitter had a handle of, while a commit waited.
    #[test]
    fn a_task_started_under_a_shared_hold_gets_one_while_a_writer_waits() {
        let rt = Threads::new();
        let sem: Arc<ThreadSem<u32, Off>> = Arc::new(RwSem::new(&rt, Key::only("test"), &STEPS, 0));
        std::thread::scope(|scope| {
            let held = run(sem.down_read());
            let writer = scope.spawn(|| *run(sem.down_write()) += 1);
            while sem.peek(|_| ()).is_some() {
                std::hint::spin_loop();
            }
            let inner = sem.clone();
            rt.spawn("inner", async move { assert_eq!(*inner.down_read().await, 0) });
            drop(held);
            writer.join().unwrap();
        });
        assert_eq!(*run(sem.down_read()), 1);
    }
}
