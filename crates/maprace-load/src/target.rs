//! A target, opened. A block device that is written to is claimed for as long as it is open, so that
//! nobody mounts it meanwhile; the safety rule is asked while it is.

use crate::error::Error;
use crate::facts::{Facts, Kind, facts};
use crate::safety::decide;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::fs::File;
use std::path::Path;

/// A target, opened.
#[derive(Debug)]
pub struct Target {
    file: File,
    /// Holds the claim on a block device.
    _claim: Option<File>,
    is_block_device: bool,
    size: u64,
    is_new: bool,
}

/// What a target is opened for.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Whether anything is changed.
    pub writes: bool,
    /// Past the page cache.
    pub direct: bool,
    /// Bytes that are needed; a file is made that long.
    pub size: Option<u64>,
    /// What was typed after `--destroys`.
    pub destroys: Option<&'a str>,
}

impl Target {
    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.is_block_device
    }

    /// Whether it was a block device that has been deleted since: the kernel then says it has no bytes.
    pub(crate) fn is_gone(&self) -> bool {
        let end = rustix::fs::seek(&self.file, rustix::fs::SeekFrom::End(0));
        self.is_block_device && self.size > 0 && end == Ok(0)
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the file was made for this: what is read of it before it is written comes from no medium.
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

/// Opens a target, if the safety rule has nothing against it.
///
/// # Errors
///
/// It is refused, does not exist and no size is given, or cannot be opened.
pub fn open_target(path: &Path, access: Access<'_>) -> Result<Target, Error> {
    let is_new = !path.exists();
    if is_new {
        make(path, access)?;
    }
    let opened = open_existing(path, access, is_new);
    if is_new && opened.is_err() {
        // It was empty a moment ago; whoever made it takes it away.
        let _ = std::fs::remove_file(path);
    }
    opened
}

fn make(path: &Path, access: Access<'_>) -> Result<(), Error> {
    if path.starts_with("/dev") {
        return Err(Error::refused(path, "there is no such device"));
    }
    if access.size.is_none() {
        return Err(Error::refused(path, "there is no such file: with --size it is made"));
    }
    File::create_new(path)
        .map(drop)
        .map_err(|cause| Error::system("it cannot be made", cause).at(path))
}

fn open_existing(path: &Path, access: Access<'_>, is_new: bool) -> Result<Target, Error> {
    let failed = |errno| Error::system("it cannot be opened", errno).at(path);
    let known = facts(path)?;
    check(&known, access)?;
    let is_block_device = known.kind == Kind::Block;
    let claims = is_block_device && access.writes;
    let flags = OFlags::CLOEXEC | OFlags::RDONLY | OFlags::EXCL;
    let claim = match claims.then(|| rustix::fs::open(&known.path, flags, Mode::empty())) {
        None => None,
        Some(Ok(fd)) => Some(File::from(fd)),
        Some(Err(rustix::io::Errno::BUSY)) => {
            return Err(Error::refused(path, "somebody else has claimed it: free it first"));
        }
        Some(Err(errno)) => return Err(failed(errno)),
    };
    // Once more: what was free might have been mounted just before the claim, or have changed.
    let known = if claims { facts(path)? } else { known };
    check(&known, access)?;
    let way = if access.writes { OFlags::RDWR } else { OFlags::RDONLY };
    let how = if access.direct { way | OFlags::DIRECT } else { way };
    let file = match rustix::fs::open(&known.path, how | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::INVAL) if access.direct => {
            let what = "its file system has no direct I/O: type --direct 0";
            return Err(Error::refused(path, what));
        }
        Err(errno) => return Err(failed(errno)),
    };
    let mut size = known.size;
    if let (Kind::File, Some(wanted)) = (known.kind, access.size)
        && wanted > size
    {
        if !access.writes && !is_new {
            let what = format!("it has {size} bytes, and {wanted} are to be read");
            return Err(Error::refused(path, what));
        }
        lengthen(path, wanted, &file, access.writes)?;
        size = wanted;
    }
    Ok(Target { file, _claim: claim, is_block_device, size, is_new })
}

/// Has the file system set blocks aside, so that a full disk is met now and not half way.
fn lengthen(path: &Path, size: u64, file: &File, writes: bool) -> Result<(), Error> {
    let failed = |errno| Error::system("it cannot be made that long", errno).at(path);
    let way = OFlags::CLOEXEC | OFlags::RDWR;
    let own = if writes {
        None
    } else {
        Some(File::from(rustix::fs::open(path, way, Mode::empty()).map_err(failed)?))
    };
    let file = own.as_ref().unwrap_or(file);
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP) => rustix::fs::ftruncate(file, size).map_err(failed),
        other => other.map_err(failed),
    }
}

fn check(known: &Facts, access: Access<'_>) -> Result<(), Error> {
    decide(known, access.writes, access.destroys)
        .map_err(|refusal| Error::refused(&known.typed, refusal.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(writes: bool, size: Option<u64>) -> Access<'static> {
        Access { writes, direct: false, size, destroys: None }
    }

    #[test]
    fn a_file_is_made_as_long_as_it_is_needed_and_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        assert!(open_target(&path, access(true, None)).is_err());
        assert!(!path.exists());
        let made = open_target(&path, access(true, Some(8192))).unwrap();
        assert!(made.is_new() && made.size() == 8192 && !made.is_block_device());
        let again = open_target(&path, access(true, Some(16_384))).unwrap();
        assert!(!again.is_new() && again.size() == 16_384);
        let told = open_target(&path, access(false, Some(1 << 20))).unwrap_err().to_string();
        assert!(told.contains("it has 16384 bytes"), "{told}");
        assert_eq!(again.file().metadata().unwrap().len(), 16_384);
    }

    #[test]
    fn a_file_with_a_file_system_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, [&b"XFSB"[..], &[0; 8192]].concat()).unwrap();
        let told = open_target(&path, access(true, None)).unwrap_err().to_string();
        assert!(told.contains("it carries XFS"), "{told}");
        assert!(open_target(&path, access(false, None)).is_ok());
        let name = path.display().to_string();
        let named = Access { destroys: Some(&name), ..access(true, None) };
        assert!(open_target(&path, named).is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), Path::new("/dev/null")] {
            let told = open_target(path, access(false, None)).unwrap_err().to_string();
            assert!(told.contains("neither a block device nor a regular file"), "{told}");
        }
        let told = open_target(Path::new("/dev/nosuch"), access(true, Some(4096))).unwrap_err();
        assert!(told.to_string().contains("no such device"), "{told}");
    }
}
