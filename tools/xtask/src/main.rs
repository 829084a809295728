//! What developers and CI run: `ci`, `tidy`, `bench`, `lab`.
//!
//! A new job is one variant of [`Command`], one module with a `run` function and one arm in
//! [`main`]. Jobs that boot something belong in a package of their own under `tools/`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool that reports to a person")]

mod bench;
mod ci;
mod lab;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "What developers and CI run in this workspace",
    after_help = "Examples:\n  \
        cargo xtask ci               everything CI checks, in the same order\n  \
        cargo xtask ci --only test   one stage\n  \
        cargo xtask tidy --fix       rewrite what is generated, then check the house rules\n  \
        cargo xtask bench            measure, into docs/runs\n  \
        cargo xtask lab --help       kernels in QEMU: run a command on one, prove the device on all"
)]
struct Cli {
    /// The job.
    #[command(subcommand)]
    command: Command,
}

/// The jobs.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check, stage by stage: what CI runs is what you run
    Ci(ci::Args),
    /// Check the house rules that no compiler knows
    Tidy(tidy::Args),
    /// Measure, and keep the figures with their machine in docs/runs
    Bench(bench::Args),
    /// Boot stock kernels in QEMU, and prove the device on them
    Lab(lab::Args),
}

/// Runs one job; exit code 0 when it passed, 1 when it found something, 2 when it could not run.
fn main() -> ExitCode {
    let cli = Cli::parse();
    let passed = Workspace::find().and_then(|workspace| match &cli.command {
        Command::Ci(args) => ci::run(args, &workspace),
        Command::Tidy(args) => tidy::run(args, &workspace),
        Command::Bench(args) => bench::run(args, &workspace),
        Command::Lab(args) => lab::run(args, &workspace),
    });
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
