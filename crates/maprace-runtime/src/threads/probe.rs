//! What a runtime of threads tells, chosen by type: [`Off`] compiles to nothing.
//!
//! Not a trait object and not a switch: a look at a flag at every lock would be paid by whoever
//! measures the locks themselves.

use crate::{Happening, Key};
use std::fmt::Debug;
use std::future::Future;

/// Is told what happens to the thread that it happens to.
pub trait Probe: Copy + Debug + Send + Sync + 'static {
    /// What a lock remembers of which one it is.
    type Lock: Copy + Debug + Send + Sync + 'static;

    /// What the lock `key` remembers.
    fn lock(key: Key) -> Self::Lock;

    /// Something happens to the calling thread.
    fn tell(what: impl FnOnce() -> Happening);

    /// The same, at a lock.
    fn tell_at(lock: Self::Lock, what: impl FnOnce(Key) -> Happening);

    /// Runs `body` as the kernel function `name`.
    fn call<F: Future>(name: &'static str, body: F) -> impl Future<Output = F::Output>;
}

/// Nobody is told.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Off;

impl Probe for Off {
    type Lock = ();
    #[inline]
    fn lock(_: Key) {}
    #[inline]
    fn tell(_: impl FnOnce() -> Happening) {}
    #[inline]
    fn tell_at((): (), _: impl FnOnce(Key) -> Happening) {}
    #[inline]
    fn call<F: Future>(_: &'static str, body: F) -> impl Future<Output = F::Output> {
        body
    }
}
