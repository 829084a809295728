//! Who runs next: the contract of a runtime, and three runtimes that fulfil it.
//!
//! A model is `async` code over a [`Runtime`]. The `.await` is the scheduling point and the only one:
//! text between two of them is atomic in [`sim`]. A future never leaves the thread that made it; what
//! crosses threads is the shared state, so only state has to be `Send`.
//!
//! Two kinds of primitive. *Sleeping locks* ([`RwSem`], [`BitLock`]) are `async`. *Spin sections*
//! ([`Spin`]) take a closure, so that sleeping inside does not compile, and are one step. Each step
//! announces a name, the objects and ranges it touches, and how ([`Foot`]).
//!
//! The rule of completeness: a point stands before every acquire and before every access that no held
//! lock protects. A release needs none, since it only enables others, unless somebody can look at the
//! lock without waiting: such a lock is a [`BitLock`], and its release is a step.

#![deny(missing_docs)]

mod digest;
mod foot;
mod point;
pub mod sim;
pub mod tasks;
pub mod threads;

pub use digest::Digest;
pub use foot::{Access, Effect, Foot, Object};
pub use point::{Happening, Point, Traced};

use std::future::Future;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};

/// The name of a kind of step, as a kernel developer would say it.
#[derive(Debug)]
pub struct Step {
    /// For example `ext4_es_lookup_extent` or `down_write(i_data_sem)`.
    pub name: &'static str,
}

impl Step {
    /// A step of that name.
    pub const fn new(name: &'static str) -> Step {
        Step { name }
    }
}

/// The two acquires of a reader-writer semaphore.
#[derive(Debug)]
pub struct SemSteps {
    /// `down_read(..)`.
    pub down_read: Step,
    /// `down_write(..)`.
    pub down_write: Step,
}

/// The steps of the semaphore with that name.
#[macro_export]
macro_rules! sem_steps {
    ($name:literal) => {
        $crate::SemSteps {
            down_read: $crate::Step::new(concat!("down_read(", $name, ")")),
            down_write: $crate::Step::new(concat!("down_write(", $name, ")")),
        }
    };
}

/// What an object is, whatever order objects were made in: part of the identity of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The kind of object, for example `folio_lock`.
    pub kind: &'static str,
    /// Which one of its kind, for example the page index.
    pub index: u64,
}

impl Key {
    /// The only one of its kind.
    pub const fn only(kind: &'static str) -> Key {
        Key { kind, index: 0 }
    }
}

/// What shared state must be: hashable, so that states can be told apart. That it is `Send` is asked
/// where it crosses to another thread.
pub trait State: Hash + 'static {}
impl<T: Hash + 'static> State for T {}

/// One of the worlds.
pub trait Runtime: Clone + 'static {
    /// A `struct rw_semaphore` with what it protects.
    type RwSem<T: State>: RwSem<Self, T>;
    /// Data under a spin lock.
    type Spin<T: State>: Spin<Self, T>;
    /// A lock or bit that can be tested without waiting.
    type BitLock: BitLock<Self>;

    /// Runs `body` as the kernel function `name`: what diagrams indent by.
    fn call<F: Future>(&self, name: &'static str, body: F) -> impl Future<Output = F::Output>;

    /// Starts another task, on the thread of the one that asks.
    fn spawn(&self, name: &'static str, body: impl Future<Output = ()> + 'static);

    /// What the step just run found, in the words of a diagram; called only when somebody looks.
    fn saw(&self, what: impl FnOnce() -> String);

    /// Promises that from here on the task depends on nothing it was given before, but for `all`.
    fn remember(&self, all: &impl Hash);

    /// A tracepoint: tells whoever watches what the step just run found or changed.
    fn tracepoint(&self, traced: impl FnOnce() -> Traced);

    /// A point at which others may run, which touches nothing.
    fn pass(&self, step: &'static Step) -> impl Future<Output = ()>;

    /// Submits a medium access and waits until it completes; then one step, touching `foot`, runs
    /// `act`. `done_ns` says when an access that is submitted now completes, given the runtime's clock
    /// in nanoseconds; a runtime without a clock does not ask.
    fn io<O: Hash>(
        &self,
        step: &'static Step,
        foot: impl FnOnce() -> Foot,
        done_ns: impl FnOnce(u64) -> u64,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O>;
}

/// A reader-writer semaphore with the data it protects. Guards release when dropped, which is no
/// step: nobody may test such a lock without waiting.
pub trait RwSem<R: Runtime, T: State>: 'static {
    /// A shared hold.
    type Read<'a>: Deref<Target = T>
    where
        Self: 'a;
    /// An exclusive hold.
    type Write<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// A free semaphore.
    fn new(rt: &R, key: Key, steps: &'static SemSteps, value: T) -> Self;
    /// Acquires shared.
    fn down_read(&self) -> impl Future<Output = Self::Read<'_>>;
    /// Acquires shared where nobody ever acquires exclusively: no step, since it cannot wait.
    fn share(&self) -> Self::Read<'_>;
    /// Acquires exclusively.
    fn down_write(&self) -> impl Future<Output = Self::Write<'_>>;
    /// Looks at the data if nobody holds the lock exclusively: for checkers; not a step.
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> Option<O>;
    /// Its identity in footprints.
    fn object(&self) -> Object;
}

/// Data under a spin lock that is never slept under; each section is one step.
pub trait Spin<R: Runtime, T: State>: 'static {
    /// An unlocked cell.
    fn new(rt: &R, key: Key, value: T) -> Self;
    /// One step: `section`, atomically, touching `foot`, which only some runtimes ask for.
    fn with<O: Hash>(
        &self,
        step: &'static Step,
        foot: impl FnOnce() -> Foot,
        section: impl FnOnce(&mut T) -> O,
    ) -> impl Future<Output = O>;
    /// A section inside the section of another cell, whose footprint covers it; not a step.
    fn nested<O>(&self, section: impl FnOnce(&mut T) -> O) -> O;
    /// Looks at the data: for checkers; not a step.
    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> O;
    /// Its identity in footprints.
    fn object(&self) -> Object;
}

/// A lock, or a bit that tasks wait for, which others may test without waiting: the folio lock, the
/// writeback bit. Its release is a step. It carries no data.
pub trait BitLock<R: Runtime>: 'static {
    /// A free lock, a clear bit.
    fn new(rt: &R, key: Key) -> Self;
    /// Acquires it; the step also touches `also`, and runs `act` in the moment it is granted.
    fn lock<O: Hash>(
        &self,
        step: &'static Step,
        also: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O>;
    /// Takes it if it is free, and hands `act` whether it was.
    fn try_lock<O: Hash>(
        &self,
        step: &'static Step,
        also: impl FnOnce() -> Foot,
        act: impl FnOnce(bool) -> O,
    ) -> impl Future<Output = O>;
    /// Runs `act`, then releases, in one step.
    fn unlock<O: Hash>(
        &self,
        step: &'static Step,
        also: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O>;
    /// Waits until it is clear; takes nothing.
    fn wait(&self, step: &'static Step) -> impl Future<Output = ()>;
    /// Sets the bit inside a step whose footprint has [`BitLock::touch`] with [`Effect::Exclusive`].
    fn set(&self);
    /// Clears the bit inside a step whose footprint has [`BitLock::touch`] with [`Effect::Open`].
    fn clear(&self);
    /// Whether it is set, inside a step whose footprint has [`BitLock::touch`] with [`Effect::Test`].
    fn is_set(&self) -> bool;
    /// The footprint of touching it so.
    fn touch(&self, effect: Effect) -> Foot;
    /// Tells it apart from every other live one, in the identity of a state.
    fn identity(&self) -> u128;
}
