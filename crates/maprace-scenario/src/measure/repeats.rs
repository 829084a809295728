//! Repeats of a measurement on threads, and the spread of their medians.

use super::tally::{About, Tally};
use crate::any_layer::AnyLayer;
use crate::measured::{Measured, Range};
use crate::threads_world::OnThreads;
use maprace_runtime::threads::ClockCost;
use std::collections::BTreeMap;

/// A measurement that grows by a repeat at a time, so that configurations can take turns: what the
/// machine is busy with meets all of them.
#[derive(Debug)]
pub struct Repeats<'a> {
    job: OnThreads<'a>,
    all: Tally,
    medians: BTreeMap<String, Range>,
    done: u32,
}

impl<'a> Repeats<'a> {
    /// Nothing is measured yet.
    pub fn new(job: OnThreads<'a>) -> Repeats<'a> {
        Repeats { job, all: Tally::default(), medians: BTreeMap::new(), done: 0 }
    }

    /// One repeat more.
    pub fn repeat(&mut self, layer: &dyn AnyLayer) {
        let tally = layer.threaded(&self.job, self.done);
        note_medians(&tally.measured(&about(&self.job)), &mut self.medians);
        self.all.merge(&tally);
        self.done += 1;
    }

    /// What all repeats come to; `clock`: what it costs to look at the clock.
    pub fn measured(&self, clock: ClockCost) -> Measured {
        let mut measured = self.all.measured(&about(&self.job));
        measured.clock_ns = Some(clock.reading_ns);
        measured.event_ns = Some(clock.event_ns);
        measured.medians.clone_from(&self.medians);
        measured
    }
}

fn about<'a>(job: &OnThreads<'a>) -> About<'a> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    About {
        world: "threads",
        subject: job.name,
        config: job.config,
        media: job.media.name(),
        costs: None,
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        seed: job.seed,
        starts_within_ns: None,
    }
}

/// The median of each figure that is compared, widened by that of one more repeat.
fn note_medians(measured: &Measured, medians: &mut BTreeMap<String, Range>) {
    let windows = measured.windows.iter().map(|w| (w.name.to_owned(), w.length.p50));
    let operation = ("operation".to_owned(), measured.cost.operation.p50);
    for (figure, median) in windows.chain([operation]) {
        let range = medians.entry(figure).or_insert(Range { low: median, high: median });
        (range.low, range.high) = (range.low.min(median), range.high.max(median));
    }
}
