//! Which modules a guest gets, with what they need, unpacked here: the emulated processor is slow at it.
//!
//! Order and dependencies, soft ones too, are modprobe's answer for the guest's kernel; nothing is guessed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cpio::Archive;
use crate::host;
use crate::kernels::Kernel;

/// Optional drivers that no module here needs and some processor models refuse to load.
const LEFT_OUT: [&str; 1] = ["crc32c-intel.ko"];

/// What `lab run` offers when nobody says which; each only if the kernel has it.
pub(crate) const USUAL: [&str; 6] = ["ublk_drv", "null_blk", "brd", "loop", "ext4", "xfs"];

/// What brings files back; built in or a module, by kernel.
pub(crate) const DISK: [&str; 2] = ["virtio_pci", "virtio_blk"];

/// How one module is had.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Needs {
    /// By these files, in this order; none if it is built in.
    Files(Vec<PathBuf>),
    /// The kernel does not have it.
    Absent,
}

/// Puts one module with what it needs into the archive; false if the kernel does not have it.
pub(crate) fn add(archive: &mut Archive, kernel: &Kernel, name: &str) -> Result<bool> {
    let files = match needs(kernel, name)? {
        Needs::Absent => return Ok(false),
        Needs::Files(files) => files,
    };
    let mut order = String::new();
    for file in files {
        let plain = plain_name(&file);
        if LEFT_OUT.contains(&plain.as_str()) {
            continue;
        }
        let inside = format!("mod/{plain}");
        if !archive.has(&inside) {
            archive.bytes(&inside, false, unpacked(&file)?);
        }
        order += &plain;
        order.push('\n');
    }
    archive.bytes(&format!("mod/{name}.order"), false, order);
    Ok(true)
}

/// Asks modprobe about a kernel that does not run here, without what this machine's configuration says.
fn needs(kernel: &Kernel, name: &str) -> Result<Needs> {
    let root = tempfile::tempdir().context("no temporary folder")?;
    for libraries in ["lib", "usr/lib"] {
        let modules = root.path().join(libraries).join("modules");
        fs::create_dir_all(&modules)?;
        symlink(&kernel.modules, modules.join(&kernel.release))?;
    }
    let mut command = Command::new(host::program_path("modprobe").context("no modprobe")?);
    command.args(["-C", "/dev/null", "-d"]).arg(root.path());
    command.args(["-S", &kernel.release, "--show-depends", name]).env("LC_ALL", "C");
    let done = command.output().context("modprobe cannot be started")?;
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        let rows = String::from_utf8_lossy(&done.stdout);
        let files = files_of(&rows).map(|path| path_inside(path, &kernel.release));
        return Ok(Needs::Files(files.map(|inside| kernel.modules.join(inside)).collect()));
    }
    if said.contains("not found in directory") {
        return Ok(Needs::Absent);
    }
    bail!("modprobe about {name} of {}: {}", kernel.release, said.trim())
}

/// The files of modprobe's answer, in order of loading.
fn files_of(rows: &str) -> impl Iterator<Item = &str> {
    rows.lines()
        .filter_map(|row| row.strip_prefix("insmod "))
        .map(|row| row.split(' ').next().unwrap_or(row))
}

/// A module's path below its release's folder.
fn path_inside<'a>(path: &'a str, release: &str) -> &'a str {
    let folder = format!("/modules/{release}/");
    path.split_once(&folder).map_or(path, |(_, inside)| inside)
}

/// The name of the module's file once it is unpacked.
fn plain_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let end = name.find(".ko").map_or(name.len(), |at| at + ".ko".len());
    name[..end].to_owned()
}

/// The bytes of a module as the kernel wants them.
fn unpacked(file: &Path) -> Result<Vec<u8>> {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    let by = |program: &str| host::output_bytes(Command::new(program).arg("-qdc").arg(file));
    match extension.as_ref() {
        "xz" => by("xz"),
        "zst" => by("zstd"),
        "gz" => by("gzip"),
        _ => fs::read(file).with_context(|| format!("{}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_modprobes_and_what_is_built_in_needs_no_file() {
        let rows = "builtin libcrc\ninsmod /t/lib/modules/1.2/kernel/a/mbcache.ko.xz \n\
                    insmod /t/lib/modules/1.2/kernel/fs/ext4.ko.zst option=1\n";
        let files: Vec<&str> = files_of(rows).map(|path| path_inside(path, "1.2")).collect();
        assert_eq!(files, ["kernel/a/mbcache.ko.xz", "kernel/fs/ext4.ko.zst"]);
        let names: Vec<String> = files.iter().map(|file| plain_name(Path::new(file))).collect();
        assert_eq!(names, ["mbcache.ko", "ext4.ko"]);
        assert_eq!(files_of("builtin ext4\n").count(), 0);
    }

    #[test]
    fn a_file_that_is_not_packed_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("brd.ko");
        fs::write(&file, [0x7f, b'E']).unwrap();
        assert_eq!(unpacked(&file).unwrap(), [0x7f, b'E']);
        assert_eq!(plain_name(&file), "brd.ko");
    }
}
