//! Programs of the host for the guest, with the libraries that the loader would find for them here.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cpio::Archive;
use crate::host;

/// Puts a program, by name or path, into the guest's `/bin` under its own name, and its libraries where
/// they lie here.
pub(crate) fn add(archive: &mut Archive, program: &str) -> Result<()> {
    let path = host::program_path(program)
        .with_context(|| format!("no program {program:?} on this machine"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for library in libraries(&path)? {
        let inside = library.to_string_lossy();
        if !archive.has(&inside) {
            archive.copy(&inside, true, &library);
        }
    }
    archive.copy(&format!("bin/{name}"), true, path);
    Ok(())
}

/// What `ldd` says a program needs; nothing for a static one or a script.
fn libraries(path: &PathBuf) -> Result<Vec<PathBuf>> {
    let done = Command::new("ldd").arg(path).env("LC_ALL", "C").output();
    let done = done.context("ldd cannot be started")?;
    let rows = String::from_utf8_lossy(&done.stdout);
    if let Some(lost) = rows.lines().find(|row| row.contains("=> not found")) {
        bail!("{}: the library {} is not on this machine", path.display(), lost.trim());
    }
    Ok(library_paths(&rows))
}

/// The absolute paths in the output of `ldd`.
fn library_paths(rows: &str) -> Vec<PathBuf> {
    rows.lines()
        .filter_map(|row| row.split_whitespace().find(|word| word.starts_with('/')))
        .filter(|path| !path.ends_with(':'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_read_and_the_vdso_is_not() {
        let rows = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x2)\n";
        let expected = ["/lib/x/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(library_paths(rows), expected);
        assert!(library_paths("\tstatically linked\n").is_empty());
        assert!(library_paths("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn a_program_comes_with_its_libraries() {
        let mut archive = Archive::default();
        add(&mut archive, "sh").unwrap();
        assert!(archive.has("bin/sh"));
        assert!(add(&mut archive, "no-such-program-here").is_err());
    }
}
