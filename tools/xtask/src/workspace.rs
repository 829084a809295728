//! Where we are: the workspace root, its packages, its files, and a clean `cargo` to start.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

impl TextFile {
    /// Whether this is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// Whether the name ends in `.EXTENSION`.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// The workspace as cargo sees it.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The directory of the root manifest.
    pub(crate) root: PathBuf,
    /// Packages, dependencies and targets, all features on.
    pub(crate) metadata: Metadata,
}

impl Workspace {
    /// Asks cargo, from the current directory.
    pub(crate) fn find() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .features(CargoOpt::AllFeatures)
            .exec()
            .context("cargo metadata failed; run this inside the workspace")?;
        Ok(Self { root: metadata.workspace_root.clone().into_std_path_buf(), metadata })
    }

    /// A `cargo` in the root, without the variables that the `cargo run` around us set for us: they
    /// would reach build scripts and make cargo build again what it has.
    pub(crate) fn cargo(&self) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut cargo = Command::new(program);
        cargo.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_set_by_cargo_run) {
                cargo.env_remove(name);
            }
        }
        cargo
    }

    /// Every text file that is tracked or could be: neither ignored nor binary. Sorted by path.
    pub(crate) fn text_files(&self) -> Result<Vec<TextFile>> {
        let mut paths = match self.paths_from_git() {
            Some(paths) => paths,
            None => paths_from_walk(&self.root)?,
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            let full = self.root.join(&path);
            // A file removed but not yet from the index, or a link to a directory.
            if !full.is_file() {
                continue;
            }
            let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile { path, text });
            }
        }
        Ok(files)
    }

    /// The files git knows or would add; none without git or outside a repository.
    fn paths_from_git(&self) -> Option<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .ok()?;
        if !output.status.success() {
            return None;
        }
        let list = String::from_utf8(output.stdout).ok()?;
        Some(list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
    }
}

/// Whether `cargo run` sets this variable for the program it starts.
fn is_set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_BIN_")
        || matches!(name, "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR")
}

/// The files below `root` when git cannot tell: all but build output.
fn paths_from_walk(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
            let kind = entry.file_type().context("cannot tell a file from a directory")?;
            if kind.is_dir() {
                if entry.file_name() != "target" && entry.file_name() != ".git" {
                    pending.push(entry.path());
                }
            } else if let Ok(relative) = entry.path().strip_prefix(root)
                && let Some(relative) = relative.to_str()
            {
                found.push(relative.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walk_skips_build_output() {
        let root = tempfile::tempdir().unwrap();
        for path in ["src/a.rs", "target/debug/b.rs", ".git/config", "c.toml"] {
            let full = root.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, "").unwrap();
        }
        let mut found = paths_from_walk(root.path()).unwrap();
        found.sort();
        assert_eq!(found, ["c.toml", "src/a.rs"]);
    }

    #[test]
    fn only_variables_of_cargo_run_are_removed() {
        assert!(is_set_by_cargo_run("CARGO_PKG_VERSION"));
        assert!(is_set_by_cargo_run("CARGO_MANIFEST_DIR"));
        assert!(!is_set_by_cargo_run("CARGO_TARGET_DIR"));
        assert!(!is_set_by_cargo_run("CARGO_HOME"));
        assert!(!is_set_by_cargo_run("CARGO"));
    }

    #[test]
    fn rust_is_told_by_its_extension() {
        let file = |path: &str| TextFile { path: path.to_owned(), text: String::new() };
        assert!(file("a/b.rs").is_rust());
        assert!(!file("a/rs").is_rust());
        assert!(!file("a/b.rs.txt").is_rust());
    }
}
