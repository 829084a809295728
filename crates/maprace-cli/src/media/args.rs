//! What was typed after `media`.

use crate::help;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `media`.
#[derive(Debug, Args)]
pub(crate) struct MediaArgs {
    #[command(subcommand)]
    pub(crate) command: Option<MediaCommand>,
}

/// What to do with media.
#[derive(Debug, Subcommand)]
pub(crate) enum MediaCommand {
    /// List the built-in profiles, which is the default
    #[command(after_help = help::MEDIA)]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the file of a profile, or with --json every setting in force
    #[command(after_help = help::MEDIA)]
    Show {
        /// A built-in name, or a file if it has a `/` or ends in `.toml`
        #[arg(value_name = "PROFILE")]
        profile: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare the model of a profile with the figures it was made after
    #[command(after_help = help::MEDIA)]
    Check {
        /// Built-in names, or files
        #[arg(value_name = "PROFILE", required_unless_present = "all", conflicts_with = "all")]
        profiles: Vec<String>,
        /// Check every built-in profile
        #[arg(long)]
        all: bool,
        /// Where draws begin, instead of at the profile's own seed
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw latencies and rates of a profile as SVG
    #[command(after_help = help::MEDIA)]
    Plot {
        /// A built-in name, or a file
        #[arg(value_name = "PROFILE")]
        profile: String,
        /// Where draws begin, instead of at the profile's own seed
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Write the picture here instead of to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}
