//! What is computed of each trace, from its partial order alone: its chance, its interleavings and,
//! if it is bad, its least schedule.

use crate::clocks::Log;
use crate::cost::{Candidate, Cost};
use crate::packed::Packed;
use crate::shortest::{Shortest, TooLarge};
use crate::trace::{Blocked, Shape};
use crate::weigh::Weigher;

/// A trace, as the execution that found it left it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) log: &'a Log,
    /// Tasks that are stuck at its end.
    pub(crate) blocked: &'a [Blocked],
}

/// What was computed; `None` where that takes more downsets than allowed.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) chance: Option<f64>,
    /// `None` also when it does not fit.
    pub(crate) interleavings: Option<u128>,
    /// The least schedule, if it was asked for and is within the bound.
    pub(crate) least: Option<Option<Candidate>>,
}

/// The buffers for traces of one width.
#[derive(Debug, Default)]
struct Width<P: Packed> {
    shape: Shape<P>,
    weigher: Weigher<P>,
    shortest: Shortest<P>,
}

/// The buffers of the computation.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    narrow: Width<u64>,
    wide: Width<u128>,
}

impl Measure {
    /// Measures a trace with up to `most` downsets; its least schedule too if a bound for that is
    /// given, which it must not exceed to be of use.
    pub(crate) fn measure(
        &mut self,
        trace: &Trace<'_>,
        bound: Option<Cost>,
        most: usize,
    ) -> Measured {
        let Trace { log, blocked } = *trace;
        if self.narrow.shape.build(log, blocked) {
            self.narrow.measure(bound, most)
        } else if self.wide.shape.build(log, blocked) {
            self.wide.measure(bound, most)
        } else {
            Measured::default()
        }
    }
}

impl<P: Packed> Width<P> {
    fn measure(&mut self, bound: Option<Cost>, most: usize) -> Measured {
        let weight = self.weigher.weigh(&self.shape, most);
        let least = bound.map(|bound| self.shortest.find(&self.shape, bound, most));
        Measured {
            chance: weight.map(|(chance, _)| chance),
            interleavings: weight.and_then(|(_, interleavings)| interleavings),
            least: least.and_then(|found: Result<_, TooLarge>| found.ok()),
        }
    }
}
