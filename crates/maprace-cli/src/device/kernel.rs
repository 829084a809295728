//! The kernel's devices, as `maprace-ublk` gives them.

use super::devices::{Device, Devices, Facts, Features, Finding, Health, KernelDevice, Told};
use maprace_media::faults::Fault;
use maprace_ublk::device::{self, Error, Running};
use maprace_ublk::{Backend, Plan, Stats, Timing, doctor};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The kernel of this machine.
#[derive(Debug)]
pub(crate) struct Kernel;

impl Devices for Kernel {
    fn add(
        &self,
        plan: Plan,
        backend: Arc<dyn Backend>,
        told: Told<'_>,
    ) -> Result<Box<dyn Device>, Error> {
        Ok(Box::new(device::add(plan, backend, told)?))
    }

    fn recover(
        &self,
        plan: Plan,
        backend: Arc<dyn Backend>,
        told: Told<'_>,
    ) -> Result<Box<dyn Device>, Error> {
        Ok(Box::new(device::recover(plan, backend, told)?))
    }

    fn all(&self) -> Result<Vec<KernelDevice>, Error> {
        let device = |found: doctor::KernelDevice| KernelDevice {
            id: found.id,
            state: found.state,
            pid: found.pid,
        };
        Ok(doctor::devices()?.into_iter().map(device).collect())
    }

    fn remove(&self, id: u32, limit: Duration) -> Result<(), Error> {
        doctor::remove(id, limit)
    }

    fn features(&self) -> Result<Features, Error> {
        let doctor::Features { bits, names, unknown } = doctor::features()?;
        Ok(Features { bits, names, unknown })
    }

    fn doctor(&self) -> Vec<Finding> {
        let finding = |found: doctor::Finding| Finding {
            what: found.what,
            state: match found.state {
                doctor::State::Ok => Health::Ok,
                doctor::State::Warn => Health::Warn,
                doctor::State::Bad => Health::Bad,
            },
            cause: found.cause,
            advice: found.advice,
        };
        doctor::check().into_iter().map(finding).collect()
    }

    fn isolate(&self, keep: &[&Path]) {
        // Without it a file system on the device may hold its own process up at its end; it works.
        let _ = device::private_mounts(keep);
    }
}

impl Device for Running {
    fn facts(&self) -> Facts {
        self.facts().clone()
    }

    fn stats(&self) -> Result<Stats, Error> {
        self.stats()
    }

    fn set_timing(&self, timing: &Timing) -> Result<(), Error> {
        self.set_timing(timing)
    }

    fn set_faults(&self, faults: Vec<Fault>) -> Result<(), Error> {
        self.set_faults(faults)
    }

    fn stick(&self, from: u64, end: u64) -> Result<(), Error> {
        self.stick(from, end)
    }

    fn release(&self) -> Result<u64, Error> {
        self.release()
    }

    fn is_gone(&self) -> bool {
        self.is_gone()
    }

    fn failure(&self) -> Option<String> {
        self.failure()
    }

    fn stop(self: Box<Self>) -> Result<Stats, Error> {
        (*self).stop()
    }
}
