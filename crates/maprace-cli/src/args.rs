//! What was typed. Every value is parsed to a type here; what it means together is [`plan`]'s affair.
//!
//! [`plan`]: crate::plan

use crate::costs::{CalibrateArgs, CostsArgs};
use crate::device::DeviceArgs;
use crate::help;
use crate::load::LoadArgs;
use crate::media::MediaArgs;
use crate::values::{self, Setting};
use clap::{Args, Parser, Subcommand, ValueEnum};
use maprace_explore::Engine;
use maprace_fs::{Cookie, Order, Protocol};
use maprace_scenario::{OpKind, SweepSpec, Workload};
use std::path::PathBuf;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "maprace",
    version,
    about = "Tries every order of two or more tasks on a modelled file system, and shows what goes wrong",
    long_about = help::ABOUT,
    after_help = help::MAIN,
    args_conflicts_with_subcommands = false,
    max_term_width = 100
)]
pub(crate) struct LowArgs {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command understands.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Global {
    /// Colour the output: always, never, or auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "WHEN")]
    #[arg(default_value = "auto", hide_possible_values = true)]
    pub(crate) color: When,
    /// Show progress on standard error: never, or auto: on a terminal
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "WHEN")]
    #[arg(default_value = "auto", hide_possible_values = true)]
    pub(crate) progress: Progress,
    /// Leave out diagrams and progress
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
}

/// When to do what only a terminal understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Whether to show progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Progress {
    /// On a terminal
    #[default]
    Auto,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try scenarios under several protocols and orders; the table, and the shortest counterexample
    #[command(after_help = help::COMPARE)]
    Compare(CompareArgs),
    /// Try every order of one scenario in one configuration
    #[command(after_help = help::EXPLORE)]
    Explore(ExploreArgs),
    /// Take away each protection of a protocol in turn: which ones does the scenario need?
    #[command(after_help = help::ABLATE)]
    Ablate(AblateArgs),
    /// Show which locks each task holds where, what stands between two of them, and what protects it
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Try pairs of operations that nobody wrote a scenario for; the damage, by what cures it
    #[command(after_help = help::HUNT)]
    Hunt(HuntArgs),
    /// Run one schedule and show its steps
    #[command(after_help = help::REPLAY)]
    Replay(ReplayArgs),
    /// List the built-in scenarios, or show the file of one
    #[command(after_help = help::SCENARIOS)]
    Scenarios(ScenariosArgs),
    /// List the profiles of media, show one, check it against its figures, or draw it
    #[command(after_help = help::MEDIA)]
    Media(MediaArgs),
    /// List the tables of what steps cost in virtual time, show one, or check it
    #[command(after_help = help::COSTS)]
    Costs(CostsArgs),
    /// Measure what the model's steps cost on this machine, as a table of costs
    #[command(after_help = help::CALIBRATE)]
    Calibrate(CalibrateArgs),
    /// Give this machine a block device with a medium's latency; list, change and delete such devices
    #[command(after_help = help::DEVICE)]
    Device(DeviceArgs),
    /// Put a device, a file or a medium under load, check what it keeps, and compare two runs
    #[command(after_help = help::LOAD)]
    Load(Box<LoadArgs>),
    /// List the layers that --layer knows
    #[command(after_help = help::LAYERS)]
    Layers,
    /// List the protocols that --protocol knows, with their knobs
    #[command(after_help = help::PROTOCOLS)]
    Protocols,
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command
    #[command(after_help = help::MAN)]
    Man {
        /// Write maprace.1, maprace-explore.1 and so on into this directory
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// How to search.
#[derive(Clone, Debug, Args)]
pub(crate) struct SearchArgs {
    /// How to choose schedules: auto, naive, dpor, states, icb, random, pct
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = values::engine)]
    pub(crate) engine: Engine,
    /// Where random engines begin
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Give up after so many executions
    #[arg(long, value_name = "EXECUTIONS", allow_negative_numbers = true)]
    pub(crate) budget: Option<u64>,
    /// Leave out what depends on the machine: the rest is the same bytes every time
    #[arg(long)]
    pub(crate) no_timing: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A layer and knobs.
#[derive(Clone, Debug, Args)]
pub(crate) struct LayerArgs {
    /// The extent layer; `layers` lists them
    #[arg(long, value_name = "LAYER", default_value = "ext4")]
    pub(crate) layer: String,
    /// Turn a knob of the protocol; `protocols` lists them
    #[arg(long = "set", value_name = "KNOB=VALUE", value_delimiter = ',')]
    pub(crate) settings: Vec<Setting>,
}

/// One configuration.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) layer: LayerArgs,
    /// The protocol; the newest release if none is named
    #[arg(long, value_name = "PROTOCOL", value_parser = values::protocol)]
    pub(crate) protocol: Option<Protocol>,
    /// The order of buffered writes: buffer_head or iomap; buffer_head if none is named
    #[arg(long, value_name = "ORDER", value_parser = values::order)]
    pub(crate) order: Option<Order>,
}

/// Whether to draw.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DiagramArgs {
    /// Draw the shortest counterexample, which is the default
    #[arg(long, overrides_with = "no_diagram")]
    pub(crate) diagram: bool,
    /// Draw nothing
    #[arg(long, overrides_with = "diagram")]
    pub(crate) no_diagram: bool,
}

/// `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Scenarios: built-in names or files; the pairs of the seed if none is named
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// A protocol, may be repeated; all if none is named
    #[arg(long = "protocol", value_name = "PROTOCOL", value_delimiter = ',')]
    #[arg(value_parser = values::protocol)]
    pub(crate) protocols: Vec<Protocol>,
    /// An order of buffered writes, may be repeated; both if none is named
    #[arg(long = "order", value_name = "ORDER", value_delimiter = ',')]
    #[arg(value_parser = values::order)]
    pub(crate) orders: Vec<Order>,
    #[command(flatten)]
    pub(crate) layer: LayerArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) diagram: DiagramArgs,
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

/// What to measure, and where it goes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Measuring")]
pub(crate) struct MeasureArgs {
    /// Worlds: explore, virtual, threads; these if none is named. device: a block device, which has to be
    /// asked for, since it is added to this machine
    #[arg(long = "world", value_name = "WORLD", value_delimiter = ',', value_parser = values::world)]
    pub(crate) worlds: Vec<WorldName>,
    /// Cookies of iomap order: off, late, on; all of them if none is named and none is set
    #[arg(long = "cookie", value_name = "COOKIE", value_delimiter = ',', value_parser = values::cookie)]
    pub(crate) cookies: Vec<Cookie>,
    /// Media: profiles by name or file, instant, or fixed:10us; the first profile if none is named
    #[arg(long, value_name = "MEDIA", value_delimiter = ',')]
    pub(crate) media: Vec<String>,
    /// The table of costs: a name or a file; `costs` lists them
    #[arg(long, value_name = "TABLE")]
    pub(crate) costs: Option<String>,
    /// Processors in virtual time, 1 to 1024; 2 for scenarios and 32 for workloads if not typed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) cpus: Option<u32>,
    /// Rounds of a scenario, 1 to 10^9
    #[arg(long, value_name = "N", default_value_t = 1000, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) rounds: u64,
    /// A crowd on one file instead of scenarios, such as w=4,m=4,f=1,r=8,file=1g,hit=0.9; may be repeated
    #[arg(long = "workload", value_name = "KEY=VALUE,..", conflicts_with = "scenarios")]
    pub(crate) workloads: Vec<Workload>,
    /// One setting, several values: folios=1,4,16 folio-size=4k,1m cpus=1,8 latency=0,10us
    /// offset=-1us..1us/10ns
    #[arg(long, value_name = "KEY=VALUES", allow_hyphen_values = true)]
    pub(crate) sweep: Option<SweepSpec>,
    /// Write every window of every round into a CSV file
    #[arg(long, value_name = "FILE", group = "written")]
    pub(crate) csv: Option<PathBuf>,
    /// Write the pictures of the report as SVG files into this directory, which must be new or empty
    #[arg(long, value_name = "DIR", group = "written")]
    pub(crate) plots: Option<PathBuf>,
    /// Keep what is measured in a file as it is finished, so that --resume can go on from it
    #[arg(long, value_name = "FILE", group = "written")]
    pub(crate) state: Option<PathBuf>,
    /// Go on from the file of --state: what is finished there is not measured again, so that --csv has
    /// no windows of it and cannot be used with it
    #[arg(long, requires = "state", conflicts_with = "csv")]
    pub(crate) resume: bool,
}

/// Where tasks run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WorldName {
    Explore,
    Virtual,
    Threads,
    Device,
}

/// `explore`.
#[derive(Debug, Args)]
pub(crate) struct ExploreArgs {
    /// The scenario: a built-in name, or a file if it has a `/` or ends in `.toml`
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) diagram: DiagramArgs,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    #[command(flatten)]
    pub(crate) shrink: ShrinkArgs,
    #[command(flatten)]
    pub(crate) device: OnDeviceArgs,
}

/// Where the scenario is run, and what a device needs to know.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "On a block device")]
pub(crate) struct OnDeviceArgs {
    /// The world: explore, or device: rounds on a block device whose server is the modelled file system
    #[arg(long, value_name = "WORLD", default_value = "explore", value_parser = values::explored_world)]
    pub(crate) world: WorldName,
    /// With --world device: the medium, by profile, file, instant or fixed:10us; the first profile if not typed
    #[arg(long, value_name = "MEDIA")]
    pub(crate) media: Option<String>,
    /// With --world device: rounds, 1 to 10^9; 10000 if not typed
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) rounds: Option<u64>,
    /// With --world device: end after the first batch of rounds with damage
    #[arg(long)]
    pub(crate) until_damage: bool,
}

/// Files to write beside the answer.
#[derive(Clone, Debug, Default, Args)]
#[command(group = clap::ArgGroup::new("written").multiple(true))]
pub(crate) struct FilesArgs {
    /// Write a page for a browser: the table, what to choose and why, every counterexample by step
    #[arg(long, value_name = "FILE", group = "written")]
    pub(crate) report: Option<PathBuf>,
    /// Write the counterexamples for a trace viewer, as Chrome's JSON, which Perfetto reads
    #[arg(long, value_name = "FILE", group = "written")]
    pub(crate) trace: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, requires = "written")]
    pub(crate) force: bool,
}

/// Whether to make a damaged scenario small.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// If it is damaged, drop what the damage does not need, and show the scenario that is left
    #[arg(long, conflicts_with_all = ["report", "trace"])]
    pub(crate) shrink: bool,
    /// The same, and write that scenario into a file
    #[arg(long, value_name = "FILE", group = "written", conflicts_with_all = ["report", "trace"])]
    pub(crate) shrink_to: Option<PathBuf>,
}

impl ShrinkArgs {
    /// Whether one of them was typed.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shrink || self.shrink_to.is_some()
    }
}

/// `ablate`.
#[derive(Debug, Args)]
pub(crate) struct AblateArgs {
    /// The scenario: a built-in name, or a file if it has a `/` or ends in `.toml`
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The scenario: a built-in name, or a file if it has a `/` or ends in `.toml`
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

/// `hunt`.
#[derive(Debug, Args)]
pub(crate) struct HuntArgs {
    /// Operations to pair, separated by commas; all but evict if none is named
    #[arg(long, value_name = "OP", value_delimiter = ',', value_parser = crate::hunt::kind)]
    pub(crate) ops: Vec<OpKind>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Files of up to so many blocks, 1 to 3
    #[arg(long, value_name = "N", default_value_t = 2, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3))]
    pub(crate) blocks: u64,
    /// More places, more of what comes after, bigalloc, no delayed allocation
    #[arg(long)]
    pub(crate) thorough: bool,
    /// Begin no further scenario after so many executions, all scenarios together
    #[arg(long, value_name = "EXECUTIONS", allow_negative_numbers = true)]
    #[arg(default_value_t = crate::hunt::BUDGET)]
    pub(crate) budget: u64,
    /// Another number tries scenarios of one size and state in another order
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Write the scenario of each finding into this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// Write into a directory that has files
    #[arg(long, requires = "save")]
    pub(crate) force: bool,
    /// Leave out what depends on the machine: the rest is the same bytes every time
    #[arg(long)]
    pub(crate) no_timing: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The scenario: a built-in name, or a file if it has a `/` or ends in `.toml`
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// A file with the schedule
    #[arg(value_name = "FILE", required_unless_present = "schedule")]
    pub(crate) file: Option<PathBuf>,
    /// The schedule itself, for example "fault 4, fallocate 9, fault *"
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "file")]
    pub(crate) schedule: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Draw the run instead of listing its steps
    #[arg(long, conflicts_with = "exact")]
    pub(crate) diagram: bool,
    /// Print the run as a schedule file that names every step
    #[arg(long)]
    pub(crate) exact: bool,
}

/// `scenarios`.
#[derive(Debug, Args)]
pub(crate) struct ScenariosArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ScenariosCommand>,
}

/// What to do with scenarios.
#[derive(Debug, Subcommand)]
pub(crate) enum ScenariosCommand {
    /// List them, which is the default
    #[command(after_help = help::SCENARIOS)]
    List,
    /// Print the file of one
    #[command(after_help = help::SCENARIOS)]
    Show {
        /// Its name
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        LowArgs::command().debug_assert();
    }

    #[test]
    fn the_last_of_two_opposite_flags_counts() {
        let parsed = |words: &[&str]| match LowArgs::try_parse_from(words).unwrap().command {
            Some(Command::Explore(args)) => args.diagram.no_diagram,
            other => panic!("{other:?}"),
        };
        assert!(parsed(&["maprace", "explore", "x", "--diagram", "--no-diagram"]));
        assert!(!parsed(&["maprace", "explore", "x", "--no-diagram", "--diagram"]));
    }
}
