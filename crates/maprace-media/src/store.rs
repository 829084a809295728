//! Where a medium's bytes are kept: in memory or in a sparse file. Both cost what was written, whatever
//! the size of the medium, and read zeroes where nothing was.

mod file;
mod memory;
#[cfg(test)]
mod tests;

pub use file::SparseFile;
pub use memory::Memory;

use std::io;

/// The bytes of a medium. Every range lies inside [`Store::size`]; outside it is an error of kind
/// `InvalidInput`, and nothing is done.
pub trait Store: std::fmt::Debug + Send {
    /// The size of the medium in bytes.
    fn size(&self) -> u64;

    /// Fills `into` with the bytes at `pos`.
    ///
    /// # Errors
    ///
    /// The range leaves the medium, or the file cannot be read.
    fn read(&self, pos: u64, into: &mut [u8]) -> io::Result<()>;

    /// Puts bytes at `pos`.
    ///
    /// # Errors
    ///
    /// The range leaves the medium, or the file cannot be written; then some bytes may have changed.
    fn write(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes `len` bytes at `pos` zero, and gives back what kept them.
    ///
    /// # Errors
    ///
    /// The range leaves the medium, or the file cannot be changed.
    fn discard(&mut self, pos: u64, len: u64) -> io::Result<()>;

    /// Bytes that are really kept, at least what was written and not discarded since.
    ///
    /// # Errors
    ///
    /// The file cannot be asked.
    fn kept(&self) -> io::Result<u64>;
}

/// Refuses a range that leaves the medium.
pub(crate) fn within(size: u64, pos: u64, len: u64) -> io::Result<()> {
    if pos.checked_add(len).is_some_and(|end| end <= size) {
        return Ok(());
    }
    let what = format!("{len} bytes at {pos} leave the medium, which has {size}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}
