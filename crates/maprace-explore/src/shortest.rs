//! The least schedule of a trace, by preemptions, then switches.
//!
//! Dynamic programming over pairs of a downset and the task that ran last. All interleavings of a
//! trace have the same steps, so the cost of a pair is the least of all ways to it; whether leaving
//! the last task is a preemption depends on the pair alone. Exact for the trace, hence, over all bad
//! traces, exact for the program, with no search over schedules. Whatever cannot be better than a
//! schedule already known is not followed.

use crate::cost::{Candidate, Cost, task_byte};
use crate::packed::Packed;
use crate::run::tasks_of;
use crate::table::Table;
use crate::trace::{Next, Shape};

/// A downset and the lane that ran last, which is marked in it; and the least cost of a way there.
#[derive(Clone, Copy, Debug)]
struct Cell<P> {
    downset: P,
    last: Option<usize>,
    cost: Price,
    /// Whether a least way to the end leads through it.
    on_the_way: bool,
}

/// Preemptions and switches as one number: their order is its order.
type Price = u64;

const PREEMPTION: Price = 1 << 32;
const SWITCH: Price = 1;

fn price(cost: &Cost) -> Price {
    Price::from(cost.preemptions) * PREEMPTION + Price::from(cost.switches) * SWITCH
}

/// The buffers of the computation.
#[derive(Debug, Default)]
pub(crate) struct Shortest<P: Packed> {
    cells: Vec<Cell<P>>,
    /// Where each layer begins: pairs whose downsets have the same size.
    layers: Vec<usize>,
    table: Table<P>,
}

/// The trace has more pairs than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl<P: Packed> Shortest<P> {
    /// The least schedule of the trace, if none of its schedules is worse than `bound`'s cost; among
    /// equals the one whose first different step is of the earlier task.
    ///
    /// # Errors
    /// When there are more than `most` pairs to look at.
    pub(crate) fn find(
        &mut self,
        shape: &Shape<P>,
        bound: Cost,
        most: usize,
    ) -> Result<Option<Candidate>, TooLarge> {
        let steps = u32::try_from(shape.steps).expect("the budget of steps is far below");
        let tasks = shape.lanes.iter().filter(|lane| lane.len > 0).count();
        let tasks = u32::try_from(tasks).expect("at most 16");
        let mut limit = price(&bound);
        if (steps, tasks) > (bound.steps, bound.tasks) {
            let Some(less) = limit.checked_sub(1) else { return Ok(None) };
            limit = less;
        }
        if !self.spread(shape, limit, most)? {
            return Ok(None);
        }
        let price = self.trace_back(shape);
        let schedule = self.walk(shape);
        let (preemptions, switches) = (price / PREEMPTION, price % PREEMPTION);
        let count = |v: Price| u32::try_from(v).expect("no more than steps");
        let (preemptions, switches) = (count(preemptions), count(switches));
        Ok(Some(Candidate { cost: Cost { preemptions, switches, steps, tasks }, schedule }))
    }

    /// Finds the least cost of every pair within `limit`; false if the end is not among them.
    fn spread(&mut self, shape: &Shape<P>, limit: Price, most: usize) -> Result<bool, TooLarge> {
        self.cells.clear();
        self.layers.clear();
        self.table.clear();
        self.cells.push(Cell { downset: P::default(), last: None, cost: 0, on_the_way: false });
        self.layers.push(0);
        let mut from = 0;
        for _ in 0..shape.steps {
            let to = self.cells.len();
            for at in from..to {
                let cell = self.cells[at];
                for (lane, cost) in steps_from(shape, &cell) {
                    self.reach(shape, &cell, lane, cost, limit);
                }
            }
            if self.cells.len() > most {
                return Err(TooLarge);
            }
            from = to;
            self.layers.push(from);
        }
        Ok(from < self.cells.len())
    }

    fn reach(&mut self, shape: &Shape<P>, from: &Cell<P>, lane: usize, cost: Price, limit: Price) {
        let (key, downset) = key_after(shape, from, lane);
        if cost + still_to_switch(shape, downset, lane) > limit {
            return;
        }
        let (place, is_new) = self.table.place(key, self.cells.len());
        if is_new {
            self.cells.push(Cell { downset, last: Some(lane), cost, on_the_way: false });
        } else {
            let known = &mut self.cells[place];
            known.cost = known.cost.min(cost);
        }
    }

    /// Marks every pair on a least way to the end, from there back, and returns its cost.
    fn trace_back(&mut self, shape: &Shape<P>) -> Price {
        let last = *self.layers.last().expect("there is a first layer");
        let ends = &mut self.cells[last..];
        let least = ends.iter().map(|cell| cell.cost).min().expect("the end was reached");
        for cell in ends {
            cell.on_the_way = cell.cost == least;
        }
        for at in (0..last).rev() {
            let cell = self.cells[at];
            self.cells[at].on_the_way = self.way_on(shape, &cell).is_some();
        }
        least
    }

    /// The first lane by which a least way leads on from `cell`, and where to.
    fn way_on(&self, shape: &Shape<P>, cell: &Cell<P>) -> Option<(usize, usize)> {
        steps_from(shape, cell).find_map(|(lane, cost)| {
            let place = self.table.find(key_after(shape, cell, lane).0)?;
            let next = &self.cells[place];
            (next.on_the_way && next.cost == cost).then_some((lane, place))
        })
    }

    /// The schedule of the first least way.
    fn walk(&self, shape: &Shape<P>) -> Vec<u8> {
        let mut cell = &self.cells[0];
        let mut schedule = Vec::with_capacity(shape.steps);
        while let Some((lane, place)) = self.way_on(shape, cell) {
            schedule.push(task_byte(shape.lanes[lane].task));
            cell = &self.cells[place];
        }
        schedule
    }
}

/// The lanes that can go on from `cell` in the trace, and what the way costs then.
fn steps_from<P: Packed>(
    shape: &Shape<P>,
    cell: &Cell<P>,
) -> impl Iterator<Item = (usize, Price)> + use<P> {
    let mut ready = 0u32;
    let mut leaving = 0;
    for (at, lane) in shape.lanes.iter().enumerate() {
        let next = shape.next(cell.downset, lane);
        if next == Next::Ready {
            ready |= 1 << at;
        }
        if cell.last == Some(at) {
            leaving = SWITCH + if next == Next::Nothing { 0 } else { PREEMPTION };
        }
    }
    let (last, cost) = (cell.last, cell.cost);
    tasks_of(ready).map(move |at| (at, if last == Some(at) { cost } else { cost + leaving }))
}

fn key_after<P: Packed>(shape: &Shape<P>, cell: &Cell<P>, lane: usize) -> (P, P) {
    let lane = &shape.lanes[lane];
    let downset = cell.downset.plus_one(lane.shift);
    (shape.marked(downset, lane), downset)
}

/// Switches that every way from here to the end makes at least.
fn still_to_switch<P: Packed>(shape: &Shape<P>, downset: P, last: usize) -> Price {
    let others = shape.lanes.iter().enumerate().filter(|(at, _)| *at != last);
    let unfinished = others.filter(|(_, lane)| shape.is_unfinished(downset, lane)).count();
    SWITCH * unfinished as Price
}
