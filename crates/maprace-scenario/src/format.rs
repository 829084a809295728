//! The scenario file: plain data, and the parser that makes it from TOML.
//!
//! The format is `docs/USAGE.md`'s; the example is any file of `catalogue/`. Reading a file checks
//! everything that can be checked without running it: names, units, ranges, limits.

mod build;
pub(crate) mod read;
#[cfg(test)]
mod tests;

use crate::catalogue;
use crate::error::{Error, ErrorKind, text_of};
use crate::op::Op;
use crate::range::BlockRange;
use crate::vocabulary::Vocabulary;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;
use std::str::FromStr;

/// How large a scenario may be, so that a hostile file costs little.
pub mod limits {
    /// Text of one file, in bytes.
    pub const TEXT: usize = 1 << 20;
    /// Blocks of one file: no range, size or operation reaches further.
    pub const BLOCKS: u64 = 65_536;
    /// Tasks of one scenario, `after` and `io_end` not counted.
    pub const TASKS: usize = 8;
    /// Operations of one task, and of `[after]`.
    pub const OPS: usize = 64;
    /// Expectations of one scenario.
    pub const EXPECTATIONS: usize = 256;
    /// Ranges in one list of `[file]`.
    pub const RANGES: usize = 1024;
    /// Free blocks of the file system.
    pub const FREE_BLOCKS: u64 = 1 << 20;
    /// Smallest block, in bytes.
    pub const BLOCK_MIN: u64 = 16;
    /// Largest block, in bytes.
    pub const BLOCK_MAX: u64 = 65_536;
    /// Characters of a name.
    pub const NAME: usize = 64;
    /// Characters of a title or a source.
    pub const LINE: usize = 400;
}

/// One scenario: what is run, on what, and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Short name, for example `mkwrite-fallocate`: letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// One line that says what races; the name when the file gives none.
    pub title: String,
    /// Where the scenario comes from: commits, functions, threads. May be empty.
    pub source: String,
    /// The file system.
    pub fs: FsSpec,
    /// The file before the tasks start.
    pub file: FileSpec,
    /// One to [`limits::TASKS`] tasks, in the order of the file.
    pub tasks: Vec<TaskSpec>,
    /// What one more task does after all others ended and all I/O completed.
    pub after: Vec<Op>,
    /// What is expected; the first that matches a configuration speaks for it.
    pub expect: Vec<Expect>,
}

/// The file system a scenario runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsSpec {
    /// Bytes of a block, a power of two from [`limits::BLOCK_MIN`] to [`limits::BLOCK_MAX`].
    pub block: u64,
    /// Blocks of a folio, a power of two.
    pub folio_blocks: u64,
    /// Blocks of a cluster, a power of two; more than 1 is bigalloc.
    pub cluster_blocks: u64,
    /// Free blocks before the tasks start, on top of what the file holds.
    pub free_blocks: u64,
    /// Whether buffered writes delay their allocation.
    pub delalloc: bool,
    /// Whether the block bitmaps are in memory.
    pub bitmaps: Bitmaps,
    /// How much journal an operation may use at a time.
    pub journal_credits: JournalCredits,
}

impl Default for FsSpec {
    fn default() -> FsSpec {
        FsSpec {
            block: 4096,
            folio_blocks: 1,
            cluster_blocks: 1,
            free_blocks: 1000,
            delalloc: true,
            bitmaps: Bitmaps::Warm,
            journal_credits: JournalCredits::Enough,
        }
    }
}

/// Where the block bitmaps are when the tasks start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bitmaps {
    /// In memory.
    #[default]
    Warm,
    /// On the medium: the first allocation of each group reads one under `i_data_sem`.
    Cold,
}

/// How much journal an operation may use before it must restart its handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JournalCredits {
    /// As much as it needs.
    #[default]
    Enough,
    /// That many credits, at least 1: a longer operation restarts, and drops `i_data_sem` for it.
    Number(u32),
}

/// The file before the tasks start. Every range lies inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// `i_size` in bytes.
    pub size: u64,
    /// Blocks with data on disk.
    pub written: Vec<BlockRange>,
    /// Blocks allocated and not written; none of them is in `written`.
    pub unwritten: Vec<BlockRange>,
    /// Blocks with data in the cache that is not on disk, over blocks of any kind.
    pub dirty: Vec<BlockRange>,
    /// Blocks read through the mapping: folio present, PTE read-only, the look-up's answer cached.
    pub prefault: Vec<BlockRange>,
    /// What the extent status cache holds.
    pub es: EsStart,
}

impl FileSpec {
    /// The size in blocks of `block` bytes, a block begun counted whole.
    pub fn blocks(&self, block: u64) -> u64 {
        self.size.div_ceil(block.max(1))
    }
}

/// What the extent status cache holds when the tasks start; delayed blocks are always in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EsStart {
    /// What `prefault` leaves: the holes it read, and the blocks it found.
    #[default]
    Hole,
    /// Nothing, as after the shrinker, also where `prefault` read.
    Cold,
    /// Every block of the file.
    Full,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its name: a small letter, then small letters, digits, `-` and `_`.
    pub name: String,
    /// What it does, one after the other; at least one, at most [`limits::OPS`].
    pub ops: Vec<Op>,
}

/// What is expected of some configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Which configurations it speaks of.
    pub when: When,
    /// What the search must find.
    pub verdict: ExpectedVerdict,
    /// Each of these checkers fails in some trace; others may.
    pub checkers: Vec<String>,
    /// If given: exactly these of the kernel-visible checkers fail, over all traces.
    pub visible: Option<Vec<String>>,
    /// If given: in every damaged trace the first checker to fail is one of these.
    pub first_broken: Option<Vec<String>>,
}

/// What an expectation expects of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedVerdict {
    /// Some schedule ends in damage.
    Damaged,
    /// No schedule does.
    Safe,
}

impl fmt::Display for ExpectedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExpectedVerdict::Damaged => "damaged",
            ExpectedVerdict::Safe => "safe",
        })
    }
}

/// Which configurations an expectation speaks of: all that fulfil every condition that is given.
///
/// A protocol is a preset. With a knob moved away from it, a configuration is that protocol no more,
/// so an expectation that names protocols speaks of it only if `set` names the moved knob too. One
/// that names no protocol speaks of every setting. Presets are ext4's releases: one that names
/// protocols and no layer speaks of ext4 alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The protocol is one of these.
    pub protocol: Option<Vec<String>>,
    /// The order is one of these.
    pub order: Option<Vec<String>>,
    /// The layer is one of these.
    pub layer: Option<Vec<String>>,
    /// Each of these knobs has one of these values, be it by the preset or by `--set`.
    pub set: BTreeMap<String, Vec<String>>,
}

/// A configuration by name, to be looked up among the expectations of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigNames {
    /// The layer, for example `ext4`.
    pub layer: String,
    /// The preset the knobs started from, for example `v6.8`.
    pub protocol: String,
    /// The order, for example `iomap`.
    pub order: String,
    /// The value in force of every knob, by preset or by `--set`.
    pub knobs: BTreeMap<String, String>,
    /// The knobs whose value is not the preset's.
    pub moved: BTreeSet<String>,
}

impl When {
    /// Whether it speaks of that configuration.
    pub fn matches(&self, config: &ConfigNames) -> bool {
        let one_of = |names: &Option<Vec<String>>, name: &String| {
            names.as_ref().is_none_or(|names| names.contains(name))
        };
        let in_force = |(knob, values): (&String, &Vec<String>)| {
            config.knobs.get(knob).is_some_and(|value| values.contains(value))
        };
        let as_released = || config.moved.iter().all(|knob| self.set.contains_key(knob));
        let of_ext4 = || self.layer.is_some() || config.layer == "ext4";
        one_of(&self.protocol, &config.protocol)
            && one_of(&self.order, &config.order)
            && one_of(&self.layer, &config.layer)
            && self.set.iter().all(in_force)
            && (self.protocol.is_none() || (as_released() && of_ext4()))
    }
}

impl Scenario {
    /// Parses a scenario's text; `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// One line, with the place, for whatever the format does not allow.
    pub fn parse(origin: &str, text: &str, names: &Vocabulary) -> Result<Scenario, Error> {
        if text.len() > limits::TEXT {
            return Err(Error::new(origin, None, ErrorKind::TooLong { limit: limits::TEXT }));
        }
        build::scenario(origin, text, names)
    }

    /// Parses the bytes of a scenario file; `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Scenario::parse`], and when the bytes are not UTF-8.
    pub fn parse_bytes(origin: &str, bytes: &[u8], names: &Vocabulary) -> Result<Scenario, Error> {
        Scenario::parse(origin, text_of(origin, bytes)?, names)
    }

    /// The scenario a user names: a name with `/` or `.toml` is a file, anything else a built-in.
    ///
    /// # Errors
    ///
    /// As [`Scenario::parse_bytes`]; when the file cannot be read; when no built-in has the name.
    pub fn open(name: &str, names: &Vocabulary) -> Result<Scenario, Error> {
        if !(name.contains('/') || name.contains(".toml")) {
            return catalogue::find(name).cloned();
        }
        let mut bytes = Vec::new();
        let read = std::fs::File::open(name).and_then(|file| {
            // One byte more than the limit, so that a longer file is seen to be longer.
            file.take(limits::TEXT as u64 + 1).read_to_end(&mut bytes)
        });
        read.map_err(|error| Error::new(name, None, ErrorKind::Io(error)))?;
        Scenario::parse_bytes(name, &bytes, names)
    }

    /// The first expectation that speaks of the configuration; `None`: nothing is expected.
    pub fn expected(&self, config: &ConfigNames) -> Option<&Expect> {
        self.expect.iter().find(|expect| expect.when.matches(config))
    }
}

impl FromStr for Scenario {
    type Err = Error;

    /// Parses a scenario's text with the names of maprace itself.
    fn from_str(text: &str) -> Result<Scenario, Error> {
        Scenario::parse("scenario", text, &Vocabulary::builtin())
    }
}
