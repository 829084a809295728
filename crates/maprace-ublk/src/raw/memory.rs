//! Bytes in memory that outlive the process: a file on a tmpfs, mapped once.
//!
//! A page that was never written is not touched by a read, since that would make it; it is made by a
//! write to the file, so that a full tmpfs is `ENOSPC` for the request and not `SIGBUS` for the process.
//! What exists is copied without the kernel's help.

use super::map::Map;
use super::pages::Pages;
use super::{Access, Content, Error, kept, opened, punch};
use crate::{Backend, Bell, Service, Timed};
use rustix::fs::{SeekFrom, fstatfs, seek};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a page: what the file is given and takes back.
const PAGE: u64 = 4096;

/// `TMPFS_MAGIC`.
const TMPFS: u64 = 0x0102_1994;

/// Content in memory. A flush does nothing: there is no power to be cut.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    file: File,
    map: Map,
    pub(super) pages: Pages,
    size: u64,
}

impl Memory {
    /// A new file of `size` bytes, all zero, for its owner only.
    ///
    /// # Errors
    /// It exists, or cannot be made, or that much memory cannot be addressed.
    pub fn create(path: &Path, size: u64) -> Result<Memory, Error> {
        Memory::mapped(path, size, true)
    }

    /// What a process before this one has left; no symlink is followed.
    ///
    /// # Errors
    /// It cannot be read and written, is no regular file, or is that of a device of another size.
    pub fn open(path: &Path, size: u64) -> Result<Memory, Error> {
        let memory = Memory::mapped(path, size, false)?;
        let wrong =
            |source| Error::Io { path: path.to_owned(), what: "find what it holds", source };
        memory.find_pages().map_err(wrong)?;
        Ok(memory)
    }

    fn mapped(path: &Path, size: u64, is_new: bool) -> Result<Memory, Error> {
        // Whole pages, so that the last one can be given back like any other.
        let len = size.next_multiple_of(PAGE);
        let file = opened(path, len, is_new)?;
        let wrong = |source| Error::Io { path: path.to_owned(), what: "map it", source };
        let map = Map::new(&file, len).map_err(wrong)?;
        Ok(Memory { path: path.to_owned(), file, map, pages: Pages::none(len / PAGE), size })
    }

    /// Which pages exist, from the file itself.
    fn find_pages(&self) -> io::Result<()> {
        let mut at = 0;
        loop {
            let from = match seek(&self.file, SeekFrom::Data(at)) {
                Ok(from) => from,
                // Nothing from there on.
                Err(rustix::io::Errno::NXIO) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            at = seek(&self.file, SeekFrom::Hole(from))?;
            self.pages.set(from / PAGE..at.div_ceil(PAGE));
        }
    }

    /// Goes through a range by runs of pages that exist, or do not.
    fn each_run(
        &self,
        bytes: Range<u64>,
        mut each: impl FnMut(Range<u64>, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let last = bytes.end.div_ceil(PAGE);
        let mut page = bytes.start / PAGE;
        while page < last {
            let (run, exists) = self.pages.run(page, last);
            page = run.end;
            each((run.start * PAGE).max(bytes.start)..(run.end * PAGE).min(bytes.end), exists)?;
        }
        Ok(())
    }

    /// The first write to pages: by the file, so that there may be no room for them.
    fn make(&self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        let mut at = pos;
        while !rest.is_empty() {
            let written = match self.file.write_at(rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // Also of a write that fails in the end: these pages hold something from now on.
            let end = at + written as u64;
            self.pages.set(at / PAGE..end.div_ceil(PAGE));
            (rest, at) = (&rest[written..], end);
        }
        Ok(())
    }

    /// Zeroes in a range without giving anything back.
    fn zero(&self, bytes: Range<u64>) -> io::Result<()> {
        self.each_run(bytes, |run, exists| {
            if exists {
                self.map.zero(run.start, length(&run));
            }
            Ok(())
        })
    }
}

/// Bytes of a range that fits into memory.
fn length(bytes: &Range<u64>) -> usize {
    usize::try_from(bytes.end - bytes.start).expect("no longer than the mapping")
}

impl Backend for Memory {
    fn attach(self: Arc<Self>, _: u16, _: Bell) -> Box<dyn Service> {
        Box::new(Access(self))
    }

    fn timed(&self) -> Timed {
        Timed::ByLoop
    }

    fn kept_bytes(&self) -> u64 {
        kept(&self.file)
    }

    fn remarks(&self) -> Vec<String> {
        let is_tmpfs = fstatfs(&self.file).is_ok_and(|found| found.f_type.cast_unsigned() == TMPFS);
        if is_tmpfs {
            return Vec::new();
        }
        vec![format!(
            "{}: not on a tmpfs, so what is called memory is a file on a disk",
            self.path.display()
        )]
    }
}

impl Content for Memory {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, pos: u64, into: &mut [u8]) -> io::Result<()> {
        let mut rest = into;
        self.each_run(pos..pos + rest.len() as u64, |run, exists| {
            let (now, then) = std::mem::take(&mut rest).split_at_mut(length(&run));
            rest = then;
            if exists {
                self.map.read(run.start, now)
            } else {
                now.fill(0)
            }
            Ok(())
        })
    }

    fn write(&self, pos: u64, bytes: &[u8], _: bool) -> io::Result<()> {
        let mut rest = bytes;
        self.each_run(pos..pos + bytes.len() as u64, |run, exists| {
            let (now, then) = rest.split_at(length(&run));
            rest = then;
            if exists {
                self.map.write(run.start, now);
                return Ok(());
            }
            self.make(run.start, now)
        })
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn clear(&self, pos: u64, len: u64) -> io::Result<()> {
        let end = pos + len;
        // What lies behind the device in its last page is nobody's.
        let whole_end = if end == self.size { end.div_ceil(PAGE) } else { end / PAGE };
        let whole = pos.div_ceil(PAGE)..whole_end;
        if whole.is_empty() {
            return self.zero(pos..end);
        }
        self.zero(pos..(whole.start * PAGE).min(end))?;
        self.zero((whole.end * PAGE).clamp(pos, end)..end)?;
        // First the bits, then the pages: a page without a bit reads as zeroes, whatever it holds.
        if !self.pages.clear(whole.clone()) {
            return Ok(());
        }
        let punched = punch(&self.file, whole.start * PAGE, (whole.end - whole.start) * PAGE);
        if punched.is_err() {
            // They may still hold what they held.
            self.pages.set(whole);
        }
        punched
    }
}
