//! A piece of a file, as a person types it: `a..b` in blocks or `len@pos` in bytes.
//!
//! A range stays as it was typed, so that a scenario prints back as it was written and a bad offset
//! is reported in the unit it was given in.

use crate::format::limits;
use crate::suggest::Quoted;
use std::fmt;
use std::str::FromStr;

/// Blocks `start` up to and without `end`, counted from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRange {
    /// The first block.
    pub start: u64,
    /// The block after the last one.
    pub end: u64,
}

impl BlockRange {
    /// How many blocks.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is no block in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the block lies in it.
    pub fn contains(&self, block: u64) -> bool {
        (self.start..self.end).contains(&block)
    }

    /// Whether a block lies in both.
    pub fn overlaps(&self, other: &BlockRange) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }
}

impl fmt::Display for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl FromStr for BlockRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<BlockRange, RangeError> {
        match text.parse()? {
            Range::Blocks(blocks) => Ok(blocks),
            Range::Bytes(_) => Err(RangeError::NotBlocks { typed: text.to_owned() }),
        }
    }
}

/// `len` bytes from byte `pos` of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    /// The first byte, counted from the start of the file.
    pub pos: u64,
    /// How many bytes.
    pub len: u64,
}

impl ByteRange {
    /// The byte after the last one.
    pub fn end(&self) -> u64 {
        self.pos.saturating_add(self.len)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.len, self.pos)
    }
}

/// A piece of a file in the unit it was typed in; never empty when it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Range {
    /// `a..b`, at most [`limits::BLOCKS`] blocks from the start of the file.
    Blocks(BlockRange),
    /// `len@pos`; a scenario keeps it below [`limits::BLOCKS`] of its blocks.
    Bytes(ByteRange),
}

impl Range {
    /// The bytes of it, in a file system whose blocks have `block` bytes.
    pub fn bytes(&self, block: u64) -> ByteRange {
        match self {
            Range::Blocks(blocks) => ByteRange {
                pos: blocks.start.saturating_mul(block),
                len: blocks.len().saturating_mul(block),
            },
            Range::Bytes(bytes) => *bytes,
        }
    }

    /// The blocks it touches, whole or in part, where blocks have `block` bytes (at least one).
    pub fn blocks(&self, block: u64) -> BlockRange {
        match self {
            Range::Blocks(blocks) => *blocks,
            Range::Bytes(bytes) => BlockRange {
                start: bytes.pos / block.max(1),
                end: bytes.end().div_ceil(block.max(1)),
            },
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Blocks(blocks) => blocks.fmt(f),
            Range::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Range, RangeError> {
        let typed = || text.to_owned();
        if let Some((start, end)) = text.split_once("..") {
            let (start, end) = (number(start, text)?, number(end, text)?);
            return match end {
                end if end < start => Err(RangeError::Backwards { typed: typed() }),
                end if end == start => Err(RangeError::Empty { typed: typed() }),
                end if end > limits::BLOCKS => Err(RangeError::TooFar { typed: typed() }),
                _ => Ok(Range::Blocks(BlockRange { start, end })),
            };
        }
        let (len, pos) = text.split_once('@').ok_or_else(|| RangeError::Form { typed: typed() })?;
        let (len, pos) = (number(len, text)?, number(pos, text)?);
        match pos.checked_add(len) {
            None => Err(RangeError::TooFar { typed: typed() }),
            Some(_) if len == 0 => Err(RangeError::Empty { typed: typed() }),
            Some(_) => Ok(Range::Bytes(ByteRange { pos, len })),
        }
    }
}

/// A number of decimal digits alone: no sign, no space.
fn number(digits: &str, text: &str) -> Result<u64, RangeError> {
    let typed = || text.to_owned();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RangeError::Form { typed: typed() });
    }
    digits.parse().map_err(|_| RangeError::TooFar { typed: typed() })
}

/// Why a text is not a range; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Neither of the two forms.
    #[error("{} is not a range: write a..b in blocks or len@pos in bytes", Quoted(typed))]
    Form {
        /// What was typed.
        typed: String,
    },
    /// Bytes where only blocks are meant.
    #[error("{} must be a range of blocks, written a..b", Quoted(typed))]
    NotBlocks {
        /// What was typed.
        typed: String,
    },
    /// No block or byte in it.
    #[error("range {} is empty", Quoted(typed))]
    Empty {
        /// What was typed.
        typed: String,
    },
    /// The end lies before the start.
    #[error("range {} ends before it starts", Quoted(typed))]
    Backwards {
        /// What was typed.
        typed: String,
    },
    /// It reaches further than a scenario may.
    #[error("range {} reaches past block {}, the limit", Quoted(typed), limits::BLOCKS)]
    TooFar {
        /// What was typed.
        typed: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        text.parse::<Range>().unwrap_err().to_string()
    }

    #[test]
    fn both_forms_are_read_and_written() {
        let blocks: Range = "1..3".parse().unwrap();
        assert_eq!(blocks, Range::Blocks(BlockRange { start: 1, end: 3 }));
        assert_eq!(blocks.bytes(4096), ByteRange { pos: 4096, len: 8192 });
        assert_eq!(blocks.to_string(), "1..3");
        let bytes: Range = "2048@6144".parse().unwrap();
        assert_eq!(bytes, Range::Bytes(ByteRange { pos: 6144, len: 2048 }));
        assert_eq!(bytes.blocks(4096), BlockRange { start: 1, end: 2 });
        assert_eq!(bytes.blocks(512), BlockRange { start: 12, end: 16 });
        assert_eq!(bytes.to_string(), "2048@6144");
        assert_eq!("0..65536".parse::<Range>().unwrap().to_string(), "0..65536");
    }

    #[test]
    fn a_bad_range_says_what_is_wrong_with_it() {
        let form = "is not a range: write a..b in blocks or len@pos in bytes";
        for text in
            ["0-2", "", "..", "1..", "..2", "a..b", "1..2..3", "-1..2", "+1@2", "4096@", "7"]
        {
            assert_eq!(message(text), format!("`{text}` {form}"));
        }
        assert_eq!(message("2..2"), "range `2..2` is empty");
        assert_eq!(message("0@5"), "range `0@5` is empty");
        assert_eq!(message("3..1"), "range `3..1` ends before it starts");
        assert_eq!(message("0..65537"), "range `0..65537` reaches past block 65536, the limit");
        let huge = "1@18446744073709551615";
        assert_eq!(message(huge), format!("range `{huge}` reaches past block 65536, the limit"));
        let huger = "0..99999999999999999999";
        assert_eq!(message(huger), format!("range `{huger}` reaches past block 65536, the limit"));
        assert_eq!(
            "1@2".parse::<BlockRange>().unwrap_err().to_string(),
            "`1@2` must be a range of blocks, written a..b"
        );
    }

    #[test]
    fn ranges_that_share_a_block_overlap() {
        let range = |start, end| BlockRange { start, end };
        assert!(range(0, 2).overlaps(&range(1, 3)));
        assert!(!range(0, 2).overlaps(&range(2, 3)));
        assert!(range(1, 2).contains(1) && !range(1, 2).contains(2));
    }
}
