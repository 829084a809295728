//! What one worker counts. Histograms have three digits from a nanosecond to a day; a longer time counts
//! as a day. Everything is made before the first request: counting allocates nothing.

use crate::job::{Job, Pace, Pattern, Until};
use crate::request::Op;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// The longest time that is told apart, in nanoseconds.
const DAY_NS: u64 = 86_400_000_000_000;
/// Into how many equal times the measured time is cut, to see its spread.
const SLICES: u64 = 20;

/// An empty histogram.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, DAY_NS, 3).expect("the bounds are constant and in order")
}

/// What is counted of one operation.
#[derive(Clone, Debug)]
pub struct OpTally {
    /// From when it was to begin until it was answered, in nanoseconds. In a closed loop a request is to
    /// begin when it begins.
    pub latency: Histogram<u64>,
    /// From when it began, in nanoseconds; kept in an open loop only.
    pub service: Option<Histogram<u64>>,
    /// Bytes transferred, zeroed or trimmed.
    pub bytes: u64,
}

/// What one worker counts.
#[derive(Clone, Debug)]
pub struct Tally {
    ops: [Option<Box<OpTally>>; 5],
    /// Failed requests, by operation and errno; errno 0 is a transfer that was cut short.
    pub errors: BTreeMap<(Op, i32), u64>,
    /// When measuring began.
    pub from_ns: u64,
    /// When the last that counts was answered.
    pub last_ns: u64,
    /// Arrivals of an open loop whose request had not begun when time was up.
    pub unserved: u64,
    /// Arrivals that began late although a slot was free: the generator's fault.
    pub late: u64,
    /// Requests in flight that were never answered.
    pub lost: u64,
    /// Answers in each slice of the measured time.
    pub slices: Vec<u64>,
    slice_ns: u64,
    slice_ends_ns: u64,
    in_slice: u64,
}

/// Operations that a job asks.
fn asked(job: &Job) -> [bool; 5] {
    let of = |op: Op| match job.pattern {
        Pattern::Read | Pattern::Randread => op == Op::Read,
        Pattern::Write | Pattern::Randwrite => op == Op::Write,
        Pattern::Rw | Pattern::Randrw => matches!(op, Op::Read | Op::Write),
        Pattern::Trim | Pattern::Randtrim => op == Op::Trim,
        Pattern::WriteZeroes | Pattern::RandwriteZeroes => op == Op::WriteZeroes,
        Pattern::Storm => op != Op::Flush,
    };
    Op::ALL.map(|op| of(op) || op == Op::Flush && job.fsync != 0)
}

impl Tally {
    /// Empty, for a job whose measured time begins at `from_ns`.
    pub(crate) fn new(job: &Job, from_ns: u64) -> Tally {
        let open = job.pace != Pace::Closed;
        let one = || OpTally { latency: histogram(), service: open.then(histogram), bytes: 0 };
        let slice_ns = match job.until {
            Until::Ns(ns) => (ns / SLICES).max(1),
            Until::Ios(_) => u64::MAX,
        };
        let slices = Vec::with_capacity(usize::try_from(SLICES).unwrap_or(0) + 1);
        Tally {
            ops: asked(job).map(|asked| asked.then(|| Box::new(one()))),
            errors: BTreeMap::new(),
            from_ns,
            last_ns: from_ns,
            unserved: 0,
            late: 0,
            lost: 0,
            slices,
            slice_ns,
            slice_ends_ns: from_ns.saturating_add(slice_ns),
            in_slice: 0,
        }
    }

    /// What is counted of an operation; none if it is not asked.
    pub fn op(&self, op: Op) -> Option<&OpTally> {
        self.ops[op.index()].as_deref()
    }

    /// Counts an answer.
    #[inline]
    pub(crate) fn answered(&mut self, op: Op, bytes: u32, latency_ns: u64, service_ns: u64) {
        if let Some(tally) = &mut self.ops[op.index()] {
            tally.latency.saturating_record(latency_ns);
            if let Some(service) = &mut tally.service {
                service.saturating_record(service_ns);
            }
            tally.bytes += u64::from(bytes);
            self.in_slice += 1;
        }
    }

    /// Counts a failure.
    #[cold]
    pub(crate) fn failed(&mut self, op: Op, errno: i32) {
        *self.errors.entry((op, errno)).or_insert(0) += 1;
    }

    /// Answers were counted at that time.
    #[inline]
    pub(crate) fn at(&mut self, now_ns: u64) {
        self.last_ns = self.last_ns.max(now_ns);
        while now_ns >= self.slice_ends_ns && self.slices.len() < self.slices.capacity() {
            self.slices.push(self.in_slice);
            self.in_slice = 0;
            self.slice_ends_ns = self.slice_ends_ns.saturating_add(self.slice_ns);
        }
    }

    /// Answers so far.
    pub fn ios(&self) -> u64 {
        self.ops.iter().flatten().map(|tally| tally.latency.len()).sum()
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.ops.iter().flatten().map(|tally| tally.bytes).sum()
    }

    /// The measured time, in nanoseconds.
    pub fn elapsed_ns(&self) -> u64 {
        self.last_ns.saturating_sub(self.from_ns)
    }

    /// Counts what another worker counted.
    pub fn merge(&mut self, other: &Tally) {
        for (mine, theirs) in self.ops.iter_mut().zip(&other.ops) {
            let (Some(mine), Some(theirs)) = (mine, theirs) else { continue };
            // Both have the same bounds, so that adding cannot fail.
            let _ = mine.latency.add(&theirs.latency);
            if let (Some(mine), Some(theirs)) = (&mut mine.service, &theirs.service) {
                let _ = mine.add(theirs);
            }
            mine.bytes += theirs.bytes;
        }
        for (key, n) in &other.errors {
            *self.errors.entry(*key).or_insert(0) += n;
        }
        self.from_ns = self.from_ns.min(other.from_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        self.unserved += other.unserved;
        self.late += other.late;
        self.lost += other.lost;
        let whole = self.slices.len().min(other.slices.len());
        self.slices.truncate(whole);
        self.slices.iter_mut().zip(&other.slices).for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_up_to_hours() {
        let mut tally = Tally::new(&Job::new(Pattern::Read, 4096, 1), 0);
        for ns in [1, 999, 1_234_567, 7_200_000_000_000, u64::MAX] {
            tally.answered(Op::Read, 4096, ns, ns);
        }
        let latency = &tally.op(Op::Read).unwrap().latency;
        assert_eq!((latency.len(), latency.min()), (5, 1));
        let hours = latency.value_at_quantile(0.8);
        assert!(hours.abs_diff(7_200_000_000_000) < 7_200_000_000, "{hours}");
        assert!(latency.max().abs_diff(DAY_NS) < DAY_NS / 1000);
        assert!(tally.op(Op::Write).is_none() && tally.op(Op::Flush).is_none());
    }

    #[test]
    fn workers_add_up() {
        let mut job = Job::new(Pattern::Randwrite, 4096, 1);
        (job.fsync, job.until) = (3, Until::Ns(2_000));
        let one = |n: u32| {
            let mut tally = Tally::new(&job, 100);
            (0..n).for_each(|_| tally.answered(Op::Write, 10, 5, 5));
            tally.failed(Op::Flush, 5);
            tally.at(350);
            tally
        };
        let mut sum = one(3);
        sum.merge(&one(4));
        assert_eq!((sum.ios(), sum.bytes(), sum.elapsed_ns()), (7, 70, 250));
        assert_eq!(sum.errors[&(Op::Flush, 5)], 2);
        assert_eq!(sum.slices, [7, 0]);
    }
}
