//! `cargo xtask lab`: hands everything to `tools/lab`, which boots machines and so is a package of its own.
//!
//! Built in release like all stages of `ci`. Nothing is parsed here: the help is the lab's own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// What was typed after `lab`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// What the lab is told; `--help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// The words after `cargo` that run the lab.
pub(crate) const CARGO: [&str; 6] =
    ["run", "--release", "--quiet", "--package", "maprace-lab", "--"];

/// The lab with nothing said to it yet.
pub(crate) fn command(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(CARGO);
    cargo
}

/// Becomes the lab, so that its exit status and Ctrl-C are its own; comes back only with an error.
pub(crate) fn run(args: &Args, workspace: &Workspace) -> Result<bool> {
    let error = command(workspace).args(&args.args).exec();
    Err(error).context("cargo cannot be started")
}
