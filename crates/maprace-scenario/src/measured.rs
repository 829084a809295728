//! What a measurement comes to: one record for virtual time and for threads.
//!
//! From it come the JSON, the tables, the CSV and the report. Times are nanoseconds, footprints blocks.
//! In virtual time everything is the same bytes for the same seed; on threads everything depends on the
//! machine, so a record of threads stands under `machine` wherever it is shown. `docs/METRICS.md`
//! defines every figure. Nothing is measured here.

use crate::knobs::KnobValues;
use maprace_fs::window::WindowKind;
use maprace_fs::{Cookie, Order};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The name and version of the format of [`Measured`] as JSON.
pub const SCHEMA_MEASURED: &str = "maprace.measured/1";

/// One of the words that a record has: a field of this type is looked up when it is read, not borrowed.
pub type Word = &'static str;

/// Reads one of them.
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(from)?;
    let windows = WindowKind::ALL.iter().flat_map(|kind| [kind.name(), kind.what()]);
    let orders = Order::ALL.iter().map(|order| order.name());
    let cookies = Cookie::ALL.iter().map(|cookie| cookie.name());
    let mut words = windows.chain(orders).chain(cookies).chain([
        SCHEMA_MEASURED,
        "virtual",
        "threads",
        "device",
    ]);
    let unknown = || serde::de::Error::custom(format!("{text} is no word of a measurement"));
    words.find(|word| *word == text).ok_or_else(unknown)
}

fn known_cookie<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'static str>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.and_then(|text| Cookie::from_name(&text)).map(Cookie::name))
}

/// A distribution.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    /// How many values.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The greatest.
    pub max: u64,
    /// The mean.
    pub mean: f64,
    /// Values and how often each occurred, ascending; three digits.
    pub buckets: Vec<(u64, u64)>,
}

/// An estimate with its 95 % confidence interval.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// From the least to the greatest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    pub low: u64,
    /// The greatest.
    pub high: u64,
}

impl Range {
    /// Whether no value can be in both: only then is a difference shown.
    pub fn is_apart_from(&self, other: &Range) -> bool {
        self.high < other.low || other.high < self.low
    }
}

/// What was seen of one kind of window.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WindowSeen {
    /// `W1` to `W6`.
    #[serde(deserialize_with = "known")]
    pub name: Word,
    /// From what to what, in a line.
    #[serde(deserialize_with = "known")]
    pub what: Word,
    /// How long it was open, in nanoseconds.
    pub length: Spread,
    /// The blocks at risk in one, in blocks.
    pub footprint: Spread,
    /// How many were hit: a conflicting change landed in them.
    pub hits: u64,
    /// How many of those a second look or a cookie noticed.
    pub catches: u64,
    /// Hits per million operations.
    pub hits_per_million: Estimate,
    /// The share of the run's time in which at least one was open, 0 to 1.
    pub exposed: f64,
}

/// What an operation pays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Paid {
    /// Operations that ended.
    pub operations: u64,
    /// Bytes written by them.
    pub bytes_written: u64,
    /// From the first start to the last end, summed over rounds, in nanoseconds.
    pub run_ns: u64,
    /// Operations per second of that time.
    pub operations_per_second: f64,
    /// From the begin of an operation to its end, in nanoseconds.
    pub operation: Spread,
    /// Look-ups of the layer's status tree and of what is behind it, per operation.
    pub lookups_per_operation: f64,
    /// The same per MiB written; 0 where nothing is.
    pub lookups_per_mib: f64,
    /// The share of look-ups that found something, 0 to 1.
    pub lookups_hit: f64,
    /// Acquisitions of each lock, shared or exclusive, per MiB written; per operation where nothing is.
    pub acquisitions: BTreeMap<String, f64>,
    /// Acquisitions of the layer's lock, in the same unit.
    pub lock_acquisitions: f64,
    /// How long the layer's lock was held exclusively each time, in nanoseconds.
    pub exclusive_hold: Spread,
    /// The same, summed, as a share of the time, 0 to 1.
    pub exclusive_share: f64,
    /// How long those who wanted the layer's lock waited for it, in nanoseconds.
    pub lock_wait: Spread,
}

/// A measurement of one scenario or workload in one configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// [`SCHEMA_MEASURED`].
    #[serde(deserialize_with = "known")]
    pub schema: Word,
    /// `virtual`, `threads` or `device`.
    #[serde(deserialize_with = "known")]
    pub world: Word,
    /// The scenario's name, or the workload as it was typed.
    pub subject: String,
    /// The layer's name.
    pub layer: String,
    /// The preset's name.
    pub protocol: String,
    /// The order of buffered writes.
    #[serde(deserialize_with = "known")]
    pub order: Word,
    /// `off`, `late`, `on`; `None` where the order has no cookies.
    #[serde(deserialize_with = "known_cookie")]
    pub cookie: Option<Word>,
    /// Every knob with the value in force.
    pub knobs: KnobValues,
    /// Whether no kernel ever had these knobs.
    pub counterfactual: bool,
    /// The medium's profile; `instant` for one that takes no time.
    pub media: String,
    /// The table of costs, and what its numbers are good for; `None` on threads.
    pub costs: Option<String>,
    /// Processors; on threads, how many the process may use.
    pub cpus: u32,
    /// Where draws began.
    pub seed: u64,
    /// Each task starts at a time drawn evenly from 0 to so many nanoseconds; `None`: at fixed times, or
    /// on threads when it comes.
    pub starts_within_ns: Option<u64>,
    /// How often it was run from the start.
    pub rounds: u64,
    /// Rounds in which a checker failed.
    pub damaged: u64,
    /// The same as a share of rounds.
    pub damage: Estimate,
    /// The checkers that failed, and in how many rounds.
    pub checkers: BTreeMap<String, u64>,
    /// Rounds that ended with tasks that wait for ever or past the limit of steps.
    pub stuck: u64,
    /// Each kind of window that was open at least once.
    pub windows: Vec<WindowSeen>,
    /// What it costs.
    pub cost: Paid,
    /// Steps in virtual time; 0 on threads.
    pub steps: u64,
    /// On threads: what one reading of the clock costs, in nanoseconds.
    pub clock_ns: Option<f64>,
    /// On threads: what one recorded event costs, in nanoseconds; a window holds a few.
    pub event_ns: Option<f64>,
    /// On threads: the least and the greatest median over repeats, of each kind of window and of
    /// `operation`, in nanoseconds.
    pub medians: BTreeMap<String, Range>,
}

impl Measured {
    /// The window of that name, if it was ever open.
    pub fn window(&self, name: &str) -> Option<&WindowSeen> {
        self.windows.iter().find(|window| window.name == name)
    }
}

/// One value of what is swept, and what was measured there.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SweepPoint {
    /// The value, as a number.
    pub x: f64,
    /// The value, as it was typed.
    pub typed: String,
    /// One for each configuration.
    pub measured: Vec<Measured>,
}

/// A sweep over one setting.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Sweep {
    /// `folios`, `folio-size`, `cpus`, `latency` or `offset`.
    pub key: String,
    /// What its numbers count.
    pub unit: &'static str,
    /// Ascending.
    pub points: Vec<SweepPoint>,
    /// Whether it was ended before its last value.
    pub cut: bool,
}
