//! What a device is asked to be. Plain data.

use crate::Attributes;
use crate::prober::Prober;
use maprace_media::Profile;
use serde::{Deserialize, Serialize};

/// How a queue waits for the instant at which a request is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Waiting {
    /// In the kernel: late by what its timers are late by, and costs nothing.
    Sleep,
    /// In the kernel until a margin before, then in a loop that reads the clock.
    #[default]
    Hybrid,
    /// In a loop that reads the clock, as long as anything is in flight.
    Spin,
}

/// What this machine takes for a request that takes no time, measured when the device was added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Floor {
    /// A read of 4096 bytes at depth 1 with nothing to wait for: the 10th percentile, in ns.
    pub read_ns: u64,
    /// A write of 4096 bytes at depth 1 with nothing to wait for: the 10th percentile, in ns.
    pub write_ns: u64,
    /// What a read takes beyond the time it was told to wait, in ns: taken off every wait.
    pub credit_ns: u64,
}

/// The medium that requests wait for.
#[derive(Clone, Debug)]
pub struct Timing {
    /// As it says; none: requests wait for nothing.
    pub profile: Option<Profile>,
    /// Seeds its draws.
    pub seed: u64,
    /// The medium's time passes so many times slower: a power of two, 1 for as it is.
    pub dilate: u64,
}

/// Whether the kernel looks for a partition table when a device starts.
///
/// It looks while it holds the lock that every other command for the device needs, and reads through the
/// device: if the process dies at that moment, the device can neither be stopped nor deleted until the
/// machine starts anew (seen on 6.12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partitions {
    /// It does not: the threads of the queues ask for requests without `CAP_SYS_ADMIN`, and the driver
    /// has no table read by whom it does not trust. `partx` can still add partitions.
    #[default]
    Ignored,
    /// It does.
    Scanned,
}

/// A device.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number; none: the next free one.
    pub id: Option<u32>,
    /// Queues, each with a thread.
    pub queues: u16,
    /// Requests in flight of each queue, at most 1024.
    pub depth: u16,
    /// Bytes of the longest transfer: each tag has a buffer of that length.
    pub buffer_bytes: u32,
    /// What the block layer is told.
    pub attributes: Attributes,
    /// Whether the kernel keeps the device, with what is in flight, when the process dies
    /// (`UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE`).
    pub recoverable: bool,
    /// Whether its partitions are looked for.
    pub partitions: Partitions,
    /// How queues wait.
    pub waiting: Waiting,
    /// For what.
    pub timing: Timing,
    /// Known from an earlier run: not measured again.
    pub floor: Option<Floor>,
    /// What measures it otherwise.
    pub prober: Prober,
}
