//! Plain system calls, one request at a time: `preadv2` and `pwritev2`, `fallocate`, `fdatasync`. For
//! comparison, and where the kernel has no ring.

use crate::clock::Clock;
use crate::engine::{Done, Engine, EngineFacts, Wait};
use crate::error::Error;
use crate::request::{Op, Request};
use crate::ring::discard;
use crate::ring::memory::Memory;
use crate::target::Target;
use rustix::fs::FallocateFlags;
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::sync::Arc;

/// The engine. It has one slot.
#[derive(Debug)]
pub struct Psync {
    target: Arc<Target>,
    clock: Clock,
    memory: Memory,
    queued: Option<(usize, Request)>,
    done: Vec<Done>,
}

impl Psync {
    /// For requests of up to `bs` bytes of a target.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(target: Arc<Target>, bs: u32, seed: u64) -> Result<Psync, Error> {
        let memory =
            Memory::new(1, bs, seed).map_err(|e| Error::system("memory for buffers", e))?;
        Ok(Psync { target, clock: Clock::new(), memory, queued: None, done: Vec::with_capacity(1) })
    }

    fn perform(&mut self, request: &Request) -> Result<usize, Errno> {
        let len = usize::try_from(request.len).unwrap_or(0);
        let (fd, pos) = (self.target.file().as_fd(), request.pos);
        let buffer = &mut self.memory.get(0)[..len];
        match request.op {
            Op::Read => preadv2(fd, &mut [IoSliceMut::new(buffer)], pos, ReadWriteFlags::empty()),
            Op::Write => {
                let how = if request.fua { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
                pwritev2(fd, &[IoSlice::new(buffer)], pos, how)
            }
            Op::Trim if self.target.is_block_device() => {
                discard::discard(fd, pos, u64::from(request.len)).map(|()| len)
            }
            Op::Trim => {
                let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(fd, how, pos, u64::from(request.len)).map(|()| len)
            }
            Op::WriteZeroes => {
                let how = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(fd, how, pos, u64::from(request.len)).map(|()| len)
            }
            Op::Flush => rustix::fs::fdatasync(fd).map(|()| 0),
        }
    }
}

impl Engine for Psync {
    #[inline]
    fn now_ns(&mut self) -> u64 {
        self.clock.now_ns()
    }

    fn queue(&mut self, slot: usize, request: &Request) {
        debug_assert!(self.queued.is_none(), "one request at a time");
        self.queued = Some((slot, *request));
    }

    fn submit(&mut self, wait: Wait) -> io::Result<()> {
        if let Some((slot, request)) = self.queued.take() {
            let result = loop {
                match self.perform(&request) {
                    Err(Errno::INTR) => {}
                    other => break other,
                }
            };
            let result = match result {
                Ok(bytes) => i32::try_from(bytes).unwrap_or(i32::MAX),
                Err(errno) => -errno.raw_os_error(),
            };
            self.done.push(Done { slot, result });
        } else if let Wait::Until(until) = wait {
            self.clock.wait_until(until);
        }
        Ok(())
    }

    fn reap(&mut self, done: &mut Vec<Done>) {
        done.append(&mut self.done);
    }

    fn buffer(&mut self, slot: usize) -> &mut [u8] {
        self.memory.get(slot)
    }

    fn is_gone(&self) -> bool {
        self.target.is_gone()
    }

    fn facts(&self) -> EngineFacts {
        let notes = vec!["one request at a time, whatever the depth".to_owned()];
        EngineFacts { name: "psync".to_owned(), notes, floor_ns: None }
    }
}
