//! The device world: a scenario whose operations arrive as requests of a block device.
//!
//! A device is a row of places. In each lies one file in the state that the scenario begins with, and each
//! is used for one round. A task has a queue of the device, and the queue a thread, on which the task's
//! operations run to their end, with the runtime of the threads world. Which operation a request is, is
//! known from the scenario, since a task's requests come one after the other; one that is not the next is
//! answered, counted, and changes nothing ([`Arrival::Stray`]).
//!
//! Here is what both ends share: how operations are expressed ([`express`]), the side of the server
//! ([`RoundServer`]), when requests are sent ([`Skews`]), the record. Not here: the ring that brings the
//! requests, and what a block device is.

mod express;
mod record;
mod serve;
mod skew;

pub use express::{
    BLOCK_REQUEST_MOST, BlockKind, BlockRequest, Expressed, ExpressedTask, NotExpressed, express,
};
pub use record::{
    Apart, DamagedRound, DeviceVerdict, Finding, Offsets, RoundSeen, SCHEMA_DEVICE, TaskSeen,
    device_verdict,
};
pub(crate) use serve::round_server;
pub use serve::{Arrival, RoundServer};
pub use skew::{Draw, Skews};

use crate::config::Config;
use crate::plan::Plan;
use crate::virtual_world::Media;

/// Rounds that a device has places for: so many are run between two looks of the checkers.
pub const BATCH: u32 = 64;

/// A scenario that is served in rounds.
#[derive(Clone, Debug)]
pub struct OnDevice {
    /// What is run.
    pub plan: Plan,
    /// How its operations are expressed.
    pub expressed: Expressed,
    /// What it is called.
    pub name: String,
    /// In which configuration.
    pub config: Config,
    /// The medium.
    pub media: Media,
    /// The seed of the medium's draws.
    pub seed: u64,
}
