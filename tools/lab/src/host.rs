//! The machine the lab runs on: its programs, the packages they come in, the cache.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Metadata, MetadataCommand};

/// A program the lab cannot do without, and the Debian package it comes in.
const NEEDED: [(&str, &str); 8] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("modprobe", "kmod"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("setpriv", "util-linux"),
    ("dpkg-deb", "dpkg"),
];

/// The packages of programs that run inside the guests.
const GUEST_PACKAGES: [(&str, &str); 9] = [
    ("mkfs.ext4", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("dumpe2fs", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("xfs_repair", "xfsprogs"),
    ("fio", "fio"),
    ("fstrim", "util-linux"),
    ("blockdev", "util-linux"),
    ("blkdiscard", "util-linux"),
];

/// Where things are on this machine.
#[derive(Debug)]
pub(crate) struct Host {
    /// The root of the workspace.
    pub(crate) root: PathBuf,
    /// Its packages.
    pub(crate) metadata: Metadata,
    /// What the lab keeps between runs.
    pub(crate) cache: PathBuf,
}

impl Host {
    /// Asks cargo, and makes the cache: `chosen`, or below cargo's own target directory.
    pub(crate) fn find(chosen: Option<&Path>) -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo metadata failed; run this inside the workspace")?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let cache = chosen.map_or_else(
            || metadata.target_directory.join("lab").into_std_path_buf(),
            Path::to_path_buf,
        );
        fs::create_dir_all(&cache).with_context(|| format!("{}", cache.display()))?;
        let cache = cache.canonicalize().with_context(|| format!("{}", cache.display()))?;
        Ok(Self { root, metadata, cache })
    }

    /// A `cargo` in the root, without what the `cargo run` around us set for us.
    pub(crate) fn cargo(&self) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(program);
        cargo.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            let is_set_for_us = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_PRIMARY_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            if is_set_for_us {
                cargo.env_remove(&*name);
            }
        }
        cargo
    }

    /// Holds the cache against another lab until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.cache.join("lock");
        let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
        file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(file)
    }
}

/// One line that names the packages to install, if any program of the lab's own or of `also` is missing.
pub(crate) fn missing(also: &[&str]) -> Option<String> {
    if env::consts::ARCH != "x86_64" {
        return Some(format!("guests are x86_64, and this machine is {}", env::consts::ARCH));
    }
    let of_guests = also.iter().filter_map(|name| GUEST_PACKAGES.iter().find(|row| row.0 == *name));
    let absent: Vec<&(&str, &str)> = NEEDED
        .iter()
        .chain(of_guests)
        .filter(|(program, _)| program_path(program).is_none())
        .collect();
    if absent.is_empty() {
        return None;
    }
    let programs: Vec<&str> = absent.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<&str> = absent.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    Some(format!(
        "missing {}: apt-get install --no-install-recommends {}",
        programs.join(", "),
        packages.join(" ")
    ))
}

/// Where a program is: a path as it stands, a name on PATH or where root's programs are.
pub(crate) fn program_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| PathBuf::from(name));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let of_root = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(of_root).map(|folder| folder.join(name)).find(|p| p.is_file())
}

/// What a command prints, if it succeeds; otherwise its own words.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let bytes = output_bytes(command)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same for what is no text.
pub(crate) fn output_bytes(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} ended with {}: {}", done.status, said.trim());
    Ok(done.stdout)
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, text).with_context(|| format!("{}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("{}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let shell = program_path("sh").unwrap();
        assert_eq!(program_path(shell.to_str().unwrap()), Some(shell));
        assert_eq!(program_path("no-such-program-here"), None);
        assert_eq!(program_path("./no/such/path"), None);
    }

    #[test]
    fn a_failing_command_is_an_error_in_its_own_words() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains('3') && error.ends_with("why"), "{error}");
        assert_eq!(output(Command::new("echo").arg("a")).unwrap(), "a\n");
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_whole(&path, "1").unwrap();
        write_whole(&path, "2").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
