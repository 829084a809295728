//! `cargo xtask tidy`: the house rules that no compiler knows.
//!
//! Each rule is one function from the files, or from cargo's metadata, to findings. A new rule is
//! one function with its tests in a file below `tidy/`, and one line in [`findings`].

mod code;
mod divergence;
mod edges;
mod layout;
mod leftovers;
mod licences;
mod outside;
mod unsafe_code;

use std::fmt;

use anyhow::Result;

use crate::workspace::{TextFile, Workspace};

/// What was typed after `tidy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask tidy\n  \
    cargo xtask tidy --fix   rewrite the generated part of docs/DIVERGENCE.md first")]
pub(crate) struct Args {
    /// Rewrite what is generated from the sources, then check
    #[arg(long)]
    fix: bool,
}

/// One place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, relative to the root; a package name where no single file is to blame.
    place: String,
    /// The line, where one is to blame.
    line: Option<usize>,
    /// What is wrong and what to do.
    what: String,
}

impl Finding {
    /// A finding about a file, or a package, as a whole.
    fn whole(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line: None, what: what.into() }
    }

    /// A finding at a line, counted from 0 as iterators do.
    fn at(file: &TextFile, index: usize, what: impl Into<String>) -> Self {
        Self { place: file.path.clone(), line: Some(index + 1), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.what),
            None => write!(f, "{}: {}", self.place, self.what),
        }
    }
}

/// Runs the job; true when no rule is broken.
pub(crate) fn run(args: &Args, workspace: &Workspace) -> Result<bool> {
    if args.fix && divergence::fix(workspace, &workspace.text_files()?)? {
        println!("tidy: rewrote {}", divergence::PAGE);
    }
    check(workspace)
}

/// Checks every rule and prints the findings; true when there are none.
pub(crate) fn check(workspace: &Workspace) -> Result<bool> {
    let files = workspace.text_files()?;
    let (rules, findings) = findings(workspace, &files);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {rules} rules, {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}

/// Every rule: how many there are and what they found, in order of place.
fn findings(workspace: &Workspace, files: &[TextFile]) -> (usize, Vec<Finding>) {
    let by_rule = [
        edges::forbidden(&edges::of(&workspace.metadata)),
        edges::without_lints(&workspace.metadata, &workspace.root, files),
        layout::without_module_doc(files),
        layout::too_long(files),
        layout::not_ascii(files),
        layout::unregistered_tests(files),
        leftovers::leftovers(files),
        divergence::stale(files),
        licences::not_allowed(&workspace.metadata),
        outside::machine_paths(files),
        outside::hosts(files),
        unsafe_code::outside_allowed(files),
    ];
    let rules = by_rule.len();
    let mut findings: Vec<Finding> = by_rule.into_iter().flatten().collect();
    findings.sort();
    (rules, findings)
}

/// What the tests of the rules share.
#[cfg(test)]
mod testing {
    use super::{Finding, TextFile};

    /// A file with this text.
    pub(super) fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// The lines blamed, in order.
    pub(super) fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().filter_map(|finding| finding.line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_compilers_print_places() {
        let file = testing::file("a.rs", "");
        assert_eq!(Finding::at(&file, 0, "wrong").to_string(), "a.rs:1: wrong");
        assert_eq!(Finding::whole("a.rs", "wrong").to_string(), "a.rs: wrong");
    }
}
