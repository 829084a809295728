//! Bytes as they are: a device whose content is what was written to it, timed by the queue loop.
//!
//! [`Memory`] keeps them in a file on a tmpfs, so that they outlive the process that serves them;
//! [`SparseFile`] in a file that somebody wants to keep; [`Null`] nowhere. None has a lock that queues
//! would share. Requests that overlap and are in flight together have no order, as on any disk.

mod file;
mod map;
mod memory;
mod null;
mod pages;
#[cfg(test)]
mod tests;

pub use file::SparseFile;
pub use memory::Memory;
pub use null::Null;

use crate::{Answer, Io, Op, Outcome, Service, Tag};
use rustix::fs::{FallocateFlags, fallocate};
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `EIO`: what the kernel is told where the machine gave no number.
const EIO: i32 = 5;
/// `EINVAL`: what the kernel is told of a range beyond the device.
const EINVAL: i32 = 22;

/// Why content cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine says no.
    #[error("{path}: cannot {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// Something else has that name.
    #[error("{path}: not a regular file; name a file, or one that does not exist yet")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// A file of another length.
    #[error(
        "{path}: {found} bytes, and the device has {size}; give the device that size, or another file"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The length it should have.
        size: u64,
    },
}

/// Makes a file of `size` bytes without any, or opens one that is there.
fn opened(path: &Path, size: u64, is_new: bool) -> Result<File, Error> {
    let wrong = |what| move |source| Error::Io { path: path.to_owned(), what, source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(is_new).mode(0o600);
    // A symlink in its place is somebody else's doing.
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.open(path).map_err(wrong(if is_new { "create it" } else { "open it" }))?;
    if is_new {
        if let Err(source) = file.set_len(size) {
            // It is ours, and of no use.
            let _ = std::fs::remove_file(path);
            return Err(wrong("give it its length")(source));
        }
        return Ok(file);
    }
    let metadata = file.metadata().map_err(wrong("look at it"))?;
    match metadata.len() {
        _ if !metadata.is_file() => Err(Error::NotAFile { path: path.to_owned() }),
        found if found != size => Err(Error::Size { path: path.to_owned(), found, size }),
        _ => Ok(file),
    }
}

/// Gives a range of a file back; what is left reads as zeroes.
fn punch(file: &File, pos: u64, len: u64) -> io::Result<()> {
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, hole, pos, len)?)
}

/// Bytes that a file takes.
fn kept(file: &File) -> u64 {
    // `st_blocks` counts in 512 bytes whatever the block size.
    file.metadata().map_or(0, |metadata| metadata.blocks().saturating_mul(512))
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(EIO)
}

/// What the three have in common: each request is done when it is handed over. Ranges lie within the
/// device.
trait Content: Debug + Send + Sync + 'static {
    fn size(&self) -> u64;
    fn read(&self, pos: u64, into: &mut [u8]) -> io::Result<()>;
    fn write(&self, pos: u64, bytes: &[u8], fua: bool) -> io::Result<()>;
    fn flush(&self) -> io::Result<()>;
    /// The range reads as zeroes; space is given back where it can be. The kernel may ask to keep it
    /// (`UBLK_IO_F_NOUNMAP`), which no content here can promise: all of them are thin.
    fn clear(&self, pos: u64, len: u64) -> io::Result<()>;
}

/// One queue's access.
struct Access<C>(Arc<C>);

impl<C: Content> Service for Access<C> {
    fn submit(&mut self, _: Tag, io: Io, buffer: &mut [u8], _: u64) -> Answer {
        Answer::Now(done(&*self.0, io, buffer))
    }
}

fn done<C: Content>(content: &C, io: Io, buffer: &mut [u8]) -> Outcome {
    if io.pos.checked_add(io.len).is_none_or(|end| end > content.size()) {
        return Err(EINVAL);
    }
    let done = match io.op {
        Op::Read => content.read(io.pos, buffer),
        Op::Write { fua } => content.write(io.pos, buffer, fua),
        Op::Flush => content.flush(),
        Op::Discard | Op::WriteZeroes { .. } if io.len == 0 => Ok(()),
        Op::Discard | Op::WriteZeroes { .. } => content.clear(io.pos, io.len),
    };
    done.map_err(|error| errno(&error))
}
