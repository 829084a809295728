//! The stages of `ci`, in order, and the command of each.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Metadata, TargetKind};
use clap::ValueEnum;

use super::own_layer;
use crate::lab;
use crate::tidy;
use crate::workspace::Workspace;

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// Formatting.
    Fmt,
    /// House rules.
    Tidy,
    /// Lints.
    Clippy,
    /// Documentation.
    Doc,
    /// Tests.
    Test,
    /// Examples in the documentation.
    Doctest,
    /// Benchmarks, at small size.
    Bench,
    /// A user's package.
    OwnLayer,
    /// The report in a browser.
    Browser,
    /// The device on real kernels.
    Lab,
}

/// How a stage that did not fail ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It ran and found nothing.
    Passed,
    /// It could not run here, for this reason.
    Skipped(String),
}

impl Stage {
    /// All of them, in the order they run: what fails fastest comes first.
    pub(super) const ALL: [Self; 10] = [
        Self::Fmt,
        Self::Tidy,
        Self::Clippy,
        Self::Doc,
        Self::Test,
        Self::Doctest,
        Self::Bench,
        Self::OwnLayer,
        Self::Browser,
        Self::Lab,
    ];

    /// The name `--only` takes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Doc => "doc",
            Self::Test => "test",
            Self::Doctest => "doctest",
            Self::Bench => "bench",
            Self::OwnLayer => "own-layer",
            Self::Browser => "browser",
            Self::Lab => "lab",
        }
    }

    /// What it does, in one line.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Fmt => "every source is formatted",
            Self::Tidy => "the house rules hold (cargo xtask tidy)",
            Self::Clippy => "no lint warns, in any target, all features on",
            Self::Doc => "the documentation builds without a warning",
            Self::Test => "the tests of every package",
            Self::Doctest => "the examples in the documentation",
            Self::Bench => "every benchmark runs once, at small size",
            Self::OwnLayer => "a user's layer in a package of its own gives its golden output",
            Self::Browser => {
                "the report opens in a headless Chromium, can be used, and asks for nothing"
            }
            Self::Lab => "the device works on stock kernels in QEMU (cargo xtask lab smoke)",
        }
    }

    /// Runs it, with the output of its commands going to ours.
    pub(super) fn run(self, workspace: &Workspace) -> Result<Outcome> {
        match self {
            Self::Fmt => {
                cargo(workspace, "fmt --all --check", &[])?;
                own_layer::check_format(workspace)
            }
            Self::Tidy => {
                ensure!(tidy::check(workspace)?, "a house rule is broken");
                Ok(Outcome::Passed)
            }
            Self::Clippy => {
                let line =
                    "clippy --workspace --all-targets --all-features --release -- -D warnings";
                cargo(workspace, line, &[])
            }
            Self::Doc => {
                let line = "doc --workspace --no-deps --all-features --release";
                cargo(workspace, line, &[("RUSTDOCFLAGS", "-D warnings")])
            }
            Self::Test => {
                let line =
                    "test --workspace --tests --examples --all-features --release --no-fail-fast";
                cargo(workspace, line, &[])
            }
            Self::Doctest => {
                cargo(workspace, "test --workspace --doc --all-features --release", &[])
            }
            Self::Bench if !has_benches(&workspace.metadata) => {
                Ok(Outcome::Skipped("no package has a [[bench]] target".to_owned()))
            }
            Self::Bench => {
                let line = "test --workspace --bench '*' --all-features --release";
                cargo(workspace, line, &[])
            }
            Self::OwnLayer => own_layer::run(workspace),
            Self::Browser if !has_chromium() => Ok(Outcome::Skipped(format!(
                "no Chromium: none of {} is installed",
                CHROMIUM.join(", ")
            ))),
            Self::Browser => {
                // The target is no test of the workspace, so the stage of the lints does not see it.
                let line = "clippy --package maprace-tests --test browser --release -- -D warnings";
                cargo(workspace, line, &[])?;
                cargo(workspace, "test --package maprace-tests --test browser --release", &[])
            }
            Self::Lab => {
                let words = format!("{} smoke --keep-going", lab::CARGO.join(" "));
                println!("$ cargo {words}");
                let mut smoke = lab::command(workspace);
                let status = smoke.args(["smoke", "--keep-going"]).status();
                of_lab(status.context("cargo cannot be started")?.code())
            }
        }
    }
}

/// What the lab's exit status means: it tells a skip from a pass itself.
fn of_lab(code: Option<i32>) -> Result<Outcome> {
    match code {
        Some(0) => Ok(Outcome::Passed),
        Some(3) => {
            Ok(Outcome::Skipped("the lab could not try all; the lines above say why".to_owned()))
        }
        Some(code) => bail!("the lab ended with {code}"),
        None => bail!("the lab was killed"),
    }
}

/// What a Chromium may be called; `tests/browser/chromium.rs` starts the first that there is.
const CHROMIUM: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Whether there is one that starts.
fn has_chromium() -> bool {
    CHROMIUM.iter().any(|name| {
        let mut tried = Command::new(name);
        tried.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    })
}

/// Whether any package of ours has a benchmark.
fn has_benches(metadata: &Metadata) -> bool {
    metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.targets)
        .any(|target| target.kind.contains(&TargetKind::Bench))
}

/// Runs one cargo command line, its words separated by spaces and quoted for the shell that a person
/// would type them into, with extra variables.
fn cargo(workspace: &Workspace, line: &str, variables: &[(&str, &str)]) -> Result<Outcome> {
    let mut command = workspace.cargo();
    command
        .args(line.split(' ').map(|word| word.trim_matches('\'')))
        .envs(variables.iter().copied());
    let prefix: String =
        variables.iter().map(|(name, value)| format!("{name}=\"{value}\" ")).collect();
    run_command(&mut command, &format!("{prefix}cargo {line}"))
}

/// Prints what a person would type, runs the command and asks for success.
pub(super) fn run_command(command: &mut Command, typed: &str) -> Result<Outcome> {
    println!("$ {typed}");
    let status = command.status().with_context(|| format!("cannot start `{typed}`"))?;
    ensure!(status.success(), "`{typed}` ended with {status}");
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_stage_by_the_name_only_takes() {
        let names: Vec<String> = Stage::value_variants()
            .iter()
            .filter_map(|stage| stage.to_possible_value())
            .map(|value| value.get_name().to_owned())
            .collect();
        let listed: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        assert_eq!(names, listed);
    }

    #[test]
    fn the_lab_says_by_its_status_whether_it_passed_or_skipped() {
        assert_eq!(of_lab(Some(0)).unwrap(), Outcome::Passed);
        assert!(matches!(of_lab(Some(3)).unwrap(), Outcome::Skipped(_)));
        for code in [Some(1), Some(2), Some(130), None] {
            assert!(of_lab(code).is_err(), "{code:?}");
        }
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = run_command(&mut Command::new("false"), "false").unwrap_err();
        assert!(error.to_string().starts_with("`false` ended with"), "{error}");
        assert_eq!(run_command(&mut Command::new("true"), "true").unwrap(), Outcome::Passed);
    }
}
