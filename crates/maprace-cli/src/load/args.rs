//! What was typed after `load`. Flags are named as fio names them; each is also known with `-` for `_`.

use super::values::{self, Cpus, Rate, Seconds};
use crate::device::values::Bytes;
use crate::help;
use clap::{Args, Subcommand, ValueEnum};
use maprace_load::Pattern;
use std::path::PathBuf;

/// `load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(subcommand)]
    pub(crate) command: LoadCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadCommand {
    /// Ask a target for requests, and tell how it answers
    #[command(after_help = help::LOAD_RUN)]
    Run(Box<RunArgs>),
    /// After a crash: is what was acknowledged still there?
    #[command(after_help = help::LOAD_VERIFY)]
    Verify(VerifyArgs),
    /// Compare runs of one job, and say which is better if that may be said
    #[command(after_help = help::LOAD_COMPARE)]
    Compare(CompareArgs),
}

/// `load run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A block device, a file, null: (the generator alone) or media:PROFILE (in this process)
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) check: CheckArgs,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// Which requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which requests")]
pub(crate) struct WhatArgs {
    /// read, write, randread, randwrite, rw, randrw, trim, randtrim, write-zeroes, randwrite-zeroes, or
    /// storm: writes, zeroes and trims of any length over the same few blocks
    #[arg(long, alias = "readwrite", value_name = "PATTERN", default_value = "read")]
    #[arg(value_parser = values::pattern)]
    pub(crate) rw: Pattern,
    /// Bytes of a request, of a storm of the longest, 512 to 16M; 4K if not typed, of a storm 16K
    #[arg(long, alias = "blocksize", value_name = "SIZE")]
    pub(crate) bs: Option<Bytes>,
    /// Requests in flight of each job, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) iodepth: u32,
    /// How many of them are queued at most before the kernel is told
    #[arg(long = "iodepth_batch_submit", aliases = ["iodepth-batch-submit", "iodepth_batch"])]
    #[arg(value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) iodepth_batch_submit: u32,
    /// Jobs, each a thread, 1 to 1024
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) numjobs: u16,
    /// How many bytes are touched; all if not typed, of null: and media: 1G, of a storm 64K. A file that
    /// does not exist is made
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<Bytes>,
    /// Where they begin
    #[arg(long, value_name = "SIZE", default_value = "0")]
    pub(crate) offset: Bytes,
    /// Of a mix or a storm, how many of 100 requests are reads; 50 if not typed, of a storm 25
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) rwmixread: Option<u8>,
    /// A flush (fdatasync) after every so many writes
    #[arg(long, alias = "fdatasync", value_name = "N", default_value_t = 0)]
    pub(crate) fsync: u32,
    /// Every so many-th write is durable when acknowledged (RWF_DSYNC)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) fua: u32,
    /// Where draws begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) randseed: u64,
}

/// How long, and at whose pace.
#[derive(Debug, Args)]
#[command(next_help_heading = "How long, at whose pace")]
pub(crate) struct PaceArgs {
    /// How long it is measured: seconds, or with ms, s, m or h behind
    #[arg(long, value_name = "TIME", conflicts_with = "number_ios")]
    pub(crate) runtime: Option<Seconds>,
    /// fio's way to say that --runtime counts; it does anyway
    #[arg(long, alias = "time-based", requires = "runtime")]
    pub(crate) time_based: bool,
    /// End after so many requests of each job, with k or M for powers of 1000
    #[arg(long = "number_ios", alias = "number-ios", value_name = "N", value_parser = values::count)]
    pub(crate) number_ios: Option<u64>,
    /// What passes before anything counts
    #[arg(long = "ramp_time", alias = "ramp-time", value_name = "TIME", default_value = "0")]
    pub(crate) ramp_time: Seconds,
    /// Open loop: so many requests a second of each job, with k or M for powers of 1000
    #[arg(long = "rate_iops", alias = "rate-iops", value_name = "RATE")]
    pub(crate) rate_iops: Option<Rate>,
    /// How their times lie: linear: evenly; poisson: as of many users
    #[arg(
        long = "rate_process",
        alias = "rate-process",
        value_name = "HOW",
        requires = "rate_iops"
    )]
    #[arg(default_value = "linear", hide_possible_values = true)]
    pub(crate) rate_process: ProcessArg,
}

/// What is checked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checking")]
pub(crate) struct CheckArgs {
    /// Write blocks that tell who wrote them and when, check what is read, and read all of it at the end
    #[arg(long)]
    pub(crate) verify: bool,
    /// Write down what was acknowledged, for `load verify` after a crash; the file must not exist
    #[arg(long = "ack-log", alias = "ack_log", value_name = "FILE")]
    pub(crate) ack_log: Option<PathBuf>,
    /// Have the log on its medium before an acknowledgement counts: for a power cut of this machine
    #[arg(long = "ack-sync", alias = "ack_sync", requires = "ack_log")]
    pub(crate) ack_sync: bool,
    /// Go on after a request has failed: none, or all
    #[arg(long = "continue_on_error", alias = "continue-on-error", value_name = "WHICH")]
    #[arg(default_value = "none", hide_possible_values = true)]
    pub(crate) continue_on_error: GoOnArg,
    /// All on this target may be lost; the name must be the target's
    #[arg(long, value_name = "NAME")]
    pub(crate) destroys: Option<String>,
}

/// How it is asked and told.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it is asked and told")]
pub(crate) struct HowArgs {
    /// auto: the kernel's ring if it grants one, else psync; io_uring; psync: plain system calls, one
    /// request at a time
    #[arg(long, value_name = "ENGINE", default_value = "auto", hide_possible_values = true)]
    pub(crate) ioengine: EngineArg,
    /// 1: past the page cache; 0: through it
    #[arg(long, value_name = "0|1", default_value = "1", value_parser = values::switch)]
    #[arg(action = clap::ArgAction::Set)]
    pub(crate) direct: bool,
    /// Processors, such as 0,2-3; job N stays on the N-th of them, in turn
    #[arg(long = "cpus_allowed", alias = "cpus-allowed", value_name = "CPUS")]
    pub(crate) cpus_allowed: Option<Cpus>,
    /// table, json, or fio-json+: as fio's --output-format=json+
    #[arg(long, alias = "output-format", value_name = "FORMAT", default_value = "table")]
    #[arg(hide_possible_values = true, conflicts_with = "json")]
    pub(crate) format: FormatArg,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave out what depends on the machine: in virtual time the rest is the same bytes every time
    #[arg(long)]
    pub(crate) no_timing: bool,
}

/// How arrivals lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ProcessArg {
    #[value(alias = "fixed")]
    Linear,
    Poisson,
}

/// After which failures to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum GoOnArg {
    None,
    All,
}

/// Which engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum EngineArg {
    Auto,
    #[value(name = "io_uring", aliases = ["uring", "io-uring"])]
    Uring,
    Psync,
}

/// How it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum FormatArg {
    Table,
    Json,
    #[value(name = "fio-json+", alias = "json+")]
    FioJson,
}

/// `load verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The block device or file
    #[arg(value_name = "TARGET")]
    pub(crate) target: PathBuf,
    /// What `load run --ack-log` wrote
    #[arg(long = "ack-log", alias = "ack_log", value_name = "FILE")]
    pub(crate) ack_log: PathBuf,
    /// 1: past the page cache; 0: through it
    #[arg(long, value_name = "0|1", default_value = "1", value_parser = values::switch)]
    #[arg(action = clap::ArgAction::Set)]
    pub(crate) direct: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `load compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Runs of the first, as repeated `load run --json >> A.json` leaves them
    #[arg(value_name = "A.json")]
    pub(crate) a: PathBuf,
    /// Runs of the second
    #[arg(value_name = "B.json")]
    pub(crate) b: PathBuf,
    /// More runs of the first, taken between the others: what is noise?
    #[arg(long, value_name = "A2.json")]
    pub(crate) aa: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
