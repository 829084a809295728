//! The device's nodes: when the block device can be opened, and who holds the character device.

use super::Error;
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Opens the block device at `path`, trying again while udev is at it.
pub(super) fn wait_for(path: &str, limit: Duration) -> Result<File, Error> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        let source = match open(path) {
            Ok(file) => return Ok(file),
            Err(source) => source,
        };
        let passing = [Errno::NOENT, Errno::ACCESS, Errno::BUSY].map(Errno::raw_os_error);
        if !source.raw_os_error().is_some_and(|errno| passing.contains(&errno)) {
            return Err(Error::Io { what: "open the block device", source });
        }
        if Instant::now() >= deadline {
            let advice = format!("the last answer for {path} was: {source}; look at udev's rules");
            return Err(Error::TooLate { what: "opening the block device", limit, advice });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Without creating: where udev has not made a node yet, a file of that name would be in its way.
fn open(path: &str) -> std::io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.file_type().is_block_device() {
        Ok(file)
    } else {
        Err(std::io::Error::other(format!("{path} is no block device")))
    }
}

/// The processes that hold the character device of `id`, by `/proc` (another place in tests): name and
/// number.
pub(crate) fn holders(proc: &Path, id: u32) -> Vec<String> {
    let node = format!("/dev/ublkc{id}");
    let mut held: Vec<(u32, String)> = Vec::new();
    for process in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path()).is_ok_and(|target| {
                // What is deleted says so behind its name.
                let target = target.to_string_lossy();
                target == node || target.strip_suffix(" (deleted)") == Some(&node)
            })
        };
        if files.into_iter().any(holds) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            held.push((pid, format!("{} (pid {pid})", name.trim())));
        }
    }
    held.sort();
    held.into_iter().map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_nodes_place_is_no_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = wait_for(file.path().to_str().unwrap(), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("open the block device"), "{error}");
    }

    #[test]
    fn what_never_comes_is_waited_for_until_the_limit() {
        let error = wait_for("/nonexistent/ublkb0", Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::TooLate { .. }), "{error}");
    }

    #[test]
    fn holders_are_named() {
        let proc = tempfile::tempdir().unwrap();
        let link = |pid: &str, target: &str| {
            let process = proc.path().join(pid);
            std::fs::create_dir_all(process.join("fd")).unwrap();
            std::fs::write(process.join("comm"), "holder\n").unwrap();
            std::os::unix::fs::symlink(target, process.join("fd/3")).unwrap();
        };
        link("12", "/dev/ublkc7");
        link("9", "/dev/ublkc7 (deleted)");
        link("13", "/dev/ublkc77");
        link("self", "/dev/ublkc7");
        assert_eq!(holders(proc.path(), 7), ["holder (pid 9)", "holder (pid 12)"]);
        assert!(holders(proc.path(), 8).is_empty());
    }
}
