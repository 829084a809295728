//! The commands that look at devices or ask their daemons: `list`, `show`, `stats`, `set`, `fault`,
//! `features`, `doctor`.

use super::add::set_command;
use super::args::{AskedArg, FaultCommand, SetArgs};
use super::clock::{Deadline, LOOK, pause};
use super::control::{self, FaultSpec, Range, Reply, Request};
use super::daemon::Host;
use super::devices::{Finding, Health};
use super::entry::{Entry, State};
use super::page;
use super::spec::Medium;
use super::start::Interrupted;
use super::values::{Dilate, Extent};
use crate::answer::{Answer, Context};
use crate::failure::Failure;
use crate::terminal;
use maprace_ublk::Stats;
use std::time::Duration;

/// Asks the daemon of a device.
fn ask(host: &Host<'_>, id: u32, request: &Request) -> Result<(Entry, Reply), Failure> {
    let entry = host.registry.entry(id)?;
    let dead = |what: &str| Failure::Device(format!("{}: {what}", page::name(&entry)));
    match entry.state() {
        State::Live => {}
        State::Starting => return Err(dead("it is being started: wait for it")),
        State::Recoverable => {
            return Err(dead("its process has died: `maprace device recover` goes on with it"));
        }
        State::Dead => {
            return Err(dead("its process has died: `maprace device gc` removes what is left"));
        }
    }
    let reply = control::ask(&host.registry.socket(id), request)?;
    Ok((entry, reply))
}

fn unexpected() -> Failure {
    let what = "the device's process answered something else: is it of another release?";
    Failure::Device(what.to_owned())
}

/// `stats`.
pub(crate) fn stats(
    context: &Context<'_>,
    host: &Host<'_>,
    id: u32,
    watch: Option<u32>,
    json: bool,
) -> Result<Answer, Failure> {
    let once = || match ask(host, id, &Request::Stats)? {
        (entry, Reply::Stats(stats)) => shown(&entry, &stats, json),
        _ => Err(unexpected()),
    };
    let Some(seconds) = watch else { return once() };
    let interrupted = Interrupted::watch()?;
    let mut answer = once()?;
    loop {
        terminal::write(&context.terminal.program, &answer.text, "", 0);
        let next = Deadline::after(Duration::from_secs(seconds.into()));
        while !next.is_over() {
            if interrupted.is_set() {
                return Ok(Answer::default());
            }
            pause(next.left().min(LOOK));
        }
        match host.registry.entry(id) {
            Ok(_) => answer = once()?,
            // It was deleted, which ends the watch.
            Err(_) => return Ok(Answer::default()),
        }
    }
}

fn shown(entry: &Entry, stats: &Stats, json: bool) -> Result<Answer, Failure> {
    page::stats(entry, stats, json)
}

/// `set`.
pub(crate) fn set(
    context: &Context<'_>,
    host: &Host<'_>,
    args: &SetArgs,
) -> Result<Answer, Failure> {
    let SetArgs { id, media, dilate, seed, floor_limited, json } = args;
    let entry = host.registry.entry(id.id)?;
    let old = &entry.spec.medium;
    let mut medium = match media {
        Some(name) => Medium::open(name, *seed)?,
        None => Medium { seed: seed.unwrap_or(old.seed), ..old.clone() },
    };
    // Another medium begins as it is; the same one keeps what it has.
    match (dilate, media) {
        (Some(dilate), _) => medium = medium.with(*dilate, *floor_limited),
        (None, Some(_)) => medium = medium.with(Dilate::Times(1), *floor_limited),
        (None, None) => {}
    }
    let command = set_command(&context.terminal.typed);
    let request = Request::Set { medium: Box::new(medium), command };
    match ask(host, id.id, &request)? {
        (entry, Reply::Medium(medium)) => page::set(&entry, &medium, json.json),
        _ => Err(unexpected()),
    }
}

/// `fault`.
pub(crate) fn fault(
    host: &Host<'_>,
    id: u32,
    command: &FaultCommand,
    json: bool,
) -> Result<Answer, Failure> {
    match ask(host, id, &fault_request(command))? {
        (entry, Reply::Faults { faults, released }) => {
            page::faults(&entry, &faults, released, json)
        }
        _ => Err(unexpected()),
    }
}

fn fault_request(command: &FaultCommand) -> Request {
    let bytes = |range: &Extent| Range { from: range.from, end: range.end.unwrap_or(u64::MAX) };
    match command {
        FaultCommand::Bad { range, until_written, on } => {
            Request::Fault(fault_spec(*on, bytes(range), 1.0, *until_written))
        }
        FaultCommand::Rate { chance, on } => {
            let all = Range { from: 0, end: u64::MAX };
            Request::Fault(fault_spec(*on, all, *chance, false))
        }
        FaultCommand::Stick { range } => Request::Stick(bytes(range)),
        FaultCommand::Release => Request::Release,
        FaultCommand::Clear => Request::Clear,
        FaultCommand::List => Request::Faults,
    }
}

fn fault_spec(on: AskedArg, range: Range, chance: f64, until_written: bool) -> FaultSpec {
    FaultSpec { on, range, chance, until_written }
}

/// `features`.
pub(crate) fn features(host: &Host<'_>, json: bool) -> Result<Answer, Failure> {
    let features = host.devices.features();
    page::features(&features.map_err(|error| Failure::Device(error.to_string()))?, json)
}

/// `doctor`: what the kernel side found, and what is left behind in the registry.
pub(crate) fn doctor(host: &Host<'_>, json: bool) -> Result<Answer, Failure> {
    let mut findings = host.devices.doctor();
    findings.push(registry_finding(&host.registry.all()?.iter().fold((0, 0), |(r, d), found| {
        match found.entry.as_ref().map(Entry::state) {
            Some(State::Recoverable) => (r + 1, d),
            Some(State::Dead) | None => (r, d + 1),
            Some(State::Live | State::Starting) => (r, d),
        }
    })));
    page::doctor(&findings, json)
}

fn registry_finding((recoverable, dead): &(u32, u32)) -> Finding {
    let finding = |state, cause: String, advice: &str| Finding {
        what: "registry".to_owned(),
        state,
        cause,
        advice: advice.to_owned(),
    };
    match (recoverable, dead) {
        (0, 0) => finding(Health::Ok, "nothing is left behind".to_owned(), ""),
        (0, dead) => {
            let cause = format!("{dead} devices whose process has died");
            finding(Health::Warn, cause, "`maprace device gc` removes what is left")
        }
        (recoverable, _) => {
            let cause = format!("{recoverable} devices whose process has died can go on");
            finding(Health::Warn, cause, "`maprace device recover --all`, or `gc --all`")
        }
    }
}
