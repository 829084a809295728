//! One queue's ring, as the loop sees it: reap, commit by tag, wait until an instant.
//!
//! The real one is libublk's, in a module of its own; tests have one without a kernel. What belongs to
//! the whole device (add, start, stop, delete) is not here.

use crate::{Io, Tag};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// A request that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Arrival {
    /// Its tag.
    pub tag: Tag,
    /// What it asks.
    pub io: Io,
}

/// What has become of the queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Requests may come.
    Open,
    /// The device is being stopped: nothing is answered any more, since the kernel ends or reissues
    /// what is in flight itself.
    Closing,
    /// The kernel has taken every tag back: the loop ends.
    Gone,
}

/// How long to wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Until {
    /// Not at all: hand over what was committed, and let the kernel deliver.
    Now,
    /// Until something arrives, but not past this instant (ns of the transport's clock).
    At(u64),
    /// Until something arrives.
    Arrival,
    /// Until others of this processor have run (`sched_yield`), whether or not something arrives.
    Yield,
}

/// Ends the wait of a queue from another thread.
pub trait Ring: Send + Sync + Debug {
    /// The wait that goes on, or the next one, ends at once.
    fn ring(&self);
}

/// A shared [`Ring`].
pub type Bell = Arc<dyn Ring>;

/// One queue's ring. Made on the thread that uses it, and never leaves it.
pub trait Transport {
    /// Nanoseconds of `CLOCK_MONOTONIC`, or of a clock that stands in for it.
    fn now_ns(&self) -> u64;

    /// Hands every request that has arrived to `take`, in the order of arrival; does not wait and does
    /// not enter the kernel.
    fn reap(&mut self, take: &mut dyn FnMut(Arrival)) -> State;

    /// The buffer of a tag whose request has arrived and is not yet committed: for a write it holds
    /// the bytes, for a read it is to be filled. As long as a transfer may be; empty where the backend
    /// moves no bytes.
    fn buffer(&mut self, tag: Tag) -> &mut [u8];

    /// Answers the request of `tag` and asks for the next one; goes out with the next
    /// [`Transport::wait`], together with all others.
    fn commit(&mut self, tag: Tag, result: i32);

    /// Hands over what was committed, then waits. May end early.
    ///
    /// # Errors
    /// The ring cannot be used any more. A signal or the end of the time is no error.
    fn wait(&mut self, until: Until) -> io::Result<()>;

    /// What ends a wait of this queue from another thread.
    fn bell(&self) -> Bell;
}
