//! A device in this process, in virtual time: no kernel, no waiting, and the same figures every time.
//!
//! The clock stands still while the generator works and jumps to the next answer or the next arrival.
//! So a load sees exactly what the device says, at nanoseconds that no machine could keep to, and the
//! speed of this machine does not enter.

use crate::engine::{Done, Engine, EngineFacts, Wait};
use crate::request::Request;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

/// What a device says to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// When it is answered, in nanoseconds; at once if that has passed.
    pub done_ns: u64,
    /// None, or the errno it fails with.
    pub errno: Option<i32>,
}

/// A device in this process.
pub trait Device {
    /// Takes a request at `now_ns`, which does not decrease. `data` are the bytes to be written, or where
    /// those that are read go; of other requests, and where nobody looks at bytes, it is empty.
    fn serve(&mut self, request: &Request, data: &mut [u8], now_ns: u64) -> Reply;

    /// What it is, in a few words.
    fn describe(&self) -> String;
}

/// The engine.
#[derive(Debug)]
pub struct InProcess<D> {
    device: D,
    now_ns: u64,
    /// By time, then in the order of submission.
    pending: BinaryHeap<Reverse<(u64, u64, usize, i32)>>,
    submitted: u64,
    buffers: Vec<u8>,
    bs: usize,
}

impl<D: Device> InProcess<D> {
    /// For requests of up to `bs` bytes; with no bytes at all unless `has_bytes`.
    pub fn new(device: D, iodepth: u32, bs: u32, has_bytes: bool) -> InProcess<D> {
        let (depth, bs) = (usize::try_from(iodepth).unwrap_or(0), usize::try_from(bs).unwrap_or(0));
        let bs = if has_bytes { bs } else { 0 };
        InProcess {
            device,
            now_ns: 0,
            pending: BinaryHeap::with_capacity(depth),
            submitted: 0,
            buffers: vec![0; depth * bs],
            bs,
        }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The same, to change it.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }
}

impl<D: Device> Engine for InProcess<D> {
    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn queue(&mut self, slot: usize, request: &Request) {
        let len = usize::try_from(request.len).unwrap_or(0).min(self.bs);
        let has_data = matches!(request.op, crate::Op::Read | crate::Op::Write);
        let from = slot * self.bs;
        let data = if has_data { &mut self.buffers[from..from + len] } else { &mut [][..] };
        let reply = self.device.serve(request, data, self.now_ns);
        let good = i32::try_from(request.len).unwrap_or(i32::MAX);
        let result = reply.errno.map_or(good, |errno| -errno);
        let done_ns = reply.done_ns.max(self.now_ns);
        self.pending.push(Reverse((done_ns, self.submitted, slot, result)));
        self.submitted += 1;
    }

    fn submit(&mut self, wait: Wait) -> io::Result<()> {
        let answer = self.pending.peek().map(|Reverse(next)| next.0);
        let until = match wait {
            Wait::No => None,
            Wait::Answer => answer,
            Wait::Until(until) => Some(answer.map_or(until, |answer| answer.min(until))),
        };
        self.now_ns = self.now_ns.max(until.unwrap_or(0));
        Ok(())
    }

    fn reap(&mut self, done: &mut Vec<Done>) {
        while let Some(Reverse((at, _, slot, result))) = self.pending.peek().copied()
            && at <= self.now_ns
        {
            self.pending.pop();
            done.push(Done { slot, result });
        }
    }

    fn buffer(&mut self, slot: usize) -> &mut [u8] {
        &mut self.buffers[slot * self.bs..(slot + 1) * self.bs]
    }

    fn facts(&self) -> EngineFacts {
        let notes = vec![format!("{}, in this process, in virtual time", self.device.describe())];
        EngineFacts { name: "in-process".to_owned(), notes, floor_ns: None }
    }
}
