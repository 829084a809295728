//! A layer behind a pointer: what commands know by name, and can run in every world there is.
//!
//! The one place where the worlds are put side by side; each is a file of its own.

use crate::config::Config;
use crate::device_world::{self, OnDevice, RoundServer};
use crate::explore_world::{self, Storied};
use crate::measure::Tally;
use crate::plan::Plan;
use crate::served_world::{self, Served, ServedFile};
use crate::threads_world::{self, OnThreads};
use crate::virtual_world::{self, MakeCosts, Terms, Timed};
use crate::workload::Workload;
use maprace_fs::LayerKind;
use maprace_runtime::tasks::Tasks;
use maprace_runtime::threads::{Recorder, Threads};
use std::sync::Arc;

/// A layer that a command knows by name, in every world there is.
pub trait AnyLayer: Send + Sync {
    /// A program for the explorer.
    fn program(&self, plan: &Plan) -> Box<dyn Storied>;
    /// A plan on a virtual clock.
    fn timed(&self, plan: &Plan, terms: Terms, costs: MakeCosts<'_>) -> Box<dyn Timed>;
    /// A plan on the machine's threads: all rounds of one repeat.
    fn threaded(&self, job: &OnThreads<'_>, repeat: u32) -> Tally;
    /// A workload on a virtual clock; each round is an epoch.
    fn crowded(
        &self,
        workload: Workload,
        config: &Config,
        terms: Terms,
        costs: MakeCosts<'_>,
    ) -> Box<dyn Timed>;
    /// A file with real bytes, for whoever brings requests.
    fn serve(&self, file: &ServedFile) -> Arc<dyn Served>;
    /// A plan whose operations arrive as block requests, round after round.
    fn serve_rounds(&self, job: OnDevice) -> Arc<dyn RoundServer>;
}

impl<K: LayerKind + Clone + Send + Sync> AnyLayer for K
where
    K::In<Threads<Recorder>>: Send + Sync,
    K::In<Tasks>: Send + Sync,
{
    fn program(&self, plan: &Plan) -> Box<dyn Storied> {
        explore_world::program(self.clone(), plan)
    }

    fn timed(&self, plan: &Plan, terms: Terms, costs: MakeCosts<'_>) -> Box<dyn Timed> {
        virtual_world::timed_plan(self.clone(), plan, terms, costs)
    }

    fn threaded(&self, job: &OnThreads<'_>, repeat: u32) -> Tally {
        threads_world::run_rounds(self, job, repeat)
    }

    fn crowded(
        &self,
        workload: Workload,
        config: &Config,
        terms: Terms,
        costs: MakeCosts<'_>,
    ) -> Box<dyn Timed> {
        virtual_world::timed_workload(self.clone(), workload, config, terms, costs)
    }

    fn serve(&self, file: &ServedFile) -> Arc<dyn Served> {
        served_world::serve(self, file)
    }

    fn serve_rounds(&self, job: OnDevice) -> Arc<dyn RoundServer> {
        device_world::round_server(self.clone(), job)
    }
}
