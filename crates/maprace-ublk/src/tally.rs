//! What one queue counts while it runs, without a lock and without an allocation; [`Tally::stats`] makes
//! of it what is shown.
//!
//! A tally is handed over whole and a new one goes on, so that whoever asks pays for the sums.

use crate::{Counts, Floor, Op, Percentiles, Stats};
use hdrhistogram::Histogram;

/// Operations that are counted apart, by their name in [`Stats`].
const NAMES: [&str; 5] = ["read", "write", "flush", "discard", "write_zeroes"];

/// The longest time that is told apart from longer ones, in ns: 100 s.
const TIME_NS_MAX: u64 = 100_000_000_000;

/// The place of an operation among [`NAMES`].
fn place(op: Op) -> usize {
    match op {
        Op::Read => 0,
        Op::Write { .. } => 1,
        Op::Flush => 2,
        Op::Discard => 3,
        Op::WriteZeroes { .. } => 4,
    }
}

/// An answer, as it is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// What was asked.
    pub(crate) op: Op,
    /// Bytes that it moved or named.
    pub(crate) bytes: u64,
    /// Whether it failed.
    pub(crate) failed: bool,
    /// From arrival to answer.
    pub(crate) latency_ns: u64,
    /// From when it was due to the answer; none: it waited for nothing.
    pub(crate) late_ns: Option<u64>,
}

/// One operation.
#[derive(Debug)]
struct Row {
    requests: u64,
    bytes: u64,
    errors: u64,
    infeasible: u64,
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
}

impl Row {
    fn new() -> Row {
        Row { requests: 0, bytes: 0, errors: 0, infeasible: 0, latency: times(), lateness: times() }
    }

    fn add(&mut self, other: &Row) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.infeasible += other.infeasible;
        for (sum, part) in
            [(&mut self.latency, &other.latency), (&mut self.lateness, &other.lateness)]
        {
            // Most operations never come, and a histogram is large: its memory is not touched for nothing.
            if !part.is_empty() {
                sum.add(part).expect("both have the same bounds");
            }
        }
    }
}

fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TIME_NS_MAX, 3)
        .expect("the bounds are in order, 3 digits are allowed")
}

/// What is true at the moment, beside what is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Gauges {
    /// Requests that have arrived and are not answered.
    pub(crate) in_flight: u64,
    /// Of them, held back.
    pub(crate) stuck: u64,
    /// What this machine takes.
    pub(crate) floor: Floor,
    /// How many times slower the medium's time passes.
    pub(crate) dilate: u64,
}

/// One queue's counts.
#[derive(Debug)]
pub(crate) struct Tally {
    rows: [Row; 5],
    fua_writes: u64,
    /// As of when it was handed over.
    pub(crate) gauges: Gauges,
}

impl Tally {
    /// Nothing counted.
    pub(crate) fn new() -> Tally {
        Tally { rows: NAMES.map(|_| Row::new()), fua_writes: 0, gauges: Gauges::default() }
    }

    /// Counts an answer.
    pub(crate) fn count(&mut self, answered: Answered) {
        let row = &mut self.rows[place(answered.op)];
        row.requests += 1;
        row.bytes += answered.bytes;
        row.errors += u64::from(answered.failed);
        row.latency.saturating_record(answered.latency_ns);
        if let Some(late_ns) = answered.late_ns {
            row.lateness.saturating_record(late_ns);
        }
        self.fua_writes += u64::from(answered.op == Op::Write { fua: true });
    }

    /// Counts a request that cannot be answered when the medium would.
    pub(crate) fn count_infeasible(&mut self, op: Op) {
        self.rows[place(op)].infeasible += 1;
    }

    /// Adds what another has counted; what is true at the moment is what the other says.
    pub(crate) fn add(&mut self, other: &Tally) {
        for (sum, part) in self.rows.iter_mut().zip(&other.rows) {
            sum.add(part);
        }
        self.fua_writes += other.fua_writes;
        self.gauges = other.gauges;
    }

    /// As it is shown; what only the device knows is left empty.
    pub(crate) fn stats(&self) -> Stats {
        let counts = |row: &Row| Counts {
            requests: row.requests,
            bytes: row.bytes,
            errors: row.errors,
            latency: percentiles(&row.latency),
            lateness: percentiles(&row.lateness),
            infeasible: row.infeasible,
        };
        let rows = NAMES.iter().zip(&self.rows);
        Stats {
            operations: rows.map(|(name, row)| ((*name).to_owned(), counts(row))).collect(),
            fua_writes: self.fua_writes,
            in_flight: self.gauges.in_flight,
            stuck: self.gauges.stuck,
            floor: self.gauges.floor,
            dilate: self.gauges.dilate,
            ..Stats::default()
        }
    }
}

fn percentiles(times: &Histogram<u64>) -> Percentiles {
    if times.is_empty() {
        return Percentiles::default();
    }
    let at = |q| times.value_at_quantile(q).min(times.max());
    Percentiles {
        count: times.len(),
        min_ns: times.min(),
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        max_ns: times.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(op: Op, latency_ns: u64) -> Answered {
        Answered { op, bytes: 4096, failed: false, latency_ns, late_ns: Some(latency_ns / 100) }
    }

    #[test]
    fn the_sum_of_two_is_what_both_have_counted() {
        let (mut sum, mut other) = (Tally::new(), Tally::new());
        for i in 1..=50 {
            sum.count(answered(Op::Read, i * 1000));
            other.count(answered(Op::Read, (i + 50) * 1000));
        }
        other.count(Answered {
            failed: true,
            late_ns: None,
            ..answered(Op::Write { fua: true }, 7)
        });
        other.count_infeasible(Op::Flush);
        other.gauges = Gauges { in_flight: 3, dilate: 8, ..Gauges::default() };
        sum.add(&other);
        let stats = sum.stats();
        let read = &stats.operations["read"];
        assert_eq!((read.requests, read.bytes, read.errors), (100, 409_600, 0));
        assert_eq!((read.latency.count, read.latency.min_ns), (100, 1000));
        // Three digits.
        assert!(read.latency.p50_ns.abs_diff(50_000) <= 50, "{read:?}");
        assert!(read.latency.p99_ns.abs_diff(99_000) <= 99, "{read:?}");
        assert!(read.lateness.p50_ns.abs_diff(500) <= 1, "{read:?}");
        let write = &stats.operations["write"];
        assert_eq!((write.errors, write.lateness.count, stats.fua_writes), (1, 0, 1));
        assert_eq!(stats.operations["flush"].infeasible, 1);
        assert_eq!((stats.in_flight, stats.dilate), (3, 8));
    }

    #[test]
    fn a_time_beyond_all_bounds_is_the_longest() {
        let mut tally = Tally::new();
        tally.count(answered(Op::Discard, u64::MAX));
        tally.count(answered(Op::Discard, 0));
        let discard = &tally.stats().operations["discard"];
        assert!(discard.latency.max_ns >= TIME_NS_MAX, "{discard:?}");
        assert_eq!(discard.latency.min_ns, 0);
    }
}
