//! `device gc` and `device del`: what is removed, and removing it.
//!
//! What `gc` does is decided by a pure function of what the registry, the kernel and the process table
//! say; a device is removed from the kernel only when it is surely ours and surely dead.

use super::args::EachArgs;
use super::clock::Deadline;
use super::daemon::{END, Host};
use super::devices::KernelDevice;
use super::entry::{Entry, State};
use super::page;
use super::process::{self, Process};
use super::registry::Found;
use crate::answer::{Answer, BAD_INPUT};
use crate::failure::Failure;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// How long the kernel may take to remove one device.
const REMOVAL: Duration = Duration::from_secs(10);

/// How long `gc` waits for a command that changes devices.
const LOCK: Duration = Duration::from_secs(10);

/// What is known of one number.
#[derive(Clone, Debug)]
pub(crate) struct Known<'a> {
    /// None: files without an entry that can be read.
    pub(crate) entry: Option<KnownEntry>,
    /// The device that the kernel has under this number.
    pub(crate) kernel: Option<&'a KernelDevice>,
    /// Whether the process lives that the kernel says serves it.
    pub(crate) server_lives: bool,
}

/// What an entry says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownEntry {
    pub(crate) state: State,
    pub(crate) is_of_this_boot: bool,
    pub(crate) pid: u32,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is alive: nothing to be said.
    Alive,
    /// It stays.
    Keep(&'static str),
    /// Its files go.
    Files(&'static str),
    /// The device goes, then its files.
    Device(&'static str),
}

/// What becomes of one number.
pub(crate) fn judge(known: &Known<'_>, all: bool) -> Verdict {
    let Some(entry) = known.entry else {
        return Verdict::Files("files without an entry that can be read");
    };
    match entry.state {
        State::Live | State::Starting => return Verdict::Alive,
        State::Recoverable | State::Dead => {}
    }
    if !entry.is_of_this_boot {
        return Verdict::Files("it ended with an earlier boot");
    }
    let Some(kernel) = known.kernel else {
        return Verdict::Files("its process has died, and the kernel has it no more");
    };
    // The kernel's number may be of a process that is not ours, under a device number that was given
    // away again since.
    if known.server_lives && kernel.pid != Some(entry.pid) {
        return Verdict::Files("its process has died; another program has the number now");
    }
    match entry.state {
        State::Recoverable if !all => {
            Verdict::Keep("its process has died: `maprace device recover` goes on with it")
        }
        _ => Verdict::Device("its process has died"),
    }
}

/// What one number's removal came to.
#[derive(Debug, Serialize)]
pub(crate) struct Removed {
    pub(crate) id: u32,
    /// Whether the kernel had it.
    pub(crate) device: bool,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) why: &'static str,
}

/// What stays.
#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    pub(crate) id: u32,
    pub(crate) why: &'static str,
}

/// `gc`.
pub(crate) fn gc(host: &Host<'_>, all: bool, json: bool) -> Result<Answer, Failure> {
    let _lock = host.registry.lock(Deadline::after(LOCK))?;
    // Without the driver no device can be left.
    let kernel = host.devices.all().unwrap_or_default();
    let (mut removed, mut kept, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for found in host.registry.all()? {
        let id = found.id;
        if let Some(owner) = hanging(&found) {
            errors.push(format!(
                "device {id}: its process {owner} was killed and hangs in the kernel"
            ));
            continue;
        }
        let known = known(&found, &kernel);
        let (device, why) = match judge(&known, all) {
            Verdict::Alive => continue,
            Verdict::Keep(why) => {
                kept.push(Kept { id, why });
                continue;
            }
            Verdict::Files(why) => (false, why),
            Verdict::Device(why) => match host.removed(id, REMOVAL) {
                Ok(()) => (true, why),
                Err(error) => {
                    errors.push(format!("device {id}: {error}"));
                    continue;
                }
            },
        };
        removed.push(Removed { id, device, files: host.registry.remove(id), why });
    }
    let mut answer = page::collected(&removed, &kept, json)?;
    if !errors.is_empty() {
        answer.errors = errors.iter().map(|error| page::error_line(error)).collect();
        answer.code = BAD_INPUT;
    }
    Ok(answer)
}

/// The process of an entry, if it has been killed and does not end however long it is waited for.
fn hanging(found: &Found) -> Option<u32> {
    let owner = &found.entry.as_ref()?.owner;
    let hangs = owner.lives()
        && process::is_ending(owner.pid)
        && !process::is_over(owner, Deadline::after(REMOVAL));
    hangs.then_some(owner.pid)
}

fn known<'k>(found: &Found, kernel: &'k [KernelDevice]) -> Known<'k> {
    let kernel = kernel.iter().find(|device| device.id == found.id);
    let server = kernel.and_then(|device| device.pid);
    let entry = found.entry.as_ref().map(|entry| KnownEntry {
        state: entry.state(),
        is_of_this_boot: entry.owner.is_of_this_boot(),
        pid: entry.owner.pid,
    });
    let server_lives = server.is_some_and(|pid| Process::of(pid).is_some());
    Known { entry, kernel, server_lives }
}

/// `del`.
pub(crate) fn del(host: &Host<'_>, args: &EachArgs) -> Result<Answer, Failure> {
    let deadline = Deadline::after(Duration::from_secs(args.timeout.into()));
    let _lock = host.registry.lock(deadline)?;
    let ids = match args.all {
        true => host.registry.entries()?.iter().map(|entry| entry.spec.id).collect(),
        false => args.ids.clone(),
    };
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match delete(host, id, deadline) {
            Ok(gone) => deleted.push(gone),
            Err(failure) => errors.push(failure.to_string()),
        }
    }
    let mut answer = page::deleted(&deleted, args.json.json)?;
    if !errors.is_empty() {
        answer.errors = errors.iter().map(|error| page::error_line(error)).collect();
        answer.code = BAD_INPUT;
    }
    Ok(answer)
}

/// What was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    pub(crate) id: u32,
    pub(crate) block_device: String,
    /// What its process said of its end.
    pub(crate) remarks: Vec<String>,
}

/// Deletes one device; whoever calls has the registry's lock.
pub(crate) fn delete(host: &Host<'_>, id: u32, deadline: Deadline) -> Result<Deleted, Failure> {
    let entry = host.registry.entry(id)?;
    let asked = Deadline::after(END.min(deadline.left()));
    let name = page::name(&entry);
    if !process::end(&entry.owner, asked) {
        return Err(Failure::Device(format!(
            "{name}: its process {} hangs in the kernel and cannot be killed: \
             unmount and close what uses the device, then try again",
            entry.owner.pid
        )));
    }
    remove_dead(host, &entry, deadline)?;
    // A process that has ended in order has left its log only if it had something to say.
    let has_left_entry = host.registry.entry(id).is_ok();
    let said = host.registry.said(id).filter(|_| !has_left_entry).unwrap_or_default();
    host.registry.remove(id);
    Ok(Deleted { id, block_device: name, remarks: said.lines().map(str::to_owned).collect() })
}

/// Removes from the kernel what a process that was killed has left there.
fn remove_dead(host: &Host<'_>, entry: &Entry, deadline: Deadline) -> Result<(), Failure> {
    if !entry.owner.is_of_this_boot() {
        return Ok(());
    }
    let id = entry.spec.id;
    let told =
        |error: maprace_ublk::device::Error| Failure::Device(format!("device {id}: {error}"));
    let kernel = host.devices.all().map_err(told)?;
    let left = kernel.iter().find(|device| device.id == id);
    let is_others = |device: &&KernelDevice| {
        device.pid.is_some_and(|pid| pid != entry.owner.pid && Process::of(pid).is_some())
    };
    match left.filter(|device| !is_others(device)) {
        // At least a moment, however long the process took.
        Some(_) => host.removed(id, deadline.left().max(REMOVAL / 2)).map_err(told),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(
        entry: Option<(State, bool, u32)>,
        kernel: Option<(Option<u32>, bool)>,
        all: bool,
    ) -> Verdict {
        let device = kernel.map(|(pid, _)| KernelDevice { id: 3, state: "LIVE".into(), pid });
        let entry =
            entry.map(|(state, is_of_this_boot, pid)| KnownEntry { state, is_of_this_boot, pid });
        let server_lives = kernel.is_some_and(|(_, lives)| lives);
        judge(&Known { entry, kernel: device.as_ref(), server_lives }, all)
    }

    #[test]
    fn what_lives_is_left_alone() {
        for state in [State::Live, State::Starting] {
            for kernel in [None, Some((Some(7), true)), Some((None, false))] {
                assert_eq!(verdict(Some((state, true, 7)), kernel, true), Verdict::Alive);
            }
        }
    }

    #[test]
    fn what_is_dead_and_ours_goes_with_its_device() {
        let dead = Some((State::Dead, true, 7));
        for kernel in [(None, false), (Some(7), false), (Some(8), false)] {
            assert!(matches!(verdict(dead, Some(kernel), false), Verdict::Device(_)), "{kernel:?}");
        }
        assert!(matches!(verdict(dead, None, false), Verdict::Files(_)));
    }

    #[test]
    fn what_can_be_recovered_goes_only_with_all() {
        let left = Some((State::Recoverable, true, 7));
        let kernel = Some((Some(7), false));
        assert!(matches!(verdict(left, kernel, false), Verdict::Keep(_)));
        assert!(matches!(verdict(left, kernel, true), Verdict::Device(_)));
        assert!(matches!(verdict(left, None, false), Verdict::Files(_)));
    }

    #[test]
    fn a_device_that_may_be_of_others_is_not_touched() {
        let others = Some((Some(8), true));
        for state in [State::Dead, State::Recoverable] {
            assert!(matches!(verdict(Some((state, true, 7)), others, true), Verdict::Files(_)));
            let earlier = Some((state, false, 7));
            for kernel in [others, Some((Some(7), false)), Some((None, false)), None] {
                assert!(matches!(verdict(earlier, kernel, true), Verdict::Files(_)));
            }
        }
        assert!(matches!(verdict(None, Some((Some(7), false)), true), Verdict::Files(_)));
    }
}
