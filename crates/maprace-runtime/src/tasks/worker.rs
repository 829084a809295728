//! A worker: one thread's tasks, those of them that are ready, and their timers.
//!
//! What is ready stands in one queue under one mutex, whoever made it ready. The worker swaps the queue
//! out and polls what was in it until nothing is left; only then does it say so, under the mutex, so
//! that whoever pushes afterwards knows that a bell has to be rung.

use async_task::Runnable;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

thread_local! {
    /// Tells this thread from every other there ever was.
    static ME: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    /// The worker that runs on this thread.
    static RUNNING: RefCell<Option<Rc<Here>>> = const { RefCell::new(None) };
    /// Whether the task that runs was started by another one.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// One thread's tasks. Made on the thread that runs it, and never leaves it.
///
/// When it is dropped, tasks that have not ended are dropped as they stand, with whatever bits they have
/// set: [`Worker::live`] says whether there are any.
pub struct Worker {
    here: Rc<Here>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("live", &self.live()).finish_non_exhaustive()
    }
}

/// What of a worker stays on its thread.
struct Here {
    shared: Arc<Shared>,
    now_ns: Cell<u64>,
    live: Rc<Cell<usize>>,
    timers: RefCell<Timers>,
}

/// What wakers have of a worker.
struct Shared {
    home: u64,
    ready: Mutex<Ready>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Ready {
    queue: VecDeque<Runnable>,
    /// The worker will look at the queue before it says what it waits for.
    looks: bool,
}

impl Shared {
    fn push(&self, runnable: Runnable) {
        let mut ready = self.ready.lock();
        ready.queue.push_back(runnable);
        let rings = !ready.looks && ME.with(|me| *me) != self.home;
        // One ring is enough until it has looked.
        ready.looks |= rings;
        drop(ready);
        if rings {
            (self.wake)();
        }
    }
}

/// Who waits until when, the earliest first; those of one instant in the order in which they came.
#[derive(Default)]
struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    next: u64,
}

struct Timer {
    at_ns: u64,
    number: u64,
    waker: Waker,
}

impl Timer {
    fn key(&self) -> (u64, u64) {
        (self.at_ns, self.number)
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Timer) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Timer) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Timer) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Timers {
    fn add(&mut self, at_ns: u64, waker: Waker) {
        self.heap.push(Reverse(Timer { at_ns, number: self.next, waker }));
        self.next += 1;
    }

    fn due(&mut self, now_ns: u64) -> Option<Waker> {
        let first = self.heap.peek_mut()?;
        let is_due = first.0.at_ns <= now_ns;
        is_due.then(|| std::collections::binary_heap::PeekMut::pop(first).0.waker)
    }

    fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|first| first.0.at_ns)
    }
}

impl Worker {
    /// A worker of this thread without a task. `wake` ends the wait of the thread that goes on, or the
    /// next one; it is called from other threads only.
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Worker {
        let shared = Shared { home: ME.with(|me| *me), ready: Mutex::new(Ready::default()), wake };
        let here = Here {
            shared: Arc::new(shared),
            now_ns: Cell::new(0),
            live: Rc::default(),
            timers: RefCell::default(),
        };
        Worker { here: Rc::new(here) }
    }

    /// Starts a task; it is polled by the next [`Worker::run`], which has to come before any wait.
    pub fn spawn(&self, body: impl Future<Output = ()> + 'static) {
        self.here.spawn(body);
    }

    /// Polls everything that is ready, and fires every timer that is due at `now_ns`; then tells when to
    /// be called again, unless the bell rings before. A time before the last one counts as that.
    pub fn run(&self, now_ns: u64) -> Option<u64> {
        let here = &self.here;
        here.now_ns.set(now_ns.max(here.now_ns.get()));
        here.shared.ready.lock().looks = true;
        let before = RUNNING.replace(Some(here.clone()));
        here.fire();
        while let Some(batch) = here.take_ready() {
            for runnable in batch {
                runnable.run();
            }
        }
        RUNNING.set(before);
        here.timers.borrow().next_ns()
    }

    /// How many tasks have not ended.
    pub fn live(&self) -> usize {
        self.here.live.get()
    }

    /// Runs until every task has ended or waits for somebody else; time is what it has to be for that,
    /// as if the medium had answered at once. Whether every task has ended.
    pub fn run_ahead(&self) -> bool {
        let mut now_ns = 0;
        while let Some(next_ns) = self.run(now_ns) {
            now_ns = next_ns;
        }
        self.live() == 0
    }
}

impl Here {
    fn spawn(&self, body: impl Future<Output = ()> + 'static) {
        let (shared, live) = (self.shared.clone(), Live::one(&self.live));
        let body = async move {
            let _live = live;
            body.await;
        };
        let (runnable, task) = async_task::spawn_local(body, move |ready| shared.push(ready));
        task.detach();
        runnable.schedule();
    }

    fn fire(&self) {
        loop {
            // Apart, so that nothing is borrowed while the task is made ready.
            let due = self.timers.borrow_mut().due(self.now_ns.get());
            match due {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }

    fn take_ready(&self) -> Option<VecDeque<Runnable>> {
        let mut ready = self.shared.ready.lock();
        ready.looks = !ready.queue.is_empty();
        ready.looks.then(|| mem::take(&mut ready.queue))
    }
}

/// Counts a task as long as it is there.
struct Live(Rc<Cell<usize>>);

impl Live {
    fn one(count: &Rc<Cell<usize>>) -> Live {
        count.set(count.get() + 1);
        Live(count.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn running<O>(look: impl FnOnce(&Here) -> O) -> O {
    RUNNING.with_borrow(|running| {
        look(running.as_ref().expect("a task runs, so the worker of this thread does"))
    })
}

/// The time that the worker of this thread was last told.
pub(super) fn now_ns() -> u64 {
    running(|here| here.now_ns.get())
}

/// Starts a task from within another one.
pub(super) fn spawn_inside(body: impl Future<Output = ()> + 'static) {
    let inside = async move {
        let mut body = pin!(body);
        poll_fn(|cx| {
            INSIDE.set(true);
            let polled = body.as_mut().poll(cx);
            INSIDE.set(false);
            polled
        })
        .await;
    };
    running(|here| here.spawn(inside));
}

/// Whether the task that runs was started by another one.
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// Waits until the worker is told a time that is not before `at_ns`.
pub(super) async fn sleep_until(at_ns: u64) {
    let mut is_set = false;
    poll_fn(|cx| {
        running(|here| {
            if here.now_ns.get() >= at_ns {
                return Poll::Ready(());
            }
            if !mem::replace(&mut is_set, true) {
                here.timers.borrow_mut().add(at_ns, cx.waker().clone());
            }
            Poll::Pending
        })
    })
    .await;
}
