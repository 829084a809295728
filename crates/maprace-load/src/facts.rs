//! What there is to know of a target before anything is written to it: what it is, who uses it, what is on
//! it. It decides nothing.

use crate::error::Error;
use crate::signature;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Who uses a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Use {
    /// It, or a partition of it, is mounted.
    Mounted {
        /// What is mounted.
        device: String,
        /// Where.
        at: String,
    },
    /// It, or a partition of it, is swapped to.
    Swap {
        /// What.
        device: String,
    },
    /// Another device is made of it, or of a partition of it.
    Held {
        /// Of what.
        device: String,
        /// The other device.
        by: String,
    },
    /// A file that a loop device is made of.
    Loop {
        /// The loop device.
        by: String,
    },
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Use::Mounted { device, at } => write!(f, "{device} is mounted at {at}"),
            Use::Swap { device } => write!(f, "{device} is used as swap"),
            Use::Held { device, by } => write!(f, "{device} is part of {by}"),
            Use::Loop { by } => write!(f, "{by} is made of it"),
        }
    }
}

/// What a target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A block device.
    Block,
    /// Something else.
    Other,
}

/// What there is to know of a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// As it was typed.
    pub typed: PathBuf,
    /// Without links.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Who uses it.
    pub uses: Vec<Use>,
    /// What is on it.
    pub signatures: Vec<&'static str>,
}

/// Where the kernel tells of devices and mounts.
#[derive(Clone, Copy, Debug)]
struct Told<'p> {
    proc: &'p Path,
    sys: &'p Path,
}

/// Finds out about a target that exists.
///
/// # Errors
///
/// It does not exist, or cannot be read.
pub fn facts(typed: &Path) -> Result<Facts, Error> {
    let told = Told { proc: Path::new("/proc"), sys: Path::new("/sys") };
    let seen = |cause| Error::system("it cannot be looked at", cause).at(typed);
    let path = fs::canonicalize(typed).map_err(seen)?;
    let meta = fs::metadata(&path).map_err(seen)?;
    let kind = match meta.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_block_device() => Kind::Block,
        _ => Kind::Other,
    };
    let mut facts = Facts {
        typed: typed.to_owned(),
        path,
        kind,
        size: meta.len(),
        uses: Vec::new(),
        signatures: Vec::new(),
    };
    if kind == Kind::Other {
        return Ok(facts);
    }
    let file = File::open(&facts.path)
        .map_err(|cause| Error::system("it cannot be opened", cause).at(typed))?;
    if kind == Kind::Block {
        facts.size = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))
            .map_err(|errno| Error::system("its size cannot be asked", errno).at(typed))?;
        facts.uses = told.uses_of_device(meta.rdev());
    } else {
        facts.uses = told.uses_of_file(&facts.path);
    }
    facts.signatures = signature::known(&file, facts.size);
    Ok(facts)
}

/// A device, or a partition of it.
#[derive(Debug)]
struct Part {
    name: String,
    /// `MAJOR:MINOR`.
    number: String,
    dir: PathBuf,
}

impl Told<'_> {
    /// A device and its partitions.
    fn parts(self, number: &str) -> Vec<Part> {
        let link = self.sys.join("dev/block").join(number);
        let dir = fs::canonicalize(&link).unwrap_or(link);
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let mut parts = vec![Part { name, number: number.to_owned(), dir: dir.clone() }];
        for (name, dir) in entries(&dir) {
            if dir.join("partition").exists()
                && let Ok(number) = fs::read_to_string(dir.join("dev"))
            {
                parts.push(Part { name, number: number.trim().to_owned(), dir });
            }
        }
        parts
    }

    fn uses_of_device(self, rdev: u64) -> Vec<Use> {
        let number = format!("{}:{}", rustix::fs::major(rdev), rustix::fs::minor(rdev));
        self.uses_of_number(&number)
    }

    fn uses_of_number(self, number: &str) -> Vec<Use> {
        let parts = self.parts(number);
        let mounts = fs::read_to_string(self.proc.join("self/mountinfo")).unwrap_or_default();
        let swaps = fs::read_to_string(self.proc.join("swaps")).unwrap_or_default();
        let mut uses = Vec::new();
        for part in &parts {
            let device = format!("/dev/{}", part.name);
            let at = mounts.lines().filter_map(|line| mounted(line, &part.number, &device));
            uses.extend(at.map(|at| Use::Mounted { device: device.clone(), at }));
            if swaps.lines().skip(1).any(|line| is_of(line, &device)) {
                uses.push(Use::Swap { device: device.clone() });
            }
            for (by, _) in entries(&part.dir.join("holders")) {
                uses.push(Use::Held { device: device.clone(), by: format!("/dev/{by}") });
            }
        }
        uses
    }

    fn uses_of_file(self, path: &Path) -> Vec<Use> {
        let mut uses = Vec::new();
        let swaps = fs::read_to_string(self.proc.join("swaps")).unwrap_or_default();
        let text = path.to_string_lossy();
        if swaps.lines().skip(1).any(|line| is_of(line, &text)) {
            uses.push(Use::Swap { device: text.clone().into_owned() });
        }
        for (name, dir) in entries(&self.sys.join("block")) {
            let backing = fs::read_to_string(dir.join("loop/backing_file"));
            if backing.is_ok_and(|backing| Path::new(backing.trim_end_matches('\n')) == path) {
                uses.push(Use::Loop { by: format!("/dev/{name}") });
            }
        }
        uses
    }
}

/// The entries of a directory, by name; none if it is none.
fn entries(dir: &Path) -> Vec<(String, PathBuf)> {
    let read = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut all: Vec<_> = read
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    all.sort();
    all
}

/// Where a line of `mountinfo` says a device is mounted. Of a file system on several devices the number is
/// none of theirs, but one of them is named as its source.
fn mounted(line: &str, number: &str, device: &str) -> Option<String> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(2);
    let (found, at) = (before.next()?, before.nth(1)?);
    let source = after.split(' ').nth(1)?;
    (found == number || source == device).then(|| unescaped(at))
}

/// Whether a line of `swaps` is of a path.
fn is_of(line: &str, path: &str) -> bool {
    line.split_ascii_whitespace().next().is_some_and(|found| unescaped(found) == path)
}

/// A path as the kernel writes it into its tables, with blanks as octal numbers, read back.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would tell of a disk `sdx` (8:16) with two partitions.
    fn told(mounts: &str, swaps: &str, holders: &[&str]) -> (tempfile::TempDir, Vec<Use>) {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/self/mountinfo", mounts);
        put("proc/swaps", &format!("Filename Type Size Used Priority\n{swaps}"));
        for (part, number) in [("sdx1", "8:17\n"), ("sdx2", "8:18\n")] {
            put(&format!("sys/devices/sdx/{part}/partition"), "1\n");
            put(&format!("sys/devices/sdx/{part}/dev"), number);
        }
        fs::create_dir_all(dir.path().join("sys/devices/sdx/holders")).unwrap();
        holders.iter().for_each(|holder| put(&format!("sys/devices/sdx/{holder}"), ""));
        fs::create_dir_all(dir.path().join("sys/dev/block")).unwrap();
        let link = dir.path().join("sys/dev/block/8:16");
        std::os::unix::fs::symlink(dir.path().join("sys/devices/sdx"), link).unwrap();
        let (proc, sys) = (dir.path().join("proc"), dir.path().join("sys"));
        let uses = Told { proc: &proc, sys: &sys }.uses_of_number("8:16");
        (dir, uses)
    }

    #[test]
    fn a_disk_nobody_uses_is_free() {
        let other = "29 1 254:0 / / rw - ext4 /dev/vda rw\n30 1 8:160 / /x rw - ext4 /dev/sdk rw\n";
        assert_eq!(told(other, "/dev/sdx10 partition 1 0 -2\n", &[]).1, []);
    }

    #[test]
    fn a_mount_is_found_by_number_by_source_and_on_a_partition() {
        let rows = [
            ("8:16 / /mnt/a\\040b rw shared:1 - ext4 /dev/other rw", "/dev/sdx", "/mnt/a b"),
            ("8:18 / /home rw - xfs /dev/sdx2 rw", "/dev/sdx2", "/home"),
            ("0:45 / /pool rw - btrfs /dev/sdx1 rw", "/dev/sdx1", "/pool"),
        ];
        for (line, device, at) in rows {
            let (device, at) = (device.to_owned(), at.to_owned());
            let uses = told(&format!("29 1 {line}\n"), "", &[]).1;
            assert_eq!(uses, [Use::Mounted { device, at }]);
        }
    }

    #[test]
    fn swap_and_holders_are_found_on_partitions_too() {
        let swap = told("", "/dev/sdx2 partition 1048572 0 -2\n", &[]).1;
        assert_eq!(swap, [Use::Swap { device: "/dev/sdx2".to_owned() }]);
        let (by, device) = ("/dev/dm-0".to_owned(), "/dev/sdx".to_owned());
        assert_eq!(told("", "", &["holders/dm-0"]).1, [Use::Held { device, by: by.clone() }]);
        let device = "/dev/sdx1".to_owned();
        assert_eq!(told("", "", &["sdx1/holders/dm-0"]).1, [Use::Held { device, by }]);
    }

    #[test]
    fn a_file_may_be_swap_or_under_a_loop_device() {
        let dir = tempfile::tempdir().unwrap();
        let (proc, sys) = (dir.path().join("proc"), dir.path().join("sys"));
        fs::create_dir_all(&proc).unwrap();
        fs::create_dir_all(sys.join("block/loop3/loop")).unwrap();
        fs::write(proc.join("swaps"), "Filename Type\n/swapfile file\n").unwrap();
        fs::write(sys.join("block/loop3/loop/backing_file"), "/var/disk image\n").unwrap();
        let told = Told { proc: &proc, sys: &sys };
        let swap = Use::Swap { device: "/swapfile".to_owned() };
        assert_eq!(told.uses_of_file(Path::new("/swapfile")), [swap]);
        let looped = Use::Loop { by: "/dev/loop3".to_owned() };
        assert_eq!(told.uses_of_file(Path::new("/var/disk image")), [looped]);
        assert_eq!(told.uses_of_file(Path::new("/var/other")), []);
    }

    #[test]
    fn a_file_is_told_from_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        fs::write(&path, [&[0; 1080][..], &[0x53, 0xef], &[0; 100]].concat()).unwrap();
        let found = facts(&path).unwrap();
        assert_eq!((found.kind, found.size), (Kind::File, 1182));
        assert_eq!(found.signatures, ["ext2, ext3 or ext4"]);
        assert_eq!(facts(dir.path()).unwrap().kind, Kind::Other);
        assert_eq!(facts(Path::new("/dev/null")).unwrap().kind, Kind::Other);
        assert!(facts(&dir.path().join("none")).is_err());
    }
}
