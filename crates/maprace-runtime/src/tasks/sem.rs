//! `struct rw_semaphore` between tasks: a readers-writer lock that is only ever tried, and an event for
//! those who did not get it.

use super::{Tasks, Yields, worker};
use crate::{Key, Object, RwSem, SemSteps, State};
use event_listener::Event;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, fence};

/// A `struct rw_semaphore` between tasks.
///
/// # Divergence from Linux
/// Who gets it next. Behind a writer that waits, new readers wait, in both, but here not those of a
/// task that was started by another one. A release wakes all who wait, and whoever is polled first gets
/// it, be it one that has not waited at all; the kernel has a queue, and hands the lock to its first
/// after 4 ms (`RWSEM_WAIT_TIMEOUT`, `kernel/locking/rwsem.c`). Nobody spins. Times under contention
/// differ, never who may hold it together.
#[derive(Debug)]
pub struct TaskSem<T> {
    yields: Yields,
    lock: RwLock<T>,
    line: Line,
}

/// Who waits.
#[derive(Debug, Default)]
struct Line {
    /// How many, to read or to write.
    all: AtomicU32,
    /// How many of them to write.
    writers: AtomicU32,
    freed: Event,
}

impl Line {
    /// Tells those who wait that they may try again. The lock was released before: whoever counts
    /// itself after this has looked finds it free, as the two fences see to.
    #[inline]
    fn release(&self) {
        fence(SeqCst);
        if self.all.load(SeqCst) != 0 {
            self.freed.notify(usize::MAX);
        }
    }
}

/// One of the [`Line`], as long as it waits.
struct Waiting<'a> {
    line: &'a Line,
    writes: bool,
}

impl<'a> Waiting<'a> {
    fn join(line: &'a Line, writes: bool) -> Waiting<'a> {
        line.all.fetch_add(1, SeqCst);
        line.writers.fetch_add(u32::from(writes), SeqCst);
        fence(SeqCst);
        Waiting { line, writes }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.all.fetch_sub(1, SeqCst);
        if self.writes && self.line.writers.fetch_sub(1, SeqCst) == 1 {
            // Readers may have waited for this one only.
            self.line.release();
        }
    }
}

impl<T> TaskSem<T> {
    /// Readers wait behind a writer that waits, but for a task that was started by another one: the
    /// writer may be waiting for the hold of that one, which may wait for this.
    #[inline]
    fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let behind = self.line.writers.load(SeqCst) != 0 && !worker::is_inside();
        if behind { None } else { self.lock.try_read() }
    }

    #[cold]
    async fn wait<'a, G>(
        &'a self,
        writes: bool,
        attempt: impl Fn(&'a TaskSem<T>) -> Option<G>,
    ) -> G {
        let _waiting = Waiting::join(&self.line, writes);
        loop {
            let freed = self.line.freed.listen();
            if let Some(guard) = attempt(self) {
                return guard;
            }
            freed.await;
        }
    }
}

/// Releases in the line when it is dropped.
#[derive(Debug)]
struct Release<'a>(&'a Line);

impl Drop for Release<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A shared hold; releases when dropped: the lock first, then those who wait are told.
#[derive(Debug)]
pub struct Shared<'a, T> {
    data: RwLockReadGuard<'a, T>,
    _line: Release<'a>,
}

/// An exclusive hold; releases when dropped: the lock first, then those who wait are told.
#[derive(Debug)]
pub struct Exclusive<'a, T> {
    data: RwLockWriteGuard<'a, T>,
    _line: Release<'a>,
}

impl<T> Deref for Shared<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> Deref for Exclusive<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> DerefMut for Exclusive<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

impl<T: State> RwSem<Tasks, T> for TaskSem<T> {
    type Read<'a> = Shared<'a, T>;
    type Write<'a> = Exclusive<'a, T>;

    fn new(rt: &Tasks, _: Key, _: &'static SemSteps, value: T) -> Self {
        TaskSem { yields: rt.yields, lock: RwLock::new(value), line: Line::default() }
    }
    #[inline]
    async fn down_read(&self) -> Shared<'_, T> {
        self.yields.step_back().await;
        let data = match self.try_read() {
            Some(data) => data,
            None => self.wait(false, TaskSem::try_read).await,
        };
        Shared { data, _line: Release(&self.line) }
    }
    #[inline]
    fn share(&self) -> Shared<'_, T> {
        let data = self.lock.try_read().expect("nobody ever takes it exclusively");
        Shared { data, _line: Release(&self.line) }
    }
    #[inline]
    async fn down_write(&self) -> Exclusive<'_, T> {
        self.yields.step_back().await;
        let data = match self.lock.try_write() {
            Some(data) => data,
            None => self.wait(true, |sem| sem.lock.try_write()).await,
        };
        Exclusive { data, _line: Release(&self.line) }
    }
    #[inline]
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> Option<O> {
        // Told as any hold that ends: who tried meanwhile may have failed because of it.
        let data = self.lock.try_read()?;
        let out = look(&data);
        drop(data);
        self.line.release();
        Some(out)
    }
    #[inline]
    fn object(&self) -> Object {
        Object::NONE
    }
}
