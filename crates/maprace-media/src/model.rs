//! The latency model: when does a request complete, given what came before?
//!
//! A closed form, without an event queue of its own: front end, units side by side, a shared link, an
//! optional write buffer, and a draw. It is the same function in virtual and in real time. The answer
//! depends on the parameters, the state, the seed, the request and `now_ns`, and on nothing else; the
//! model owns no clock. Requests come in the order in which they are submitted; `now_ns` does not
//! decrease.
//!
//! One that comes later never delays one that came earlier, so an answer is final. More load makes
//! nothing faster, with one exception: a buffer holds what drains in a certain time, and where
//! efficiency falls with load that time grows, so a write that meets a crowd may be accepted earlier.
//! Each unit serves in the order of arrival: what a disk gains by reordering is an efficiency above
//! one (`crowd`). A request costs the time of its pieces, one for each stripe it touches.

mod alone;
mod recent;
#[cfg(test)]
mod tests;

pub use alone::Alone;

use crate::Request;
use crate::draw::Draws;
use crate::params::{
    Buffer, Cache, Costs, Direction, Duplex, Fua, Geometry, Params, Pattern, Place, When,
};
use crate::units::{Factor, index, share, whole};
use recent::{Ends, Heat};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Draws of one request, by what they are for.
mod word {
    /// The factor of the body.
    pub(super) const BODY: u64 = 0;
    /// A disk's seek.
    pub(super) const SEEK: u64 = 1;
    /// A disk's rotation.
    pub(super) const REVOLUTION: u64 = 2;
    /// The first outlier; each has its own.
    pub(super) const TAIL: u64 = 3;
}

/// When a request completes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Served {
    /// When it completes.
    pub done_ns: u64,
    /// When what it wrote has left every volatile cache by itself; `done_ns` where there is none, and
    /// for what writes nothing. A flush may make it durable earlier.
    pub durable_ns: u64,
}

/// What the draws of a request depend on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Keying {
    /// The number of the request. For virtual time, where the order of requests is part of the seed.
    #[default]
    ByNumber,
    /// Its address, and how often that was asked for before. For real time, where the order is not
    /// repeatable: who gets the outlier does not depend on it. Remembers each address.
    ByAddress,
}

/// A shared line that serves bytes one after the other, exact below the nanosecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Line {
    free_ns: u64,
    /// What rounding down took off, in units of 2^-32 ns.
    rest_q32: u32,
}

impl Line {
    /// Serves what takes `q32` units of 2^-32 ns, not before `from_ns`; tells when that ends. The line
    /// is held `hold` times as long.
    fn serve(&mut self, from_ns: u64, q32: u128, hold: u32) -> u64 {
        if from_ns > self.free_ns {
            *self = Line { free_ns: from_ns, rest_q32: 0 };
        }
        let ended = self.after(q32);
        *self = self.after(q32 * u128::from(hold));
        ended.free_ns
    }

    /// The line so many units of 2^-32 ns later.
    fn after(self, q32: u128) -> Line {
        let sum = q32 + u128::from(self.rest_q32);
        Line {
            free_ns: self.free_ns.saturating_add(whole(sum >> 32)),
            rest_q32: u32::try_from(sum & u128::from(u32::MAX)).unwrap_or(0),
        }
    }
}

/// What a medium remembers. Plain data: it can be copied, compared and hashed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    /// When the front end is free.
    front_ns: u64,
    /// The link, by direction; the first serves both where they share it.
    links: [Line; 2],
    /// When each unit is free.
    units: Vec<u64>,
    /// When each queue of the write buffer takes the next write from its front.
    queues: Vec<u64>,
    /// When each of them is empty: the same, unless parts share it.
    drained: Vec<u64>,
    /// The unit that programs next, and the bytes (in units of 2^-16) drained towards that.
    next_unit: usize,
    drained_q16: u64,
    /// When each request in flight completes, ascending; by direction.
    in_flight: [VecDeque<u64>; 2],
    ends: [Ends; 2],
    heat: Heat,
    /// Requests so far.
    requests: u64,
    /// How often each address was asked for, by direction.
    asked: BTreeMap<(u64, Direction), u64>,
}

/// A medium's model and its state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Model {
    params: Arc<Params>,
    seed: u64,
    keying: Keying,
    watches_heat: HeatWatch,
    state: State,
}

/// Whether anything depends on heat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum HeatWatch {
    Off,
    On,
}

/// A request on its way through the model.
struct Passage<'p> {
    direction: Direction,
    pattern: Pattern,
    costs: &'p Costs,
    pos: u64,
    len: u64,
    /// When the front end takes it.
    admitted_ns: u64,
    efficiency: Factor,
    body: Factor,
}

/// What the units or the buffer made of a request.
#[derive(Clone, Copy, Default)]
struct Reached {
    /// When its own latency begins.
    start_ns: u64,
    /// When the last unit has finished; 0 if it went to the buffer.
    units_ns: u64,
    /// When the last byte has left the buffer; 0 if it went to units.
    drained_ns: u64,
}

impl Model {
    /// A medium nobody has asked anything, with the profile's seed.
    pub fn new(params: Arc<Params>) -> Model {
        let seed = params.seed;
        Model::seeded(params, seed, Keying::ByNumber)
    }

    /// The same with a seed of one's own.
    pub fn seeded(params: Arc<Params>, seed: u64, keying: Keying) -> Model {
        let units = vec![0; index(u64::from(params.geometry.units))];
        let queues = params.buffer.as_ref().map_or(0, |buffer| buffer.queues);
        let hot = params.tails.iter().any(|tail| tail.when == When::Hot);
        Model {
            seed,
            keying,
            watches_heat: if hot { HeatWatch::On } else { HeatWatch::Off },
            state: State {
                units,
                queues: vec![0; index(u64::from(queues))],
                drained: vec![0; index(u64::from(queues))],
                ..State::default()
            },
            params,
        }
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The draws that belong to the next request; [`Model::serve`] uses the same.
    pub fn draws(&self, request: Request) -> Draws {
        let (kind, pos) = match request {
            Request::Read { pos, .. } => (0, pos),
            Request::Write { pos, .. } | Request::WriteThrough { pos, .. } => (1, pos),
            Request::Zero { pos, .. } => (1, pos),
            Request::Discard { pos, .. } => (2, pos),
            Request::Flush => (3, 0),
        };
        let direction = if kind == 0 { Direction::Read } else { Direction::Write };
        match self.keying {
            Keying::ByNumber => Draws::of([self.seed, kind, self.state.requests, 0]),
            Keying::ByAddress => {
                let nth = self.state.asked.get(&(pos, direction)).copied().unwrap_or(0);
                Draws::of([self.seed, kind, pos, nth + 1])
            }
        }
    }

    /// Takes a request at `now_ns`, and tells when it completes.
    pub fn serve(&mut self, request: Request, now_ns: u64) -> Served {
        let draws = self.draws(request);
        self.state.requests += 1;
        match request {
            Request::Read { pos, len } => self.transfer(Direction::Read, pos, len, now_ns, draws),
            Request::Write { pos, len } | Request::Zero { pos, len } => {
                self.transfer(Direction::Write, pos, len, now_ns, draws)
            }
            Request::WriteThrough { pos, len } => {
                let served = self.transfer(Direction::Write, pos, len, now_ns, draws);
                self.through(served)
            }
            Request::Flush => {
                let done_ns = self.flushed_ns(now_ns);
                Served { done_ns, durable_ns: done_ns }
            }
            Request::Discard { pos, .. } => {
                self.count(pos, Direction::Write);
                let admitted = self.admit(now_ns, self.params.write.cmd_ns);
                let done_ns = admitted.saturating_add(self.params.discard_ns);
                Served { done_ns, durable_ns: done_ns }
            }
        }
    }

    /// How a write through ends, given how the write did.
    fn through(&self, served: Served) -> Served {
        let done_ns = match (self.params.flush.cache, self.params.flush.fua) {
            (Cache::Protected, _) => served.done_ns,
            (Cache::Volatile, Fua::Native) => served.done_ns.max(served.durable_ns),
            (Cache::Volatile, Fua::ByFlush) => self.flushed_ns(served.done_ns),
        };
        Served { done_ns, durable_ns: done_ns }
    }

    /// When a flush that starts then completes, as far as is known now.
    fn flushed_ns(&self, from_ns: u64) -> u64 {
        let start = match self.params.flush.cache {
            Cache::Protected => from_ns,
            Cache::Volatile => self.state.drained.iter().copied().fold(from_ns, u64::max),
        };
        start.saturating_add(self.params.flush.ns)
    }

    fn count(&mut self, pos: u64, direction: Direction) {
        if self.keying == Keying::ByAddress {
            *self.state.asked.entry((pos, direction)).or_insert(0) += 1;
        }
    }

    /// Passes the serial front end.
    fn admit(&mut self, now_ns: u64, cmd_ns: u64) -> u64 {
        let admitted = now_ns.max(self.state.front_ns);
        self.state.front_ns = admitted.saturating_add(cmd_ns);
        admitted
    }

    /// Waits in the host until the medium takes another request; forgets what has completed.
    fn wait_for_slot(&mut self, now_ns: u64) -> u64 {
        for queue in &mut self.state.in_flight {
            while queue.front().is_some_and(|done| *done <= now_ns) {
                queue.pop_front();
            }
        }
        let Some(depth) = self.params.geometry.queue_depth else { return now_ns };
        let in_flight = self.state.in_flight.iter().map(VecDeque::len).sum::<usize>();
        if in_flight < index(u64::from(depth)) {
            return now_ns;
        }
        let [reads, writes] = &mut self.state.in_flight;
        let first = match (reads.front(), writes.front()) {
            (Some(read), Some(write)) if read > write => writes.pop_front(),
            (Some(_), _) => reads.pop_front(),
            (None, _) => writes.pop_front(),
        };
        first.map_or(now_ns, |done| done.max(now_ns))
    }

    /// How well the medium works with what is in flight, the new request included.
    fn efficiency(&self, direction: Direction) -> Factor {
        let mut flying = self.state.in_flight.each_ref().map(|queue| queue.len() as u64);
        flying[direction as usize] += 1;
        let crowd = self.params.costs(direction).crowd.at(flying[direction as usize] << 16);
        let share = (flying[Direction::Write as usize] << 16) / (flying[0] + flying[1]);
        crowd.and(self.params.geometry.rw_mix.at(share))
    }

    /// A read or a write.
    fn transfer(
        &mut self,
        direction: Direction,
        pos: u64,
        len: u64,
        now_ns: u64,
        draws: Draws,
    ) -> Served {
        self.count(pos, direction);
        let params = Arc::clone(&self.params);
        let costs = params.costs(direction);
        let slot_ns = self.wait_for_slot(now_ns);
        let admitted_ns = self.admit(slot_ns, costs.cmd_ns);
        let pattern = self.state.ends[direction as usize].pattern(pos, len);
        let passage = Passage {
            direction,
            pattern,
            costs,
            pos,
            len,
            admitted_ns,
            efficiency: self.efficiency(direction),
            body: costs.body.factor(draws.word(word::BODY)),
        };
        let link = match params.geometry.duplex {
            Duplex::Full => &mut self.state.links[direction as usize],
            Duplex::Half => &mut self.state.links[0],
        };
        let (takes, hold) = (params.link(direction).time_q32(len), params.geometry.link_hold);
        let link_ns = link.serve(admitted_ns, takes, hold);
        let reached = match &params.buffer {
            Some(buffer) if direction == Direction::Write => {
                self.state.through_buffer(&params.geometry, &passage, buffer)
            }
            _ => self.state.through_units(&params.geometry, &passage, draws),
        };
        let own_ns = reached
            .start_ns
            .saturating_add(passage.body.stretched_ns(costs.lat_ns.of(pattern)))
            .saturating_add(costs.stream.time_ns(len));
        let post_ns = passage.body.stretched_ns(costs.post_ns.of(pattern));
        let done_ns = own_ns
            .max(reached.units_ns.saturating_add(post_ns))
            .max(link_ns)
            .saturating_add(self.outlier_ns(&passage, draws));
        let flying = &mut self.state.in_flight[direction as usize];
        let place = flying.partition_point(|done| *done <= done_ns);
        flying.insert(place, done_ns);
        let durable_ns = match params.flush.cache {
            Cache::Protected => done_ns,
            Cache::Volatile => done_ns.max(reached.drained_ns),
        };
        Served { done_ns, durable_ns }
    }

    /// What rare stalls add.
    fn outlier_ns(&mut self, passage: &Passage<'_>, draws: Draws) -> u64 {
        let hot = passage.direction == Direction::Write
            && self.watches_heat == HeatWatch::On
            && self.state.heat.is_hot(passage.pos);
        let mut added = 0_u64;
        for (word, tail) in (word::TAIL..).zip(&self.params.tails) {
            if tail.direction != passage.direction || (tail.when == When::Hot && !hot) {
                continue;
            }
            let chance = match tail.per_bytes {
                Some(per) => tail.chance.scaled(passage.len, per),
                None => tail.chance,
            };
            let stall = chance.hit(draws.word(word), tail.lo_ns, tail.hi_ns);
            added = added.saturating_add(stall.unwrap_or(0));
        }
        added
    }
}

impl State {
    /// Each piece goes to its unit, and waits there for what came before.
    fn through_units(
        &mut self,
        geometry: &Geometry,
        passage: &Passage<'_>,
        draws: Draws,
    ) -> Reached {
        let costs = passage.costs;
        let occ_ns = match passage.pattern {
            Pattern::Random if costs.seeks() => {
                let seek = costs.seek_ns;
                let moved = draws.between(word::SEEK, seek * 3 / 10, seek * 17 / 10);
                moved + draws.between(word::REVOLUTION, 0, costs.rev_ns)
            }
            pattern => passage.body.stretched_ns(costs.occ_ns.of(pattern)),
        };
        let mut reached = Reached { start_ns: u64::MAX, ..Reached::default() };
        for piece in Pieces::of(geometry, passage.pos, passage.len) {
            let unit = &mut self.units[piece.unit];
            let start = passage.admitted_ns.max(*unit);
            let busy = occ_ns.saturating_add(costs.unit.time_ns(piece.bytes));
            let busy = passage.efficiency.at_efficiency_ns(busy);
            *unit = start.saturating_add(busy.saturating_mul(u64::from(geometry.unit_hold)));
            reached.start_ns = reached.start_ns.min(start);
            reached.units_ns = reached.units_ns.max(start.saturating_add(busy));
        }
        if reached.start_ns == u64::MAX {
            reached.start_ns = passage.admitted_ns;
        }
        reached
    }

    /// Each piece goes to its queue as soon as there is room, and drains from there.
    fn through_buffer(
        &mut self,
        geometry: &Geometry,
        passage: &Passage<'_>,
        buffer: &Buffer,
    ) -> Reached {
        let waf = buffer.waf.of(passage.pattern);
        let mut reached = Reached { start_ns: passage.admitted_ns, ..Reached::default() };
        for piece in Pieces::of(geometry, passage.pos, passage.len) {
            let queue = piece.unit % self.queues.len().max(1);
            let moved = waf.stretched_ns(buffer.drain.time_ns(piece.bytes));
            let busy = buffer.drain_occ_ns.of(passage.pattern).saturating_add(moved);
            let busy = passage.efficiency.at_efficiency_ns(busy);
            let held = busy.saturating_mul(u64::from(buffer.hold));
            // As long as what fits into the buffer takes to drain, writes do not wait.
            let room = share(held, buffer.bytes, piece.bytes);
            let line = &mut self.queues[queue];
            let backlog_ends = (*line).max(passage.admitted_ns).saturating_add(held);
            let accepted = passage.admitted_ns.max(backlog_ends.saturating_sub(room));
            let from = (*line).max(accepted);
            *line = from.saturating_add(held);
            self.drained[queue] = from.saturating_add(busy);
            reached.drained_ns = reached.drained_ns.max(self.drained[queue]);
            reached.start_ns = reached.start_ns.max(accepted);
            self.program(geometry, buffer, waf.q16().saturating_mul(piece.bytes), accepted);
        }
        reached
    }

    /// Draining keeps units busy: one for each full program operation, in turn.
    fn program(&mut self, geometry: &Geometry, buffer: &Buffer, bytes_q16: u64, at_ns: u64) {
        let Some(programs) = buffer.programs else { return };
        let held_ns = programs.ns.saturating_mul(u64::from(geometry.unit_hold));
        self.drained_q16 = self.drained_q16.saturating_add(bytes_q16);
        let full_q16 = programs.bytes << 16;
        let (full, units) = (self.drained_q16 / full_q16, self.units.len());
        self.drained_q16 %= full_q16;
        // In turn: each unit once for every whole round, and the first of the rest once more.
        let (rounds, rest) = (full / units as u64, index(full % units as u64));
        for i in 0..if rounds > 0 { units } else { rest } {
            let times = rounds + u64::from(i < rest);
            let unit = &mut self.units[(self.next_unit + i) % units];
            *unit = (*unit).max(at_ns).saturating_add(held_ns.saturating_mul(times));
        }
        self.next_unit = (self.next_unit + rest) % units;
    }
}

/// What one unit gets of a request.
struct Piece {
    unit: usize,
    /// Rounded up to the grain.
    bytes: u64,
}

/// The pieces of a range, in the order of addresses.
struct Pieces<'g> {
    geometry: &'g Geometry,
    pos: u64,
    end: u64,
}

impl<'g> Pieces<'g> {
    fn of(geometry: &'g Geometry, pos: u64, len: u64) -> Pieces<'g> {
        Pieces { geometry, pos, end: pos.saturating_add(len) }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.pos >= self.end {
            return None;
        }
        let Geometry { stripe, grain, units, place, .. } = self.geometry;
        let number = self.pos / stripe;
        let ends = number.saturating_add(1).saturating_mul(*stripe).min(self.end);
        let bytes = (ends - self.pos).next_multiple_of(*grain);
        let spread = match place {
            Place::Stripe => number,
            // As the reference runs of this model had it.
            Place::Hash => number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33,
        };
        self.pos = ends;
        Some(Piece { unit: index(spread % u64::from(*units)), bytes })
    }
}
