//! What the kernel asks, and what it is told.

use maprace_media::Request;

/// A request's number within its queue, from 0 to the depth less one; its buffer's too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u16);

/// What is asked. Its name is that of the kernel's `REQ_OP_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Fill the buffer from the device.
    Read,
    /// Take the buffer's bytes; with `fua` they are durable when this is answered.
    Write {
        /// `REQ_FUA`.
        fua: bool,
    },
    /// Make durable what was answered before.
    Flush,
    /// The bytes are not needed any more, and read as zeroes.
    Discard,
    /// The bytes read as zeroes; unless `unmap`, their space stays allocated.
    WriteZeroes {
        /// Space may be given back: the kernel did not say `UBLK_IO_F_NOUNMAP`.
        unmap: bool,
    },
}

/// A request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Io {
    /// What.
    pub op: Op,
    /// The first byte; 0 for a flush.
    pub pos: u64,
    /// How many bytes; 0 for a flush.
    pub len: u64,
}

impl Io {
    /// The same as a medium is asked it.
    pub fn on_medium(self) -> Request {
        let Io { op, pos, len } = self;
        match op {
            Op::Read => Request::Read { pos, len },
            Op::Write { fua: false } => Request::Write { pos, len },
            Op::Write { fua: true } => Request::WriteThrough { pos, len },
            Op::Flush => Request::Flush,
            Op::Discard => Request::Discard { pos, len },
            Op::WriteZeroes { .. } => Request::Zero { pos, len },
        }
    }
}

/// How a request ended: done, or the errno (positive) it failed with.
pub type Outcome = Result<(), i32>;

impl Io {
    /// What the kernel is told of `outcome`: the bytes read or written; 0 for what moves none, since a
    /// range of 2 GiB and more does not fit into a result; a negative errno.
    pub fn result(self, outcome: Outcome) -> i32 {
        match (outcome, self.op) {
            (Err(errno), _) => -errno,
            (Ok(()), Op::Read | Op::Write { .. }) => {
                i32::try_from(self.len).expect("a transfer fits into a tag's buffer")
            }
            (Ok(()), Op::Flush | Op::Discard | Op::WriteZeroes { .. }) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_any_length_is_answered_with_0() {
        for op in [Op::Discard, Op::WriteZeroes { unmap: true }, Op::Flush] {
            assert_eq!(Io { op, pos: 0, len: 5 << 30 }.result(Ok(())), 0);
            assert_eq!(Io { op, pos: 0, len: 5 << 30 }.result(Err(5)), -5);
        }
        assert_eq!(Io { op: Op::Read, pos: 0, len: 4096 }.result(Ok(())), 4096);
        assert_eq!(Io { op: Op::Write { fua: true }, pos: 0, len: 512 }.result(Ok(())), 512);
    }
}
