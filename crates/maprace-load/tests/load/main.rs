//! Whole loads: on devices in this process in virtual time, where every figure is exact and every fault is
//! planted, and on files through the kernel.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to end")]

mod answers;
mod devices;
mod files;
mod keeps;
mod pace;
mod verify;

use maprace_load::{Finished, Job, Progress, RunSpec, Watch, run_in_process};
use std::sync::atomic::AtomicBool;

/// What ends a run early; workers may outlive a test.
fn flag() -> &'static AtomicBool {
    Box::leak(Box::new(AtomicBool::new(false)))
}

/// A test that cannot run here says so.
#[expect(clippy::print_stderr, reason = "whoever reads the tests' output is to see it")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Runs a job on a device in virtual time.
fn run(job: &Job, device: impl maprace_load::Device) -> Finished {
    run_as(job, device, &RunSpec::new())
}

/// The same with an id or a log.
fn run_as(job: &Job, device: impl maprace_load::Device, spec: &RunSpec) -> Finished {
    let stop = flag();
    let tell = |_: Progress| ();
    run_in_process(job, device, spec, Watch { stop, tell: &tell }).expect("the job is sound")
}
