//! The image a guest boots from: a static shell, the lab's init, modules, programs, the script.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cpio::Archive;
use crate::kernels::Kernel;
use crate::{modules, programs};

/// The first process of every guest.
const INIT: &str = include_str!("../guest/init.sh");
/// What scripts may use.
const FUNCTIONS: &str = include_str!("../guest/functions.sh");
/// What the kernel calls for a module.
const MODPROBE: &str = include_str!("../guest/modprobe.sh");

/// Folders that programs expect, and mount points.
const FOLDERS: [&str; 15] = [
    "bin", "sbin", "usr/bin", "usr/sbin", "dev", "proc", "sys", "tmp", "mnt", "mod", "run",
    "var/run", "root", "out", "etc",
];

/// A file of the host and where the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// On the host.
    pub(crate) from: PathBuf,
    /// In the guest.
    pub(crate) to: String,
}

impl Placed {
    /// Reads `SRC[:DST]`; without a destination it lies in the root under its own name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once(':').unwrap_or((text, ""));
        let name = Path::new(from).file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| format!("{text:?} names no file"))?;
        let to = match to {
            "" => format!("/{name}"),
            folder if folder.ends_with('/') => format!("{folder}{name}"),
            path => path.to_owned(),
        };
        Ok(Self { from: PathBuf::from(from), to })
    }
}

/// What an image holds beside the lab's own part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The script, in the language of busybox' sh.
    pub(crate) script: String,
    /// Modules that must be there.
    pub(crate) modules: Vec<String>,
    /// Modules to take along where the kernel has them.
    pub(crate) modules_if_any: Vec<String>,
    /// Those of both lists that are loaded before the script, where the kernel has them.
    pub(crate) load: Vec<String>,
    /// Programs by name or path.
    pub(crate) programs: Vec<String>,
    /// Other files.
    pub(crate) files: Vec<Placed>,
    /// Whether what the script leaves in `/out` comes back.
    pub(crate) returns_files: bool,
    /// For a person at the terminal, with this many rows and columns, instead of the script.
    pub(crate) interactive: Option<(u16, u16)>,
}

/// Puts the image together; nothing is read of the files but when it is written.
pub(crate) fn image(contents: &Contents, kernel: &Kernel) -> Result<Archive> {
    let mut archive = Archive::default();
    for folder in FOLDERS {
        archive.directory(folder);
    }
    archive.bytes("init", true, INIT);
    archive.bytes("lab/functions.sh", false, FUNCTIONS);
    archive.bytes("sbin/modprobe", true, MODPROBE);
    archive.bytes("etc/passwd", false, "root:x:0:0:root:/root:/bin/sh\n");
    archive.bytes("etc/group", false, "root:x:0:\n");
    // What a mount without a type tries: these may be modules that nobody has loaded yet.
    archive.bytes("etc/filesystems", false, "ext4\nxfs\n*\n");
    programs::add(&mut archive, "busybox")?;
    for program in &contents.programs {
        programs::add(&mut archive, program)?;
    }
    for Placed { from, to } in &contents.files {
        ensure!(from.is_file(), "{}: no such file", from.display());
        archive.copy(to, true, from);
    }
    let mut load = String::new();
    let named = contents.modules.iter().map(|name| (name, true));
    let usual = contents.modules_if_any.iter().map(|name| (name, false));
    for (name, must) in named.chain(usual) {
        let has = modules::add(&mut archive, kernel, name)?;
        ensure!(has || !must, "kernel {} has no module {name}", kernel.release);
        if has && contents.load.contains(name) {
            load += name;
            load.push('\n');
        }
    }
    archive.bytes("lab/load", false, load);
    if contents.returns_files {
        for disk in modules::DISK {
            let has = modules::add(&mut archive, kernel, disk)?;
            ensure!(has, "kernel {} has no {disk}, so no file can come back", kernel.release);
        }
        archive.bytes("lab/out", false, "");
    }
    if let Some((rows, columns)) = contents.interactive {
        archive.bytes("lab/interactive", false, format!("stty rows {rows} cols {columns}\n"));
    }
    archive.bytes("run.sh", false, contents.script.as_str());
    Ok(archive)
}

/// The script that runs a command line: one word is a line for the shell, several are a program and its
/// arguments.
pub(crate) fn script_of(command: &[String]) -> Result<String> {
    match command {
        [] => anyhow::bail!("no command"),
        [line] => Ok(format!("{line}\n")),
        words => {
            let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            Ok(format!("exec {}\n", quoted.join(" ")))
        }
    }
}

/// A word as the shell takes it literally.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes an archive to a file.
pub(crate) fn write(archive: &Archive, path: &Path) -> Result<()> {
    let file = std::fs::File::create(path).with_context(|| format!("{}", path.display()))?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    archive.write(&mut out).context("the image cannot be written")?;
    std::io::Write::flush(&mut out).context("the image cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_shell_line_and_several_are_a_program() {
        let script = |words: &[&str]| {
            script_of(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(script(&["echo a; exit 3"]).unwrap(), "echo a; exit 3\n");
        assert_eq!(script(&["echo", "it's $HOME"]).unwrap(), "exec 'echo' 'it'\\''s $HOME'\n");
        assert!(script(&[]).is_err());
    }

    #[test]
    fn a_file_without_a_destination_lies_in_the_root() {
        let placed = |text: &str| Placed::parse(text).map(|placed| placed.to);
        assert_eq!(placed("a/b.txt").as_deref(), Ok("/b.txt"));
        assert_eq!(placed("a/b.txt:/etc/c").as_deref(), Ok("/etc/c"));
        assert_eq!(placed("a/b.txt:/etc/").as_deref(), Ok("/etc/b.txt"));
        assert!(placed("").is_err());
    }

    #[test]
    fn an_image_has_the_labs_own_part() {
        let kernel = Kernel {
            name: "own".to_owned(),
            release: "1.2".to_owned(),
            image: PathBuf::new(),
            modules: PathBuf::new(),
        };
        if crate::host::program_path("busybox").is_none() {
            eprintln!("skipped: no busybox on this machine");
            return;
        }
        let contents = Contents { script: "true".to_owned(), ..Contents::default() };
        let archive = image(&contents, &kernel).unwrap();
        for path in ["init", "run.sh", "lab/functions.sh", "sbin/modprobe", "out", "bin/busybox"] {
            assert!(archive.has(path), "{path}");
        }
        assert!(!archive.has("lab/out") && !archive.has("lab/interactive"));
    }
}
