//! Where each request of a queue is, and how it is answered.

use super::Ground;
use super::moves_bytes;
use crate::deadlines::Deadlines;
use crate::tally::{Answered, Gauges, Tally};
use crate::{Answer, Finish, Floor, Io, Op, Outcome, Service, Tag, Transport};
use std::sync::Arc;

/// `EINVAL`: what the kernel is told of a transfer longer than its buffer.
const EINVAL: i32 = 22;

/// Where a request is. Every edge is one of [`Hands`]' functions, by [`Hands::go`].
///
/// ```text
///   Free --> Taken --> Lent ----> Due --> Free
///              | \________________^
///              v
///            Held --> Taken
/// ```
///
/// From anywhere to `Free` when the device closes. Requests that are answered in the turn in which they
/// come, where nothing has to be waited for, never leave `Free`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// With the kernel.
    Free,
    /// In the hands of the loop.
    Taken,
    /// In flight in the backend.
    Lent,
    /// Held back by a fault.
    Held,
    /// Done, and answered when it is due.
    Due,
}

/// A tag's request.
#[derive(Clone, Copy, Debug)]
struct Slot {
    place: Place,
    io: Io,
    arrived_ns: u64,
    due: Due,
    outcome: Outcome,
}

/// When a request is to be answered, at the earliest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// At once.
    Untimed,
    /// When the medium has served it.
    At(u64),
}

/// A queue's requests, with the ring that takes the answers.
pub(super) struct Hands<T> {
    pub(super) transport: T,
    slots: Vec<Slot>,
    pub(super) deadlines: Deadlines,
    pub(super) tally: Box<Tally>,
    /// Requests that are not [`Place::Free`].
    pub(super) in_flight: u64,
    /// Of them, in the backend.
    pub(super) lent: u64,
    /// Of them, held back.
    pub(super) stuck: u64,
    /// The instant of this turn.
    pub(super) now_ns: u64,
    /// The faults, if anything may fail.
    pub(super) ground: Option<Arc<Ground>>,
}

impl<T: Transport> Hands<T> {
    pub(super) fn new(transport: T, depth: usize) -> Hands<T> {
        let io = Io { op: Op::Flush, pos: 0, len: 0 };
        let slot =
            Slot { place: Place::Free, io, arrived_ns: 0, due: Due::Untimed, outcome: Ok(()) };
        Hands {
            transport,
            slots: vec![slot; depth],
            deadlines: Deadlines::new(depth),
            tally: Box::new(Tally::new()),
            in_flight: 0,
            lent: 0,
            stuck: 0,
            now_ns: 0,
            ground: None,
        }
    }

    /// Moves a request along one edge.
    fn go(&mut self, tag: Tag, to: Place) -> &mut Slot {
        let slot = &mut self.slots[usize::from(tag.0)];
        let from = std::mem::replace(&mut slot.place, to);
        match (from, to) {
            (Place::Free, Place::Taken) => self.in_flight += 1,
            (Place::Taken, Place::Lent) => self.lent += 1,
            (Place::Taken, Place::Held) => self.stuck += 1,
            (Place::Held, Place::Taken) => self.stuck -= 1,
            (Place::Lent, Place::Due) => self.lent -= 1,
            (Place::Taken, Place::Due) => {}
            (Place::Due, Place::Free) => self.in_flight -= 1,
            _ => panic!(
                "tag {} goes from {from:?} to {to:?}: a backend finished what it does not have, or a transport brought what it had brought",
                tag.0
            ),
        }
        slot
    }

    /// Whether the kernel has the tag.
    pub(super) fn is_free(&self, tag: Tag) -> bool {
        self.slots[usize::from(tag.0)].place == Place::Free
    }

    /// A request has arrived.
    pub(super) fn take(&mut self, tag: Tag, io: Io, arrived_ns: u64) {
        let slot = self.go(tag, Place::Taken);
        (slot.io, slot.arrived_ns) = (io, arrived_ns);
    }

    /// Gives a request to the backend.
    pub(super) fn submit(
        &mut self,
        service: &mut dyn Service,
        tag: Tag,
        io: Io,
        now_ns: u64,
    ) -> Answer {
        if !moves_bytes(io.op) {
            return service.submit(tag, io, &mut [], now_ns);
        }
        let buffer = self.transport.buffer(tag);
        if buffer.is_empty() {
            return service.submit(tag, io, buffer, now_ns);
        }
        let moved = usize::try_from(io.len).ok().and_then(|len| buffer.get_mut(..len));
        moved.map_or(Answer::Now(Err(EINVAL)), |bytes| service.submit(tag, io, bytes, now_ns))
    }

    /// The backend keeps it.
    pub(super) fn lend(&mut self, tag: Tag, due: Due) {
        self.go(tag, Place::Lent).due = due;
    }

    /// It is not answered for now.
    pub(super) fn hold(&mut self, tag: Tag) {
        self.go(tag, Place::Held);
    }

    /// Takes up one of those that were held back.
    pub(super) fn next_held(&mut self) -> Option<(Tag, Io)> {
        let place = self.slots.iter().position(|slot| slot.place == Place::Held)?;
        let tag = Tag(u16::try_from(place).ok()?);
        Some((tag, self.go(tag, Place::Taken).io))
    }

    /// It was done at once.
    pub(super) fn done(&mut self, tag: Tag, outcome: Outcome, due: Due) {
        self.slots[usize::from(tag.0)].due = due;
        self.await_due(tag, outcome);
    }

    /// It is done, and answered when it is due.
    fn await_due(&mut self, tag: Tag, outcome: Outcome) {
        let now_ns = self.now_ns;
        let slot = self.go(tag, Place::Due);
        slot.outcome = outcome;
        let Slot { io, due, .. } = *slot;
        self.deadlines.push(if let Due::At(due_ns) = due { due_ns } else { now_ns }, tag);
        if let Some(ground) = self.ground.as_ref().filter(|_| outcome.is_ok()) {
            ground.succeeded(io);
        }
    }

    /// Answers everything that is due by the instant of this turn.
    pub(super) fn answer_due(&mut self) {
        let now_ns = self.now_ns;
        while let Some(tag) = self.deadlines.pop(now_ns) {
            let Slot { io, outcome, arrived_ns, due, .. } = *self.go(tag, Place::Free);
            self.transport.commit(tag, io.result(outcome));
            let late_ns = if let Due::At(due_ns) = due { Some(now_ns - due_ns) } else { None };
            self.count(io, outcome, now_ns - arrived_ns, late_ns);
        }
    }

    /// Counts an answer.
    pub(super) fn count(
        &mut self,
        io: Io,
        outcome: Outcome,
        latency_ns: u64,
        late_ns: Option<u64>,
    ) {
        let (failed, bytes) = (outcome.is_err(), io.len);
        self.tally.count(Answered { op: io.op, bytes, failed, latency_ns, late_ns });
    }

    /// The device closes: the kernel ends or reissues what is in flight.
    pub(super) fn forget_all(&mut self) {
        self.deadlines.clear();
        self.slots.iter_mut().for_each(|slot| slot.place = Place::Free);
        (self.in_flight, self.lent, self.stuck) = (0, 0, 0);
    }

    /// What is true at the moment.
    pub(super) fn gauges(&self, floor: Floor, dilate: u64) -> Gauges {
        Gauges { in_flight: self.in_flight, stuck: self.stuck, floor, dilate }
    }
}

impl<T: Transport> Finish for Hands<T> {
    fn finish(&mut self, tag: Tag, outcome: Outcome, bytes: &[u8]) {
        self.finish_with(tag, outcome, &mut |buffer| buffer.copy_from_slice(bytes));
    }

    fn finish_with(&mut self, tag: Tag, outcome: Outcome, fill: &mut dyn FnMut(&mut [u8])) {
        let Io { op, len, .. } = self.slots[usize::from(tag.0)].io;
        self.await_due(tag, outcome);
        if op == Op::Read && outcome.is_ok() {
            let len = usize::try_from(len).expect("a longer one was refused when it came");
            fill(&mut self.transport.buffer(tag)[..len]);
        }
    }
}
