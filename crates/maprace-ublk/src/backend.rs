//! What the answers are: the contract of a backend, in one file and one trait and a half.
//!
//! A [`Backend`] is one device's content, shared by its queues; a [`Service`] is one queue's access to
//! it, made on the queue's thread and never leaving it. A backend knows no ring and no kernel.

use crate::{Bell, Io, Outcome, Tag, Timing};
use std::fmt::Debug;
use std::sync::Arc;

/// Whose medium a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Timed {
    /// The loop's: a request is answered when the medium of its queue has served it.
    ByLoop,
    /// The backend's: it answers when it is time.
    ByBackend,
}

/// What becomes of a request that was handed over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// It is done: the bytes are in the buffer or taken from it.
    Now(Outcome),
    /// It is in flight; [`Service::poll`] will finish it.
    Later,
}

/// Where a service puts what it finishes.
pub trait Finish {
    /// The request of `tag` has ended; `bytes` is what a read is answered with, and empty otherwise.
    fn finish(&mut self, tag: Tag, outcome: Outcome, bytes: &[u8]);
    /// The same for a read, without a copy between: `fill` writes into the buffer of the tag.
    fn finish_with(&mut self, tag: Tag, outcome: Outcome, fill: &mut dyn FnMut(&mut [u8]));
}

/// One queue's access to a backend.
pub trait Service {
    /// Takes a request at `now_ns`. `buffer` has as many bytes as the request moves; it is the backend's
    /// until this returns, so whoever answers later copies what a write brings.
    fn submit(&mut self, tag: Tag, io: Io, buffer: &mut [u8], now_ns: u64) -> Answer;

    /// Goes on with what is in flight, as far as it goes at `now_ns`; tells when to be polled again at
    /// the latest. Called after requests were handed over, when that instant has come, and when the
    /// queue's bell was rung; and in between, so that it has to be quick where there is nothing to do.
    fn poll(&mut self, _now_ns: u64, _done: &mut dyn Finish) -> Option<u64> {
        None
    }

    /// The medium becomes another one. Only told where requests wait for the backend's medium
    /// ([`Timed::ByBackend`]); once by each queue.
    fn set_timing(&mut self, _timing: &Timing) {}
}

/// One device's content.
pub trait Backend: Debug + Send + Sync + 'static {
    /// Access for one queue, made on its thread; `bell` wakes that queue from any other.
    fn attach(self: Arc<Self>, queue: u16, bell: Bell) -> Box<dyn Service>;

    /// Whose medium requests wait for.
    fn timed(&self) -> Timed;

    /// Whether requests bring bytes and take bytes. Where not, the kernel is asked to copy none
    /// (`UBLK_F_USER_COPY`, from v6.5): buffers are empty, and a read leaves the caller's pages as they
    /// are.
    fn moves_bytes(&self) -> bool {
        true
    }

    /// Bytes that are really kept: what was written and not discarded since.
    fn kept_bytes(&self) -> u64;

    /// What a person should know of it, one line each: empty if all is well.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}
