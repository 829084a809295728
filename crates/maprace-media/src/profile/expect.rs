//! What a profile expects of its own model: the figures it was made after.

use crate::params::Pattern;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The median latency in microseconds.
    P50Us,
    /// The latency in microseconds that 99 of 100 requests do not exceed.
    P99Us,
    /// Thousands of requests a second.
    Kiops,
    /// 2^20 bytes a second.
    MibS,
    /// 10^6 bytes a second.
    MbS,
}

impl Measure {
    const ALL: [(&'static str, Measure); 5] = [
        ("p50_us", Measure::P50Us),
        ("p99_us", Measure::P99Us),
        ("kiops", Measure::Kiops),
        ("mib_s", Measure::MibS),
        ("mb_s", Measure::MbS),
    ];

    /// The name it has in a profile.
    pub fn name(self) -> &'static str {
        Measure::ALL.iter().find(|(_, measure)| *measure == self).map_or("", |(name, _)| name)
    }

    pub(super) fn from_name(name: &str) -> Option<Measure> {
        Measure::ALL.iter().find(|(known, _)| *known == name).map(|(_, measure)| *measure)
    }

    /// Whether it is a latency, and not a rate.
    pub fn is_latency(self) -> bool {
        matches!(self, Measure::P50Us | Measure::P99Us)
    }
}

/// What each thread of a load does, over and over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A read.
    Read,
    /// A write.
    Write,
    /// A write, then a flush; the latency is that of both.
    #[serde(rename = "write-flush")]
    WriteThenFlush,
}

impl Work {
    /// The name it has in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Work::Read => "read",
            Work::Write => "write",
            Work::WriteThenFlush => "write-flush",
        }
    }
}

/// How well a figure is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// Read in raw data, in source code, or in the vendor's own document.
    Primary,
    /// Read in a review, an abstract, a product guide of another vendor.
    Secondary,
    /// Computed from such figures.
    Derived,
    /// Remembered, not found again: shown, and never asserted.
    Memory,
}

impl Known {
    /// The name it has in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Known::Primary => "primary",
            Known::Secondary => "secondary",
            Known::Derived => "derived",
            Known::Memory => "memory",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Known> {
        let all = [Known::Primary, Known::Secondary, Known::Derived, Known::Memory];
        all.into_iter().find(|known| known.name() == name)
    }

    /// Whether a model that misses the figure fails.
    pub fn is_asserted(self) -> bool {
        self != Known::Memory
    }
}

/// A figure, or the two between which it lies, in the unit of the measure.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Target {
    /// The lower end.
    pub lo: f64,
    /// The upper end, at least the lower.
    pub hi: f64,
}

impl Target {
    /// How far a value is off, as a share of the nearer end; 0 between the ends.
    pub fn error(self, value: f64) -> f64 {
        let near = value.clamp(self.lo, self.hi);
        if near == value {
            0.0
        } else if near == 0.0 {
            f64::INFINITY
        } else {
            value / near - 1.0
        }
    }
}

/// One `[[expect]]`: a figure, or one for each size or depth.
#[derive(Clone, PartialEq, Debug)]
pub struct Expect {
    /// What is measured.
    pub measure: Measure,
    /// Doing what.
    pub work: Work,
    /// Where.
    pub pattern: Pattern,
    /// Bytes of a request, from 1; one, or as many as targets.
    pub bytes: Vec<u64>,
    /// Threads that each have one request in flight, from 1; one, or as many as targets.
    pub depth: Vec<u64>,
    /// How long a thread waits after each request.
    pub pause_ns: u64,
    /// What is expected.
    pub targets: Vec<Target>,
    /// The error allowed, as a share.
    pub tol: f64,
    /// How well the figure is known.
    pub known: Known,
    /// Where it is from.
    pub source: String,
}

impl Expect {
    /// Bytes, depth and target of each row.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u64, Target)> {
        let nth = |list: &[u64], i: usize| list[if list.len() == 1 { 0 } else { i }];
        self.targets
            .iter()
            .enumerate()
            .map(move |(i, target)| (nth(&self.bytes, i), nth(&self.depth, i), *target))
    }
}
