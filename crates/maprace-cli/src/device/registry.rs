//! Which devices there are: a private directory with an entry, a socket and a log for each.
//!
//! `/run/maprace` for root, `$XDG_RUNTIME_DIR/maprace` for others, `MAPRACE_RUN_DIR` before both. It
//! must belong to the caller, with mode 0700; no symbolic link is followed below it. An entry is
//! written under another name and renamed. Nothing is synced: what is here ends with the boot.

use super::clock::{Deadline, LOOK, pause};
use super::entry::Entry;
use crate::failure::Failure;
use crate::terminal::Surroundings;
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Longest entry: a profile is at most 1 MiB.
const ENTRY_MAX: u64 = 4 << 20;

/// Longest path of a socket, less what the name adds.
const DIR_PATH_MAX: usize = 90;

/// The file that commands lock which change what is here.
const LOCK: &str = "lock";

/// What of a device stands in the directory, by the end of its name.
const ENDINGS: [&str; 4] = ["json", "sock", "log", "part"];

/// A directory of one's own.
#[derive(Debug)]
pub(crate) struct Private {
    fd: OwnedFd,
    path: PathBuf,
}

/// The registry.
#[derive(Debug)]
pub(crate) struct Registry {
    dir: Private,
    /// Where bytes of devices in memory are.
    memory: PathBuf,
}

/// Held by a command that changes what is here, so that two do not meet.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// What is found under a number.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: u32,
    /// None: there is no entry that can be read, but something else.
    pub(crate) entry: Option<Entry>,
}

fn wrong(path: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::Device(format!("{}: {what}", path.display()))
}

impl Private {
    /// Opens it, and makes it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Private, Failure> {
        match fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(wrong(path, format_args!("cannot make it: {error}"))),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => wrong(path, "not a directory: remove what is there"),
            error => wrong(path, format_args!("cannot open it: {error}")),
        })?;
        let stat = fs::fstat(&fd).map_err(|error| wrong(path, error))?;
        let own = rustix::process::geteuid().as_raw();
        if stat.st_uid != own {
            let what = format!("belongs to user {}, not to you ({own}): remove it", stat.st_uid);
            return Err(wrong(path, what));
        }
        if stat.st_mode & 0o077 != 0 {
            let mode = stat.st_mode & 0o7777;
            let what = format!("has mode {mode:04o}, others may enter: chmod 0700, or remove it");
            return Err(wrong(path, what));
        }
        Ok(Private { fd, path: path.to_owned() })
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<File, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Removes a file; whether it was there.
    pub(crate) fn remove(&self, name: &str) -> bool {
        fs::unlinkat(&self.fd, name, AtFlags::empty()).is_ok()
    }

    /// The names in it.
    pub(crate) fn names(&self) -> Result<Vec<String>, Failure> {
        let dir = fs::Dir::read_from(&self.fd).map_err(|error| wrong(&self.path, error))?;
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = dir.flatten().map(name).collect();
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }
}

impl Registry {
    /// Opens it, and makes it if it is not there.
    pub(crate) fn open(surroundings: &Surroundings) -> Result<Registry, Failure> {
        let path = directory(surroundings, rustix::process::geteuid().is_root())?;
        if path.as_os_str().len() > DIR_PATH_MAX {
            let what = format!("longer than {DIR_PATH_MAX} bytes, which a socket's path cannot be");
            return Err(wrong(&path, format_args!("{what}: set MAPRACE_RUN_DIR to a shorter one")));
        }
        let shared = Path::new("/dev/shm");
        let memory = match surroundings.run_dir {
            None if shared.is_dir() => {
                shared.join(format!("maprace-{}", rustix::process::geteuid().as_raw()))
            }
            _ => path.join("memory"),
        };
        Ok(Registry { dir: Private::open(&path)?, memory })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.dir.path
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self, deadline: Deadline) -> Result<Lock, Failure> {
        let path = self.dir.path.join(LOCK);
        let file = self.dir.open_file(LOCK, OFlags::RDWR | OFlags::CREATE);
        let file = file.map_err(|error| wrong(&path, error))?;
        loop {
            match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if !deadline.is_over() => pause(LOOK),
                Err(Errno::WOULDBLOCK) => {
                    let what = "another maprace command is changing devices: wait for it to end";
                    return Err(wrong(&path, what));
                }
                Err(error) => return Err(wrong(&path, error)),
            }
        }
    }

    /// Everything that is here, by number.
    pub(crate) fn all(&self) -> Result<Vec<Found>, Failure> {
        let id = |name: String| {
            let (id, ending) = name.split_once('.')?;
            ENDINGS.contains(&ending).then(|| id.parse::<u32>().ok()).flatten()
        };
        let mut ids: Vec<u32> = self.dir.names()?.into_iter().filter_map(id).collect();
        ids.extend(self.memory_ids());
        ids.sort_unstable();
        ids.dedup();
        Ok(ids.into_iter().map(|id| Found { id, entry: self.entry(id).ok() }).collect())
    }

    /// The entries that can be read.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        Ok(self.all()?.into_iter().filter_map(|found| found.entry).collect())
    }

    /// The entry of a device.
    pub(crate) fn entry(&self, id: u32) -> Result<Entry, Failure> {
        let name = format!("{id}.json");
        let path = self.dir.path.join(&name);
        let none = || {
            let what = format!("device {id} is not in {}", self.dir.path.display());
            Failure::Device(format!("{what}: see `maprace device list`"))
        };
        let file = self.dir.open_file(&name, OFlags::RDONLY);
        let file = file.map_err(|error| match error {
            Errno::NOENT => none(),
            error => wrong(&path, error),
        })?;
        let mut text = String::new();
        let read = file.take(ENTRY_MAX).read_to_string(&mut text);
        read.map_err(|error| wrong(&path, error))?;
        let bad = |what: &str| wrong(&path, format_args!("{what}: `maprace device gc` removes it"));
        let entry = Entry::parse(&text).map_err(|what| bad(&what))?;
        if entry.spec.id != id {
            return Err(bad("the entry of another device"));
        }
        Ok(entry)
    }

    /// Writes an entry.
    pub(crate) fn write(&self, entry: &Entry) -> Result<(), Failure> {
        let (name, part) = (format!("{}.json", entry.spec.id), format!("{}.part", entry.spec.id));
        let path = self.dir.path.join(&name);
        let text = serde_json::to_string_pretty(entry)? + "\n";
        self.dir.remove(&part);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = self.dir.open_file(&part, flags).map_err(|error| wrong(&path, error))?;
        file.write_all(text.as_bytes()).map_err(|error| wrong(&path, error))?;
        fs::renameat(&self.dir.fd, &part, &self.dir.fd, &name).map_err(|error| wrong(&path, error))
    }

    /// A log: an empty one, or the one that is there.
    pub(crate) fn log_file(&self, id: u32, again: bool) -> Result<File, Failure> {
        let name = format!("{id}.log");
        if !again {
            self.dir.remove(&name);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
        let file = self.dir.open_file(&name, flags);
        file.map_err(|error| wrong(&self.dir.path.join(name), error))
    }

    /// What a device's process has said, as far as it is not too long.
    pub(crate) fn said(&self, id: u32) -> Option<String> {
        let mut bytes = Vec::new();
        let file = self.dir.open_file(&format!("{id}.log"), OFlags::RDONLY).ok()?;
        file.take(1 << 20).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last line of it that says something.
    pub(crate) fn last_words(&self, id: u32) -> Option<String> {
        let text = self.said(id)?;
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(line.trim().to_owned())
    }

    /// The path of a device's log.
    pub(crate) fn log(&self, id: u32) -> PathBuf {
        self.dir.path.join(format!("{id}.log"))
    }

    /// The path of a device's socket.
    pub(crate) fn socket(&self, id: u32) -> PathBuf {
        self.dir.path.join(format!("{id}.sock"))
    }

    /// Where a device in memory keeps its bytes: a file that nothing has been written to. Made here,
    /// with its directory.
    pub(crate) fn memory(&self, id: u32) -> Result<PathBuf, Failure> {
        let private = Private::open(&self.memory)?;
        private.remove(&memory_name(id));
        Ok(self.memory.join(memory_name(id)))
    }

    /// Devices that have a file in memory.
    fn memory_ids(&self) -> Vec<u32> {
        if !self.memory.is_dir() {
            return Vec::new();
        }
        let names = Private::open(&self.memory).and_then(|dir| dir.names()).unwrap_or_default();
        let id = |name: String| name.strip_suffix(".data")?.parse().ok();
        names.into_iter().filter_map(id).collect()
    }

    /// Removes all files of a device but a data file that the user named; their paths.
    pub(crate) fn remove(&self, id: u32) -> Vec<PathBuf> {
        let mut removed = self.remove_all_but_log(id);
        if self.dir.remove(&format!("{id}.log")) {
            removed.push(self.log(id));
        }
        removed
    }

    /// The same, but for what its process has said.
    pub(crate) fn remove_all_but_log(&self, id: u32) -> Vec<PathBuf> {
        let names = ENDINGS.iter().filter(|ending| **ending != "log");
        let names: Vec<String> = names.map(|ending| format!("{id}.{ending}")).collect();
        let removed = names.iter().filter(|name| self.dir.remove(name));
        let mut removed: Vec<PathBuf> = removed.map(|name| self.dir.path.join(name)).collect();
        if self.memory.is_dir()
            && let Ok(dir) = Private::open(&self.memory)
            && dir.remove(&memory_name(id))
        {
            removed.push(self.memory.join(memory_name(id)));
        }
        removed
    }
}

fn memory_name(id: u32) -> String {
    format!("{id}.data")
}

/// Where the registry is.
fn directory(surroundings: &Surroundings, is_root: bool) -> Result<PathBuf, Failure> {
    match (&surroundings.run_dir, is_root, &surroundings.user_run_dir) {
        (Some(dir), _, _) if dir.is_absolute() => Ok(dir.clone()),
        (Some(dir), _, _) => Err(wrong(dir, "MAPRACE_RUN_DIR must be an absolute path")),
        (None, true, _) => Ok(PathBuf::from("/run/maprace")),
        (None, false, Some(dir)) if dir.is_absolute() => Ok(dir.join("maprace")),
        (None, false, _) => Err(Failure::Device(
            "XDG_RUNTIME_DIR is not set: set MAPRACE_RUN_DIR to a directory of your own".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
