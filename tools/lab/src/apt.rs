//! Package lists and downloads with an apt state of the lab's own: the machine's sources stay as they are.
//!
//! The mirror is the one that the machine's apt uses already; only the suite is ours. Each suite has a
//! state of its own, so that one that the mirror does not have spoils no other. What is read from apt's
//! output is read by functions of text, so that the tests need no network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::host;

/// What Debian signs its suites with; its package is on every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Parts of a kernel: its image, and what the image is made of where it is a meta package itself.
const PARTS: [&str; 4] = ["linux-image-", "linux-binary-", "linux-modules-", "linux-base-"];

/// One package in one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// What a kernel's meta package stands for in a suite today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The release, as `uname -r` in the guest will say.
    pub(crate) release: String,
    /// The version of its packages.
    pub(crate) version: String,
    /// What has to be unpacked.
    pub(crate) packages: Vec<Package>,
}

/// The state of apt for one suite.
#[derive(Debug)]
pub(crate) struct Apt {
    /// Where it lies.
    state: PathBuf,
    /// The suite.
    suite: String,
}

/// Whether a mirror has a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It has, and its lists are here.
    There,
    /// It has not.
    Absent,
}

impl Apt {
    /// The state of one suite below the cache; nothing is asked yet.
    pub(crate) fn open(cache: &Path, suite: &str) -> Result<Self> {
        let state = cache.join("apt").join(suite);
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        }
        Ok(Self { state, suite: suite.to_owned() })
    }

    /// Fetches the suite's lists.
    pub(crate) fn update(&self) -> Result<Presence> {
        let mirror = mirror()?;
        let source = format!("deb [signed-by={KEYRING}] {mirror} {} main\n", self.suite);
        fs::write(self.state.join("sources.list"), source).context("the lab's sources.list")?;
        let done = self.command("apt-get").args(["-qq", "update"]).output();
        let done = done.context("apt-get cannot be started")?;
        if done.status.success() {
            return Ok(Presence::There);
        }
        let said = String::from_utf8_lossy(&done.stderr);
        if is_absent_suite(&said) {
            return Ok(Presence::Absent);
        }
        bail!("the lists of {} cannot be fetched: {}", self.suite, last_line(&said));
    }

    /// What the meta package stands for.
    pub(crate) fn resolve(&self, meta: &str) -> Result<Resolved> {
        resolve(meta, |package| {
            let mut command = self.command("apt-cache");
            host::output(command.args(["--no-all-versions", "show", package]))
        })
        .with_context(|| format!("{meta} of {}", self.suite))
    }

    /// Downloads packages into a folder.
    pub(crate) fn download(&self, packages: &[Package], folder: &Path) -> Result<()> {
        let mut command = self.command("apt-get");
        command.args(["-qq", "download"]).current_dir(folder);
        for Package { name, version } in packages {
            command.arg(format!("{name}={version}"));
        }
        host::output(&mut command).map(drop)
    }

    /// An apt program that knows nothing but this suite.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C").args([
            "-o",
            "Dir::Etc::sourceparts=/dev/null",
            "-o",
            "Dir::Etc::preferences=/dev/null",
            "-o",
            "Dir::Etc::preferencesparts=/dev/null",
            "-o",
            "Dir::State::status=/dev/null",
            "-o",
            "APT::Sandbox::User=",
            "-o",
            "Acquire::Languages=none",
            "-o",
            "Acquire::Retries=3",
            // Else lists that could not be fetched are only warned of.
            "-o",
            "APT::Update::Error-Mode=any",
        ]);
        let of_ours = [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
        ];
        for (option, path) in of_ours {
            command.arg("-o").arg(format!("{option}={}", self.state.join(path).display()));
        }
        command
    }
}

/// The mirror that the machine's apt uses.
fn mirror() -> Result<String> {
    let targets = host::output(Command::new("apt-get").env("LC_ALL", "C").args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(ORIGIN) $(LABEL)",
        "Created-By: Packages",
    ]))?;
    mirror_of(&targets).context("the machine's apt names no mirror of Debian")
}

/// The mirror among the targets: what calls itself Debian; before the first update, none calls itself
/// anything, and it is the first that is not of the security team.
fn mirror_of(targets: &str) -> Option<String> {
    let rows = || targets.lines().filter_map(|line| line.split_once(' '));
    let named = rows().find(|(_, of)| *of == "Debian Debian");
    let unnamed = || rows().find(|(uri, of)| of.starts_with('$') && !uri.contains("security"));
    named.or_else(unnamed).map(|(uri, _)| uri.to_owned())
}

/// Whether apt's complaint says that the mirror lacks the suite.
fn is_absent_suite(said: &str) -> bool {
    said.contains("does not have a Release file") || said.contains("no longer has a Release file")
}

/// The last line that is not empty.
fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given")
}

/// Follows a meta package to the exact packages of one kernel.
fn resolve(meta: &str, mut show: impl FnMut(&str) -> Result<String>) -> Result<Resolved> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut open = vec![meta.to_owned()];
    while let Some(package) = open.pop() {
        for part in parts_in(&show(&package)?) {
            if found.insert(part.name.clone(), part.version).is_none() {
                open.push(part.name);
            }
        }
    }
    let images: Vec<&String> = found.keys().filter(|name| name.starts_with(PARTS[0])).collect();
    ensure!(images.len() == 1, "it names {} images, not one: {images:?}", images.len());
    let (release, version) = (images[0][PARTS[0].len()..].to_owned(), found[images[0]].clone());
    let packages = found.into_iter().map(|(name, version)| Package { name, version }).collect();
    Ok(Resolved { release, version, packages })
}

/// The parts of a kernel that the first package of apt's output depends on in one exact version.
fn parts_in(shown: &str) -> Vec<Package> {
    let stanza = shown.split("\n\n").next().unwrap_or_default();
    let depends = stanza.lines().find_map(|line| line.strip_prefix("Depends:"));
    depends.unwrap_or_default().split(',').filter_map(part).collect()
}

/// One dependency, if it is a part of one release in one version: `linux-image-RELEASE (= VERSION)`.
fn part(dependency: &str) -> Option<Package> {
    let (name, rest) = dependency.trim().split_once(" (= ")?;
    let version = rest.strip_suffix(')')?;
    let release = PARTS.iter().find_map(|part| name.strip_prefix(part))?;
    release
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| Package { name: name.to_owned(), version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = "Package: linux-image-cloud-amd64\nVersion: 1.2.3-4\n\
        Depends: linux-image-1.2.3+debX-cloud-amd64 (= 1.2.3-4)\nSize: 1524\n\n\
        Package: linux-image-cloud-amd64\nVersion: 1.2.2-1\n\
        Depends: linux-image-1.2.2+debX-cloud-amd64 (= 1.2.2-1)\n";
    const IMAGE: &str = "Package: linux-image-1.2.3+debX-cloud-amd64\nVersion: 1.2.3-4\n\
        Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120) | linux-initramfs-tool\n";
    const SPLIT_META: &str = "Package: linux-image-cloud-amd64\nVersion: 9.9\n\
        Depends: linux-base-cloud-amd64 (= 9.9), linux-image-9.9+debY-cloud-amd64 (= 9.9), \
        linux-modules-cloud-amd64 (= 9.9)\n";
    const SPLIT_IMAGE: &str = "Package: linux-image-9.9+debY-cloud-amd64\n\
        Depends: dracut | initramfs-tools, linux-base-9.9+debY-cloud-amd64 (= 9.9), \
        linux-binary-9.9+debY-cloud-amd64 (= 9.9), linux-modules-9.9+debY-cloud-amd64 (= 9.9)\n";

    fn names(resolved: &Resolved) -> Vec<&str> {
        resolved.packages.iter().map(|package| package.name.as_str()).collect()
    }

    #[test]
    fn an_image_with_everything_in_it_is_one_package() {
        let shown = |package: &str| {
            Ok(if package == "linux-image-cloud-amd64" { META } else { IMAGE }.to_owned())
        };
        let resolved = resolve("linux-image-cloud-amd64", shown).unwrap();
        assert_eq!(resolved.release, "1.2.3+debX-cloud-amd64");
        assert_eq!(resolved.version, "1.2.3-4");
        assert_eq!(names(&resolved), ["linux-image-1.2.3+debX-cloud-amd64"]);
    }

    #[test]
    fn an_image_that_is_a_meta_package_brings_its_parts() {
        let shown = |package: &str| {
            Ok(match package {
                "linux-image-cloud-amd64" => SPLIT_META,
                "linux-image-9.9+debY-cloud-amd64" => SPLIT_IMAGE,
                _ => "Package: x\n",
            }
            .to_owned())
        };
        let resolved = resolve("linux-image-cloud-amd64", shown).unwrap();
        assert_eq!(resolved.release, "9.9+debY-cloud-amd64");
        assert_eq!(
            names(&resolved),
            [
                "linux-base-9.9+debY-cloud-amd64",
                "linux-binary-9.9+debY-cloud-amd64",
                "linux-image-9.9+debY-cloud-amd64",
                "linux-modules-9.9+debY-cloud-amd64",
            ]
        );
    }

    #[test]
    fn a_meta_package_without_an_image_is_an_error() {
        let error = resolve("x", |_| Ok("Package: x\nDepends: y\n".to_owned())).unwrap_err();
        assert!(error.to_string().contains("0 images"), "{error}");
    }

    #[test]
    fn the_mirror_is_debians_own_whatever_stands_first() {
        let targets = "other/ Node Node\nmirror/debian-security/ Debian Debian-Security\n\
                       mirror/debian/ Debian Debian\n";
        assert_eq!(mirror_of(targets).as_deref(), Some("mirror/debian/"));
        let fresh =
            "mirror/debian-security/ $(ORIGIN) $(LABEL)\nmirror/debian/ $(ORIGIN) $(LABEL)\n";
        assert_eq!(mirror_of(fresh).as_deref(), Some("mirror/debian/"));
        assert_eq!(mirror_of("other/ Node Node\n"), None);
    }

    #[test]
    fn an_absent_suite_is_told_from_no_network() {
        assert!(is_absent_suite("E: The repository 'x y Release' does not have a Release file."));
        assert!(!is_absent_suite("W: Failed to fetch x  Temporary failure resolving 'm'"));
        assert_eq!(last_line("a\nb\n\n"), "b");
    }
}
