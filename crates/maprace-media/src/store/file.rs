//! Bytes in a sparse file: what was never written, or was discarded, is a hole.

use super::{Store, within};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Zeroes written at once where the file system has no holes.
static ZEROES: [u8; 65_536] = [0; 65_536];

/// A medium in a file.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    size: u64,
}

impl SparseFile {
    /// A new medium of `size` bytes, all zero. The file must not exist.
    ///
    /// # Errors
    ///
    /// The file exists or cannot be made, or the file system has no files of that size.
    pub fn create(path: &Path, size: u64) -> io::Result<SparseFile> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.set_len(size)?;
        Ok(SparseFile { file, size })
    }

    /// The medium that a file holds; its length is the size.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for reading and writing, or is not a regular file.
    pub fn open(path: &Path) -> io::Result<SparseFile> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(SparseFile { file, size: metadata.len() })
    }
}

impl Store for SparseFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, pos: u64, into: &mut [u8]) -> io::Result<()> {
        within(self.size, pos, into.len() as u64)?;
        self.file.read_exact_at(into, pos)
    }

    fn write(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        within(self.size, pos, bytes.len() as u64)?;
        self.file.write_all_at(bytes, pos)
    }

    fn discard(&mut self, pos: u64, len: u64) -> io::Result<()> {
        within(self.size, pos, len)?;
        if len == 0 {
            return Ok(());
        }
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.file, punch, pos, len) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP) => self.write_zeroes(pos, len),
            Err(error) => Err(error.into()),
        }
    }

    fn kept(&self) -> io::Result<u64> {
        // `st_blocks` counts in 512 bytes whatever the block size.
        Ok(self.file.metadata()?.blocks() * 512)
    }
}

impl SparseFile {
    fn write_zeroes(&self, pos: u64, len: u64) -> io::Result<()> {
        let mut at = pos;
        while at < pos + len {
            let part = (pos + len - at).min(ZEROES.len() as u64);
            self.file.write_all_at(&ZEROES[..crate::units::index(part)], at)?;
            at += part;
        }
        Ok(())
    }
}
