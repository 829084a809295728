//! The kernels the lab knows, by suite and meta package: which exact one that is, is asked at run time.
//!
//! What was found is kept in the cache beside the unpacked kernel, so that a second run asks nobody. An
//! exact version stands nowhere in the tree: suites drop theirs within weeks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::apt::{Apt, Presence, Resolved};
use crate::host::{self, Host};

/// A kernel by name.
#[derive(Debug)]
pub(crate) struct Known {
    /// What `--kernel` takes.
    pub(crate) name: &'static str,
    /// The suite of Debian.
    pub(crate) suite: &'static str,
    /// The meta package that follows the newest of the suite.
    pub(crate) meta: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
}

/// All of them; the first is the one most stages run on.
pub(crate) const KNOWN: [Known; 3] = [
    Known {
        name: "bookworm-backports",
        suite: "bookworm-backports",
        meta: "linux-image-cloud-amd64",
        about: "ublk with user recovery, no zero copy",
    },
    Known {
        name: "trixie-backports",
        suite: "trixie-backports",
        meta: "linux-image-cloud-amd64",
        about: "the newest that Debian packs: every ublk feature",
    },
    Known {
        name: "bookworm",
        suite: "bookworm",
        meta: "linux-image-cloud-amd64",
        about: "no ublk: how the device is refused",
    },
];

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// What people call it.
    pub(crate) name: String,
    /// What `uname -r` will say.
    pub(crate) release: String,
    /// The image to boot.
    pub(crate) image: PathBuf,
    /// The folder with its `modules.dep`.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// Whether it boots with two processors in virtual time; older ones hang while they start the second.
    pub(crate) fn is_smp_in_virtual_time(&self) -> bool {
        version_of(&self.release) >= (6, 12)
    }
}

/// What the cache knows about a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The name.
    pub(crate) name: String,
    /// The suite it was found in.
    pub(crate) suite: String,
    /// The meta package that was asked for.
    pub(crate) meta: String,
    /// The version of its packages.
    pub(crate) version: String,
    /// The release.
    pub(crate) release: String,
}

/// What became of the question which kernel a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This one.
    Kernel(Record, Cached),
    /// The mirror does not have its suite.
    NoSuite,
}

/// Whether a kernel is there to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cached {
    /// Unpacked in the cache.
    Yes,
    /// Known by name only.
    No,
}

/// The kernel with this name.
pub(crate) fn known(name: &str) -> Result<&'static Known> {
    let names = || KNOWN.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
    KNOWN
        .iter()
        .find(|known| known.name == name)
        .with_context(|| format!("no kernel is called {name:?}; there are {}", names()))
}

/// What the name stands for: as the cache has it, else, or with `refresh`, as the suite says now.
pub(crate) fn look_up(host: &Host, known: &Known, refresh: bool) -> Result<Found> {
    if !refresh && let Some(record) = recorded(&host.cache, known) {
        return Ok(Found::Kernel(record, Cached::Yes));
    }
    match ask(host, known)? {
        None => Ok(Found::NoSuite),
        Some((_, resolved)) => {
            let cached = if folder(&host.cache, &resolved.release).is_dir() {
                Cached::Yes
            } else {
                Cached::No
            };
            Ok(Found::Kernel(record_of(known, &resolved), cached))
        }
    }
}

/// The kernel, fetched if the cache does not have it; none if the mirror does not have the suite.
pub(crate) fn fetch(host: &Host, known: &Known, refresh: bool) -> Result<Option<Kernel>> {
    let _lock = host.lock()?;
    if !refresh && let Some(record) = recorded(&host.cache, known) {
        return Ok(Some(kernel(&host.cache, &record)));
    }
    let Some((apt, resolved)) = ask(host, known)? else { return Ok(None) };
    let record = record_of(known, &resolved);
    eprintln!(
        "lab: {}: {} of {} is {} in version {}",
        known.name, known.meta, known.suite, record.release, record.version
    );
    let target = folder(&host.cache, &record.release);
    if !target.is_dir() {
        unpack(&apt, &resolved, &target).with_context(|| format!("kernel {}", known.name))?;
    }
    let text = serde_json::to_string_pretty(&record).context("a record is plain text")?;
    host::write_whole(&record_path(&host.cache, known), &(text + "\n"))?;
    Ok(Some(kernel(&host.cache, &record)))
}

/// A developer's own kernel: an image, and its modules as `make modules_install` leaves them.
pub(crate) fn own(image: &Path, modules: &Path) -> Result<Kernel> {
    ensure!(image.is_file(), "{}: no such kernel image", image.display());
    let modules = modules_folder(modules)?;
    let release = modules.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Kernel {
        name: "own".to_owned(),
        release: release.unwrap_or_default(),
        image: image.to_path_buf(),
        modules,
    })
}

/// The folder of one release: what was given, or the only one below it.
fn modules_folder(given: &Path) -> Result<PathBuf> {
    let given =
        given.canonicalize().with_context(|| format!("{}: no such folder", given.display()))?;
    if given.join("modules.dep").is_file() {
        return Ok(given);
    }
    for below in ["", "lib/modules", "usr/lib/modules"] {
        let Ok(entries) = fs::read_dir(given.join(below)) else { continue };
        let mut releases: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("modules.dep").is_file())
            .collect();
        releases.sort();
        match releases.len() {
            0 => {}
            1 => return Ok(releases.remove(0)),
            _ => bail!("{} holds several releases; name one: {releases:?}", given.display()),
        }
    }
    bail!("{}: no modules.dep there or one level below", given.display())
}

/// Asks the suite.
fn ask(host: &Host, known: &Known) -> Result<Option<(Apt, Resolved)>> {
    let apt = Apt::open(&host.cache, known.suite)?;
    if apt.update()? == Presence::Absent {
        return Ok(None);
    }
    let resolved = apt.resolve(known.meta)?;
    Ok(Some((apt, resolved)))
}

/// Downloads, unpacks and sorts one kernel; the folder appears whole or not at all.
fn unpack(apt: &Apt, resolved: &Resolved, target: &Path) -> Result<()> {
    let parent = target.parent().context("a kernel's folder lies in another")?;
    fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(parent)?;
    let (packages, tree, ready) =
        (work.path().join("packages"), work.path().join("tree"), work.path().join("ready"));
    for folder in [&packages, &tree, &ready.join("lib/modules")] {
        fs::create_dir_all(folder)?;
    }
    apt.download(&resolved.packages, &packages)?;
    for entry in fs::read_dir(&packages)? {
        host::output(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(&tree))?;
    }
    let release = &resolved.release;
    let first = |places: [String; 3]| {
        let place = places.iter().map(|place| tree.join(place)).find(|path| path.exists());
        place.with_context(|| format!("the packages of {release} hold none of {places:?}"))
    };
    let image = first([
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
        format!("lib/modules/{release}/vmlinuz"),
    ])?;
    fs::rename(image, ready.join("vmlinuz"))?;
    let modules = first([
        format!("usr/lib/modules/{release}/kernel"),
        format!("lib/modules/{release}/kernel"),
        format!("lib/modules/{release}/updates"),
    ])?;
    let modules = modules.parent().context("modules lie in a folder")?;
    fs::rename(modules, ready.join("lib/modules").join(release))?;
    host::output(Command::new("depmod").arg("-b").arg(&ready).arg(release))?;
    fs::rename(&ready, target).with_context(|| format!("{}", target.display()))
}

/// What the cache has recorded about a name, if the kernel itself is there too.
fn recorded(cache: &Path, known: &Known) -> Option<Record> {
    let text = fs::read_to_string(record_path(cache, known)).ok()?;
    let record: Record = serde_json::from_str(&text).ok()?;
    let current = record.suite == known.suite && record.meta == known.meta;
    (current && folder(cache, &record.release).is_dir()).then_some(record)
}

/// Where a name's record lies.
fn record_path(cache: &Path, known: &Known) -> PathBuf {
    cache.join("kernels").join(format!("{}.json", known.name))
}

/// Where a release lies.
fn folder(cache: &Path, release: &str) -> PathBuf {
    cache.join("kernels").join(release)
}

/// The record of what was found.
fn record_of(known: &Known, resolved: &Resolved) -> Record {
    Record {
        name: known.name.to_owned(),
        suite: known.suite.to_owned(),
        meta: known.meta.to_owned(),
        version: resolved.version.clone(),
        release: resolved.release.clone(),
    }
}

/// The kernel of a record.
fn kernel(cache: &Path, record: &Record) -> Kernel {
    let folder = folder(cache, &record.release);
    Kernel {
        name: record.name.clone(),
        release: record.release.clone(),
        image: folder.join("vmlinuz"),
        modules: folder.join("lib/modules").join(&record.release),
    }
}

/// The first two numbers of a release; zeros where it does not begin with them.
fn version_of(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_an_unknown_one_lists_them() {
        let mut names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        names.dedup();
        assert_eq!(names.len(), KNOWN.len());
        let error = known("debian").unwrap_err().to_string();
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    }

    #[test]
    fn releases_are_compared_by_number() {
        assert!(version_of("6.2.0-1-amd64") < version_of("6.12.9+deb"));
        assert_eq!(version_of("7.0-rc1"), (7, 0));
        assert_eq!(version_of("next"), (0, 0));
    }

    #[test]
    fn a_record_counts_only_while_its_kernel_is_there() {
        let cache = tempfile::tempdir().unwrap();
        let known = &KNOWN[0];
        let resolved =
            Resolved { release: "1.2".to_owned(), version: "1.2-3".to_owned(), packages: vec![] };
        let record = record_of(known, &resolved);
        fs::create_dir_all(cache.path().join("kernels")).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        fs::write(record_path(cache.path(), known), text).unwrap();
        assert_eq!(recorded(cache.path(), known), None);
        fs::create_dir_all(folder(cache.path(), "1.2")).unwrap();
        assert_eq!(recorded(cache.path(), known), Some(record));
        assert_eq!(recorded(cache.path(), &KNOWN[1]), None);
    }

    #[test]
    fn modules_are_found_in_the_folder_or_below() {
        let root = tempfile::tempdir().unwrap();
        let release = root.path().join("lib/modules/1.2");
        fs::create_dir_all(&release).unwrap();
        assert!(modules_folder(root.path()).is_err());
        fs::write(release.join("modules.dep"), "").unwrap();
        for given in [root.path(), &root.path().join("lib/modules"), &release] {
            assert_eq!(modules_folder(given).unwrap(), release.canonicalize().unwrap());
        }
        let second = root.path().join("lib/modules/1.3");
        fs::create_dir_all(&second).unwrap();
        fs::write(second.join("modules.dep"), "").unwrap();
        let error = modules_folder(root.path()).unwrap_err().to_string();
        assert!(error.contains("1.2") && error.contains("1.3"), "{error}");
    }
}
