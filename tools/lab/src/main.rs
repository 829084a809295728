//! Boots stock kernels in QEMU, and proves the device on them: what `cargo xtask lab` runs.
//!
//! A new subcommand is one variant of [`Command`], one module and one arm in [`start`]. What a stage tests
//! is in `stage/`, its guest's script in `guest/`. Left out on purpose: any exact kernel version, any host
//! name, any power cut of the host (killing the emulator loses nothing the device acknowledged).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool that reports to a person")]

mod accel;
mod apt;
mod built;
mod commands;
mod cpio;
mod figures;
mod host;
mod initramfs;
mod kernels;
mod machine;
mod modules;
mod programs;
mod stage;
mod suite;
mod transcript;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::host::Host;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask lab",
    bin_name = "cargo xtask lab",
    about = "Stock kernels in QEMU: run a command on one, or prove the device on all of them",
    after_help = "Examples:\n  \
        cargo xtask lab kernels --fetch\n  \
        cargo xtask lab run --kernel bookworm-backports -- uname -a\n  \
        cargo xtask lab run --kernel-image arch/x86/boot/bzImage --modules out/lib/modules -- \\\n      \
        'modload ublk_drv; ls -l /dev/ublk-control'\n  \
        cargo xtask lab shell --kernel trixie-backports\n  \
        cargo xtask lab smoke\n\n\
        Exit codes: 0 passed; 1 something failed; 2 could not run; 3 nothing failed, but something was\n\
        skipped; 130 interrupted. `lab run` ends with the guest's own status."
)]
struct Cli {
    /// Keep kernels and lists here instead of in target/lab
    #[arg(long, global = true, value_name = "DIR", env = "MAPRACE_LAB_CACHE")]
    cache: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show the kernels by name: what their suites have now, and what is in the cache
    Kernels(commands::kernels::Args),
    /// Run a command in a guest; its exit status becomes ours
    Run(commands::run::Args),
    /// Open a shell in a guest on this terminal; Ctrl-A X quits
    Shell(commands::shell::Args),
    /// Boot five guests that pass, fail, skip, panic and hang, and tell them apart
    Selftest(commands::selftest::Args),
    /// Run the short list of stages: required of every change, under 8 minutes
    #[command(after_help = SMOKE_HELP)]
    Smoke(suite::Args),
    /// Run all stages, under an hour, and keep what they measured in docs/runs
    Full(suite::FullArgs),
}

/// Behind the help of `smoke`.
const SMOKE_HELP: &str = "Examples:\n  \
    cargo xtask lab smoke\n  \
    cargo xtask lab smoke --only boot --keep-going\n\n\
    Exit codes: 0 passed; 1 a stage failed; 2 could not run; 3 nothing failed, but a stage was skipped.";

/// How a subcommand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All is well.
    Passed,
    /// Something failed.
    Failed,
    /// Nothing failed, and something could not be tried.
    Skipped,
    /// With a guest's own status.
    Guest(u8),
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Passed => Self::SUCCESS,
            End::Failed => Self::from(1),
            End::Skipped => Self::from(3),
            End::Guest(status) => Self::from(status),
        }
    }
}

/// Runs one subcommand.
fn start(cli: &Cli) -> Result<End> {
    let host = Host::find(cli.cache.as_deref())?;
    machine::handle_interrupts()?;
    match &cli.command {
        Command::Kernels(args) => commands::kernels::run(args, &host),
        Command::Run(args) => commands::run::run(args, &host),
        Command::Shell(args) => commands::shell::run(args, &host),
        Command::Selftest(args) => commands::selftest::run(args, &host),
        Command::Smoke(args) => suite::smoke(args, &host),
        Command::Full(args) => suite::full(args, &host),
    }
}

fn main() -> ExitCode {
    match start(&Cli::parse()) {
        Ok(end) => end.into(),
        Err(_) if machine::is_interrupted() => {
            eprintln!("lab: interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
