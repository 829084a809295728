//! `device add` and `device recover`: from what was typed to a device that can be used.

use super::args::{AddArgs, EachArgs};
use super::clock::Deadline;
use super::daemon::{self, Failed, Host, Order, Report};
use super::devices::KernelDevice;
use super::entry::{Entry, State};
use super::page;
use super::process::{self, Process};
use super::registry::Registry;
use super::spec::Spec;
use super::start::{Interrupted, start};
use crate::answer::{Answer, BAD_INPUT, Context};
use crate::failure::Failure;
use crate::terminal;
use std::time::Duration;

/// How many numbers are tried when others take them first.
const TRIES: u32 = 16;

/// `add`.
pub(crate) fn add(
    context: &Context<'_>,
    host: &Host<'_>,
    args: &AddArgs,
) -> Result<Answer, Failure> {
    let spec = Spec::typed(context, args)?;
    let deadline = Deadline::after(Duration::from_secs(args.timeout.into()));
    let wanted = Wanted { spec, id: args.queues.id, command: with_auto(&context.terminal.typed) };
    if args.foreground {
        let lock = host.registry.lock(deadline)?;
        let order = wanted.order(host, 0)?;
        return in_foreground(context, host, order, args.json.json, lock);
    }
    let entry = bring_up(host, &wanted, deadline, &Interrupted::watch()?)?;
    page::added(&host.registry, &entry, args.json.json)
}

/// A device that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) spec: Spec,
    /// Its number, if it has to be that one.
    pub(crate) id: Option<u32>,
    /// What was typed.
    pub(crate) command: String,
}

impl Wanted {
    /// The order for a daemon, under a number from `from` on that nobody has; written down.
    fn order(&self, host: &Host<'_>, from: u32) -> Result<Order, Failure> {
        let kernel = kernel_devices(host)?;
        let id = free_id(&host.registry, &kernel, self.id, from)?;
        let spec = self.spec.clone().numbered(id, host.registry.memory(id)?);
        let entry = Entry::new(spec, daemon::now());
        host.registry.write(&entry)?;
        Ok(Order { entry, again: false, command: self.command.clone() })
    }
}

/// Adds a device that a daemon serves; it can be used when this returns.
pub(crate) fn bring_up(
    host: &Host<'_>,
    wanted: &Wanted,
    deadline: Deadline,
    interrupted: &Interrupted,
) -> Result<Entry, Failure> {
    let _lock = host.registry.lock(deadline)?;
    let mut from = 0;
    for _ in 0..TRIES {
        let order = wanted.order(host, from)?;
        match start(host, &order, deadline, interrupted) {
            Ok(entry) => return Ok(entry),
            // Another program was faster.
            Err(failed) if failed.is_taken && wanted.id.is_none() => {
                from = order.entry.spec.id + 1;
            }
            Err(failed) => return Err(Failure::Device(failed.error)),
        }
    }
    Err(Failure::Device(format!(
        "other programs took each of the last {TRIES} free numbers first: name one with --id"
    )))
}

/// Serves the device here. What is printed when it is ready comes before the end.
fn in_foreground(
    context: &Context<'_>,
    host: &Host<'_>,
    order: Order,
    json: bool,
    lock: super::registry::Lock,
) -> Result<Answer, Failure> {
    let mut lock = Some(lock);
    let registry = &host.registry;
    let mut tell = |report: &Report| {
        if let Report::Ready(entry) = report {
            lock = None;
            let answer = page::added(registry, entry, json).map_err(std::io::Error::other)?;
            terminal::write(&context.terminal.program, &answer.text, "", 0);
        }
        Ok(())
    };
    match daemon::serve(host, order, &mut tell) {
        Ok(()) => Ok(Answer::default()),
        Err(failed) => Err(Failure::Device(failed.error)),
    }
}

fn kernel_devices(host: &Host<'_>) -> Result<Vec<KernelDevice>, Failure> {
    host.devices.all().map_err(|error| Failure::Device(error.to_string()))
}

/// The number that was typed, or the lowest from `from` on that nobody has.
fn free_id(
    registry: &Registry,
    kernel: &[KernelDevice],
    typed: Option<u32>,
    from: u32,
) -> Result<u32, Failure> {
    let mut taken: Vec<u32> = registry.all()?.into_iter().map(|found| found.id).collect();
    taken.extend(kernel.iter().map(|device| device.id));
    match typed {
        Some(id) if taken.contains(&id) => Err(Failure::Device(format!(
            "--id {id}: there is such a device, or what is left of one: \
             name another, or see `maprace device list` and `maprace device gc`"
        ))),
        Some(id) => Ok(id),
        None => Ok((from..).find(|id| !taken.contains(id)).unwrap_or(from)),
    }
}

/// The command that was typed without `--dilate`: with `--dilate auto` behind it works.
fn with_auto(typed: &str) -> String {
    let mut kept = Vec::new();
    let mut words = typed.split(' ');
    while let Some(word) = words.next() {
        match word {
            "--dilate" => {
                words.next();
            }
            word if word.starts_with("--dilate=") => {}
            word => kept.push(word),
        }
    }
    kept.join(" ")
}

/// The command to type for a medium that was set.
pub(crate) fn set_command(typed: &str) -> String {
    with_auto(typed)
}

/// `recover`.
pub(crate) fn recover(host: &Host<'_>, args: &EachArgs) -> Result<Answer, Failure> {
    let deadline = Deadline::after(Duration::from_secs(args.timeout.into()));
    let _lock = host.registry.lock(deadline)?;
    let interrupted = Interrupted::watch()?;
    let is_wanted = |entry: &Entry| match entry.state() {
        State::Recoverable => true,
        State::Live => process::is_ending(entry.owner.pid),
        State::Starting | State::Dead => false,
    };
    let ids = match args.all {
        true => {
            let entries = host.registry.entries()?;
            entries.iter().filter(|entry| is_wanted(entry)).map(|entry| entry.spec.id).collect()
        }
        false => args.ids.clone(),
    };
    let mut recovered = Vec::new();
    let mut errors = Vec::new();
    for id in ids {
        match recover_one(host, id, deadline, &interrupted) {
            Ok(entry) => recovered.push(entry),
            Err(failed) => errors.push(failed.error),
        }
    }
    let mut answer = page::recovered(&host.registry, &recovered, args.json.json)?;
    if !errors.is_empty() {
        answer.errors = errors.into_iter().map(|e| page::error_line(&e)).collect();
        answer.code = BAD_INPUT;
    }
    Ok(answer)
}

fn recover_one(
    host: &Host<'_>,
    id: u32,
    deadline: Deadline,
    interrupted: &Interrupted,
) -> Result<Entry, Failed> {
    let entry = host.registry.entry(id)?;
    let refused = |what: &str| Err(Failed::from(Failure::Device(format!("device {id}: {what}"))));
    // Killed a moment ago, perhaps: the kernel has a process for as long as it takes it apart, and what
    // its last thread writes must be there before the next process looks what there is.
    let is_over = match entry.state() {
        State::Live | State::Recoverable => process::is_over(&entry.owner, deadline),
        State::Starting | State::Dead => true,
    };
    match entry.state() {
        State::Recoverable if is_over => {}
        State::Recoverable => {
            return refused("its process was killed and hangs in the kernel: try again later");
        }
        State::Live => return refused("its process lives: there is nothing to recover"),
        State::Starting => return refused("it is being started: wait for it"),
        State::Dead if entry.facts.is_none() => {
            return refused("it has never been usable: `maprace device gc` removes what is left");
        }
        State::Dead => {
            return refused(
                "it was made without recovery, or before the machine was started again: \
                 `maprace device gc` removes what is left",
            );
        }
    }
    if !kernel_devices(host)?.iter().any(|device| device.id == id) {
        return refused("the kernel has it no more: `maprace device gc` removes what is left");
    }
    let dead = entry.owner.clone();
    let order = Order {
        entry: Entry { owner: Process::own(), ..entry },
        again: true,
        command: String::new(),
    };
    let recovered = start(host, &order, deadline, interrupted);
    if recovered.is_err() {
        // It is as dead as before.
        host.registry.write(&Entry { owner: dead, ..order.entry })?;
    }
    recovered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_works_has_one_dilation() {
        let typed = "maprace device add --dilate 2 --media dram --dilate=4 --size 1G";
        assert_eq!(with_auto(typed), "maprace device add --media dram --size 1G");
    }
}
