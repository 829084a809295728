//! A run as one record, from which JSON, tables, fio's JSON and comparisons are made. What depends on the
//! machine even in virtual time stands in [`Machine`].

use crate::clock::Clock;
use crate::doubts::{Doubt, Grounds, trusted_to};
use crate::drive::Ending;
use crate::engine::EngineFacts;
use crate::job::{Job, Pace};
use crate::request::{Op, Request};
use crate::run::Finished;
use crate::verify::Mismatch;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What a record says it is.
pub const SCHEMA: &str = "maprace.load.run/1";

/// The percentiles that are told.
const PERCENTILES: [f64; 18] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95,
    99.99, 99.999,
];

/// A percentile.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Percentile {
    /// From 0 to 100.
    pub p: f64,
    /// So many percent took no longer, in nanoseconds.
    pub ns: u64,
}

/// A distribution of times, in nanoseconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LatencyRecord {
    /// How many.
    pub count: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: f64,
    /// The standard deviation.
    pub stddev_ns: f64,
    /// The longest.
    pub max_ns: u64,
    /// The highest percentile that ten of them lie beyond.
    pub trusted_to: f64,
    /// The percentiles.
    pub percentiles: Vec<Percentile>,
    /// All of it: times to three digits, and how many took that long.
    pub bins: Vec<(u64, u64)>,
}

impl LatencyRecord {
    fn of(histogram: &Histogram<u64>) -> LatencyRecord {
        let percentile = |p: f64| Percentile { p, ns: histogram.value_at_percentile(p) };
        let bins = histogram.iter_recorded();
        LatencyRecord {
            count: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            stddev_ns: histogram.stdev(),
            max_ns: histogram.max(),
            trusted_to: trusted_to(histogram.len()),
            percentiles: PERCENTILES.map(percentile).to_vec(),
            bins: bins.map(|bin| (bin.value_iterated_to(), bin.count_at_value())).collect(),
        }
    }

    /// One of the percentiles that are told; none if there is nothing.
    pub fn at(&self, p: f64) -> Option<u64> {
        let found = self.percentiles.iter().find(|one| one.p.total_cmp(&p).is_eq());
        found.filter(|_| self.count > 0).map(|one| one.ns)
    }
}

/// One operation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OpRecord {
    /// Which.
    pub op: Op,
    /// Requests answered.
    pub ios: u64,
    /// Bytes transferred, trimmed or zeroed.
    pub bytes: u64,
    /// Requests a second.
    pub iops: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// From the time a request was to begin, in an open loop its arrival, to its answer.
    pub latency: LatencyRecord,
    /// From when it began; of an open loop.
    pub service: Option<LatencyRecord>,
}

/// Failed requests of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// Which operation.
    pub op: Op,
    /// The errno; 0 is a transfer that was cut short.
    pub errno: i32,
    /// In words.
    pub says: String,
    /// How many.
    pub count: u64,
}

/// What verification found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VerifyRecord {
    /// Bytes of a block.
    pub unit: u32,
    /// Blocks that were compared with something known.
    pub checked: u64,
    /// Blocks that were wrong.
    pub wrong: u64,
    /// The first of them.
    pub mismatches: Vec<Mismatch>,
}

/// A doubt with its words.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DoubtRecord {
    /// Which.
    #[serde(flatten)]
    pub doubt: Doubt,
    /// What is doubted.
    pub says: String,
    /// What to do.
    pub advice: String,
}

impl From<Doubt> for DoubtRecord {
    fn from(doubt: Doubt) -> DoubtRecord {
        DoubtRecord { says: doubt.says(), advice: doubt.advice().to_owned(), doubt }
    }
}

/// What depends on the machine.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// What it calls itself.
    pub host: String,
    /// Processors that the process may use.
    pub processors: usize,
    /// User and system time of the process for each request, in nanoseconds.
    pub cpu_ns_per_io: f64,
    /// Its user time, in nanoseconds.
    pub user_ns: u64,
    /// Its system time. How the sum divides is known to the kernel's ticks only.
    pub system_ns: u64,
    /// Of each worker, the share of the measured time that its thread was on a processor.
    pub busy: Vec<f64>,
    /// The smallest step of the clock, in nanoseconds.
    pub clock_step_ns: u64,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// As its job says.
    Done,
    /// By request, early.
    Stopped,
    /// By a failure.
    Failed,
}

/// A run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What this is.
    pub schema: String,
    /// The target, as it was typed.
    pub target: String,
    /// What it was put through.
    pub engine: EngineFacts,
    /// `real` or `virtual`.
    pub clock: String,
    /// `closed`, or `open`: then latency counts from each request's arrival.
    pub pace: String,
    /// What was asked.
    pub job: Job,
    /// How it ended.
    pub ended: Ended,
    /// By what, if it failed.
    pub ended_by: Option<String>,
    /// The measured time, in nanoseconds.
    pub elapsed_ns: u64,
    /// Requests answered.
    pub ios: u64,
    /// Requests a second.
    pub iops: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Requests a second in each twentieth of the measured time; of a job that ends by time.
    pub slices: Vec<f64>,
    /// Each operation that was asked.
    pub ops: Vec<OpRecord>,
    /// Failed requests.
    pub errors: Vec<ErrorRecord>,
    /// Arrivals that had not begun when time was up.
    pub unserved: u64,
    /// Requests that were never answered.
    pub lost: u64,
    /// Which of them was waited for longest, and how long.
    pub lost_longest: Option<String>,
    /// What verification found.
    pub verify: Option<VerifyRecord>,
    /// What may be wrong with it.
    pub doubts: Vec<DoubtRecord>,
    /// What depends on the machine.
    pub machine: Option<Machine>,
}

/// What is known of a run beside what was counted.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The target, as it was typed.
    pub target: String,
    /// What the machine calls itself.
    pub host: String,
    /// Whether requests went through the page cache.
    pub is_cached: bool,
    /// Whether a file was read that nobody had written.
    pub is_unwritten: bool,
}

/// A number as a float; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "rates are told to fewer digits")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}

/// So many a second.
fn per_second(n: u64, ns: u64) -> f64 {
    if ns == 0 { 0.0 } else { float(n) * 1e9 / float(ns) }
}

/// Nanoseconds to three digits, with a unit.
pub fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (float(ns) / 1e3, "us"),
        1_000_000..1_000_000_000 => (float(ns) / 1e6, "ms"),
        _ => (float(ns) / 1e9, "s"),
    };
    match value {
        v if v < 10.0 => format!("{v:.2} {unit}"),
        v if v < 100.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

/// An errno in words.
pub fn errno_in_words(errno: i32) -> String {
    if errno == 0 {
        return "cut short".to_owned();
    }
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// What was asked.
fn in_words(request: &Request) -> String {
    format!("{} of {} at {}", request.op.name(), request.len, request.pos)
}

/// What ended a run, in words; none if it ended as its job says.
fn ended_by(ending: &Ending) -> (Ended, Option<String>) {
    match ending {
        Ending::Done => (Ended::Done, None),
        Ending::Stopped => (Ended::Stopped, None),
        Ending::Failed(request, errno) => {
            (Ended::Failed, Some(format!("{}: {}", in_words(request), errno_in_words(*errno))))
        }
        Ending::Gone(request, errno) => {
            let (what, says) = (in_words(request), errno_in_words(*errno));
            (Ended::Failed, Some(format!("{what}: {says}: the device has been deleted")))
        }
        Ending::Engine(error) => (Ended::Failed, Some(format!("io_uring_enter: {error}"))),
        Ending::AckLog(error) => {
            (Ended::Failed, Some(format!("the ack log cannot be written: {error}")))
        }
    }
}

impl Record {
    /// Of a run that has ended.
    pub fn of(finished: &Finished, seen: &Seen) -> Record {
        let Finished { job, tally, facts, .. } = finished;
        let elapsed_ns = tally.elapsed_ns();
        let ops: Vec<OpRecord> =
            Op::ALL.into_iter().filter_map(|op| op_record(finished, op)).collect();
        let (ended, ended_by) = ended_by(&finished.ending);
        let main = ops.iter().filter(|op| op.op != Op::Flush);
        let (ios, bytes) = main.fold((0, 0), |(ios, bytes), op| (ios + op.ios, bytes + op.bytes));
        let machine = machine(finished, seen, tally.ios());
        let iops = per_second(ios, elapsed_ns);
        let grounds = Grounds {
            job,
            ops: &ops,
            busy: finished.busy.iter().copied().fold(0.0, f64::max),
            late: tally.late,
            unserved: tally.unserved,
            iops,
            floor_ns: facts.floor_ns,
            clock_step_ns: (!finished.is_virtual).then_some(machine.clock_step_ns),
            is_null: facts.name == "null",
            is_cached: seen.is_cached,
            is_unwritten: seen.is_unwritten,
            processors: machine.processors,
        };
        let doubts = grounds.doubts().into_iter().map(DoubtRecord::from).collect();
        Record {
            schema: SCHEMA.to_owned(),
            target: seen.target.clone(),
            engine: facts.clone(),
            clock: if finished.is_virtual { "virtual" } else { "real" }.to_owned(),
            pace: if job.pace == Pace::Closed { "closed" } else { "open" }.to_owned(),
            job: job.clone(),
            ended,
            ended_by,
            elapsed_ns,
            ios,
            iops,
            bytes_per_second: per_second(bytes, elapsed_ns),
            slices: slices(finished),
            ops,
            errors: errors(finished),
            unserved: tally.unserved,
            lost: tally.lost,
            lost_longest: finished
                .waited
                .map(|one| format!("{}, for {}", in_words(&one.request), time(one.ns))),
            verify: job.verify.then(|| VerifyRecord {
                unit: job.unit(),
                checked: finished.checked,
                wrong: finished.wrong,
                mismatches: finished.mismatches.clone(),
            }),
            doubts,
            machine: Some(machine),
        }
    }

    /// What one operation came to.
    pub fn op(&self, op: Op) -> Option<&OpRecord> {
        self.ops.iter().find(|one| one.op == op)
    }
}

fn op_record(finished: &Finished, op: Op) -> Option<OpRecord> {
    let tally = finished.tally.op(op)?;
    let (ios, elapsed_ns) = (tally.latency.len(), finished.tally.elapsed_ns());
    Some(OpRecord {
        op,
        ios,
        bytes: tally.bytes,
        iops: per_second(ios, elapsed_ns),
        bytes_per_second: per_second(tally.bytes, elapsed_ns),
        latency: LatencyRecord::of(&tally.latency),
        service: tally.service.as_ref().map(LatencyRecord::of),
    })
}

fn slices(finished: &Finished) -> Vec<f64> {
    let crate::job::Until::Ns(ns) = finished.job.until else { return Vec::new() };
    finished.tally.slices.iter().map(|ios| per_second(*ios, ns / 20)).collect()
}

fn errors(finished: &Finished) -> Vec<ErrorRecord> {
    let record = |(&(op, errno), &count): (&(Op, i32), &u64)| {
        let says = errno_in_words(errno);
        ErrorRecord { op, errno, says, count }
    };
    finished.tally.errors.iter().map(record).collect()
}

fn machine(finished: &Finished, seen: &Seen, ios: u64) -> Machine {
    let cpu = finished.cpu;
    let system_ns = cpu.system_ns().unwrap_or(0);
    Machine {
        host: seen.host.clone(),
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        cpu_ns_per_io: float(cpu.total_ns) / float(ios.max(1)),
        user_ns: cpu.total_ns - system_ns,
        system_ns,
        busy: finished.busy.clone(),
        clock_step_ns: Clock::new().step_ns(),
    }
}
