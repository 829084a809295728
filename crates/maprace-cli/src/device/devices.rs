//! What `device` asks of the kernel, as a trait: so that everything around it (daemon, registry, time
//! limits, cleaning up) is tested with real processes on machines without the driver.
//!
//! The real one is `kernel`; tests bring one of their own.

use maprace_media::faults::Fault;
use maprace_ublk::device::{self, Step};
use maprace_ublk::{Backend, Floor, Plan, Stats, Timing};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use maprace_ublk::device::Facts;

/// Who is told how far an add has come: the step, and the device's number once it is known.
pub type Told<'a> = &'a mut dyn FnMut(Step, Option<u32>);

/// The kernel's devices.
pub trait Devices: Debug + Send + Sync {
    /// Adds a device; it can be opened when this returns.
    ///
    /// # Errors
    /// Nothing of it is left then.
    fn add(
        &self,
        plan: Plan,
        backend: Arc<dyn Backend>,
        told: Told<'_>,
    ) -> Result<Box<dyn Device>, device::Error>;

    /// Goes on with a device whose process has died.
    ///
    /// # Errors
    /// The device stays as it is then.
    fn recover(
        &self,
        plan: Plan,
        backend: Arc<dyn Backend>,
        told: Told<'_>,
    ) -> Result<Box<dyn Device>, device::Error>;

    /// The devices that the kernel has, whoever's they are.
    ///
    /// # Errors
    /// It cannot be asked.
    fn all(&self) -> Result<Vec<KernelDevice>, device::Error>;

    /// Stops a device and deletes it.
    ///
    /// # Errors
    /// It did not go within the limit.
    fn remove(&self, id: u32, limit: Duration) -> Result<(), device::Error>;

    /// What the driver can do.
    ///
    /// # Errors
    /// It cannot be asked.
    fn features(&self) -> Result<Features, device::Error>;

    /// What is in the way of having devices, and what is not.
    fn doctor(&self) -> Vec<Finding>;

    /// Called once by a daemon, early and with one thread: lets go of mounts that its own device may lie
    /// under, but not of those that hold these paths.
    fn isolate(&self, _keep: &[&Path]) {}
}

/// A device that this process serves.
pub trait Device: Debug + Send {
    /// What the kernel made of the plan.
    fn facts(&self) -> Facts;
    /// A snapshot of what it has counted.
    ///
    /// # Errors
    /// A queue did not answer.
    fn stats(&self) -> Result<Stats, device::Error>;
    /// Changes the medium.
    ///
    /// # Errors
    /// A queue did not answer, or the medium cannot be shared by so many.
    fn set_timing(&self, timing: &Timing) -> Result<(), device::Error>;
    /// Replaces the faults.
    ///
    /// # Errors
    /// A queue did not answer.
    fn set_faults(&self, faults: Vec<Fault>) -> Result<(), device::Error>;
    /// Requests that touch these bytes from now on are not answered.
    ///
    /// # Errors
    /// A queue did not answer.
    fn stick(&self, from: u64, end: u64) -> Result<(), device::Error>;
    /// Answers what is stuck, and sticks no more; how many there were.
    ///
    /// # Errors
    /// A queue did not answer.
    fn release(&self) -> Result<u64, device::Error>;
    /// Whether somebody else has deleted it.
    fn is_gone(&self) -> bool;
    /// Why it cannot be served any more, if something of this process failed.
    fn failure(&self) -> Option<String> {
        None
    }
    /// Stops and deletes it.
    ///
    /// # Errors
    /// It did not go in time.
    fn stop(self: Box<Self>) -> Result<Stats, device::Error>;
}

/// A device as the kernel tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KernelDevice {
    /// Its number.
    pub id: u32,
    /// The kernel's word: `DEAD`, `LIVE`, `QUIESCED`, `FAIL_IO`.
    pub state: String,
    /// Who serves it, or did; none before it was started.
    pub pid: Option<u32>,
}

/// What the driver can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Features {
    /// As a number.
    pub bits: u64,
    /// By the names of `UBLK_F_`.
    pub names: Vec<String>,
    /// What this program has no name for.
    pub unknown: u64,
}

/// What a look at the machine found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it is well.
    pub state: Health,
    /// What is wrong, or what there is.
    pub cause: String,
    /// What to do; empty if it is well.
    pub advice: String,
}

/// Whether something is well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It is.
    Ok,
    /// Devices can be had, but something is missing.
    Warn,
    /// Devices cannot be had.
    Bad,
}

/// A step's name.
pub(crate) fn step_name(step: Step) -> &'static str {
    match step {
        Step::Added => "added",
        Step::Fetching => "fetching",
        Step::Started => "started",
        Step::Calibrated => "calibrated",
        Step::Usable => "usable",
    }
}

/// The floor of a device that was added.
pub(crate) fn floor_of(facts: Option<&Facts>) -> Floor {
    facts.map_or_else(Floor::default, |facts| facts.floor)
}
