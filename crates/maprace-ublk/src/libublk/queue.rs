//! One queue's ring: commands of the driver go out and come back, and a bell ends a wait.
//!
//! The ring is the thread's own (libublk keeps it in a thread-local), set up so that the kernel delivers
//! only when asked and only to this thread. What libublk's own loop would do per request, a task woken
//! per tag and a wait per batch, is not there: [`Transport::reap`] walks the completions,
//! [`Transport::commit`] writes an entry, [`Transport::wait`] enters the kernel once.
#![allow(unsafe_code, reason = "submission entries are handed to the kernel")]

use super::Device;
use super::memory::Buffers;
use crate::device::Error;
use crate::{Arrival, Bell, Io, Op, Ring, SECTOR, State, Tag, Transport, Until};
use io_uring::{IoUring, opcode, squeue, types};
use libublk::io::{UblkIOCtx, UblkQueue};
use libublk::uring_async::ublk_reap_io_events_with_update_queue;
use libublk::{BufDesc, UblkIORes, sys};
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::io::Errno;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a bell's completion is called; the bit says that it is none of the driver's.
const BELL: u64 = libublk::UblkUringData::Target as u64;

/// One queue's ring; made, used and dropped on one thread.
pub(crate) struct Queue<'d> {
    /// Before the buffers: dropped first.
    queue: UblkQueue<'d>,
    buffers: Buffers,
    bell: Arc<Eventfd>,
    /// Whether the kernel copies between its pages and the buffers.
    copies: bool,
    /// Whether the ring waits for the bell.
    armed: bool,
    /// Commands that the kernel has.
    out: u32,
    /// Arrived, and nothing that we know.
    unknown: Vec<Tag>,
    /// A command that the driver refused: its errno.
    broken: Option<i32>,
    /// Set by whoever gives the device up.
    quit: Arc<AtomicBool>,
}

impl std::fmt::Debug for Queue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (queue, out) = (self.queue.get_qid(), self.out);
        f.debug_struct("Queue").field("queue", &queue).field("out", &out).finish_non_exhaustive()
    }
}

impl<'d> Queue<'d> {
    /// Makes the ring and asks for requests with every tag; the kernel has been told when this returns.
    pub(crate) fn new(
        device: &'d Device,
        queue: u16,
        quit: Arc<AtomicBool>,
    ) -> Result<Queue<'d>, Error> {
        let info = device.dev.dev_info;
        let depth = info.queue_depth;
        let at = |what| move |source| Error::Io { what, source };
        let ring = ring(u32::from(depth)).map_err(|error| {
            crate::control::words::refused("io_uring_setup", error.raw_os_error().unwrap_or(0))
        })?;
        let taken = |_| libublk::UblkError::OtherError(-Errno::EXIST.raw_os_error());
        libublk::ublk_init_task_ring(|cell| cell.set(RefCell::new(ring)).map_err(taken))
            .map_err(|error| super::translate("io_uring_setup", error))?;
        let buffer_bytes = usize::try_from(info.max_io_buf_bytes).expect("32 bits fit");
        let buffers = Buffers::new(depth, buffer_bytes).map_err(at("memory for buffers"))?;
        let bell = Arc::new(Eventfd::new().map_err(at("eventfd"))?);
        let inner = UblkQueue::new(queue, &device.dev)
            .map_err(|error| super::translate("set up a queue", error))?;
        let mut made = Queue {
            queue: inner,
            buffers,
            bell,
            copies: device.copies(),
            armed: false,
            out: 0,
            unknown: Vec::new(),
            broken: None,
            quit,
        };
        for tag in 0..depth {
            made.fetch(Tag(tag));
        }
        made.wait(Until::Now).map_err(at("io_uring_enter"))?;
        Ok(made)
    }

    /// Asks for the first request of a tag.
    fn fetch(&mut self, tag: Tag) {
        let address = self.address(tag);
        #[expect(deprecated, reason = "its successor takes libublk's own buffers only")]
        // The future is not awaited; what it holds is given back with the thread.
        let _asked = self.queue.submit_io_cmd(tag.0, sys::UBLK_U_IO_FETCH_REQ, address, -1);
        self.out += 1;
    }

    /// What the driver is told of a tag's buffer.
    fn address(&self, tag: Tag) -> *mut u8 {
        if self.copies { self.buffers.address(tag) } else { std::ptr::null_mut() }
    }

    /// Has the ring look at the bell.
    fn arm(&mut self, ring: &mut IoUring<squeue::Entry>) {
        let fd = types::Fd(self.bell.0.as_raw_fd());
        let entry = opcode::PollAdd::new(fd, u32::from(PollFlags::IN.bits())).build();
        // SAFETY: the entry names a file that the ring holds on to itself, and no memory.
        let pushed = unsafe { ring.submission().push(&entry.user_data(BELL)) };
        // Without room it is tried again with the next wait.
        self.armed = pushed.is_ok();
    }

    fn enter(&mut self, ring: &mut IoUring<squeue::Entry>, until: Until) -> io::Result<()> {
        if !self.armed {
            self.arm(ring);
        }
        let left = match until {
            Until::Now => 0,
            Until::At(at) => at.saturating_sub(self.now_ns()),
            Until::Arrival => u64::MAX,
            Until::Yield => {
                if !ring.submission().is_empty() {
                    ring.submit()?;
                }
                rustix::thread::sched_yield();
                0
            }
        };
        if left == 0 {
            let entries = ring.submission();
            let idle = entries.is_empty() && !entries.taskrun() && !entries.cq_overflow();
            drop(entries);
            return if idle { Ok(()) } else { ring.submit().map(drop) };
        }
        if left == u64::MAX {
            return ring.submit_and_wait(1).map(drop);
        }
        let limit = types::Timespec::from(Duration::from_nanos(left));
        let args = types::SubmitArgs::new().timespec(&limit);
        ring.submitter().submit_with_args(1, &args).map(drop)
    }
}

impl Transport for Queue<'_> {
    fn now_ns(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let (seconds, rest) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
        seconds * 1_000_000_000 + rest
    }

    fn reap(&mut self, take: &mut dyn FnMut(Arrival)) -> State {
        if self.quit.load(Ordering::Relaxed) {
            return State::Gone;
        }
        let Queue { queue, unknown, out, broken, armed, bell, .. } = self;
        let reaped = ublk_reap_io_events_with_update_queue(queue, false, None, |done| {
            if done.user_data() & BELL != 0 {
                bell.hush();
                *armed = false;
                return;
            }
            *out -= 1;
            match done.result() {
                sys::UBLK_IO_RES_ABORT => {}
                0 => {
                    let tag = UblkIOCtx::user_data_to_tag(done.user_data());
                    let tag = u16::try_from(tag).expect("a tag has 16 bits");
                    let asked = queue.get_iod(tag);
                    match decode(asked.op_flags, asked.start_sector, asked.nr_sectors) {
                        Some(io) => take(Arrival { tag: Tag(tag), io }),
                        None => unknown.push(Tag(tag)),
                    }
                }
                errno => *broken = Some(errno.abs()),
            }
        });
        debug_assert!(reaped.is_ok(), "reaping has no way to fail");
        while let Some(tag) = self.unknown.pop() {
            self.commit(tag, -Errno::NOTSUP.raw_os_error());
        }
        match (self.queue.is_stopping(), self.out) {
            (false, _) => State::Open,
            (true, 0) => State::Gone,
            (true, _) => State::Closing,
        }
    }

    fn buffer(&mut self, tag: Tag) -> &mut [u8] {
        if self.copies { self.buffers.get(tag) } else { &mut [] }
    }

    fn commit(&mut self, tag: Tag, result: i32) {
        if self.queue.is_stopping() {
            return;
        }
        let buffer = BufDesc::RawAddress(self.address(tag));
        let done = self.queue.complete_io_cmd_unified(tag.0, buffer, Ok(UblkIORes::Result(result)));
        debug_assert!(done.is_ok(), "any device takes a raw address");
        self.out += 1;
    }

    fn wait(&mut self, until: Until) -> io::Result<()> {
        if let Some(errno) = self.broken {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let entered = libublk::with_task_io_ring_mut(|ring| self.enter(ring, until));
        match entered {
            // BUSY: there are completions to be reaped first.
            Err(error)
                if [Errno::TIME, Errno::INTR, Errno::BUSY, Errno::AGAIN]
                    .map(|errno| Some(errno.raw_os_error()))
                    .contains(&error.raw_os_error()) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn bell(&self) -> Bell {
        Arc::clone(&self.bell) as Bell
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        self.buffers.returned = self.out == 0;
    }
}

/// A ring for a queue of `depth`: delivers only to the thread that made it, and only when it asks. Before
/// 6.1 there is no such ring; then one that interrupts nobody.
fn ring(depth: u32) -> io::Result<IoUring<squeue::Entry>> {
    // Every tag's answer and the bell fit into one submission; completions have room for twice that.
    let (entries, completions) = (depth + 1, (2 * (depth + 1)).next_power_of_two());
    let deferring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_cqsize(completions)
        .build(entries);
    match deferring {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            IoUring::builder()
                .setup_coop_taskrun()
                .setup_taskrun_flag()
                .setup_cqsize(completions)
                .build(entries)
        }
        other => other,
    }
}

/// What a descriptor asks; none: nothing that we offer.
fn decode(op_flags: u32, start_sector: u64, sectors: u32) -> Option<Io> {
    let (pos, len) = (start_sector * SECTOR, u64::from(sectors) * SECTOR);
    let op = match op_flags & 0xff {
        sys::UBLK_IO_OP_READ => Op::Read,
        sys::UBLK_IO_OP_WRITE => Op::Write { fua: op_flags & sys::UBLK_IO_F_FUA != 0 },
        sys::UBLK_IO_OP_FLUSH => return Some(Io { op: Op::Flush, pos: 0, len: 0 }),
        sys::UBLK_IO_OP_DISCARD => Op::Discard,
        sys::UBLK_IO_OP_WRITE_ZEROES => {
            Op::WriteZeroes { unmap: op_flags & sys::UBLK_IO_F_NOUNMAP == 0 }
        }
        _ => return None,
    };
    Some(Io { op, pos, len })
}

/// A bell that any thread may ring.
#[derive(Debug)]
struct Eventfd(OwnedFd);

impl Eventfd {
    fn new() -> io::Result<Eventfd> {
        Ok(Eventfd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Takes what was rung.
    fn hush(&self) {
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

impl Ring for Eventfd {
    fn ring(&self) {
        // Fails only when it has been rung 2^64 times and not been heard.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_says_what_is_asked() {
        let (fua, nounmap) = (sys::UBLK_IO_F_FUA, sys::UBLK_IO_F_NOUNMAP);
        let at = |op| Some(Io { op, pos: 4096, len: 1024 });
        assert_eq!(decode(0, 8, 2), at(Op::Read));
        assert_eq!(decode(1, 8, 2), at(Op::Write { fua: false }));
        assert_eq!(decode(1 | fua, 8, 2), at(Op::Write { fua: true }));
        assert_eq!(decode(3, 8, 2), at(Op::Discard));
        assert_eq!(decode(5, 8, 2), at(Op::WriteZeroes { unmap: true }));
        assert_eq!(decode(5 | nounmap, 8, 2), at(Op::WriteZeroes { unmap: false }));
        // Flags that only tell the kernel's temper change nothing.
        assert_eq!(decode(sys::UBLK_IO_F_META | sys::UBLK_IO_F_SWAP, 8, 2), at(Op::Read));
        // A flush has no place, whatever the descriptor holds.
        assert_eq!(decode(2, 8, 2), Some(Io { op: Op::Flush, pos: 0, len: 0 }));
        for op in [4, 10, 13, 18, 200] {
            assert_eq!(decode(op, 8, 2), None);
        }
    }

    #[test]
    fn the_longest_range_is_not_cut() {
        let sectors = u32::try_from(crate::RANGE_BYTES_MAX / SECTOR).unwrap();
        assert_eq!(decode(5, 0, sectors).unwrap().len, crate::RANGE_BYTES_MAX);
    }
}
