//! One request: what is asked, and of which bytes. Plain data.

use serde::{Deserialize, Serialize};

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Bytes.
    Read,
    /// That bytes be kept.
    Write,
    /// That bytes be forgotten: a discard on a device, a hole in a file.
    Trim,
    /// That bytes be zero.
    WriteZeroes,
    /// That everything acknowledged before be durable.
    Flush,
}

impl Op {
    /// All of them, in the order of [`Op::index`].
    pub const ALL: [Op; 5] = [Op::Read, Op::Write, Op::Trim, Op::WriteZeroes, Op::Flush];

    /// From 0 to 4.
    pub fn index(self) -> usize {
        match self {
            Op::Read => 0,
            Op::Write => 1,
            Op::Trim => 2,
            Op::WriteZeroes => 3,
            Op::Flush => 4,
        }
    }

    /// As output names it.
    pub fn name(self) -> &'static str {
        ["read", "write", "trim", "write-zeroes", "flush"][self.index()]
    }

    /// Whether it changes what bytes are there.
    pub fn changes(self) -> bool {
        matches!(self, Op::Write | Op::Trim | Op::WriteZeroes)
    }
}

/// A request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked.
    pub op: Op,
    /// Whether a write is durable when it is acknowledged.
    pub fua: bool,
    /// The first byte; 0 of a flush.
    pub pos: u64,
    /// How many bytes; 0 of a flush.
    pub len: u32,
}

impl Request {
    /// A flush.
    pub(crate) const FLUSH: Request = Request { op: Op::Flush, fua: false, pos: 0, len: 0 };
}
