//! Nothing: what is written is forgotten. For what everything else costs.
//!
//! No byte moves: a read leaves the pages of its caller as they are, as `null_blk` does without memory.
//! Where the kernel cannot but copy (before v6.5), reads give zeroes.
//! A tag's buffer holds what was written through it, and a reader must never see somebody else's bytes.
//! So each queue knows how much of each buffer was ever written, and clears that before a read. Buffers
//! begin as zeroes, and nobody but the queue's service fills them: a device that is only read clears
//! nothing.

use super::{Content, done};
use crate::{Answer, Backend, Bell, Io, Op, Service, Tag, Timed};
use std::io;
use std::sync::Arc;

/// Content that is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Null {
    size: u64,
}

impl Null {
    /// Of `size` bytes.
    pub fn new(size: u64) -> Null {
        Null { size }
    }
}

impl Backend for Null {
    fn attach(self: Arc<Self>, _: u16, _: Bell) -> Box<dyn Service> {
        Box::new(Access { content: self, written: Vec::new() })
    }

    fn timed(&self) -> Timed {
        Timed::ByLoop
    }

    fn moves_bytes(&self) -> bool {
        false
    }

    fn kept_bytes(&self) -> u64 {
        0
    }
}

/// One queue's access.
struct Access {
    content: Arc<Null>,
    /// By tag: bytes at the beginning of its buffer that may not be zero.
    written: Vec<usize>,
}

impl Service for Access {
    fn submit(&mut self, tag: Tag, io: Io, buffer: &mut [u8], _: u64) -> Answer {
        let place = usize::from(tag.0);
        if place >= self.written.len() {
            self.written.resize(place + 1, 0);
        }
        let written = &mut self.written[place];
        match io.op {
            Op::Write { .. } => *written = (*written).max(buffer.len()),
            Op::Read => {
                let dirty = (*written).min(buffer.len());
                buffer[..dirty].fill(0);
                if buffer.len() >= *written {
                    *written = 0;
                }
            }
            Op::Flush | Op::Discard | Op::WriteZeroes { .. } => {}
        }
        Answer::Now(done(&*self.content, io, buffer))
    }
}

impl Content for Null {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        // Cleared by the queue's access.
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8], _: bool) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn clear(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_read_shows_what_was_written_through_its_buffer() {
        let mut access = Access { content: Arc::new(Null::new(1 << 20)), written: Vec::new() };
        let mut buffer = vec![0_u8; 8192];
        let write = Io { op: Op::Write { fua: false }, pos: 0, len: 8192 };
        buffer.fill(7);
        access.submit(Tag(3), write, &mut buffer, 0);
        // A short read clears its part only; the next longer one still has to.
        for len in [512, 4096, 8192] {
            let read = Io { op: Op::Read, pos: 0, len: 512 };
            access.submit(Tag(3), read, &mut buffer[..len], 0);
            assert!(buffer[..len].iter().all(|byte| *byte == 0), "{len}");
        }
        assert_eq!(access.written[3], 0);
    }
}
