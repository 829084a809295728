//! A transport without a kernel, which checks the protocol of whoever uses it.

use super::guest::{Answer, Guest};
use crate::{Arrival, Bell, Io, Op, Ring, State, Tag, Transport, Until};
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The clock of a [`Fake`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Stands still but in waits.
    Virtual {
        /// How long a wait that does not wait takes, in ns.
        tick_ns: u64,
        /// How much too long a wait for an instant is, in ns.
        late_ns: u64,
    },
    /// The machine's.
    Real,
}

/// Says when a request that has arrived then may be answered at the earliest.
pub type Due = Box<dyn FnMut(Io, u64) -> u64>;

/// Who has a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    /// Nobody: no request.
    Kernel,
    /// A request that has not been reaped.
    Sent(Io),
    /// The loop.
    Server(Io),
    /// The loop has answered, and has not handed it over.
    Committed(Io, i32),
}

#[derive(Debug)]
struct Slot {
    owner: Owner,
    buffer: Vec<u8>,
    arrived_ns: u64,
    due_ns: u64,
}

/// A queue's ring without a kernel. `&mut Fake` is the [`Transport`], so that what it has seen can be
/// looked at afterwards. The queue is gone when its guest is done and has all answers, or is closed.
pub struct Fake<G> {
    /// Who sends requests.
    pub guest: G,
    /// Each breach of the protocol, in words.
    pub breaches: Vec<String>,
    /// Waits so far, by what they were told: now, at, arrival.
    pub waits: [u64; 3],
    clock: Clock,
    now_ns: u64,
    slots: Vec<Slot>,
    free: Vec<u16>,
    sent: VecDeque<u16>,
    committed: Vec<u16>,
    due: Option<Due>,
    closes_ns: Option<u64>,
    state: State,
    bell: Arc<FakeBell>,
}

/// Ends a wait.
#[derive(Debug, Default)]
struct FakeBell {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl FakeBell {
    /// Waits until it is rung, or for so long; none: as long as it takes.
    fn wait(&self, limit: Option<Duration>) {
        let mut is_rung = self.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(limit), false) = (limit, *is_rung) {
            let waited = self.rung.wait_timeout(is_rung, limit);
            is_rung = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        while limit.is_none() && !*is_rung {
            is_rung = self.rung.wait(is_rung).unwrap_or_else(PoisonError::into_inner);
        }
        *is_rung = false;
    }

    fn take(&self) -> bool {
        std::mem::take(&mut *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring for FakeBell {
    fn ring(&self) {
        *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rung.notify_all();
    }
}

impl<G> fmt::Debug for Fake<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("state", &self.state).field("now_ns", &self.now_ns).finish()
    }
}

impl<G: Guest> Fake<G> {
    /// A queue of that depth whose tags have buffers of that length.
    pub fn new(guest: G, clock: Clock, depth: u16, buffer_bytes: usize) -> Fake<G> {
        let slot = |_| Slot {
            owner: Owner::Kernel,
            buffer: vec![0xA5; buffer_bytes],
            arrived_ns: 0,
            due_ns: 0,
        };
        let mut fake = Fake {
            guest,
            breaches: Vec::new(),
            waits: [0; 3],
            clock,
            now_ns: 0,
            slots: (0..depth).map(slot).collect(),
            free: (0..depth).rev().collect(),
            sent: VecDeque::with_capacity(usize::from(depth)),
            committed: Vec::with_capacity(usize::from(depth)),
            due: None,
            closes_ns: None,
            state: State::Open,
            bell: Arc::default(),
        };
        fake.send();
        fake
    }

    /// Takes an answer before that instant for a breach.
    #[must_use]
    pub fn expecting(mut self, due: Due) -> Fake<G> {
        self.due = Some(due);
        self
    }

    /// The device is stopped at that instant, and gone one wait later.
    #[must_use]
    pub fn closing_at(mut self, at_ns: u64) -> Fake<G> {
        self.closes_ns = Some(at_ns);
        self
    }

    /// Panics if there was any breach.
    pub fn assert_clean(&self) {
        assert!(self.breaches.is_empty(), "{:#?}", self.breaches);
    }

    fn clock_ns(&self) -> u64 {
        match self.clock {
            Clock::Virtual { .. } => self.now_ns,
            Clock::Real => {
                let now = clock_gettime(ClockId::Monotonic);
                now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
            }
        }
    }

    fn breach(&mut self, what: String) {
        // A loop that errs may err for ever.
        if self.breaches.len() < 20 {
            self.breaches.push(what);
        }
    }

    /// Lets the guest send what it would have sent by now.
    fn send(&mut self) {
        let now_ns = self.clock_ns();
        while self.guest.next_ns().is_some_and(|at_ns| at_ns <= now_ns) {
            let Some(tag) = self.free.pop() else { return };
            let slot = &mut self.slots[usize::from(tag)];
            slot.owner = Owner::Sent(self.guest.send(now_ns, &mut slot.buffer));
            self.sent.push_back(tag);
        }
    }

    /// Takes the answers.
    fn hand_over(&mut self) {
        let answered_ns = self.clock_ns();
        for tag in std::mem::take(&mut self.committed) {
            let slot = &mut self.slots[usize::from(tag)];
            if let Owner::Committed(io, result) = std::mem::replace(&mut slot.owner, Owner::Kernel)
            {
                let arrived_ns = slot.arrived_ns;
                let answer = Answer { tag: Tag(tag), io, arrived_ns, answered_ns, result };
                let moved = usize::try_from(io.len).unwrap_or(usize::MAX).min(slot.buffer.len());
                let moved = if matches!(io.op, Op::Read | Op::Write { .. }) { moved } else { 0 };
                self.guest.answered(answer, &slot.buffer[..moved]);
                self.free.push(tag);
            }
        }
    }

    /// Lets time pass on the virtual clock; false where nothing would ever end the wait.
    fn pass(&mut self, until: Until, tick_ns: u64, late_ns: u64) -> bool {
        let sends_ns = self.guest.next_ns().filter(|_| !self.free.is_empty());
        let comes_ns = [sends_ns, self.closes_ns].into_iter().flatten().min();
        let ends_ns = match until {
            _ if self.bell.take() || !self.sent.is_empty() => Some(self.now_ns + tick_ns),
            Until::Now | Until::Yield => Some(self.now_ns + tick_ns),
            Until::At(at_ns) => {
                Some(comes_ns.unwrap_or(u64::MAX).min(at_ns.saturating_add(late_ns)))
            }
            Until::Arrival => comes_ns,
        };
        self.now_ns = self.now_ns.max(ends_ns.unwrap_or(self.now_ns));
        ends_ns.is_some()
    }

    /// The same on the machine's clock.
    fn sleep(&self, until: Until) {
        if !self.sent.is_empty() || matches!(until, Until::Now | Until::Yield) {
            return;
        }
        let at_ns = if let Until::At(at_ns) = until { at_ns } else { u64::MAX };
        let ends_ns = self.guest.next_ns().unwrap_or(u64::MAX).min(at_ns);
        let left_ns = ends_ns.saturating_sub(self.clock_ns());
        self.bell.wait((ends_ns < u64::MAX).then(|| Duration::from_nanos(left_ns)));
    }

    fn is_over(&self) -> bool {
        self.guest.is_done() && self.free.len() == self.slots.len()
    }
}

impl<G: Guest> Transport for &mut Fake<G> {
    fn now_ns(&self) -> u64 {
        self.clock_ns()
    }

    fn reap(&mut self, take: &mut dyn FnMut(Arrival)) -> State {
        let now_ns = self.clock_ns();
        if self.state == State::Open && self.closes_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.state = State::Closing;
            self.sent.clear();
        }
        while let Some(tag) = self.sent.pop_front() {
            let slot = &mut self.slots[usize::from(tag)];
            if let Owner::Sent(io) = slot.owner {
                slot.owner = Owner::Server(io);
                slot.arrived_ns = now_ns;
                slot.due_ns = self.due.as_mut().map_or(0, |due| due(io, now_ns));
                take(Arrival { tag: Tag(tag), io });
            }
        }
        self.state
    }

    fn buffer(&mut self, tag: Tag) -> &mut [u8] {
        let owner = self.slots[usize::from(tag.0)].owner;
        if !matches!(owner, Owner::Server(_)) {
            self.breach(format!("the buffer of tag {} is used, which is {owner:?}", tag.0));
        }
        &mut self.slots[usize::from(tag.0)].buffer
    }

    fn commit(&mut self, tag: Tag, result: i32) {
        let now_ns = self.clock_ns();
        let Slot { owner, due_ns, .. } = self.slots[usize::from(tag.0)];
        let Owner::Server(io) = owner else {
            return self.breach(format!("tag {} is committed, which is {owner:?}", tag.0));
        };
        if now_ns < due_ns {
            let early_ns = due_ns - now_ns;
            self.breach(format!("tag {} is committed {early_ns} ns before it is due", tag.0));
        }
        if self.state != State::Open {
            self.breach(format!("tag {} is committed while the queue is {:?}", tag.0, self.state));
        }
        self.slots[usize::from(tag.0)].owner = Owner::Committed(io, result);
        self.committed.push(tag.0);
    }

    fn wait(&mut self, until: Until) -> io::Result<()> {
        self.waits[match until {
            Until::Now | Until::Yield => 0,
            Until::At(_) => 1,
            Until::Arrival => 2,
        }] += 1;
        self.hand_over();
        if self.is_over() || self.state == State::Closing {
            self.state = State::Gone;
            return Ok(());
        }
        self.send();
        match self.clock {
            Clock::Real => self.sleep(until),
            Clock::Virtual { tick_ns, late_ns } => {
                if !self.pass(until, tick_ns, late_ns) {
                    let open = self.slots.len() - self.free.len();
                    self.breach(format!("waits for ever with {open} requests unanswered"));
                    self.state = State::Gone;
                }
            }
        }
        self.send();
        Ok(())
    }

    fn bell(&self) -> Bell {
        Arc::clone(&self.bell) as Bell
    }
}
