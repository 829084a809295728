//! What may be wrong with a measurement: a closed list, each with what to do about it. A figure is printed
//! whatever is doubted; the doubts stand beside it.

use crate::job::{Job, Pace};
use crate::record::{OpRecord, time};
use crate::request::Op;
use serde::{Deserialize, Serialize};

/// A doubt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// Two runs of one thing differ as much as two things do.
    NoiseAboveDifference {
        /// By how much the two things differ, as a share.
        difference: f64,
        /// By how much runs of one thing differ.
        noise: f64,
    },
    /// The thread that asks was the limit.
    GeneratorSaturated {
        /// The share of its time that the busiest thread was on a processor.
        busy: f64,
        /// The share of arrivals that began late for no fault of the target; of an open loop.
        late: f64,
    },
    /// The clock's step is no small part of what was measured.
    ClockCoarse {
        /// Its step in nanoseconds.
        step_ns: u64,
        /// The median latency.
        p50_ns: u64,
    },
    /// The target answers about as fast as the way to it allows.
    BelowFloor {
        /// The time there and back with nothing asked, in nanoseconds.
        floor_ns: u64,
        /// The median latency.
        p50_ns: u64,
    },
    /// The tail rests on too few requests.
    TooFewSamples {
        /// Of which operation.
        op: Op,
        /// How many there were.
        samples: u64,
        /// The highest percentile with ten requests beyond it.
        trusted_to: f64,
    },
    /// An open loop did not keep its rate.
    RateNotReached {
        /// Requests a second that were asked for.
        asked_iops: f64,
        /// That were answered.
        got_iops: f64,
        /// Arrivals that had not begun when time was up.
        unserved: u64,
    },
    /// Requests went through the page cache.
    PageCache,
    /// A file was read before anybody wrote it.
    NeverWritten,
    /// The process was not alone on its processors, or had fewer than workers.
    FewerProcessors {
        /// Workers.
        workers: u16,
        /// Processors.
        processors: usize,
    },
}

impl Doubt {
    /// What is doubted, in a sentence without its end.
    pub fn says(&self) -> String {
        match self {
            Doubt::NoiseAboveDifference { difference, noise } => format!(
                "the difference of {:.1} % is within the noise of {:.1} %",
                difference * 100.0,
                noise * 100.0
            ),
            Doubt::GeneratorSaturated { busy, late } if *late > 0.0 => format!(
                "the generator began {:.1} % of its arrivals late, {:.0} % busy",
                late * 100.0,
                busy * 100.0
            ),
            Doubt::GeneratorSaturated { busy, .. } => {
                format!("the generator's thread was {:.0} % busy", busy * 100.0)
            }
            Doubt::ClockCoarse { step_ns, p50_ns } => {
                format!("the clock steps by {} at a median of {}", time(*step_ns), time(*p50_ns))
            }
            Doubt::BelowFloor { floor_ns, p50_ns } => format!(
                "the median of {} is near the {} that the way there takes with nothing asked",
                time(*p50_ns),
                time(*floor_ns)
            ),
            Doubt::TooFewSamples { op, samples, trusted_to } => {
                format!("{samples} {} requests say nothing beyond p{trusted_to}", op.name())
            }
            Doubt::RateNotReached { asked_iops, got_iops, unserved } => format!(
                "asked for {asked_iops:.0} requests a second and got {got_iops:.0}; \
                 {unserved} had not begun when time was up"
            ),
            Doubt::PageCache => "requests went through the page cache".to_owned(),
            Doubt::NeverWritten => {
                "the file is new: what is read of it comes from no medium".to_owned()
            }
            Doubt::FewerProcessors { workers, processors } => {
                format!("{workers} workers share {processors} processors")
            }
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Doubt::NoiseAboveDifference { .. } => {
                "run longer and more often, alternately, on a quieter machine"
            }
            Doubt::GeneratorSaturated { .. } => {
                "add --numjobs, or pin it with --cpus_allowed away from the server"
            }
            Doubt::ClockCoarse { .. } => "look at rates, not at single latencies",
            Doubt::BelowFloor { .. } => {
                "this is the way and not the target: take media:PROFILE for its own latency"
            }
            Doubt::TooFewSamples { .. } => "run longer, or read no percentile above it",
            Doubt::RateNotReached { .. } => {
                "latency grows with the run: lower the rate, or add --iodepth"
            }
            Doubt::PageCache => "type --direct 1 to reach the device",
            Doubt::NeverWritten => "write it first, with the same size",
            Doubt::FewerProcessors { .. } => "lower --numjobs",
        }
    }
}

/// What doubts are drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds<'a> {
    pub(crate) job: &'a Job,
    pub(crate) ops: &'a [OpRecord],
    pub(crate) busy: f64,
    pub(crate) late: u64,
    pub(crate) unserved: u64,
    pub(crate) iops: f64,
    pub(crate) floor_ns: Option<u64>,
    /// None in virtual time, which is exact.
    pub(crate) clock_step_ns: Option<u64>,
    pub(crate) is_null: bool,
    pub(crate) is_cached: bool,
    pub(crate) is_unwritten: bool,
    pub(crate) processors: usize,
}

/// A median below so many times the floor or the clock's step is doubted.
const FLOORS: u64 = 2;
const STEPS: u64 = 20;

impl Grounds<'_> {
    /// The doubts, in the order of the list.
    pub(crate) fn doubts(&self) -> Vec<Doubt> {
        let is_real = self.clock_step_ns.is_some();
        let mut doubts = Vec::new();
        if is_real && !self.is_null {
            doubts.extend(self.saturated());
        }
        doubts.extend(self.medians());
        for op in self.ops.iter().filter(|op| op.op != Op::Flush) {
            let samples = op.latency.count;
            if samples < 10_000 {
                let trusted_to = trusted_to(samples);
                doubts.push(Doubt::TooFewSamples { op: op.op, samples, trusted_to });
            }
        }
        if let Pace::Open { rate_iops, .. } = self.job.pace {
            let asked_iops = rate_iops * f64::from(self.job.numjobs);
            let got_iops = self.iops;
            if self.unserved > 0 && got_iops < asked_iops * 0.99 {
                let unserved = self.unserved;
                doubts.push(Doubt::RateNotReached { asked_iops, got_iops, unserved });
            }
        }
        doubts.extend(self.is_cached.then_some(Doubt::PageCache));
        doubts.extend(self.is_unwritten.then_some(Doubt::NeverWritten));
        let (workers, processors) = (self.job.numjobs, self.processors);
        if is_real && usize::from(workers) > processors {
            doubts.push(Doubt::FewerProcessors { workers, processors });
        }
        doubts
    }

    fn saturated(&self) -> Option<Doubt> {
        let ios: u64 = self.ops.iter().map(|op| op.latency.count).sum();
        let late = share(self.late, ios);
        // An open loop looks at the clock while it waits, so that being busy says nothing.
        let is = match self.job.pace {
            Pace::Closed => self.busy > 0.95,
            Pace::Open { .. } => late > 0.01,
        };
        is.then_some(Doubt::GeneratorSaturated { busy: self.busy, late })
    }

    fn medians(&self) -> Vec<Doubt> {
        let main = self.ops.iter().filter(|op| op.op != Op::Flush && op.latency.count > 0);
        let Some(p50_ns) = main.filter_map(|op| op.latency.at(50.0)).min() else {
            return Vec::new();
        };
        let coarse = self.clock_step_ns.filter(|step| !self.is_null && p50_ns < STEPS * step);
        let below = self.floor_ns.filter(|floor| p50_ns < FLOORS * floor);
        let coarse = coarse.map(|step_ns| Doubt::ClockCoarse { step_ns, p50_ns });
        let below = below.map(|floor_ns| Doubt::BelowFloor { floor_ns, p50_ns });
        coarse.into_iter().chain(below).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is looked at to three digits")]
fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

/// The highest percentile that ten of so many samples lie beyond.
pub(crate) fn trusted_to(samples: u64) -> f64 {
    match samples {
        0..20 => 0.0,
        20..100 => 50.0,
        100..1_000 => 90.0,
        1_000..10_000 => 99.0,
        10_000..100_000 => 99.9,
        100_000..1_000_000 => 99.99,
        _ => 99.999,
    }
}
