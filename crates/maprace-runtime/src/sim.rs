//! The simulated runtime: one thread, and a driver that decides whose announced step is next.
//!
//! A task announces its next step and returns `Pending`; when the driver polls it again the step
//! runs, up to the next announcement. The explorer is one driver of this runtime, the virtual clock
//! (`clock`) another. This file keeps the books: what is announced, who holds what, what a step did.
//! The primitives are in `locks`, the driver's side in `exec`.

mod clock;
mod exec;
mod locks;

pub use clock::{Clock, Costs, Ended, Machine, Moment, Stopped};
pub use exec::{Done, Exec, Task, TaskName};
pub use locks::{SimBit, SimSem, SimSpin};

use crate::{Digest, Effect, Foot, Key, Object, Runtime, State, Step, Traced};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

/// What a step waits for before it can run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Nothing: it can always run.
    None,
    /// That nobody holds the object exclusively; then it is held shared.
    Shared(Object),
    /// That nobody holds the object; then it is held exclusively.
    Exclusive(Object),
    /// That nobody holds the object exclusively; nothing is taken.
    Clear(Object),
}

impl Guard {
    /// What it waits for.
    fn object(self) -> Option<Object> {
        match self {
            Guard::None => None,
            Guard::Shared(obj) | Guard::Exclusive(obj) | Guard::Clear(obj) => Some(obj),
        }
    }
}

/// A change of who holds what, made by a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// An exclusive hold begins.
    Take(Object),
    /// A shared hold begins.
    Share(Object),
    /// The exclusive hold ends.
    Drop(Object),
    /// One shared hold ends.
    Unshare(Object),
}

/// An announced step: what it is called, what it waits for, what it will touch.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// Its name.
    pub step: &'static Step,
    /// What it waits for.
    pub guard: Guard,
    /// What it touches, releases that join it left out.
    pub main: Foot,
}

/// What happened inside a step, in order: for whoever measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A kernel function began.
    Enter(&'static str),
    /// It returned.
    Leave(&'static str),
    /// A hold began or ended.
    Hold(Hold),
    /// A tracepoint fired.
    Trace(Traced),
}

/// Who holds an object.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Held {
    writer: bool,
    readers: u16,
}

impl Held {
    /// Whether `guard` is fulfilled.
    fn is_open(self, guard: Guard) -> bool {
        match guard {
            Guard::None => true,
            Guard::Shared(_) | Guard::Clear(_) => !self.writer,
            Guard::Exclusive(_) => self == Held::default(),
        }
    }
}

/// What a state is hashed from, kept up to date step by step.
#[derive(Default, Debug)]
struct StateHash {
    /// Each live object: its identity and the digest of what it holds.
    objects: Vec<Option<(u128, u128)>>,
    /// How many objects each key has had: the old ones may still be held by somebody.
    generations: FxHashMap<Key, u32>,
    /// Over all objects, so that their order does not matter.
    sum: u128,
}

/// What is kept of one task.
#[derive(Default, Debug)]
struct Slot {
    /// The announced step, and what it waits for.
    next: Option<(&'static Step, Guard)>,
    /// What it touches; nothing unless footprints are kept.
    main: Foot,
    /// Everything the task was given since it last promised to have forgotten the rest.
    history: u128,
    children: u32,
    /// For a medium access under a clock: when it completes.
    due_ns: Option<u64>,
    /// Whether what the step waits for was handed over to it.
    granted: bool,
}

/// The call stack of a step, and what it saw; kept while recording.
#[derive(Clone, Default, Debug)]
pub struct Note {
    /// Kernel functions, outermost first.
    pub calls: Vec<&'static str>,
    /// What the step found.
    pub saw: Vec<String>,
    /// The calls around each change of who holds what, in the order of [`Done::holds`].
    pub around_holds: Vec<Vec<&'static str>>,
}

struct Spawned {
    parent: usize,
    name: &'static str,
    ordinal: u32,
    /// What the parent had been given: the child may carry any of it.
    history: u128,
    body: Task,
}

#[derive(Default)]
struct Core {
    current: Cell<usize>,
    slots: RefCell<Vec<Slot>>,
    held: RefCell<Vec<Held>>,
    /// What each object is.
    keys: RefCell<Vec<Key>>,
    /// The objects that are semaphores.
    sems: RefCell<SmallVec<[Object; 8]>>,
    /// Whether footprints are of no use to the driver.
    footless: Cell<bool>,
    /// What the releases that joined the running step touch.
    released: RefCell<Foot>,
    holds: RefCell<SmallVec<[Hold; 4]>>,
    spawned: RefCell<Vec<Spawned>>,
    hashing: Cell<bool>,
    hash: RefCell<StateHash>,
    recording: Cell<bool>,
    calls: RefCell<Vec<&'static str>>,
    notes: RefCell<Vec<Vec<&'static str>>>,
    saw: RefCell<Vec<String>>,
    around_holds: RefCell<Vec<Vec<&'static str>>>,
    /// Whether there is a clock, and what it says.
    timed: Cell<bool>,
    now_ns: Cell<u64>,
    watching: Cell<bool>,
    /// With the task whose step it was.
    events: RefCell<Vec<(usize, Event)>>,
    /// Whether the hold that the running step waited for was taken for it before it ran.
    granted: Cell<bool>,
}

/// The handle of a simulated world; clones are the same world.
#[derive(Clone, Default)]
pub struct Sim(Rc<Core>);

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("current", &self.0.current.get()).finish_non_exhaustive()
    }
}

/// What a driver wants kept beside the steps.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Digests of every state.
    pub hashes: bool,
    /// Call stacks, and what look-ups saw.
    pub notes: bool,
    /// What happened inside each step: [`Event`].
    pub events: bool,
}

impl Sim {
    /// An empty world.
    pub fn new(keep: Keep) -> Sim {
        let sim = Sim::default();
        sim.reset(keep);
        sim
    }

    /// Makes the world empty again; nothing of the old one may be used any more.
    pub fn reset(&self, keep: Keep) {
        let core = &*self.0;
        core.slots.borrow_mut().clear();
        core.held.borrow_mut().clear();
        core.keys.borrow_mut().clear();
        core.sems.borrow_mut().clear();
        core.released.borrow_mut().clear();
        core.holds.borrow_mut().clear();
        core.spawned.borrow_mut().clear();
        core.hashing.set(keep.hashes);
        core.hash.borrow_mut().clear();
        core.recording.set(keep.notes);
        core.calls.borrow_mut().clear();
        core.notes.borrow_mut().clear();
        core.saw.borrow_mut().clear();
        core.around_holds.borrow_mut().clear();
        core.timed.set(false);
        core.watching.set(keep.events);
        core.events.borrow_mut().clear();
        core.granted.set(false);
    }

    /// Whether call stacks and what look-ups saw are kept.
    pub fn keeps_notes(&self) -> bool {
        self.0.recording.get()
    }

    /// Whether steps say what they touch, from the next announcement on. They do at first; without,
    /// every footprint is empty.
    pub fn keep_footprints(&self, keep: bool) {
        self.0.footless.set(!keep);
    }

    /// Whether what happens inside steps is kept, from now on.
    pub fn watch(&self, watch: bool) {
        self.0.watching.set(watch);
    }

    fn object(&self, key: Key) -> Object {
        let mut held = self.0.held.borrow_mut();
        let index = u32::try_from(held.len()).expect("fewer objects than a u32 counts");
        held.push(Held::default());
        self.0.keys.borrow_mut().push(key);
        if self.0.hashing.get() {
            self.0.hash.borrow_mut().add(key);
        }
        Object(index)
    }

    /// Tells the state's hash what `obj` holds now.
    #[inline]
    fn holds_now(&self, obj: Object, value: &impl Hash) {
        if self.0.hashing.get() {
            // Some values ask for the identity of others while they are hashed.
            let digest = Digest::of(value);
            self.0.hash.borrow_mut().set(obj, digest);
        }
    }

    #[inline]
    fn forget(&self, obj: Object) {
        if self.0.hashing.get() {
            self.0.hash.borrow_mut().remove(obj);
        }
    }

    /// What `obj` is called in states; 0 unless hashes are kept.
    fn identity(&self, obj: Object) -> u128 {
        let hash = self.0.hash.borrow();
        hash.objects.get(obj.index()).copied().flatten().map_or(0, |(identity, _)| identity)
    }

    /// Adds to what the current task was given.
    #[inline]
    fn given(&self, value: &impl Hash) {
        if self.0.hashing.get() {
            let mut slots = self.0.slots.borrow_mut();
            let slot = &mut slots[self.0.current.get()];
            slot.history = Digest::of(&(slot.history, Digest::of(value)));
        }
    }

    /// Whether `guard` is fulfilled now.
    #[inline]
    fn is_open(&self, guard: Guard) -> bool {
        guard.object().is_none_or(|obj| self.lock_state(obj).is_open(guard))
    }

    /// Who holds `obj`.
    #[inline]
    fn lock_state(&self, obj: Object) -> Held {
        self.0.held.borrow()[obj.index()]
    }

    /// Whether `obj` is a semaphore, and no bit or cell.
    fn is_sem(&self, obj: Object) -> bool {
        self.0.sems.borrow().contains(&obj)
    }

    /// Makes a change of holds, and puts it into the books of the running step.
    #[inline]
    fn hold(&self, hold: Hold) {
        // The first hold of a step whose lock was handed over to it is that one.
        if !self.0.granted.take() {
            self.change(hold);
        }
        self.0.holds.borrow_mut().push(hold);
        self.event(Event::Hold(hold));
        if self.0.recording.get() {
            self.0.around_holds.borrow_mut().push(self.0.calls.borrow().clone());
        }
    }

    #[inline]
    fn event(&self, event: Event) {
        if self.0.watching.get() {
            self.0.events.borrow_mut().push((self.0.current.get(), event));
        }
    }

    /// Takes what `guard` waits for.
    fn grant(&self, guard: Guard) {
        match guard {
            Guard::Shared(obj) => self.change(Hold::Share(obj)),
            Guard::Exclusive(obj) => self.change(Hold::Take(obj)),
            Guard::None | Guard::Clear(_) => {}
        }
    }

    #[inline]
    fn change(&self, hold: Hold) {
        let mut held = self.0.held.borrow_mut();
        let at = |obj: Object| obj.index();
        match hold {
            Hold::Take(obj) => {
                let h = &mut held[at(obj)];
                assert!(*h == Held::default(), "object {obj:?} is taken twice");
                h.writer = true;
            }
            Hold::Share(obj) => {
                assert!(!held[at(obj)].writer, "object {obj:?} is shared while held exclusively");
                held[at(obj)].readers += 1;
            }
            Hold::Drop(obj) => held[at(obj)].writer = false,
            Hold::Unshare(obj) => held[at(obj)].readers = held[at(obj)].readers.saturating_sub(1),
        }
    }

    /// A release that joins the running step.
    #[inline]
    fn release(&self, hold: Hold) {
        self.hold(hold);
        if self.0.footless.get() {
            return;
        }
        let (obj, effect) = match hold {
            Hold::Unshare(obj) => (obj, Effect::Shared),
            Hold::Drop(obj) | Hold::Take(obj) | Hold::Share(obj) => (obj, Effect::Exclusive),
        };
        self.0.released.borrow_mut().join(&Foot::whole(obj, effect));
    }

    /// What `obj` is.
    ///
    /// # Panics
    /// When it is of another world.
    pub fn key(&self, obj: Object) -> Key {
        self.0.keys.borrow()[obj.index()]
    }

    /// What each object is, by its number.
    pub fn keys(&self) -> Vec<Key> {
        self.0.keys.borrow().clone()
    }

    /// Whether nobody holds `obj`, exclusively or shared.
    #[inline]
    pub fn is_free(&self, obj: Object) -> bool {
        self.0.held.borrow()[obj.index()] == Held::default()
    }

    #[inline]
    fn announce(
        &self,
        step: &'static Step,
        guard: Guard,
        foot: impl FnOnce() -> Foot,
        due_ns: Option<u64>,
    ) {
        let task = self.0.current.get();
        let main = if self.0.footless.get() { None } else { Some(foot()) };
        let mut slots = self.0.slots.borrow_mut();
        let slot = &mut slots[task];
        slot.next = Some((step, guard));
        slot.due_ns = due_ns;
        if let Some(main) = main {
            slot.main = main;
        }
        if self.0.recording.get() {
            self.0.notes.borrow_mut()[task].clone_from(&self.0.calls.borrow());
        }
    }

    /// Announces a step and, once it is granted, runs `act` in it.
    #[inline]
    fn turn<O: Hash>(
        &self,
        step: &'static Step,
        guard: Guard,
        foot: impl FnOnce() -> Foot,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        Turn {
            sim: self,
            step,
            guard,
            foot: Some(foot),
            done_ns: None::<fn(u64) -> u64>,
            act: Some(act),
        }
    }
}

/// An announcement, and what follows when it is granted.
struct Turn<'a, W, D, F> {
    sim: &'a Sim,
    step: &'static Step,
    guard: Guard,
    /// `None` once it is announced.
    foot: Option<W>,
    /// For a medium access: when it completes.
    done_ns: Option<D>,
    act: Option<F>,
}

impl<W, D, F> Unpin for Turn<'_, W, D, F> {}

impl<O, W, D, F> Future for Turn<'_, W, D, F>
where
    O: Hash,
    W: FnOnce() -> Foot,
    D: FnOnce(u64) -> u64,
    F: FnOnce() -> O,
{
    type Output = O;
    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<O> {
        if let Some(foot) = self.foot.take() {
            let timed = self.sim.0.timed.get();
            let done_ns = if timed { self.done_ns.take() } else { None };
            let due_ns = done_ns.map(|done_ns| done_ns(self.sim.0.now_ns.get()));
            self.sim.announce(self.step, self.guard, foot, due_ns);
            return Poll::Pending;
        }
        let act = self.act.take().expect("a step is not polled after it ran");
        let out = act();
        self.sim.given(&out);
        Poll::Ready(out)
    }
}

impl StateHash {
    /// Forgets all objects and keeps their room.
    fn clear(&mut self) {
        let StateHash { objects, generations, sum } = self;
        objects.clear();
        generations.clear();
        *sum = 0;
    }

    fn add(&mut self, key: Key) {
        let generation = self.generations.entry(key).or_default();
        let identity = Digest::of(&(key, *generation));
        *generation += 1;
        self.objects.push(Some((identity, 0)));
        self.sum = self.sum.wrapping_add(Digest::of(&(identity, 0u128)));
    }

    fn set(&mut self, obj: Object, digest: u128) {
        if let Some((identity, value)) = &mut self.objects[obj.index()] {
            self.sum = self
                .sum
                .wrapping_sub(Digest::of(&(*identity, *value)))
                .wrapping_add(Digest::of(&(*identity, digest)));
            *value = digest;
        }
    }

    fn remove(&mut self, obj: Object) {
        let Some(Some((identity, value))) = self.objects.get_mut(obj.index()).map(Option::take)
        else {
            return;
        };
        self.sum = self.sum.wrapping_sub(Digest::of(&(identity, value)));
    }
}

impl Runtime for Sim {
    type RwSem<T: State> = SimSem<T>;
    type Spin<T: State> = SimSpin<T>;
    type BitLock = SimBit;

    async fn call<F: Future>(&self, name: &'static str, body: F) -> F::Output {
        let mut body = pin!(body);
        self.event(Event::Enter(name));
        let out = poll_fn(|cx| {
            if !self.0.recording.get() {
                return body.as_mut().poll(cx);
            }
            self.0.calls.borrow_mut().push(name);
            let out = body.as_mut().poll(cx);
            self.0.calls.borrow_mut().pop();
            out
        })
        .await;
        self.event(Event::Leave(name));
        out
    }

    fn spawn(&self, name: &'static str, body: impl Future<Output = ()> + 'static) {
        let mut slots = self.0.slots.borrow_mut();
        let parent = self.0.current.get();
        let slot = &mut slots[parent];
        let ordinal = slot.children;
        slot.children += 1;
        let (history, body) = (slot.history, Box::pin(body));
        self.0.spawned.borrow_mut().push(Spawned { parent, name, ordinal, history, body });
    }

    fn saw(&self, what: impl FnOnce() -> String) {
        if self.0.recording.get() {
            self.0.saw.borrow_mut().push(what());
        }
    }

    fn tracepoint(&self, traced: impl FnOnce() -> Traced) {
        if self.0.watching.get() {
            self.event(Event::Trace(traced()));
        }
    }

    fn pass(&self, step: &'static Step) -> impl Future<Output = ()> {
        self.turn(step, Guard::None, || Foot::NONE, || ())
    }

    fn remember(&self, all: &impl Hash) {
        if self.0.hashing.get() {
            self.0.slots.borrow_mut()[self.0.current.get()].history = Digest::of(all);
        }
    }

    fn io<O: Hash>(
        &self,
        step: &'static Step,
        foot: impl FnOnce() -> Foot,
        done_ns: impl FnOnce(u64) -> u64,
        act: impl FnOnce() -> O,
    ) -> impl Future<Output = O> {
        let (foot, done_ns, act) = (Some(foot), Some(done_ns), Some(act));
        Turn { sim: self, step, guard: Guard::None, foot, done_ns, act }
    }
}
