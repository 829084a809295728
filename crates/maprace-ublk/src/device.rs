//! A device's life: add, serve, change while it runs, stop.
//!
//! ```text
//!  add ---> Added ---> Fetching ---> Started ---> Calibrated ---> Usable
//!             |            |            |             |              |
//!             +------------+------------+-------------+--- failure --+--- stop, delete
//! ```
//!
//! Every step has a limit, and a failure undoes those before it. Stopping is the other way round and in
//! this order only: `UBLK_CMD_STOP_DEV` while the queues still serve, since the kernel waits for what
//! is in flight; then the queues end; then the character device is closed; then the number is given
//! back. `recover` goes the same way from a device that waits for a process, and its failure leaves the
//! device waiting.

mod mounts;
mod node;
mod threads;

pub use mounts::private_mounts;
pub(crate) use node::holders;

use crate::calibrate::prober::{self, Target};
use crate::desk::{self, Desks, Post};
use crate::libublk::{Device, Queue, Shape};
use crate::queue::{self, QueueSetup};
use crate::{Backend, Floor, Plan, Stats, Timing, Transport, calibrate, control};
use maprace_media::faults::Fault;
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use threads::Threads;

/// Until the character device is open.
const ADD_LIMIT: Duration = Duration::from_secs(10);
/// Until all queues have asked for requests.
const FETCH_LIMIT: Duration = Duration::from_secs(10);
/// Until the kernel has read the partition table.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Until the block device can be opened: udev.
const NODE_LIMIT: Duration = Duration::from_secs(10);
/// Until what is in flight has ended, and until the queues have.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Until nobody holds the device any more.
const DELETE_LIMIT: Duration = Duration::from_secs(10);
/// Until the kernel has seen that the process before is gone.
const DEATH_LIMIT: Duration = Duration::from_secs(15);
/// The most requests in flight of a queue: beyond 2728 kernels have overflown.
const DEPTH_MAX: u16 = 1024;
/// The longest transfer that libublk lets through.
const BUFFER_BYTES_MAX: u32 = 32 << 20;

/// Why a device cannot be had, or is no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a command.
    #[error("{command} failed: {meaning} (errno {errno}); {advice}")]
    Refused {
        /// For example `UBLK_CMD_ADD_DEV`.
        command: &'static str,
        /// As a positive number.
        errno: i32,
        /// In words.
        meaning: String,
        /// What to do.
        advice: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {limit:?}; {advice}")]
    TooLate {
        /// What.
        what: &'static str,
        /// The limit.
        limit: Duration,
        /// What to do.
        advice: String,
    },
    /// The plan cannot be.
    #[error("{0}")]
    Plan(String),
    /// A queue did not do what was asked.
    #[error(transparent)]
    Queue(#[from] desk::Error),
    /// Something of this process failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// The kernel's errno, when it was the kernel that refused.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Error::Refused { errno, .. } => Some(Errno::from_raw_os_error(*errno)),
            _ => None,
        }
    }
}

/// What the kernel made of a plan.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// Its number.
    pub id: u32,
    /// For example `/dev/ublkb0`.
    pub block_device: String,
    /// The flags that were really granted, by name.
    pub flags: Vec<String>,
    /// The same as a number.
    pub flag_bits: u64,
    /// What this machine takes at least.
    pub floor: Floor,
}

/// How far an add has come; each is told once, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// `UBLK_CMD_ADD_DEV` has been done.
    Added,
    /// All queues have asked for requests.
    Fetching,
    /// `UBLK_CMD_START_DEV` has been done.
    Started,
    /// The floor is known.
    Calibrated,
    /// The block device can be opened.
    Usable,
}

/// A device that serves. Stops when dropped.
#[derive(Debug)]
pub struct Running {
    facts: Facts,
    backend: Arc<dyn Backend>,
    desks: Desks,
    dilate: AtomicU64,
    standing: Standing,
}

impl Running {
    /// What the kernel made of the plan.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// A snapshot.
    ///
    /// # Errors
    /// A queue did not answer.
    pub fn stats(&self) -> Result<Stats, Error> {
        let mut stats = self.desks.stats()?;
        stats.floor = self.facts.floor;
        stats.dilate = self.dilate.load(Ordering::Relaxed);
        stats.kept_bytes = self.backend.kept_bytes();
        stats.remarks = self.backend.remarks();
        Ok(stats)
    }

    /// Changes the medium; every queue has it when this returns.
    ///
    /// # Errors
    /// A queue did not answer, or the medium cannot be shared by so many.
    pub fn set_timing(&self, timing: &Timing) -> Result<(), Error> {
        self.desks.set_timing(timing)?;
        self.dilate.store(timing.dilate, Ordering::Relaxed);
        Ok(())
    }

    /// Replaces the faults.
    ///
    /// # Errors
    /// A queue did not answer.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), Error> {
        Ok(self.desks.set_faults(faults)?)
    }

    /// Requests that touch the bytes `from..end` from now on are not answered.
    ///
    /// # Errors
    /// A queue did not answer.
    pub fn stick(&self, from: u64, end: u64) -> Result<(), Error> {
        Ok(self.desks.stick(from, end)?)
    }

    /// Answers what is stuck, and sticks no more; how many there were.
    ///
    /// # Errors
    /// A queue did not answer.
    pub fn release(&self) -> Result<u64, Error> {
        Ok(self.desks.release()?)
    }

    /// Waits until the device is gone, by whoever's hand.
    pub fn wait(&self) {
        if let Some(threads) = &self.standing.threads {
            threads.wait(None);
        }
    }

    /// Whether it is gone, by whoever's hand.
    pub fn is_gone(&self) -> bool {
        self.standing.threads.as_ref().is_none_or(|threads| threads.wait(Some(Instant::now())))
    }

    /// Why a queue ended, if not because the device went.
    pub fn failure(&self) -> Option<String> {
        self.standing.threads.as_ref().and_then(Threads::failure)
    }

    /// Stops and deletes it; what is stuck is released first.
    ///
    /// # Errors
    /// It did not go in time.
    pub fn stop(mut self) -> Result<Stats, Error> {
        self.let_go();
        let stopped = self.standing.take_down();
        let stats = self.stats();
        stopped?;
        stats
    }

    /// Releases what is stuck: the kernel waits for it before it lets the device go.
    fn let_go(&self) {
        if !self.is_gone() {
            // A queue that does not answer is told of by what follows.
            let _ = self.desks.release();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.let_go();
        // What stands is taken down with its own drop.
    }
}

/// Adds a device; it can be opened when this returns.
///
/// # Errors
/// See [`Error`]; nothing of the device is left then.
pub fn add(
    plan: Plan,
    backend: Arc<dyn Backend>,
    told: &mut dyn FnMut(Step, Option<u32>),
) -> Result<Running, Error> {
    check(&plan)?;
    // Also tells whether there is a driver, and one that takes commands encoded as ioctls.
    control::features()?;
    let shape = Shape {
        id: plan.id,
        queues: plan.queues,
        depth: plan.depth,
        buffer_bytes: plan.buffer_bytes,
        recoverable: plan.recoverable,
        copies: backend.moves_bytes(),
    };
    let device = Device::add(shape, ADD_LIMIT)?;
    let id = device.id();
    let standing = Standing { id, device: Some(device), threads: None, deletes: true };
    told(Step::Added, Some(id));
    control::set_attributes(id, &plan.attributes, plan.buffer_bytes)?;
    begin(standing, plan, backend, told, Way::New)
}

/// Goes on with a device whose process has died. What was in flight comes again.
///
/// # Errors
/// See [`Error`]; the device waits as before then.
pub fn recover(
    plan: Plan,
    backend: Arc<dyn Backend>,
    told: &mut dyn FnMut(Step, Option<u32>),
) -> Result<Running, Error> {
    let Some(id) = plan.id else {
        return Err(Error::Plan("a device is recovered by its number".to_owned()));
    };
    let deadline = Instant::now() + DEATH_LIMIT;
    loop {
        match control::start_recovery(id) {
            Err(error) if error.errno() == Some(Errno::BUSY) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => break other?,
        }
    }
    let device = Device::reopen(id, ADD_LIMIT)?;
    let standing = Standing { id, device: Some(device), threads: None, deletes: false };
    told(Step::Added, Some(id));
    begin(standing, plan, backend, told, Way::Again)
}

/// How a device comes to be served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    New,
    Again,
}

/// From the open character device to one that can be used.
fn begin(
    mut standing: Standing,
    plan: Plan,
    backend: Arc<dyn Backend>,
    told: &mut dyn FnMut(Step, Option<u32>),
    way: Way,
) -> Result<Running, Error> {
    let id = standing.id;
    let device = standing.device.clone().expect("it has just been opened");
    let (desks, posts) = Desks::new(device.queues(), backend.timed());
    let serve = serve(&plan, &backend);
    let (threads, result) = Threads::start(&device, posts, &serve, plan.partitions, FETCH_LIMIT);
    drop(device);
    standing.threads = Some(threads);
    result?;
    told(Step::Fetching, Some(id));
    match way {
        Way::New => control::start(id, START_LIMIT)?,
        Way::Again => control::end_recovery(id, START_LIMIT)?,
    }
    told(Step::Started, Some(id));
    let block_device = format!("/dev/ublkb{id}");
    drop(node::wait_for(&block_device, NODE_LIMIT)?);
    let floor = match plan.floor {
        Some(floor) => floor,
        None => measure(&block_device, &plan, &desks, way)?,
    };
    desks.set_floor(floor)?;
    desks.set_timing(&plan.timing)?;
    told(Step::Calibrated, Some(id));
    let flag_bits = control::info(id)?.flags;
    let (flags, _) = control::words::flags(flag_bits);
    let facts = Facts { id, block_device, flags, flag_bits, floor };
    // From here on it is ours like one that we added.
    standing.deletes = true;
    desks.forget()?;
    told(Step::Usable, Some(id));
    Ok(Running { facts, backend, desks, dilate: plan.timing.dilate.into(), standing })
}

/// What each queue's thread does. It begins without a medium: the kernel's first reads and the measuring
/// of the floor wait for nothing.
fn serve(plan: &Plan, backend: &Arc<dyn Backend>) -> Arc<threads::Serve> {
    let (queues, depth, waiting) = (plan.queues, plan.depth, plan.waiting);
    let timing = Timing { profile: None, ..plan.timing.clone() };
    let backend = Arc::clone(backend);
    Arc::new(move |ring: Queue<'_>, post: Post| {
        let setup = QueueSetup {
            queue: post.queue(),
            queues,
            depth,
            timed: backend.timed(),
            timing: timing.clone(),
            waiting,
            floor: Floor::default(),
        };
        let service = Arc::clone(&backend).attach(post.queue(), ring.bell());
        queue::run(ring, service, post, setup)
    })
}

/// Measures the floor of a device whose requests wait for nothing yet.
fn measure(path: &str, plan: &Plan, desks: &Desks, way: Way) -> Result<Floor, Error> {
    let mut wait = |wait_ns| {
        let profile = (wait_ns > 0).then(|| calibrate::medium(wait_ns));
        let timing = Timing { profile, seed: 0, dilate: 1 };
        desks.set_timing(&timing).map_err(std::io::Error::other)
    };
    let size = plan.attributes.size;
    let target = Target { path: path.to_owned(), size, is_fresh: way == Way::New };
    prober::ask(&plan.prober, &target, &mut wait)
        .map_err(|source| Error::Io { what: "measuring the floor", source })
}

/// What stands of a device, so that it can be undone.
#[derive(Debug)]
struct Standing {
    id: u32,
    device: Option<Arc<Device>>,
    threads: Option<Threads>,
    /// Whether it goes with us; a device that is being recovered stays.
    deletes: bool,
}

impl Standing {
    /// Takes everything down, as far as it goes; the first thing that did not.
    fn take_down(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        if self.deletes && self.device.is_some() {
            result = match control::stop(self.id, STOP_LIMIT) {
                // Somebody else has deleted it.
                Err(error) if error.errno() == Some(Errno::NODEV) => Ok(()),
                other => other,
            };
        }
        if let Some(threads) = self.threads.take() {
            let patience = if self.deletes && result.is_ok() { STOP_LIMIT } else { Duration::ZERO };
            result = result.and(threads.end(patience));
        }
        // The character device is closed with the last owner.
        let opened = self.device.take().is_some();
        if self.deletes && opened {
            result = result.and(delete(self.id, DELETE_LIMIT));
        }
        result
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`.
        let _ = self.take_down();
    }
}

/// Gives a stopped device's number back, and waits until it is free.
fn delete(id: u32, limit: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    match control::delete(id, limit) {
        Err(error) if error.errno() == Some(Errno::NODEV) => return Ok(()),
        other => other?,
    }
    let mut pause = Duration::from_millis(1);
    while control::exists(id)? {
        if Instant::now() >= deadline {
            let held = holders(std::path::Path::new("/proc"), id);
            let who = if held.is_empty() {
                "nobody that can be seen".to_owned()
            } else {
                held.join(", ")
            };
            let advice =
                format!("/dev/ublkc{id} is held by {who}; end that, and the kernel removes it");
            return Err(Error::TooLate { what: "UBLK_CMD_DEL_DEV", limit, advice });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
}

/// Stops and deletes a device, whoever's it is.
///
/// # Errors
/// There is none, or it did not go within `limit`.
pub fn remove(id: u32, limit: Duration) -> Result<(), Error> {
    control::info(id)?;
    control::stop(id, limit)?;
    delete(id, limit)
}

/// Refuses what no kernel would take, in words of the plan.
fn check(plan: &Plan) -> Result<(), Error> {
    let Plan { queues, depth, buffer_bytes, attributes, .. } = plan;
    let refuse = |text: String| Err(Error::Plan(text));
    attributes.check_size().map_err(|error| Error::Plan(error.to_string()))?;
    if *queues == 0 || *depth == 0 {
        return refuse(format!("{queues} queues of depth {depth}: both begin at 1"));
    }
    if *depth > DEPTH_MAX {
        return refuse(format!("depth {depth} is more than {DEPTH_MAX}; use more queues instead"));
    }
    let page = u32::try_from(rustix::param::page_size()).expect("a page is small");
    if *buffer_bytes == 0 || buffer_bytes % page != 0 || *buffer_bytes > BUFFER_BYTES_MAX {
        return refuse(format!(
            "buffers of {buffer_bytes} bytes: give a multiple of {page} up to {BUFFER_BYTES_MAX}"
        ));
    }
    let block = attributes.logical_block;
    if !block.is_power_of_two() || !(512..=page).contains(&block) {
        return refuse(format!("blocks of {block} bytes: give a power of two from 512 to {page}"));
    }
    if !attributes.physical_block.is_power_of_two() || attributes.physical_block < block {
        return refuse(format!(
            "physical blocks of {} bytes: give a power of two, {block} or more",
            attributes.physical_block
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
