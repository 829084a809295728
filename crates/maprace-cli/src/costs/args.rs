//! What was typed after `costs` and `calibrate`.

use crate::help;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `costs`.
#[derive(Debug, Args)]
pub(crate) struct CostsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<CostsCommand>,
}

/// What to do with tables of costs.
#[derive(Debug, Subcommand)]
pub(crate) enum CostsCommand {
    /// List the built-in tables, which is the default
    #[command(after_help = help::COSTS)]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the file of a table
    #[command(after_help = help::COSTS)]
    Show {
        /// A built-in name, or a file if it has a `/` or ends in `.toml`
        #[arg(value_name = "TABLE")]
        table: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read tables, and show what they leave to the default and what usual operations cost
    #[command(after_help = help::COSTS)]
    Check {
        /// Built-in names, or files
        #[arg(value_name = "TABLE", required_unless_present = "all", conflicts_with = "all")]
        tables: Vec<String>,
        /// Check every built-in table
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `calibrate`.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Write the table into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Run the catalogue so often, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) rounds: u64,
}
