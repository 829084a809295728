//! A device that serves a scenario's rounds, from the side of who runs them: it comes, is asked, goes.

use super::add::{Wanted, bring_up};
use super::clock::Deadline;
use super::control::{self, Reply, Request};
use super::daemon::Host;
use super::entry::Entry;
use super::gc;
use super::page;
use super::rounds_backend::{RoundsAsked, RoundsReply, RoundsSum};
use super::spec::{FsSpec, MediaSpec, RoundsSpec, Spec};
use super::start::Interrupted;
use crate::answer::Context;
use crate::device_world::OnDevice;
use crate::failure::Failure;
use maprace_scenario::device_world::{BATCH, Expressed, RoundSeen};
use std::cell::Cell;
use std::time::Duration;

/// How long a device may take to come, and to go.
const LIMIT: Duration = Duration::from_secs(60);

/// How long the server may take for what happens after a batch's rounds.
const AFTER: Duration = Duration::from_secs(300);

/// A device that serves a scenario. Dropped, it is deleted.
pub(crate) struct RoundsDevice<'a> {
    host: Host<'a>,
    entry: Entry,
    is_gone: Cell<bool>,
}

/// What keeps a device from being had.
fn none(error: impl std::fmt::Display) -> Failure {
    Failure::NoDevice(format!("world device: {error}"))
}

/// What keeps rounds on a device from being run.
pub(crate) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Device(format!("world device: {error}"))
}

impl<'a> RoundsDevice<'a> {
    /// Adds it.
    pub(crate) fn bring_up(
        context: &Context<'a>,
        job: &OnDevice<'_>,
        expressed: &Expressed,
    ) -> Result<RoundsDevice<'a>, Failure> {
        let tasks = expressed.tasks.len();
        let own = std::thread::available_parallelism().map_or(1, usize::from);
        if tasks > own {
            return Err(none(too_few(tasks, own)));
        }
        let rounds = RoundsSpec {
            fs: FsSpec::of(job.config),
            scenario: job.subject.scenario.to_toml(),
            media: MediaSpec::from(job.media),
            seed: job.seed,
        };
        let queues = u16::try_from(tasks).unwrap_or(u16::MAX);
        let spec = Spec::of_rounds(rounds, queues, expressed.size(BATCH), expressed.most_data());
        let host = super::host(context, true).map_err(none)?;
        host.devices.features().map_err(|error| {
            none(format_args!("{error}; `cargo xtask lab run` has a kernel with it"))
        })?;
        let wanted = Wanted { spec, id: None, command: context.terminal.typed.clone() };
        let entry = bring_up(&host, &wanted, Deadline::after(LIMIT), &Interrupted::Search);
        let entry = entry.map_err(none)?;
        Ok(RoundsDevice { host, entry, is_gone: Cell::new(false) })
    }

    /// Where it is.
    pub(crate) fn block_device(&self) -> String {
        page::name(&self.entry)
    }

    /// What its process says.
    pub(crate) fn log(&self) -> String {
        self.host.registry.log(self.entry.spec.id).display().to_string()
    }

    fn ask(&self, asked: RoundsAsked) -> Result<RoundsReply, Failure> {
        let socket = self.host.registry.socket(self.entry.spec.id);
        match control::ask_within(&socket, &Request::Rounds(asked), AFTER).map_err(failed)? {
            Reply::Rounds(reply) => Ok(reply),
            _ => Err(failed("the device's process answered something else")),
        }
    }

    /// Files for so many rounds.
    pub(crate) fn begin(&self, count: u32) -> Result<(), Failure> {
        self.ask(RoundsAsked::Begin(count)).map(drop)
    }

    /// The rounds have ended: what was seen of them.
    pub(crate) fn ended(&self) -> Result<Vec<RoundSeen>, Failure> {
        match self.ask(RoundsAsked::End)? {
            RoundsReply::Ended(rounds) => Ok(rounds),
            _ => Err(failed("the device's process answered something else")),
        }
    }

    /// What all came to.
    pub(crate) fn sum(&self) -> Result<RoundsSum, Failure> {
        match self.ask(RoundsAsked::Sum)? {
            RoundsReply::Sum(sum) => Ok(*sum),
            _ => Err(failed("the device's process answered something else")),
        }
    }

    /// Deletes it.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        let deadline = Deadline::after(LIMIT);
        let _lock = self.host.registry.lock(deadline)?;
        gc::delete(&self.host, self.entry.spec.id, deadline)?;
        self.is_gone.set(true);
        Ok(())
    }
}

impl Drop for RoundsDevice<'_> {
    fn drop(&mut self) {
        if !self.is_gone.get() {
            // Why it is dropped is what is told; `gc` finds a device that did not go.
            let _ = self.end();
        }
    }
}

fn too_few(tasks: usize, own: usize) -> String {
    format!(
        "{tasks} tasks need {tasks} queues, and a device has no more of them than there are processors, \
         {own} here: take a scenario with fewer tasks, or a machine with more"
    )
}

/// The processor of each queue: the first of those that the kernel gives it and this process may use.
pub(crate) fn processors(block_device: &str, queues: usize) -> Result<Vec<u32>, Failure> {
    let name = block_device.trim_start_matches("/dev/");
    let own = rustix::thread::sched_getaffinity(None).unwrap_or_default();
    let may_use = |cpu: u32| usize::try_from(cpu).is_ok_and(|cpu| own.is_set(cpu));
    let one = |queue: usize| {
        let path = format!("/sys/block/{name}/mq/{queue}/cpu_list");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        numbers(&text).find(|cpu| may_use(*cpu)).ok_or_else(|| {
            failed(format_args!(
                "{path}: it names no processor that this process may use: {}",
                too_few(queues, queue)
            ))
        })
    };
    (0..queues).map(one).collect()
}

/// The numbers of a list such as `0, 2`.
fn numbers(list: &str) -> impl Iterator<Item = u32> + '_ {
    list.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_numbers() {
        let all = |text| numbers(text).collect::<Vec<_>>();
        assert_eq!(
            [all("0, 2\n"), all("3\n"), all(""), all("none")],
            [vec![0, 2], vec![3], vec![], vec![]]
        );
    }

    #[test]
    fn a_device_without_queues_is_told_in_one_line() {
        let told = processors("/dev/no-such-device", 2).unwrap_err().to_string();
        assert!(
            told.starts_with("world device: /sys/block/no-such-device/mq/0/cpu_list"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1);
    }
}
