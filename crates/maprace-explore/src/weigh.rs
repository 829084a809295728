//! The chance of a trace, and the number of its interleavings.
//!
//! Both by one pass over the downsets of the trace, in the order of their sizes. The chance is that a
//! scheduler which picks uniformly among the enabled tasks, step by step, takes one of the trace's
//! interleavings. Over all traces of a program the chances add up to 1 exactly, so that their sum
//! certifies that none is missing.

use crate::packed::Packed;
use crate::table::Table;
use crate::trace::{Next, Shape};

/// A downset: in how many ways it is reached, and with what chance.
#[derive(Clone, Copy, Debug)]
struct Cell<P> {
    downset: P,
    /// `u128::MAX` when they are more.
    ways: u128,
    chance: f64,
}

/// The buffers of the computation.
#[derive(Debug, Default)]
pub(crate) struct Weigher<P: Packed> {
    layer: Vec<Cell<P>>,
    next: Vec<Cell<P>>,
    table: Table<P>,
}

impl<P: Packed> Weigher<P> {
    /// The chance of the trace and the number of its interleavings, `None` in that if it does not fit
    /// a `u128`; nothing at all beyond `most` downsets.
    pub(crate) fn weigh(&mut self, shape: &Shape<P>, most: usize) -> Option<(f64, Option<u128>)> {
        let Weigher { layer, next, table } = self;
        layer.clear();
        layer.push(Cell { downset: P::default(), ways: 1, chance: 1.0 });
        let mut seen = 1;
        for _ in 0..shape.steps {
            next.clear();
            table.clear();
            for cell in layer.iter() {
                extend(shape, cell, next, table);
            }
            std::mem::swap(layer, next);
            seen += layer.len();
            if seen > most {
                return None;
            }
        }
        let whole = layer.first().expect("the whole trace is a downset of itself");
        Some((whole.chance, Some(whole.ways).filter(|ways| *ways != u128::MAX)))
    }
}

/// Adds every step that leads from `cell` on to the next layer.
#[inline]
fn extend<P: Packed>(
    shape: &Shape<P>,
    cell: &Cell<P>,
    next: &mut Vec<Cell<P>>,
    table: &mut Table<P>,
) {
    let (mut enabled, mut ready) = (0u32, 0u32);
    for (at, lane) in shape.lanes.iter().enumerate() {
        match shape.next(cell.downset, lane) {
            Next::Ready => {
                enabled += 1;
                ready |= 1 << at;
            }
            Next::Elsewhere => enabled += 1,
            Next::Nothing => {}
        }
    }
    let chance = cell.chance / f64::from(enabled);
    for at in crate::run::tasks_of(ready) {
        let downset = cell.downset.plus_one(shape.lanes[at].shift);
        let (place, is_new) = table.place(downset, next.len());
        if is_new {
            next.push(Cell { downset, ways: cell.ways, chance });
        } else {
            let known = &mut next[place];
            known.ways = known.ways.saturating_add(cell.ways);
            known.chance += chance;
        }
    }
}
