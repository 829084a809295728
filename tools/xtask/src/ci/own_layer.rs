//! The stage that builds a user's package and compares what it prints.
//!
//! `examples/own_layer` of the cli stands outside the workspace, as a user's package does. Beside
//! it lies `golden.txt`, a transcript: a line `$ own_layer ARGUMENTS` is a command, the lines up to
//! the next one are its standard output, and a last line `[exit N]` says that it ended with N
//! instead of 0.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use super::stage::{Outcome, run_command};
use crate::workspace::Workspace;

/// Where the package is.
const PACKAGE: &str = "crates/maprace-cli/examples/own_layer";

/// Its binary, and the word after `$ ` in the transcript.
const BINARY: &str = "own_layer";

/// One command of the transcript.
#[derive(Debug, PartialEq, Eq)]
struct Exchange {
    /// The words after the program's name.
    arguments: Vec<String>,
    /// What it prints.
    output: String,
}

/// The manifest, when the package is there.
fn manifest(workspace: &Workspace) -> Option<PathBuf> {
    let manifest = workspace.root.join(PACKAGE).join("Cargo.toml");
    manifest.is_file().then_some(manifest)
}

/// Formatting of the package, which `cargo fmt --all` does not reach.
pub(super) fn check_format(workspace: &Workspace) -> Result<Outcome> {
    let Some(manifest) = manifest(workspace) else { return Ok(Outcome::Passed) };
    let mut command = workspace.cargo();
    command.args(["fmt", "--check", "--manifest-path"]).arg(manifest);
    run_command(&mut command, &format!("cargo fmt --check --manifest-path {PACKAGE}/Cargo.toml"))
}

/// Builds the package, runs its transcript again and compares.
pub(super) fn run(workspace: &Workspace) -> Result<Outcome> {
    let Some(manifest) = manifest(workspace) else {
        return Ok(Outcome::Skipped(format!("{PACKAGE} is not there")));
    };
    let target = workspace.metadata.target_directory.as_std_path();
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--locked", "--bin", BINARY, "--manifest-path"]);
    build.arg(&manifest).arg("--target-dir").arg(target);
    let typed = format!("cargo build --release --locked --manifest-path {PACKAGE}/Cargo.toml");
    run_command(&mut build, &typed)?;

    let golden_path = workspace.root.join(PACKAGE).join("golden.txt");
    let golden = fs::read_to_string(&golden_path)
        .with_context(|| format!("cannot read {PACKAGE}/golden.txt"))?;
    let exchanges = parse(&golden)?;
    let binary = target.join("release").join(BINARY);
    let mut found = String::new();
    for exchange in &exchanges {
        println!("$ {BINARY} {}", exchange.arguments.join(" "));
        found += &transcript(&binary, &exchange.arguments)?;
    }
    if let Some(difference) = first_difference(&golden, &found) {
        let kept = target.join("own_layer.txt");
        fs::write(&kept, &found).with_context(|| format!("cannot write {}", kept.display()))?;
        bail!(
            "{PACKAGE}/golden.txt, {difference}\nto accept what was printed: cp {} {PACKAGE}/golden.txt",
            kept.display()
        );
    }
    println!("{} of {} outputs as in golden.txt", exchanges.len(), exchanges.len());
    Ok(Outcome::Passed)
}

/// Splits a transcript into its commands.
fn parse(golden: &str) -> Result<Vec<Exchange>> {
    let prompt = format!("$ {BINARY}");
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in golden.lines() {
        if let Some(rest) = line.strip_prefix(&prompt) {
            let arguments = rest.split_whitespace().map(str::to_owned).collect();
            exchanges.push(Exchange { arguments, output: String::new() });
        } else if let Some(exchange) = exchanges.last_mut() {
            exchange.output += line;
            exchange.output.push('\n');
        } else {
            bail!("{PACKAGE}/golden.txt: the first line is not `{prompt} ARGUMENTS`");
        }
    }
    ensure!(!exchanges.is_empty(), "{PACKAGE}/golden.txt holds no command");
    Ok(exchanges)
}

/// Runs one command and writes it down as the transcript does.
fn transcript(binary: &Path, arguments: &[String]) -> Result<String> {
    let output = Command::new(binary)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    written_down(arguments, &output)
}

/// The text of one exchange.
fn written_down(arguments: &[String], output: &Output) -> Result<String> {
    let mut text = format!("$ {BINARY}");
    for argument in arguments {
        text.push(' ');
        text += argument;
    }
    text.push('\n');
    text += std::str::from_utf8(&output.stdout).context("the output is not UTF-8")?;
    match output.status.code() {
        Some(0) => {}
        Some(code) => text += &format!("[exit {code}]\n"),
        None => bail!(
            "`{BINARY} {}` was killed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
    Ok(text)
}

/// The first line in which two texts differ, in words.
fn first_difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let mut left = expected.lines();
    let mut right = found.lines();
    let mut number = 0;
    loop {
        number += 1;
        match (left.next(), right.next()) {
            (Some(wanted), Some(got)) if wanted == got => {}
            (None, None) => {
                return Some("the last line: a line end too many or too few".to_owned());
            }
            (wanted, got) => {
                let show =
                    |line: Option<&str>| line.map_or("the end".to_owned(), |l| format!("`{l}`"));
                return Some(format!(
                    "line {number}: expected {}, found {}",
                    show(wanted),
                    show(got)
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_transcript_is_commands_with_their_output() {
        let golden =
            "$ own_layer compare --layer mine\npair v6.8\nx    safe\n$ own_layer\n[exit 2]\n";
        let parsed = parse(golden).unwrap();
        assert_eq!(
            parsed,
            [
                Exchange {
                    arguments: words("compare --layer mine"),
                    output: "pair v6.8\nx    safe\n".to_owned()
                },
                Exchange { arguments: vec![], output: "[exit 2]\n".to_owned() },
            ]
        );
    }

    #[test]
    fn a_transcript_must_open_with_a_command() {
        assert!(parse("pair\n").unwrap_err().to_string().contains("the first line is not"));
        assert!(parse("").unwrap_err().to_string().contains("holds no command"));
    }

    #[test]
    fn an_exit_code_is_part_of_the_transcript() {
        let sh = |script: &str| Command::new("sh").args(["-c", script]).output().unwrap();
        let text = |script: &str| written_down(&words("a b"), &sh(script)).unwrap();
        assert_eq!(text("echo out; echo err >&2"), "$ own_layer a b\nout\n");
        assert_eq!(text("echo out; exit 3"), "$ own_layer a b\nout\n[exit 3]\n");
    }

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let difference = |a, b| first_difference(a, b).unwrap();
        assert_eq!(difference("a\nb\n", "a\nc\n"), "line 2: expected `b`, found `c`");
        assert_eq!(difference("a\nb\n", "a\n"), "line 2: expected `b`, found the end");
        assert!(difference("a\n", "a").starts_with("the last line"));
    }
}
