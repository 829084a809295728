//! The primitives of the simulation: cells, and announcements of who wants them.
//!
//! Nothing here queues: a free lock goes to whichever waiting task the driver picks, so every order
//! that a fair lock could grant is among those explored.

use super::{Guard, Hold, Sim};
use crate::{BitLock, Effect, Foot, Key, Object, RwSem, SemSteps, Spin, State, Step};
use std::cell::{Ref, RefCell, RefMut};
use std::future::Future;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};

/// A `struct rw_semaphore` of the simulation.
///
/// # Divergence from Linux
/// A waiting writer does not hold back readers that come after it, and nobody spins or steals: the
/// driver may grant a free lock in any order. Deadlocks that need queueing are not found.
pub struct SimSem<T> {
    sim: Sim,
    obj: Object,
    key: Key,
    steps: &'static SemSteps,
    data: RefCell<T>,
}

impl<T> std::fmt::Debug for SimSem<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimSem").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A shared hold of a [`SimSem`].
#[derive(Debug)]
pub struct SimRead<'a, T> {
    sem: &'a SimSem<T>,
    data: Ref<'a, T>,
}

/// An exclusive hold of a [`SimSem`].
#[derive(Debug)]
pub struct SimWrite<'a, T: State> {
    sem: &'a SimSem<T>,
    data: Option<RefMut<'a, T>>,
}

impl<T> Deref for SimRead<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> Drop for SimRead<'_, T> {
    fn drop(&mut self) {
        self.sem.sim.release(Hold::Unshare(self.sem.obj));
    }
}

const HELD: &str = "the data is there until the guard is dropped";

impl<T: State> Deref for SimWrite<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.data.as_ref().expect(HELD)
    }
}

impl<T: State> DerefMut for SimWrite<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.as_mut().expect(HELD)
    }
}

impl<T: State> Drop for SimWrite<'_, T> {
    fn drop(&mut self) {
        if let Some(data) = self.data.take() {
            self.sem.sim.holds_now(self.sem.obj, &*data);
        }
        self.sem.sim.release(Hold::Drop(self.sem.obj));
    }
}

impl<T: State> SimSem<T> {
    /// What the holder may read from here on is what the lock protects.
    fn granted(&self, hold: Hold) {
        self.sim.hold(hold);
        self.sim.given(&*self.data.borrow());
    }
}

impl<T: State> RwSem<Sim, T> for SimSem<T> {
    type Read<'a> = SimRead<'a, T>;
    type Write<'a> = SimWrite<'a, T>;

    fn new(rt: &Sim, key: Key, steps: &'static SemSteps, value: T) -> Self {
        let obj = rt.object(key);
        rt.0.sems.borrow_mut().push(obj);
        rt.holds_now(obj, &value);
        SimSem { sim: rt.clone(), obj, key, steps, data: RefCell::new(value) }
    }

    async fn down_read(&self) -> SimRead<'_, T> {
        let foot = || Foot::whole(self.obj, Effect::Shared);
        let act = || self.granted(Hold::Share(self.obj));
        self.sim.turn(&self.steps.down_read, Guard::Shared(self.obj), foot, act).await;
        SimRead { sem: self, data: self.data.borrow() }
    }

    fn share(&self) -> SimRead<'_, T> {
        self.granted(Hold::Share(self.obj));
        SimRead { sem: self, data: self.data.borrow() }
    }

    async fn down_write(&self) -> SimWrite<'_, T> {
        let foot = || Foot::whole(self.obj, Effect::Exclusive);
        let act = || self.granted(Hold::Take(self.obj));
        self.sim.turn(&self.steps.down_write, Guard::Exclusive(self.obj), foot, act).await;
        SimWrite { sem: self, data: Some(self.data.borrow_mut()) }
    }

    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> Option<O> {
        self.data.try_borrow().ok().map(|data| look(&data))
    }

    fn object(&self) -> Object {
        self.obj
    }
}

/// Data under a spin lock: in the simulation a section is one step, so a cell is all it takes.
pub struct SimSpin<T> {
    sim: Sim,
    obj: Object,
    key: Key,
    data: RefCell<T>,
}

impl<T> std::fmt::Debug for SimSpin<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimSpin").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<T> Drop for SimSpin<T> {
    fn drop(&mut self) {
        self.sim.forget(self.obj);
    }
}

impl<T: State> Spin<Sim, T> for SimSpin<T> {
    fn new(rt: &Sim, key: Key, value: T) -> Self {
        let obj = rt.object(key);
        rt.holds_now(obj, &value);
        SimSpin { sim: rt.clone(), obj, key, data: RefCell::new(value) }
    }

    fn with<O: Hash>(
        &self,
        step: &'static Step,
        foot: impl FnOnce() -> Foot,
        section: impl FnOnce(&mut T) -> O,
    ) -> impl Future<Output = O> {
        self.sim.turn(step, Guard::None, foot, || self.nested(section))
    }

    fn nested<O>(&self, section: impl FnOnce(&mut T) -> O) -> O {
        let mut data = self.data.borrow_mut();
        let out = section(&mut data);
        self.sim.holds_now(self.obj, &*data);
        out
    }

    fn peek<O>(&self, look: impl FnOnce(&T) -> O) -> O {
        look(&self.data.borrow())
    }

    fn object(&self) -> Object {
        self.obj
    }
}

/// A folio lock or a bit that tasks wait for.
pub struct SimBit {
    sim: Sim,
    obj: Object,
    key: Key,
}

impl std::fmt::Debug for SimBit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimBit").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Drop for SimBit {
    fn drop(&mut self) {
        self.sim.forget(self.obj);
    }
}

impl SimBit {
    fn take(&self, hold: Hold) {
        self.sim.hold(hold);
        self.sim.holds_now(self.obj, &matches!(hold, Hold::Take(_)));
    }
}

impl BitLock<Sim> for SimBit {
    fn new(rt: &Sim, key: Key) -> Self {
        let obj = rt.object(key);
        rt.holds_now(obj, &false);
        SimBit { sim: rt.clone(), obj, key }
    }

    fn lock<O: Hash>(
        &self,
        step: &'static Step,
        also: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        let foot = || self.touch(Effect::Exclusive).and(also());
        self.sim.turn(step, Guard::Exclusive(self.obj), foot, || {
            self.take(Hold::Take(self.obj));
            act()
        })
    }

    fn try_lock<O: Hash>(
        &self,
        step: &'static Step,
        also: impl FnOnce() -> Foot,
        act: impl FnOnce(bool) -> O,
    ) -> impl Future<Output = O> {
        let foot = || self.touch(Effect::Try).and(also());
        self.sim.turn(step, Guard::None, foot, || {
            let free = self.sim.is_free(self.obj);
            if free {
                self.take(Hold::Take(self.obj));
            }
            act(free)
        })
    }

    fn unlock<O: Hash>(
        &self,
        step: &'static Step,
        also: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        let foot = || self.touch(Effect::Open).and(also());
        self.sim.turn(step, Guard::None, foot, || {
            let out = act();
            self.take(Hold::Drop(self.obj));
            out
        })
    }

    fn wait(&self, step: &'static Step) -> impl Future<Output = ()> {
        self.sim.turn(step, Guard::Clear(self.obj), || self.touch(Effect::Until), || ())
    }

    fn set(&self) {
        self.take(Hold::Take(self.obj));
    }

    fn clear(&self) {
        self.take(Hold::Drop(self.obj));
    }

    fn is_set(&self) -> bool {
        !self.sim.is_free(self.obj)
    }

    fn touch(&self, effect: Effect) -> Foot {
        Foot::whole(self.obj, effect)
    }

    fn identity(&self) -> u128 {
        self.sim.identity(self.obj)
    }
}
