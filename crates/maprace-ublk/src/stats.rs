//! What a device counts: per operation and in all. One snapshot, from all queues.

use crate::Floor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Percentiles of a histogram, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Values.
    pub count: u64,
    /// The least.
    pub min_ns: u64,
    /// Half are at most this.
    pub p50_ns: u64,
    /// 90 %.
    pub p90_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p999_ns: u64,
    /// The greatest.
    pub max_ns: u64,
}

/// One operation's counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests answered.
    pub requests: u64,
    /// Bytes they moved or named.
    pub bytes: u64,
    /// Of them, answered with an error.
    pub errors: u64,
    /// From arrival to answer, as the server sees it.
    pub latency: Percentiles,
    /// How much later than due they were answered.
    pub lateness: Percentiles,
    /// Whose time lay below the floor: answered at once, and later than the medium would have.
    pub infeasible: u64,
}

/// A snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// By operation: `read`, `write`, `flush`, `discard`, `write_zeroes`.
    pub operations: BTreeMap<String, Counts>,
    /// Writes that came with FUA; also counted as writes.
    pub fua_writes: u64,
    /// In flight at the moment.
    pub in_flight: u64,
    /// Held back by a fault.
    pub stuck: u64,
    /// What this machine takes at least.
    pub floor: Floor,
    /// How many times slower the medium's time passes.
    pub dilate: u64,
    /// Bytes that the backend really keeps.
    pub kept_bytes: u64,
    /// The backend's remarks.
    pub remarks: Vec<String>,
}
