//! What was typed after `device`. Every value is parsed to a type here; what it means together is
//! `spec`'s affair. Known without the feature too, so that help, completions and manual are the same.

use super::values::{self, Bytes, Dilate, Extent};
use crate::args::ConfigArgs;
use crate::help;
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `device`.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    #[command(subcommand)]
    pub(crate) command: DeviceCommand,
}

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Add a block device, and return when it can be used
    #[command(after_help = help::DEVICE_ADD)]
    Add(Box<AddArgs>),
    /// List the devices
    #[command(after_help = help::DEVICE)]
    List {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show all that is known of a device
    #[command(after_help = help::DEVICE)]
    Show {
        #[command(flatten)]
        id: IdArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show what a device has counted: requests, latency, lateness
    #[command(after_help = help::DEVICE)]
    Stats {
        #[command(flatten)]
        id: IdArgs,
        /// Again every so many seconds, until Ctrl-C or until the device is gone
        #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
        watch: Option<u32>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change the medium of a device while it is used
    #[command(after_help = help::DEVICE)]
    Set(SetArgs),
    /// Make requests fail or hang, and let them go again
    #[command(after_help = help::DEVICE_FAULT)]
    Fault(FaultArgs),
    /// Stop devices and delete them, with what they keep in memory
    #[command(after_help = help::DEVICE)]
    Del(EachArgs),
    /// Go on with devices whose process has died; what was in flight comes again
    #[command(after_help = help::DEVICE)]
    Recover(EachArgs),
    /// Remove what dead processes left behind: devices, entries, sockets, files
    #[command(after_help = help::DEVICE)]
    Gc {
        /// Devices that `recover` could go on with too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show which features the kernel's ublk driver has
    #[command(after_help = help::DEVICE)]
    Features {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Find out why devices cannot be had here, and what to do
    #[command(after_help = help::DEVICE)]
    Doctor {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Serve a device; its order comes on standard input, its reports go to standard output
    #[command(hide = true)]
    Serve,
    /// Measure the floor of a device that another process serves
    #[command(hide = true)]
    Measure {
        /// As the process that serves it wrote them
        target: Vec<String>,
    },
}

/// Whether JSON is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which device.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct IdArgs {
    /// Its number: 0 for /dev/ublkb0
    #[arg(value_name = "ID", value_parser = values::id)]
    pub(crate) id: u32,
}

/// `del` and `recover`.
#[derive(Debug, Args)]
pub(crate) struct EachArgs {
    /// Their numbers
    #[arg(value_name = "ID", value_parser = values::id)]
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<u32>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = values::seconds)]
    pub(crate) timeout: u32,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// `add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The medium: a profile by name or file (`media` lists them); ram: takes no time; null: takes no
    /// time, and keeps nothing
    #[arg(long, value_name = "MEDIUM", default_value = "ram")]
    pub(crate) media: String,
    /// How many bytes it has, with K, M, G or T for powers of 1024
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    pub(crate) size: Bytes,
    /// What stands between block layer and medium: raw: nothing; fs: the modelled file system
    #[arg(long, value_name = "BACKEND", default_value = "raw", hide_possible_values = true)]
    pub(crate) backend: BackendArg,
    /// Where a raw device keeps its bytes: memory, or a sparse file, which is made if it is not there
    /// and stays when the device is deleted
    #[arg(long, value_name = "memory|FILE", default_value = "memory")]
    pub(crate) data: PathBuf,
    /// Make the medium's time pass so many times slower, a power of two; auto: as many times as lift
    /// it over this machine's floor
    #[arg(long, value_name = "auto|TIMES", default_value = "1", conflicts_with = "floor_limited")]
    pub(crate) dilate: Dilate,
    /// Add it even if the medium is faster than this machine can be; it is labelled so everywhere
    #[arg(long)]
    pub(crate) floor_limited: bool,
    /// Where draws of latencies and faults begin, instead of at the profile's own seed
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) queues: QueueArgs,
    #[command(flatten)]
    pub(crate) fs: FsArgs,
    /// Serve it in this process, until SIGINT or SIGTERM; then delete it
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = values::seconds)]
    pub(crate) timeout: u32,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// How the kernel hands requests over.
#[derive(Debug, Args)]
#[command(next_help_heading = "Queues")]
pub(crate) struct QueueArgs {
    /// Its number; the lowest that is free if none is typed
    #[arg(long, value_name = "N", value_parser = values::id)]
    pub(crate) id: Option<u32>,
    /// Queues, each with a thread and an equal part of the medium; if not typed, one with a medium that
    /// takes time, else one for each processor
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) queues: Option<u16>,
    /// Requests in flight of each queue, 1 to 1024
    #[arg(long, value_name = "N", default_value_t = 128)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) depth: u16,
    /// Bytes of the longest transfer, 4K to 1M in whole pages; each request in flight has such a buffer
    #[arg(long, value_name = "SIZE", default_value = "256K", value_parser = values::buffer)]
    pub(crate) buffer: u32,
    /// How a queue waits until a request is due: sleep, hybrid, spin
    #[arg(long, value_name = "HOW", default_value = "hybrid", hide_possible_values = true)]
    pub(crate) waiting: WaitingArg,
    /// Have the kernel look for partitions when the device starts; should its process die just then, the
    /// device stays until the machine starts anew
    #[arg(long)]
    pub(crate) partscan: bool,
    /// Let the kernel delete the device when its process dies
    #[arg(long)]
    pub(crate) no_recovery: bool,
}

/// The modelled file system.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --backend fs")]
pub(crate) struct FsArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// What a write request becomes: write: a buffered write; mmap: stores through the fault path;
    /// write if none is named
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub(crate) store: Option<StoreArg>,
    /// What a request to write zeroes becomes: zero-range, or fallocate: a hole is punched and
    /// allocated; zero-range if none is named
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub(crate) zeroes: Option<ZeroesArg>,
    /// Bound of the page cache in MiB, 1 to 1048576; 256 if none is named
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) cache_mb: Option<u32>,
}

/// What stands between block layer and medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum BackendArg {
    Raw,
    Fs,
}

/// How a queue waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum WaitingArg {
    Sleep,
    Hybrid,
    Spin,
}

/// What a write request becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StoreArg {
    /// A buffered write.
    #[default]
    Write,
    /// Stores through the fault path.
    Mmap,
}

/// What a request to write zeroes becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ZeroesArg {
    /// `FALLOC_FL_ZERO_RANGE`.
    #[default]
    ZeroRange,
    /// A hole is punched and allocated.
    Fallocate,
}

/// `set`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) id: IdArgs,
    /// Another medium: a profile by name or file; ram or null: takes no time
    #[arg(long, value_name = "MEDIUM", group = "change")]
    pub(crate) media: Option<String>,
    /// Make the medium's time pass so many times slower, a power of two, or auto
    #[arg(long, value_name = "auto|TIMES", group = "change", conflicts_with = "floor_limited")]
    pub(crate) dilate: Option<Dilate>,
    /// Where draws begin
    #[arg(long, value_name = "N", group = "change")]
    pub(crate) seed: Option<u64>,
    /// Set it even if the medium is faster than this machine can be
    #[arg(long)]
    pub(crate) floor_limited: bool,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// `fault`.
#[derive(Debug, Args)]
pub(crate) struct FaultArgs {
    #[command(flatten)]
    pub(crate) id: IdArgs,
    #[command(subcommand)]
    pub(crate) command: FaultCommand,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Which faults.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FaultCommand {
    /// Requests that touch these bytes fail with EIO
    #[command(after_help = help::DEVICE_FAULT)]
    Bad {
        /// The bytes, such as 1M..2M; without an end, to the end of the device
        #[arg(value_name = "FROM..END")]
        range: Extent,
        /// Until they are written, as bad blocks are
        #[arg(long)]
        until_written: bool,
        /// Which requests: read, write (also discard and zeroes), flush
        #[arg(long, value_name = "WHAT", default_value = "read", hide_possible_values = true)]
        on: AskedArg,
    },
    /// Requests fail by chance
    #[command(after_help = help::DEVICE_FAULT)]
    Rate {
        /// From 0 to 1
        #[arg(value_name = "CHANCE", value_parser = values::chance)]
        chance: f64,
        /// Which requests: read, write (also discard and zeroes), flush
        #[arg(long, value_name = "WHAT", default_value = "read", hide_possible_values = true)]
        on: AskedArg,
    },
    /// Requests that touch these bytes are not answered until `release`
    #[command(after_help = help::DEVICE_FAULT)]
    Stick {
        /// The bytes, such as 1M..2M
        #[arg(value_name = "FROM..END")]
        range: Extent,
    },
    /// Answer what is stuck, and let nothing be stuck any more
    #[command(after_help = help::DEVICE_FAULT)]
    Release,
    /// Take all faults away but the profile's own, and release what is stuck
    #[command(after_help = help::DEVICE_FAULT)]
    Clear,
    /// List the faults
    #[command(after_help = help::DEVICE_FAULT)]
    List,
}

/// Which requests a fault concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AskedArg {
    Read,
    Write,
    Flush,
}
