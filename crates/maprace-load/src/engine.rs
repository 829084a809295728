//! What a load is put through. The loop and the figures are the same for all engines; how a request is
//! begun, waited for and answered is the engine's, and so is the clock.

use crate::request::Request;
use serde::{Deserialize, Serialize};
use std::io;

/// How long [`Engine::submit`] may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// No longer than it takes to begin what was queued.
    No,
    /// Until something was answered.
    Answer,
    /// Until something was answered, or until that time.
    Until(u64),
}

/// A request that was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// The slot it was queued with.
    pub slot: usize,
    /// Bytes transferred, 0 of what transfers none, or a negative errno.
    pub result: i32,
}

/// What is worth knowing of an engine.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EngineFacts {
    /// Its name.
    pub name: String,
    /// What the kernel granted, and what was done instead of what it did not.
    pub notes: Vec<String>,
    /// The median of the shortest way there and back, with nothing asked, in nanoseconds.
    pub floor_ns: Option<u64>,
}

/// What a load is put through.
pub trait Engine {
    /// Nanoseconds since some beginning; does not go back.
    fn now_ns(&mut self) -> u64;

    /// Takes a request. It begins with the next [`Engine::submit`] at the latest. The slot is free: what
    /// was queued with it before has been handed over by [`Engine::reap`].
    fn queue(&mut self, slot: usize, request: &Request);

    /// Begins what was queued, and waits.
    ///
    /// # Errors
    ///
    /// The engine itself failed, not a request.
    fn submit(&mut self, wait: Wait) -> io::Result<()>;

    /// Appends what has been answered.
    fn reap(&mut self, done: &mut Vec<Done>);

    /// The bytes of a slot whose request is not in flight; none where the engine has no bytes.
    fn buffer(&mut self, slot: usize) -> &mut [u8];

    /// Whether the target has gone away: asked after a request has failed. A deleted device does not say
    /// so itself: it reads as ended, and for writes it is full.
    fn is_gone(&self) -> bool {
        false
    }

    /// What is worth knowing.
    fn facts(&self) -> EngineFacts;
}
