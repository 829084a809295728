//! Tasks that answer requests: as many as have been in flight at once, each for one after the other.
//!
//! They are kept, since to make a task with room for any operation takes longer than a short operation. Not
//! for several threads: each has slots of its own.

use super::{Answered, Asked, Served};
use maprace_fs::{Content, Errno};
use maprace_runtime::tasks::Worker;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// One thread's way to ask a served file.
pub struct Slots {
    served: Arc<dyn Served>,
    shared: Rc<Shared>,
}

struct Shared {
    to: Rc<dyn Answered>,
    idle: RefCell<Vec<Rc<Slot>>>,
    is_closed: Cell<bool>,
}

/// One task, and what it is asked next.
pub struct Slot {
    shared: Rc<Shared>,
    asked: Cell<Option<(u64, Asked)>>,
    waker: Cell<Option<Waker>>,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = self.shared.idle.borrow().len();
        f.debug_struct("Slots").field("idle", &idle).finish_non_exhaustive()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl Slots {
    /// None yet; `to` is told what becomes of requests.
    pub fn new(served: Arc<dyn Served>, to: Rc<dyn Answered>) -> Slots {
        let shared = Shared { to, idle: RefCell::default(), is_closed: Cell::new(false) };
        Slots { served, shared: Rc::new(shared) }
    }

    /// Starts a request on `worker`, which is always the same one.
    pub fn start(&self, worker: &Worker, token: u64, asked: Asked) {
        let idle = self.shared.idle.borrow_mut().pop();
        let slot = idle.clone().unwrap_or_else(|| Rc::new(Slot::new(&self.shared)));
        slot.asked.set(Some((token, asked)));
        match idle {
            Some(slot) => slot.wake(),
            None => self.served.clone().attend(worker, slot),
        }
    }

    /// The tasks end, each when it has answered what it was asked.
    pub fn close(&self) {
        self.shared.is_closed.set(true);
        let idle = self.shared.idle.take();
        idle.iter().for_each(|slot| slot.wake());
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.close();
    }
}

impl Slot {
    fn new(shared: &Rc<Shared>) -> Slot {
        Slot { shared: shared.clone(), asked: Cell::new(None), waker: Cell::new(None) }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What is asked next; nothing more when the slots are closed.
    pub(super) async fn next(&self) -> Option<(u64, Asked)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<(u64, Asked)>> {
        let asked = self.asked.take();
        if asked.is_some() || self.shared.is_closed.get() {
            return Poll::Ready(asked);
        }
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Tells who asked, and is there for the next one.
    pub(super) fn answered(self: &Rc<Slot>, token: u64, outcome: Result<Content, Errno>) {
        self.shared.to.answered(token, outcome);
        if !self.shared.is_closed.get() {
            self.shared.idle.borrow_mut().push(self.clone());
        }
    }
}
