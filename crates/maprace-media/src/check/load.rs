//! A closed loop in virtual time: threads that each keep one request in flight.
//!
//! Not a workload generator: it asks what reviews and data sheets asked, no more.

use crate::Request;
use crate::draw::Draws;
use crate::model::{Keying, Model};
use crate::params::{Params, Pattern};
use crate::profile::Work;
use crate::units::float;
use hdrhistogram::Histogram;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Bytes of the part of the medium that is asked for: 2^36, far more than any cache.
const SPAN: u64 = 1 << 36;

/// Longest latency a histogram tells apart from longer ones, in nanoseconds: 1000 s.
pub(super) const LATENCY_NS_MAX: u64 = 1_000_000_000_000;

/// What is done.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// What each thread does.
    pub work: Work,
    /// Where.
    pub pattern: Pattern,
    /// Bytes of a request, from 1 to 2^24.
    pub bytes: u64,
    /// Threads, from 1 to 1024.
    pub depth: u64,
    /// How long a thread waits after each request.
    pub pause_ns: u64,
    /// Requests in all, from 8; the first quarter fills buffers and is not measured.
    pub requests: u64,
    /// Where draws begin, those of addresses too.
    pub seed: u64,
}

/// What was measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// Latencies in nanoseconds, to three digits.
    pub latency_ns: Histogram<u64>,
    /// Requests a second.
    pub rate_hz: f64,
}

/// Runs a load on a fresh medium. The same load gives the same bytes.
pub fn run(params: &Arc<Params>, load: &Load) -> Measured {
    let mut model = Model::seeded(Arc::clone(params), load.seed, Keying::ByNumber);
    let mut latency_ns = histogram();
    // Whose turn it is when: by time, then by thread.
    let mut turns: BinaryHeap<Reverse<(u64, u64)>> =
        (0..load.depth).map(|thread| Reverse((0, thread))).collect();
    let warm = load.requests / 4;
    let (mut began_ns, mut ended_ns) = (0, 0);
    let mut places = Places::new(load);
    for number in 0..load.requests {
        let Some(Reverse((now_ns, thread))) = turns.pop() else { break };
        if number == warm {
            began_ns = now_ns;
        }
        ended_ns = now_ns;
        let (pos, len) = (places.next(thread, number), load.bytes);
        let done_ns = match load.work {
            Work::Read => model.serve(Request::Read { pos, len }, now_ns).done_ns,
            Work::Write => model.serve(Request::Write { pos, len }, now_ns).done_ns,
            Work::WriteThenFlush => {
                let written_ns = model.serve(Request::Write { pos, len }, now_ns).done_ns;
                model.serve(Request::Flush, written_ns).done_ns
            }
        };
        if number >= warm {
            latency_ns.saturating_record(done_ns - now_ns);
        }
        turns.push(Reverse((done_ns.saturating_add(load.pause_ns), thread)));
    }
    // A turn is a completion of the same thread: between two turns lie as many completions.
    let turns = float((load.requests - 1).saturating_sub(warm));
    let seconds = float(ended_ns - began_ns) / 1e9;
    let rate_hz = if seconds > 0.0 { turns / seconds } else { f64::INFINITY };
    Measured { latency_ns, rate_hz }
}

/// The latency in nanoseconds that a share `q` does not exceed: the middle of its cell, whose ends are
/// within 0.1 % of each other.
pub fn quantile_ns(latency_ns: &Histogram<u64>, q: f64) -> u64 {
    latency_ns.median_equivalent(latency_ns.value_at_quantile(q))
}

/// A histogram of nanoseconds with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
        .expect("the bounds are in order, 3 digits are allowed")
}

/// Where requests go.
struct Places {
    pattern: Pattern,
    bytes: u64,
    seed: u64,
    /// For sequential threads: where each goes on.
    next: Vec<u64>,
}

impl Places {
    fn new(load: &Load) -> Places {
        let start = |thread| thread * (SPAN / load.depth / load.bytes) * load.bytes;
        Places {
            pattern: load.pattern,
            bytes: load.bytes,
            seed: load.seed,
            next: (0..load.depth).map(start).collect(),
        }
    }

    fn next(&mut self, thread: u64, number: u64) -> u64 {
        match self.pattern {
            Pattern::Random => {
                let draws = Draws::of([self.seed, 0x706c_6163, number, 0]);
                draws.between(0, 0, SPAN / self.bytes) * self.bytes
            }
            Pattern::Sequential => {
                let next = &mut self.next[crate::units::index(thread)];
                let pos = *next;
                *next = pos + self.bytes;
                pos
            }
        }
    }
}
