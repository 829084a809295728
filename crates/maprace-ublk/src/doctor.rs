//! Why a device cannot be had on this machine, or what else is wrong with it.
//!
//! Ten causes, each looked for by a function of its own that reads what was probed and files below a
//! root: `/`, or a prepared tree in tests. Nothing is changed, and no device is added to try: on some
//! kernels that is what brings the machine down.

use crate::control::words;
use crate::device::{Error, holders};
use crate::{SECTOR, control};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How it looks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be, or it cannot be told.
    Ok,
    /// Devices work, but.
    Warn,
    /// No device can be had.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it looks.
    pub state: State,
    /// What was found.
    pub cause: String,
    /// What to do; empty if nothing.
    pub advice: String,
}

/// What the driver can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Features {
    /// As the kernel tells it.
    pub bits: u64,
    /// The bits' names, without `UBLK_F_`.
    pub names: Vec<String>,
    /// Bits without a name here.
    pub unknown: u64,
}

/// A device that the kernel has, whoever added it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KernelDevice {
    /// Its number.
    pub id: u32,
    /// `DEAD`, `LIVE`, `QUIESCED` or `FAIL_IO`.
    pub state: String,
    /// The process that serves it, or did; none before it was started.
    pub pid: Option<u32>,
    /// Its flags' names, without `UBLK_F_`.
    pub flags: Vec<String>,
    /// Queues.
    pub queues: u16,
    /// Requests in flight of each.
    pub depth: u16,
    /// Bytes; 0 when they are not known yet.
    pub size: u64,
}

/// What had to be tried out.
#[derive(Clone, Debug)]
struct Probed {
    /// Setting up a ring.
    ring: Result<(), i32>,
    /// Opening the control device.
    control: Result<(), i32>,
    /// Asking for the features; none: it came to no such question.
    features: Option<Result<u64, i32>>,
    /// What the kernel has.
    devices: Vec<KernelDevice>,
}

/// Asks the driver what it can do.
///
/// # Errors
/// There is no driver, or it does not say.
pub fn features() -> Result<Features, Error> {
    let bits = control::features()?;
    let (names, unknown) = words::flags(bits);
    Ok(Features { bits, names, unknown })
}

/// The devices that the kernel has.
///
/// # Errors
/// There is no driver, or it does not say.
pub fn devices() -> Result<Vec<KernelDevice>, Error> {
    let mut devices = Vec::new();
    for id in ids(Path::new("/")) {
        let info = match control::info(id) {
            // Gone since.
            Err(error) if error.errno() == Some(rustix::io::Errno::NODEV) => continue,
            other => other?,
        };
        let size = control::attributes(id).map_or(0, |attributes| attributes.size);
        devices.push(KernelDevice {
            id,
            state: words::state(info.state).to_owned(),
            pid: u32::try_from(info.ublksrv_pid).ok().filter(|pid| *pid > 0),
            flags: words::flags(info.flags).0,
            queues: info.nr_hw_queues,
            depth: info.queue_depth,
            size: size / SECTOR * SECTOR,
        });
    }
    Ok(devices)
}

/// Stops and deletes any device, as `device del` and `device gc` need it.
///
/// # Errors
/// There is none, or it did not go within `limit`.
pub fn remove(id: u32, limit: Duration) -> Result<(), Error> {
    crate::device::remove(id, limit)
}

/// Looks for the ten causes.
pub fn check() -> Vec<Finding> {
    let raw = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
    let ring = io_uring::IoUring::new(2).map(drop).map_err(raw);
    let node = Path::new(control::NODE);
    let opened = fs::OpenOptions::new().read(true).write(true).open(node).map(drop).map_err(raw);
    let asked = (ring.is_ok() && opened.is_ok()).then(control::features);
    let features = asked
        .map(|bits| bits.map_err(|error| error.errno().map_or(0, rustix::io::Errno::raw_os_error)));
    let devices = devices().unwrap_or_default();
    check_at(Path::new("/"), &Probed { ring, control: opened, features, devices })
}

/// The same below any root.
fn check_at(root: &Path, probed: &Probed) -> Vec<Finding> {
    vec![
        driver(root, probed),
        rights(probed),
        ring(root, probed),
        kernel(root),
        features_told(probed),
        recovery(probed),
        room(root),
        memory(root),
        orphans(root, probed),
        held(root, probed),
    ]
}

fn finding(what: &str, state: State, cause: impl Into<String>, advice: &str) -> Finding {
    Finding { what: what.to_owned(), state, cause: cause.into(), advice: advice.to_owned() }
}

/// A file's text below the root; empty without it.
fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

fn release(root: &Path) -> String {
    text(root, "proc/sys/kernel/osrelease").trim().to_owned()
}

/// The numbers of the devices, by sysfs and by their nodes.
fn ids(root: &Path) -> BTreeSet<u32> {
    let names = ["sys/class/ublk-char", "dev"].into_iter().flat_map(|place| {
        fs::read_dir(root.join(place))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
    });
    names.filter_map(|name| name.to_str()?.strip_prefix("ublkc")?.parse().ok()).collect()
}

/// Cause 1: no driver.
fn driver(root: &Path, probed: &Probed) -> Finding {
    let what = "driver ublk_drv";
    // ENOENT and ENXIO; any other answer comes from a driver.
    if !matches!(probed.control, Err(2 | 6 | 19)) {
        return finding(what, State::Ok, "it is loaded", "");
    }
    let release = release(root);
    let list = |name: &str| {
        ["lib/modules", "usr/lib/modules"]
            .iter()
            .any(|place| text(root, &format!("{place}/{release}/{name}")).contains("ublk_drv.ko"))
    };
    if list("modules.builtin") {
        let cause = "it is built into this kernel, but /dev/ublk-control is missing";
        return finding(
            what,
            State::Bad,
            cause,
            "mount devtmpfs on /dev, or pass the node into the container",
        );
    }
    if list("modules.dep") {
        return finding(
            what,
            State::Bad,
            "it is installed and not loaded",
            "run `modprobe ublk_drv`",
        );
    }
    let cause = format!("there is no module of that name for {release}");
    let advice = "install the kernel's extra modules, or use a kernel with CONFIG_BLK_DEV_UBLK; \
                  `cargo xtask lab shell` has one";
    finding(what, State::Bad, cause, advice)
}

/// Cause 2: the control device is somebody else's.
fn rights(probed: &Probed) -> Finding {
    let what = "rights to /dev/ublk-control";
    match probed.control {
        Err(1 | 13) => {
            let advice = "run it as root, or give the user rights to the node";
            finding(what, State::Bad, "this user may not open it", advice)
        }
        Err(2 | 6 | 19) => finding(what, State::Ok, "there is no such node to open", ""),
        Err(errno) => {
            let cause = format!("it cannot be opened (errno {errno})");
            finding(what, State::Bad, cause, "look into the kernel's log")
        }
        Ok(()) => finding(what, State::Ok, "it can be opened", ""),
    }
}

/// Cause 3: no rings for us.
fn ring(root: &Path, probed: &Probed) -> Finding {
    let what = "io_uring";
    let sysctl = text(root, "proc/sys/kernel/io_uring_disabled");
    let bad = |cause: &str, advice: &str| finding(what, State::Bad, cause, advice);
    match (probed.ring, sysctl.trim()) {
        (Ok(()), "1") => {
            let cause =
                "kernel.io_uring_disabled is 1: only members of kernel.io_uring_group may use it";
            finding(what, State::Warn, cause, "run `sysctl kernel.io_uring_disabled=0`")
        }
        (Ok(()), _) => finding(what, State::Ok, "rings can be set up", ""),
        (Err(1), mode @ ("1" | "2")) => bad(
            &format!("kernel.io_uring_disabled is {mode}"),
            "run `sysctl kernel.io_uring_disabled=0`",
        ),
        (Err(1 | 38), _) => bad(
            "a seccomp filter, or the kernel's configuration, keeps it away",
            "in a container, allow io_uring_setup, io_uring_enter and io_uring_register; else use a \
             kernel with CONFIG_IO_URING",
        ),
        (Err(12), _) => bad("there is no memory left to lock for a ring", "raise `ulimit -l`"),
        (Err(errno), _) => {
            bad(&format!("no ring can be set up (errno {errno})"), "look into the kernel's log")
        }
    }
}

/// Kernels that are known to go down or to hang: how they begin, what happens, and what to do.
const BAD_KERNELS: &[(&str, State, &str, &str)] = &[
    ("6.18.4", State::Bad, "the first device crashes this kernel", "use 6.18.6 or later"),
    ("6.18.5", State::Bad, "the first device crashes this kernel", "use 6.18.6 or later"),
    (
        "6.17.0",
        State::Warn,
        "some builds of 6.17 crash with the first device (529d4d632788 without 011af85ccd87)",
        "ask your distribution whether its build has 011af85ccd87",
    ),
    (
        "6.18.40",
        State::Warn,
        "UBLK_CMD_START_DEV may hang when devices are added and deleted fast",
        "let udev settle between them, or use another release",
    ),
    (
        "7.0.0-28",
        State::Warn,
        "UBLK_CMD_START_DEV may hang when devices are added and deleted fast",
        "let udev settle between them, or use another release",
    ),
];

/// Cause 4: a kernel that is known for it.
fn kernel(root: &Path) -> Finding {
    let (what, release) = ("kernel", release(root));
    // What follows a number must not go on with it: 6.18.4 is not 6.18.40.
    let is = |known: &str| {
        release
            .strip_prefix(known)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match BAD_KERNELS.iter().find(|(known, ..)| is(known)) {
        Some((_, state, cause, advice)) => {
            finding(what, *state, format!("{release}: {cause}"), advice)
        }
        None => finding(what, State::Ok, format!("{release}: nothing is known against it"), ""),
    }
}

/// Cause 5: a driver that is too old.
fn features_told(probed: &Probed) -> Finding {
    let what = "features";
    match probed.features {
        Some(Ok(bits)) => {
            finding(what, State::Ok, format!("{bits:#x}: {}", words::flags(bits).0.join(" ")), "")
        }
        Some(Err(errno)) => {
            let cause = format!("the driver does not tell them (errno {errno})");
            finding(what, State::Bad, cause, "use Linux 6.5 or later")
        }
        None => finding(what, State::Ok, "they could not be asked for", ""),
    }
}

/// Cause 6: no recovery.
fn recovery(probed: &Probed) -> Finding {
    let what = "recovery";
    let Some(Ok(bits)) = probed.features else {
        return finding(what, State::Ok, "it could not be asked for", "");
    };
    let names = words::flags(bits).0;
    let missing: Vec<&str> = ["USER_RECOVERY", "USER_RECOVERY_REISSUE"]
        .into_iter()
        .filter(|name| !names.iter().any(|known| known == name))
        .collect();
    if missing.is_empty() {
        return finding(what, State::Ok, "a device can outlive its daemon", "");
    }
    let cause =
        format!("the driver has no {}: a device ends with its daemon", missing.join(" and no "));
    finding(what, State::Warn, cause, "use Linux 6.1 or later as root")
}

/// Cause 7: as many devices as may be.
fn room(root: &Path) -> Finding {
    let what = "ublks_max";
    let there = ids(root).len();
    let Ok(most) = text(root, "sys/module/ublk_drv/parameters/ublks_max").trim().parse::<usize>()
    else {
        return finding(what, State::Ok, "the driver is not loaded, or has no such limit", "");
    };
    let cause = format!("{there} devices of at most {most}");
    if there < most {
        return finding(what, State::Ok, cause, "");
    }
    // Newer kernels count only what users without rights have added, and do not tell how many that are.
    let advice = "delete one, or raise /sys/module/ublk_drv/parameters/ublks_max, if the kernel refuses another";
    finding(what, State::Warn, cause, advice)
}

/// Cause 8: no memory may be locked. Rings were counted there before 5.12, and still are for some.
fn memory(root: &Path) -> Finding {
    const LEAST: u64 = 64 << 10;
    let (what, limits) = ("locked memory", text(root, "proc/self/limits"));
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft.map(str::parse::<u64>) {
        Some(Ok(bytes)) if bytes < LEAST => {
            let cause = format!("at most {bytes} bytes may be locked");
            finding(what, State::Warn, cause, "raise `ulimit -l` if a ring cannot be set up")
        }
        Some(Ok(bytes)) => finding(what, State::Ok, format!("{bytes} bytes may be locked"), ""),
        Some(Err(_)) => finding(what, State::Ok, "any amount may be locked", ""),
        None => finding(what, State::Ok, "it has no limit that can be read", ""),
    }
}

/// Cause 9: devices whose process is gone.
fn orphans(root: &Path, probed: &Probed) -> Finding {
    let what = "devices without a process";
    let gone = |device: &&KernelDevice| {
        device.pid.is_none_or(|pid| !root.join(format!("proc/{pid}")).exists())
    };
    let orphans: Vec<String> = probed
        .devices
        .iter()
        .filter(gone)
        .map(|device| format!("{} ({})", device.id, device.state))
        .collect();
    if orphans.is_empty() {
        return finding(what, State::Ok, "none", "");
    }
    let advice =
        "`maprace device recover ID` goes on with one, `maprace device gc` removes them all";
    finding(what, State::Warn, orphans.join(", "), advice)
}

/// Cause 10: devices that cannot go because somebody else holds them.
fn held(root: &Path, probed: &Probed) -> Finding {
    let what = "character devices held by others";
    let mut held = Vec::new();
    for KernelDevice { id, pid, .. } in &probed.devices {
        let server = pid.map(|pid| format!("(pid {pid})"));
        let is_other = |who: &String| !server.as_ref().is_some_and(|server| who.ends_with(server));
        let others = holders(&root.join("proc"), *id).into_iter().filter(is_other);
        held.extend(others.map(|who| format!("/dev/ublkc{id} by {who}")));
    }
    if held.is_empty() {
        return finding(what, State::Ok, "none", "");
    }
    finding(what, State::Warn, held.join(", "), "end them before you delete the device")
}

#[cfg(test)]
mod tests;
