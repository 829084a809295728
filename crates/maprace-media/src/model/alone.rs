//! What a single request costs on an idle medium, written down directly: the second computation that
//! the model is checked against. It shares no code with it but the parameters and the units.

use crate::params::{Direction, Params, Pattern};
use crate::units::{Factor, float};

/// A request that is alone, and fits on one unit: `len` is at most the stripe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Alone {
    /// Which way.
    pub direction: Direction,
    /// Where.
    pub pattern: Pattern,
    /// Bytes, from 1 to the stripe.
    pub len: u64,
}

impl Alone {
    /// The latency in nanoseconds that a share `q` of such requests does not exceed, 0 < q < 1.
    ///
    /// Exact but for the rounding of single nanoseconds where no request seeks. Where it does, only
    /// the median is known in this form: a sum of two even draws is symmetric about its mean.
    pub fn quantile_ns(self, params: &Params, q: f64) -> Option<u64> {
        let costs = params.costs(self.direction);
        let seeks = costs.seeks() && self.pattern == Pattern::Random && !self.is_buffered(params);
        if self.len > params.geometry.stripe || (seeks && q != 0.5) {
            return None;
        }
        let body = costs.body.quantile(self.rank_in_body(params, q));
        let own = body.stretched_ns(costs.lat_ns.of(self.pattern)) + costs.stream.time_ns(self.len);
        let link = params.link(self.direction).time_ns(self.len);
        let bytes = self.len.div_ceil(params.geometry.grain) * params.geometry.grain;
        if let Some(buffer) = params.buffer.as_ref().filter(|_| self.is_buffered(params)) {
            // What does not fit into an empty buffer waits, and that is not written down here.
            return (bytes <= buffer.bytes).then_some(own.max(link));
        }
        let occ = match seeks {
            true => costs.seek_ns + costs.rev_ns / 2,
            false => body.stretched_ns(costs.occ_ns.of(self.pattern)),
        };
        let busy = self.efficiency(params).at_efficiency_ns(occ + costs.unit.time_ns(bytes));
        let post = body.stretched_ns(costs.post_ns.of(self.pattern));
        Some(own.max(busy + post).max(link))
    }

    fn is_buffered(self, params: &Params) -> bool {
        self.direction == Direction::Write && params.buffer.is_some()
    }

    /// The quantile of the body that is the quantile `q` of all: outliers lie beyond the body, so what
    /// is left of it below them is spread over the whole.
    fn rank_in_body(self, params: &Params, q: f64) -> f64 {
        let spared = |tail: &crate::params::Tail| {
            let times = tail.per_bytes.map_or(1.0, |per| float(self.len) / float(per));
            1.0 - (tail.chance.as_f64() * times).min(1.0)
        };
        let always = |tail: &&crate::params::Tail| {
            tail.direction == self.direction && tail.when == crate::params::When::Always
        };
        let spared: f64 = params.tails.iter().filter(always).map(spared).product();
        (q / spared).min(1.0 - f64::EPSILON)
    }

    /// One request in flight, all of it reads or all of it writes.
    fn efficiency(self, params: &Params) -> Factor {
        let share = match self.direction {
            Direction::Read => 0,
            Direction::Write => 1 << 16,
        };
        let crowd = params.costs(self.direction).crowd.at(1 << 16);
        crowd.and(params.geometry.rw_mix.at(share))
    }
}
