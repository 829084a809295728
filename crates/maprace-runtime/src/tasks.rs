//! The runtime of tasks: many on each of several threads, and no wait blocks its thread.
//!
//! A thread has a [`Worker`], which polls its tasks and fires their timers when it is told what time it
//! is; it owns no clock and starts no thread. A task stays on the thread that started it: what crosses
//! threads is the shared state, and wake-ups, which ring the bell of the other thread's worker.
//!
//! Not here: probes, footprints, a choice of who runs next. A task goes on until it has to wait. With
//! [`Tasks::yielding`] it steps back before some acquires, so that tasks of one thread interleave
//! where nothing makes them wait.

mod bit;
mod sem;
mod worker;

pub use bit::TaskBit;
pub use sem::{Exclusive, Shared, TaskSem};
pub use worker::Worker;

use crate::{Foot, Key, Object, Runtime, Spin, State, Step, Traced};
use parking_lot::Mutex;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::sync::Arc;
use std::task::Poll;

/// The handle of the runtime. Copies share the order in which the medium is asked.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    yields: Yields,
    /// When the medium was last asked, in nanoseconds: it is asked in the order of times.
    asked: Arc<Mutex<u64>>,
}

impl Tasks {
    /// A task goes on until it has to wait.
    pub fn new() -> Tasks {
        Tasks::default()
    }

    /// A task also steps back before one in `one_in` acquires, drawn evenly; never for 0.
    pub fn yielding(one_in: u32) -> Tasks {
        Tasks { yields: Yields { one_in }, ..Tasks::default() }
    }

    /// Gives the thread back, so that it can do something else before it runs its tasks again: until its
    /// worker is told a later time. For tasks that do a lot and wait for nobody.
    pub async fn cond_resched(&self) {
        worker::sleep_until(worker::now_ns().saturating_add(1)).await;
    }
}

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) };
}

/// Seeds this thread's draws of who steps back.
pub fn seed(seed: u64) {
    RANDOM.set(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
}

/// Whether tasks step back before an acquire, and how often.
#[derive(Clone, Copy, Debug, Default)]
struct Yields {
    one_in: u32,
}

impl Yields {
    #[inline]
    async fn step_back(self) {
        if self.one_in != 0 && self.draws() {
            let mut back = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut back, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    #[cold]
    fn draws(self) -> bool {
        let mut x = RANDOM.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        RANDOM.set(x);
        x.is_multiple_of(u64::from(self.one_in))
    }
}

impl Runtime for Tasks {
    type RwSem<T: State> = TaskSem<T>;
    type Spin<T: State> = TaskSpin<T>;
    type BitLock = TaskBit;

    #[inline]
    fn call<F: Future>(&self, _: &'static str, body: F) -> impl Future<Output = F::Output> {
        body
    }

    /// The new task is of the worker that runs; it is polled once the one that asks waits or ends.
    ///
    /// # Panics
    /// When no worker runs on this thread.
    fn spawn(&self, _: &'static str, body: impl Future<Output = ()> + 'static) {
        worker::spawn_inside(body);
    }

    #[inline]
    fn saw(&self, _: impl FnOnce() -> String) {}

    #[inline]
    fn remember(&self, _: &impl Hash) {}

    #[inline]
    fn tracepoint(&self, _: impl FnOnce() -> Traced) {}

    #[inline]
    fn pass(&self, _: &'static Step) -> impl Future<Output = ()> {
        self.yields.step_back()
    }

    /// Submitted at the time that the worker was last told; goes on when it is told one that is not
    /// before the end of the access.
    #[inline]
    async fn io<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        done_ns: impl FnOnce(u64) -> u64,
        act: impl FnOnce() -> O,
    ) -> O {
        let (asked_ns, done_ns) = {
            let mut asked = self.asked.lock();
            *asked = worker::now_ns().max(*asked);
            (*asked, done_ns(*asked))
        };
        if done_ns > asked_ns {
            worker::sleep_until(done_ns).await;
        }
        act()
    }
}

/// Data under a spin lock, between tasks of several threads: a mutex that nobody waits under.
#[derive(Debug)]
pub struct TaskSpin<T> {
    yields: Yields,
    data: Mutex<T>,
}

impl<T: State> Spin<Tasks, T> for TaskSpin<T> {
    fn new(rt: &Tasks, _: Key, value: T) -> Self {
        TaskSpin { yields: rt.yields, data: Mutex::new(value) }
    }
    #[inline]
    async fn with<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        section: impl FnOnce(&mut T) -> O,
    ) -> O {
        self.yields.step_back().await;
        section(&mut self.data.lock())
    }
    #[inline]
    fn nested<O>(&self, section: impl FnOnce(&mut T) -> O) -> O {
        section(&mut self.data.lock())
    }
    #[inline]
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> O {
        look(&self.data.lock())
    }
    #[inline]
    fn object(&self) -> Object {
        Object::NONE
    }
}

#[cfg(test)]
mod tests;
