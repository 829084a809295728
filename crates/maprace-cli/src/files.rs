//! Files that are written whole or not at all.

use crate::failure::Failure;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to do with a file that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Existing {
    /// It stays, and the command fails.
    Keep,
    /// It is replaced.
    Replace,
}

impl Existing {
    /// As `--force` says.
    pub(crate) fn of(force: bool) -> Existing {
        if force { Existing::Replace } else { Existing::Keep }
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |error| Failure::File { path: path.clone(), error }
}

fn there(path: &Path, what: &str) -> Failure {
    let error = std::io::Error::new(std::io::ErrorKind::AlreadyExists, what.to_owned());
    Failure::File { path: path.to_owned(), error }
}

/// Whether a file of that name can be written, asked before any work is done for it.
pub(crate) fn check_file(path: &Path, existing: Existing) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(there(path, "it is a directory: name a file"));
    }
    match existing {
        Existing::Keep if path.symlink_metadata().is_ok() => {
            Err(there(path, "it exists: name another, or use --force"))
        }
        _ => Ok(()),
    }
}

/// Makes a directory, or finds it as it should be.
pub(crate) fn check_dir(path: &Path, existing: Existing) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(failed(path))?;
    let mut entries = std::fs::read_dir(path).map_err(failed(path))?;
    match existing {
        Existing::Keep if entries.next().is_some() => {
            Err(there(path, "it is not empty: name another, or use --force"))
        }
        _ => Ok(()),
    }
}

/// Writes a file: under another name first, which then becomes the file's.
pub(crate) fn write_whole(path: &Path, text: &str, existing: Existing) -> Result<(), Failure> {
    check_file(path, existing)?;
    let name = path.file_name().map_or_else(Default::default, |name| name.to_string_lossy());
    let mut part: PathBuf = path.to_owned();
    part.set_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = std::fs::File::create(&part)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // It may never have been there.
        let _ = std::fs::remove_file(&part);
        failed(path)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_force_and_leaves_no_parts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        write_whole(&path, "one", Existing::Keep).unwrap();
        let error = write_whole(&path, "two", Existing::Keep).unwrap_err();
        assert!(error.to_string().ends_with("it exists: name another, or use --force"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        write_whole(&path, "two", Existing::Replace).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(dir.path(), "x", Existing::Replace).is_err());
        assert!(check_dir(dir.path(), Existing::Keep).is_err());
        assert!(check_dir(dir.path(), Existing::Replace).is_ok());
        assert!(check_dir(&dir.path().join("new"), Existing::Keep).is_ok());
    }
}
