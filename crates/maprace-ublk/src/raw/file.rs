//! Bytes in a file that somebody keeps: what was never written, or was discarded, is a hole.

use super::{Access, Content, Error, kept, opened, punch};
use crate::{Backend, Bell, Service, Timed};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Zeroes written at once where the file system has no holes.
static ZEROES: [u8; 65_536] = [0; 65_536];

/// Content in a sparse file. A flush, and a write with FUA, is an `fdatasync` of it.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    size: u64,
}

impl SparseFile {
    /// A new file of `size` bytes, all zero, for its owner only.
    ///
    /// # Errors
    /// It exists, or cannot be made, or the file system has no files of that size.
    pub fn create(path: &Path, size: u64) -> Result<SparseFile, Error> {
        Ok(SparseFile { file: opened(path, size, true)?, size })
    }

    /// A file that is there; no symlink is followed.
    ///
    /// # Errors
    /// It cannot be read and written, is no regular file, or has another length.
    pub fn open(path: &Path, size: u64) -> Result<SparseFile, Error> {
        Ok(SparseFile { file: opened(path, size, false)?, size })
    }
}

impl Backend for SparseFile {
    fn attach(self: Arc<Self>, _: u16, _: Bell) -> Box<dyn Service> {
        Box::new(Access(self))
    }

    fn timed(&self) -> Timed {
        Timed::ByLoop
    }

    fn kept_bytes(&self) -> u64 {
        kept(&self.file)
    }
}

impl Content for SparseFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, pos: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, pos)
    }

    fn write(&self, pos: u64, bytes: &[u8], fua: bool) -> io::Result<()> {
        self.file.write_all_at(bytes, pos)?;
        if fua { self.file.sync_data() } else { Ok(()) }
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn clear(&self, pos: u64, len: u64) -> io::Result<()> {
        match punch(&self.file, pos, len) {
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) =>
            {
                self.write_zeroes(pos, pos + len)
            }
            punched => punched,
        }
    }
}

impl SparseFile {
    fn write_zeroes(&self, pos: u64, end: u64) -> io::Result<()> {
        let mut at = pos;
        while at < end {
            let part = (end - at).min(ZEROES.len() as u64);
            let len = usize::try_from(part).unwrap_or(ZEROES.len());
            self.file.write_all_at(&ZEROES[..len], at)?;
            at += part;
        }
        Ok(())
    }
}
