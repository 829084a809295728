//! The engine that answers everything at once. What is measured with it is the generator itself.

use crate::clock::Clock;
use crate::engine::{Done, Engine, EngineFacts, Wait};
use crate::request::Request;
use std::io;

/// Nothing.
#[derive(Debug)]
pub struct Null {
    clock: Clock,
    queued: Vec<Done>,
}

impl Null {
    /// For so many requests in flight.
    pub fn new(iodepth: u32) -> Null {
        let depth = usize::try_from(iodepth).unwrap_or(0);
        Null { clock: Clock::new(), queued: Vec::with_capacity(depth) }
    }
}

impl Engine for Null {
    #[inline]
    fn now_ns(&mut self) -> u64 {
        self.clock.now_ns()
    }

    #[inline]
    fn queue(&mut self, slot: usize, request: &Request) {
        self.queued.push(Done { slot, result: i32::try_from(request.len).unwrap_or(i32::MAX) });
    }

    #[inline]
    fn submit(&mut self, wait: Wait) -> io::Result<()> {
        if let Wait::Until(until) = wait
            && self.queued.is_empty()
        {
            self.clock.wait_until(until);
        }
        Ok(())
    }

    #[inline]
    fn reap(&mut self, done: &mut Vec<Done>) {
        done.append(&mut self.queued);
    }

    fn buffer(&mut self, _: usize) -> &mut [u8] {
        &mut []
    }

    fn facts(&self) -> EngineFacts {
        let notes = vec!["answers at once: what is measured is the generator itself".to_owned()];
        EngineFacts { name: "null".to_owned(), notes, floor_ns: None }
    }
}
