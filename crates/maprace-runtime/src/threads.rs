//! The runtime of real threads: every wait blocks the thread, so one poll runs a task to its end.
//!
//! An access of the medium takes the time that the medium says, on the clock of the machine. With a
//! probe ([`Recorder`]) it tells what happens to each thread and when; without one ([`Off`]) what it
//! compiles to has no trace of that. With a jitter it pauses for a random while before each acquire,
//! which opens windows that an idle machine would hardly ever show.
//!
//! Nothing here repeats itself from run to run: what depends on an order of threads is told from many
//! runs, and what has to be exact from [`sim`](crate::sim).

mod bit;
mod clock;
mod probe;
mod record;
mod sem;

pub use bit::ThreadBit;
pub use clock::{ClockCost, clock_ns};
pub use probe::{Off, Probe};
pub use record::{Recorder, Recording};
pub use sem::{Exclusive, Shared, ThreadSem};

use crate::{Foot, Happening, Key, Object, Runtime, Spin, State, Step, Traced};
use parking_lot::Mutex;
use std::cell::Cell;
use std::future::Future;
use std::hash::Hash;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// The handle of the runtime, with the probe `P`. Copies share the clock.
#[derive(Clone, Copy, Debug)]
pub struct Threads<P: Probe = Off> {
    pause: Pause,
    /// When it was made, in ticks.
    origin: u64,
    probe: PhantomData<P>,
}

impl Default for Threads {
    fn default() -> Threads {
        Threads::new()
    }
}

impl Threads {
    /// Acquires without pausing, and tells nobody. Its clock starts now; the first one of a process
    /// calibrates the clock, for up to 200 ms.
    pub fn new() -> Threads {
        Threads::with_jitter(0)
    }

    /// Pauses before each acquire for up to `spins` turns of a spin loop, drawn evenly.
    pub fn with_jitter(spins: u32) -> Threads {
        Threads { pause: Pause(spins), origin: clock::ticks(), probe: PhantomData }
    }
}

impl<P: Probe> Threads<P> {
    /// The same with another probe, for example `Threads::new().probed::<Recorder>()`.
    #[must_use]
    pub fn probed<Q: Probe>(self) -> Threads<Q> {
        Threads { pause: self.pause, origin: self.origin, probe: PhantomData }
    }

    /// The clock, which all threads read: nanoseconds since the runtime was made.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        clock::ns_between(self.origin, clock::ticks())
    }

    /// Puts the recordings of several threads together, by time: nanoseconds of this runtime's clock,
    /// the thread, what happened to it. What one thread recorded stays in its order.
    pub fn merge(
        &self,
        recordings: impl IntoIterator<Item = Recording>,
    ) -> Vec<(u64, usize, Happening)> {
        record::merge(self.origin, recordings)
    }
}

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) };
}

thread_local! {
    /// How many tasks of this thread wait for one that they have started.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread runs a task inside another one.
fn is_inside() -> bool {
    INSIDE.get() > 0
}

/// Seeds this thread's pauses.
pub fn seed(seed: u64) {
    RANDOM.set(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
}

/// A pause before an acquire: of how many turns of a spin loop at most.
#[derive(Clone, Copy, Debug)]
struct Pause(u32);

impl Pause {
    #[inline]
    fn take(self) {
        if self.0 != 0 {
            self.take_some();
        }
    }

    #[cold]
    fn take_some(self) {
        let mut x = RANDOM.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        RANDOM.set(x);
        let spins = x % u64::from(self.0);
        for _ in 0..spins {
            std::hint::spin_loop();
        }
        if spins * 8 > u64::from(self.0) * 7 {
            std::thread::yield_now();
        }
    }
}

/// Runs a future of [`Threads`] to its end.
///
/// # Panics
/// When the future waits in some other way than by blocking its thread.
#[inline]
pub fn run<O>(body: impl Future<Output = O>) -> O {
    match pin!(body).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(out) => out,
        Poll::Pending => unreachable!("on threads every wait blocks"),
    }
}

/// Runs `act` when first polled.
#[inline]
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

impl<P: Probe> Runtime for Threads<P> {
    type RwSem<T: State> = ThreadSem<T, P>;
    type Spin<T: State> = ThreadSpin<T>;
    type BitLock = ThreadBit<P>;

    #[inline]
    fn call<F: Future>(&self, name: &'static str, body: F) -> impl Future<Output = F::Output> {
        P::call(name, body)
    }

    /// # Divergence from Linux
    /// What is started runs at once and to its end, where Linux hands it to a worker: whoever submits
    /// an I/O on threads waits until it is complete and its end has been processed, with what it holds
    /// at that point. One thread has one access in flight at a time, so a writeback of several extents
    /// takes the sum of their times; that is seen with a medium that takes time, and in
    /// comparison with virtual time, where they overlap. A lock that the submitter holds shared the end of
    /// the I/O gets shared as well, past a writer that waits.
    #[inline]
    fn spawn(&self, _: &'static str, body: impl Future<Output = ()> + 'static) {
        INSIDE.set(INSIDE.get() + 1);
        run(body);
        INSIDE.set(INSIDE.get() - 1);
    }

    #[inline]
    fn saw(&self, _: impl FnOnce() -> String) {}

    #[inline]
    fn remember(&self, _: &impl Hash) {}

    #[inline]
    fn tracepoint(&self, traced: impl FnOnce() -> Traced) {
        P::tell(|| Happening::Trace(traced()));
    }

    #[inline]
    fn pass(&self, _: &'static Step) -> impl Future<Output = ()> {
        now(|| self.pause.take())
    }

    /// The clock is read once where the medium takes no time.
    ///
    /// # Divergence from Linux
    /// A wait of less than 200 microseconds for the medium is spent in a spin loop, and so is the end of
    /// a longer one, since the machine wakes a sleeping thread later than most media answer. The kernel
    /// sleeps (`io_schedule`) and leaves the processor to others: with more threads than processors
    /// they get less of it here.
    #[inline]
    fn io<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        done_ns: impl FnOnce(u64) -> u64,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        now(move || {
            clock::wait_for(self.origin, done_ns);
            act()
        })
    }
}

/// Data under a spin lock, on threads. A probe is not told of it: a section is a step of a few
/// nanoseconds, which nobody sleeps in and which telling would drown.
#[derive(Debug)]
pub struct ThreadSpin<T> {
    pause: Pause,
    data: Mutex<T>,
}

impl<P: Probe, T: State> Spin<Threads<P>, T> for ThreadSpin<T> {
    fn new(rt: &Threads<P>, _: Key, value: T) -> Self {
        ThreadSpin { pause: rt.pause, data: Mutex::new(value) }
    }
    #[inline]
    fn with<O: Hash>(
        &self,
        _: &'static Step,
        _: impl FnOnce() -> Foot,
        section: impl FnOnce(&mut T) -> O,
    ) -> impl Future<Output = O> {
        now(|| {
            self.pause.take();
            section(&mut self.data.lock())
        })
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
