//! What the block layer is told of a device: its size, its blocks, what it can do.

use serde::{Deserialize, Serialize};

/// A sector of the block layer, in bytes.
pub const SECTOR: u64 = 512;

/// The most bytes of one discard or one write of zeroes: their length in bytes fits into 32 bits, in
/// whole pages. Longer ones were cut silently before v6.11.
pub const RANGE_BYTES_MAX: u64 = (1 << 32) - 4096;

/// What the block layer is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attributes {
    /// Bytes.
    pub size: u64,
    /// Bytes of the smallest request, 512 to 4096.
    pub logical_block: u32,
    /// Bytes that the medium writes at once.
    pub physical_block: u32,
    /// Whether what was answered may be lost in a power cut: `UBLK_ATTR_VOLATILE_CACHE`. Without it the
    /// kernel never sends a flush.
    pub volatile_cache: bool,
    /// Whether it can write through that cache: `UBLK_ATTR_FUA`.
    pub fua: bool,
    /// Whether it turns.
    pub rotational: bool,
    /// Bytes that a discard gives back at least.
    pub discard_granularity: u32,
}

/// A size that no device can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SizeError {
    /// Nothing.
    #[error("a device of 0 bytes")]
    Zero,
    /// Not whole blocks.
    #[error("{size} bytes are not a whole number of blocks of {block}")]
    Uneven {
        /// What was asked for.
        size: u64,
        /// Bytes of a logical block.
        block: u32,
    },
    /// The kernel counts bytes in a signed 64-bit number.
    #[error("{size} bytes are more than the kernel can address ({})", i64::MAX)]
    TooLarge {
        /// What was asked for.
        size: u64,
    },
}

impl Attributes {
    /// Refuses a size that no device can have.
    ///
    /// # Errors
    /// See [`SizeError`].
    pub fn check_size(&self) -> Result<(), SizeError> {
        let (size, block) = (self.size, self.logical_block);
        if size == 0 {
            return Err(SizeError::Zero);
        }
        if size > i64::MAX.unsigned_abs() {
            return Err(SizeError::TooLarge { size });
        }
        if size % u64::from(block) != 0 {
            return Err(SizeError::Uneven { size, block });
        }
        Ok(())
    }
}
