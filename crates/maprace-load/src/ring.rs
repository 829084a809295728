//! The kernel's ring: requests go out in batches and come back as they are answered.
//!
//! Two contracts. *Names*: an entry's `user_data` is its slot, or [`TICK`], which is no slot. *Memory*:
//! between [`Engine::queue`] and the answer a slot's buffer is the kernel's; `busy` says so, and nobody
//! gets a slice of it. A ring that is dropped before all answers leaves its memory to the kernel for ever.
#![allow(unsafe_code, reason = "submission entries and buffers are handed to the kernel")]

pub(crate) mod discard;
pub(crate) mod memory;

use crate::clock::{Clock, OVERSLEEPS_NS};
use crate::engine::{Done, Engine, EngineFacts, Wait};
use crate::error::Error;
use crate::request::{Op, Request};
use crate::target::Target;
use io_uring::types::{Fixed, FsyncFlags, SubmitArgs, TimeoutFlags, Timespec};
use io_uring::{IoUring, opcode, squeue};
use memory::Memory;
use rustix::fs::FallocateFlags;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::thread::{CpuSet, sched_getaffinity};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

/// The entry that ends a wait now and then, so that a worker looks up even if its device is silent.
const TICK: u64 = u64::MAX;
/// How often.
const TICK_EVERY: Duration = Duration::from_millis(250);
/// `BLOCK_URING_CMD_DISCARD` of the kernel's `linux/blkdev.h`, since 6.12.
const URING_DISCARD: u32 = 0x1200;
/// Round trips that measure the floor.
const FLOOR_TRIPS: usize = 1001;

/// How a range is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trim {
    /// A hole in a file.
    Hole,
    /// A discard through the ring.
    Ring,
    /// A discard by `ioctl`, in the submitting thread.
    Ioctl,
}

/// The engine. Made, used and dropped on one thread.
pub struct Uring {
    ring: IoUring,
    memory: Memory,
    target: Arc<Target>,
    clock: Clock,
    /// Which slots' buffers the kernel has.
    busy: Vec<bool>,
    /// How many.
    out: usize,
    /// Whether a tick is on its way, and when it comes; the kernel reads the time when it is submitted.
    ticking: bool,
    tick: Box<Timespec>,
    fixed_buffers: bool,
    trim: Trim,
    /// Answered without the ring.
    at_once: Vec<Done>,
    facts: EngineFacts,
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring").field("facts", &self.facts).field("out", &self.out).finish()
    }
}

/// Whether the kernel has rings for us; if not, why.
pub(crate) fn available() -> io::Result<()> {
    IoUring::new(2).map(drop)
}

/// A ring as good as the kernel grants, and what it granted.
fn set_up(iodepth: u32) -> Result<(IoUring, &'static str), Error> {
    // The tick needs an entry too.
    let entries = iodepth + 1;
    let refused = |error: &io::Error| error.raw_os_error() == Some(Errno::INVAL.raw_os_error());
    let best = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .build(entries);
    let ring = match best {
        Ok(ring) => Ok((ring, "single issuer, deferred task run")),
        Err(error) if refused(&error) => {
            match IoUring::builder().setup_coop_taskrun().setup_taskrun_flag().build(entries) {
                Ok(ring) => Ok((ring, "no deferred task run before 6.1: cooperative task run")),
                Err(error) if refused(&error) => IoUring::new(entries)
                    .map(|ring| (ring, "a plain ring: the kernel is before 5.19")),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    ring.map_err(|cause| Error::system("io_uring_setup", cause))
}

/// Has the kernel's workers, which do what would block the ring, run where this thread may: a request of a
/// worker comes from the worker's processor, and so through the queue of that. Before 5.14 they run anywhere.
fn bind_workers(ring: &IoUring) {
    let Ok(own) = sched_getaffinity(None) else { return };
    // SAFETY: a set of processors is an array of words, and all zeroes is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| own.is_set(*cpu)) {
        // SAFETY: the set has a bit for each number below `MAX_CPU`, which is `CPU_SETSIZE`.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    let _ = ring.submitter().register_iowq_aff(&set);
}

impl Uring {
    /// A ring for requests of up to `bs` bytes of a target.
    ///
    /// # Errors
    ///
    /// The kernel grants no ring, or there is no memory.
    pub fn new(target: Arc<Target>, iodepth: u32, bs: u32, seed: u64) -> Result<Uring, Error> {
        let (ring, how) = set_up(iodepth)?;
        let memory =
            Memory::new(iodepth, bs, seed).map_err(|e| Error::system("memory for buffers", e))?;
        let mut notes = vec![how.to_owned()];
        bind_workers(&ring);
        ring.submitter()
            .register_files(&[target.file().as_raw_fd()])
            .map_err(|cause| Error::system("a file cannot be registered with the ring", cause))?;
        notes.push("registered file".to_owned());
        // SAFETY: the entries are those of the mapping, which is dropped after the ring, or never.
        let registered = unsafe { ring.submitter().register_buffers(&memory.entries()) };
        notes.push(match &registered {
            Ok(()) => "registered buffers".to_owned(),
            Err(error) => format!("buffers not registered ({error}): raise `ulimit -l`"),
        });
        let depth = usize::try_from(iodepth).unwrap_or(1);
        let mut engine = Uring {
            ring,
            memory,
            trim: if target.is_block_device() { Trim::Ring } else { Trim::Hole },
            target,
            clock: Clock::new(),
            busy: vec![false; depth],
            out: 0,
            ticking: false,
            tick: Box::new(Timespec::from(TICK_EVERY)),
            fixed_buffers: registered.is_ok(),
            at_once: Vec::with_capacity(depth),
            facts: EngineFacts { name: "uring".to_owned(), notes, floor_ns: None },
        };
        engine.find_trim()?;
        engine.facts.floor_ns = Some(engine.measured_floor()?);
        Ok(engine)
    }

    /// Asks a device whether it takes discards through the ring, by one of no length, which none grants.
    fn find_trim(&mut self) -> Result<(), Error> {
        if self.trim != Trim::Ring {
            return Ok(());
        }
        let answer = self.round_trip(discard_entry(0, 0))?;
        if answer == -Errno::OPNOTSUPP.raw_os_error() || answer == -Errno::NOTTY.raw_os_error() {
            self.trim = Trim::Ioctl;
            self.facts
                .notes
                .push("no discard through a ring before 6.12: trims by ioctl".to_owned());
        }
        Ok(())
    }

    /// The median time of an entry that asks nothing.
    fn measured_floor(&mut self) -> Result<u64, Error> {
        let mut times = Vec::with_capacity(FLOOR_TRIPS);
        for _ in 0..FLOOR_TRIPS {
            let from = self.clock.now_ns();
            self.round_trip(opcode::Nop::new().build())?;
            times.push(self.clock.now_ns() - from);
        }
        times.sort_unstable();
        Ok(times[FLOOR_TRIPS / 2])
    }

    /// One entry there and back, with nothing else in flight.
    fn round_trip(&mut self, entry: squeue::Entry) -> Result<i32, Error> {
        let failed = |cause| Error::system("io_uring_enter", cause);
        // SAFETY: the entry names no memory; the registered file lives as long as the ring.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        debug_assert!(pushed.is_ok(), "the ring is empty");
        loop {
            match self.ring.submit_and_wait(1) {
                Err(error) if passes(&error) => {}
                other => other.map(drop).map_err(failed)?,
            }
            if let Some(answer) = self.ring.completion().next() {
                return Ok(answer.result());
            }
        }
    }

    #[inline]
    fn entry(&self, slot: usize, request: &Request) -> squeue::Entry {
        let (target, pos, len) = (Fixed(0), request.pos, request.len);
        let index = u16::try_from(slot).unwrap_or(u16::MAX);
        let zero = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match request.op {
            Op::Read if self.fixed_buffers => {
                let buffer = self.memory.address(slot);
                opcode::ReadFixed::new(target, buffer, len, index).offset(pos).build()
            }
            Op::Read => {
                opcode::Read::new(target, self.memory.address(slot), len).offset(pos).build()
            }
            Op::Write => {
                let how = if request.fua { flags_of(ReadWriteFlags::DSYNC) } else { 0 };
                let buffer = self.memory.address(slot).cast_const();
                if self.fixed_buffers {
                    let write = opcode::WriteFixed::new(target, buffer, len, index);
                    write.offset(pos).rw_flags(how).build()
                } else {
                    opcode::Write::new(target, buffer, len).offset(pos).rw_flags(how).build()
                }
            }
            Op::Trim if self.trim == Trim::Hole => fallocate_entry(pos, len, hole),
            Op::Trim => discard_entry(pos, u64::from(len)),
            Op::WriteZeroes => fallocate_entry(pos, len, zero),
            Op::Flush => opcode::Fsync::new(target).flags(FsyncFlags::DATASYNC).build(),
        }
    }

    /// Hands an entry to the ring.
    #[inline]
    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: of a request, the buffer is the kernel's until the answer, since `busy` is set, and lives
        // as long as the ring, or for ever; of a tick, the time is in a box that lives as long as `self`
        // and is read when the entry is submitted. The file is registered.
        let pushed = unsafe { self.ring.submission().push(entry) };
        // There is an entry for each slot and one for the tick, and all were submitted by the last wait.
        debug_assert!(pushed.is_ok(), "the ring has room for all slots");
    }

    fn arm(&mut self) {
        self.ticking = true;
        let how = TimeoutFlags::empty();
        let entry = opcode::Timeout::new(&raw const *self.tick).flags(how).build();
        self.push(&entry.user_data(TICK));
    }

    /// Waits for an answer, at most until a time: asleep while it is far, else looking.
    fn wait_until(&mut self, until_ns: u64) -> io::Result<()> {
        let left = until_ns.saturating_sub(self.clock.now_ns());
        if left > 2 * OVERSLEEPS_NS {
            let limit = Timespec::from(Duration::from_nanos(left - OVERSLEEPS_NS));
            let args = SubmitArgs::new().timespec(&limit);
            return self.ring.submitter().submit_with_args(1, &args).map(drop);
        }
        if !self.ring.submission().is_empty() {
            self.ring.submit()?;
        }
        while self.clock.now_ns() < until_ns {
            let entries = self.ring.submission();
            let has_news = entries.taskrun() || entries.cq_overflow();
            drop(entries);
            if has_news {
                self.ring.submit()?;
            }
            if !self.ring.completion().is_empty() {
                break;
            }
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// The kernel's number of a flag.
fn flags_of(flags: ReadWriteFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

fn fallocate_entry(pos: u64, len: u32, how: FallocateFlags) -> squeue::Entry {
    let mode = i32::try_from(how.bits()).unwrap_or(0);
    opcode::Fallocate::new(Fixed(0), u64::from(len)).offset(pos).mode(mode).build()
}

/// A discard: the position where an address would stand, the length in the command's first word.
fn discard_entry(pos: u64, len: u64) -> squeue::Entry {
    let mut command = [0; 16];
    command[..8].copy_from_slice(&len.to_ne_bytes());
    opcode::UringCmd16::new(Fixed(0), URING_DISCARD).cmd(command).addr(Some(pos)).build()
}

/// Whether an error of entering the ring only says: look, and come again.
fn passes(error: &io::Error) -> bool {
    [Errno::TIME, Errno::INTR, Errno::BUSY, Errno::AGAIN]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&error.raw_os_error())
}

impl Engine for Uring {
    #[inline]
    fn now_ns(&mut self) -> u64 {
        self.clock.now_ns()
    }

    #[inline]
    fn queue(&mut self, slot: usize, request: &Request) {
        if request.op == Op::Trim && self.trim == Trim::Ioctl {
            let len = u64::from(request.len);
            let result = discard::discard(self.target.file().as_fd(), request.pos, len);
            let result = result.map_or_else(|errno| -errno.raw_os_error(), |()| 0);
            return self.at_once.push(Done { slot, result });
        }
        self.busy[slot] = true;
        self.out += 1;
        let entry = self.entry(slot, request);
        self.push(&entry.user_data(u64::try_from(slot).unwrap_or(TICK)));
    }

    #[inline]
    fn submit(&mut self, wait: Wait) -> io::Result<()> {
        if !self.ticking {
            self.arm();
        }
        let entered = match wait {
            Wait::Answer if self.at_once.is_empty() => self.ring.submit_and_wait(1).map(drop),
            Wait::Until(until) if self.at_once.is_empty() => self.wait_until(until),
            _ => self.ring.submit().map(drop),
        };
        match entered {
            Err(error) if passes(&error) => Ok(()),
            other => other,
        }
    }

    #[inline]
    fn reap(&mut self, done: &mut Vec<Done>) {
        done.append(&mut self.at_once);
        for answer in self.ring.completion() {
            if answer.user_data() == TICK {
                self.ticking = false;
                continue;
            }
            let slot = usize::try_from(answer.user_data()).unwrap_or(usize::MAX);
            self.busy[slot] = false;
            self.out -= 1;
            done.push(Done { slot, result: answer.result() });
        }
    }

    fn buffer(&mut self, slot: usize) -> &mut [u8] {
        assert!(!self.busy[slot], "the kernel has the buffer of slot {slot}");
        self.memory.get(slot)
    }

    fn is_gone(&self) -> bool {
        self.target.is_gone()
    }

    fn facts(&self) -> EngineFacts {
        self.facts.clone()
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        self.memory.lent = self.out != 0;
    }
}
