//! The runtime of real threads: every wait blocks the thread, so one poll runs a task to its end.
//!
//! It measures nothing yet. With a jitter it pauses for a random while before each acquire, which
//! opens windows that an idle machine would hardly ever show.

use crate::{
    BitLock, Effect, Foot, Key, Object, Runtime, RwSem, SemSteps, Spin, State, Step, Traced,
};
use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::cell::Cell;
use std::future::Future;
use std::hash::Hash;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// The handle of the runtime. Copies are equal.
#[derive(Clone, Copy, Default, Debug)]
pub struct Threads {
    jitter: u32,
}

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) };
}

/// Seeds this thread's pauses.
pub fn seed(seed: u64) {
    RANDOM.set(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
}

impl Threads {
    /// Acquires without pausing.
    pub fn new() -> Threads {
        Threads::default()
    }

    /// Pauses before each acquire for up to `spins` turns of a spin loop, drawn evenly.
    pub fn with_jitter(spins: u32) -> Threads {
        Threads { jitter: spins }
    }

    fn pause(self) {
        if self.jitter == 0 {
            return;
        }
        let mut x = RANDOM.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        RANDOM.set(x);
        let spins = x % u64::from(self.jitter);
        for _ in 0..spins {
            std::hint::spin_loop();
        }
        if spins * 8 > u64::from(self.jitter) * 7 {
            std::thread::yield_now();
        }
    }
}

/// Runs a future of [`Threads`] to its end.
///
/// # Panics
/// When the future waits in some other way than by blocking its thread.
pub fn run<O>(body: impl Future<Output = O>) -> O {
    match pin!(body).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(out) => out,
        Poll::Pending => unreachable!("on threads every wait blocks"),
    }
}

/// Runs `act` when first polled.
fn now<O>(act: impl FnOnce() -> O) -> impl Future<Output = O> {
    struct Now<F>(Option<F>);
    impl<F> Unpin for Now<F> {}
    impl<O, F: FnOnce() -> O> Future for Now<F> {
        type Output = O;
        #[inline]
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<O> {
            Poll::Ready(self.0.take().expect("polled once")())
        }
    }
    Now(Some(act))
}

impl Runtime for Threads {
    type RwSem<T: State> = ThreadSem<T>;
    type Spin<T: State> = ThreadSpin<T>;
    type BitLock = ThreadBit;

    fn call<F: Future>(&self, _: &'static str, body: F) -> impl Future<Output = F::Output> {
        body
    }

    /// # Divergence from Linux
    /// What is started runs at once, where Linux would hand it to a worker: with a medium that takes
    /// no time, an I/O is complete before its submission returns.
    fn spawn(&self, _: &'static str, body: impl Future<Output = ()> + 'static) {
        run(body);
    }

    fn saw(&self, _: impl FnOnce() -> String) {}

    fn remember(&self, _: &impl Hash) {}

    fn tracepoint(&self, _: impl FnOnce() -> Traced) {}

    fn pass(&self, _: &'static Step) -> impl Future<Output = ()> {
        now(|| self.pause())
    }

    fn io<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        done_ns: impl FnOnce(u64) -> u64,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        now(move || {
            let waits = done_ns(0) > 0;
            assert!(!waits, "the thread runtime has no clock yet, so its medium takes no time");
            act()
        })
    }
}

/// A `struct rw_semaphore` on threads.
#[derive(Debug)]
pub struct ThreadSem<T> {
    rt: Threads,
    lock: RwLock<T>,
}

impl<T: State> RwSem<Threads, T> for ThreadSem<T> {
    type Read<'a> = RwLockReadGuard<'a, T>;
    type Write<'a> = RwLockWriteGuard<'a, T>;

    fn new(rt: &Threads, _: Key, _: &'static SemSteps, value: T) -> Self {
        ThreadSem { rt: *rt, lock: RwLock::new(value) }
    }
    fn down_read(&self) -> impl Future<Output = RwLockReadGuard<'_, T>> {
        now(|| {
            self.rt.pause();
            self.lock.read()
        })
    }
    fn share(&self) -> RwLockReadGuard<'_, T> {
        self.lock.read()
    }
    fn down_write(&self) -> impl Future<Output = RwLockWriteGuard<'_, T>> {
        now(|| {
            self.rt.pause();
            self.lock.write()
        })
    }
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> Option<O> {
        self.lock.try_read().map(|data| look(&data))
    }
    fn object(&self) -> Object {
        Object::NONE
    }
}

/// Data under a spin lock, on threads.
#[derive(Debug)]
pub struct ThreadSpin<T> {
    rt: Threads,
    data: Mutex<T>,
}

impl<T: State> Spin<Threads, T> for ThreadSpin<T> {
    fn new(rt: &Threads, _: Key, value: T) -> Self {
        ThreadSpin { rt: *rt, data: Mutex::new(value) }
    }
    fn with<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        section: impl FnOnce(&mut T) -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            self.rt.pause();
            section(&mut self.data.lock())
        })
    }
    fn nested<O>(&self, section: impl FnOnce(&mut T) -> O) -> O {
        section(&mut self.data.lock())
    }
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> O {
        look(&self.data.lock())
    }
    fn object(&self) -> Object {
        Object::NONE
    }
}

/// A folio lock or a bit that threads wait for.
#[derive(Debug)]
pub struct ThreadBit {
    rt: Threads,
    set: Mutex<bool>,
    cleared: Condvar,
}

impl BitLock<Threads> for ThreadBit {
    fn new(rt: &Threads, _: Key) -> Self {
        ThreadBit { rt: *rt, set: Mutex::new(false), cleared: Condvar::new() }
    }
    fn lock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            self.rt.pause();
            let mut set = self.set.lock();
            self.cleared.wait_while(&mut set, |set| *set);
            *set = true;
            drop(set);
            act()
        })
    }
    fn try_lock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce(bool) -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            let free = !std::mem::replace(&mut *self.set.lock(), true);
            act(free)
        })
    }
    fn unlock<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            let out = act();
            self.clear();
            out
        })
    }
    fn wait(&self, _: &'static Step) -> impl Future<Output = ()> {
        now(|| self.cleared.wait_while(&mut self.set.lock(), |set| *set))
    }
    fn set(&self) {
        let before = std::mem::replace(&mut *self.set.lock(), true);
        assert!(!before, "the bit is set already");
    }
    fn clear(&self) {
        *self.set.lock() = false;
        self.cleared.notify_all();
    }
    fn is_set(&self) -> bool {
        *self.set.lock()
    }
    fn touch(&self, _: Effect) -> Foot {
        Foot::NONE
    }
    fn identity(&self) -> u128 {
        0
    }
}
