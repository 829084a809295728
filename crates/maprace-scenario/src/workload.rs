//! Workloads: many tasks on one file, for what two tasks cannot show: what a lock costs a crowd.
//!
//! A workload is a line, `w=4,m=4,f=1,r=8,file=1g,hit=0.9`. It runs in epochs. An epoch is a fresh file,
//! a share of whose slots is written and a share of which is in the page cache; writers and storers
//! take slots in an order that was drawn, each slot once, so that each of their operations meets a slot
//! that it has to map; readers and fallocators do what they do, anywhere, until those have finished.

use crate::config::Config;
use crate::error::ErrorKind;
use crate::virtual_world::{drawn, seed_of};
use maprace_fs::{Blocks, EsAtStart, FileAtStart, Geometry, Op, Request, Setup, Under};
use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

/// Bytes of a block.
const BLOCK: u64 = 4096;

/// What tasks do, how many of each, and to what file.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Workload {
    /// Tasks that write with `write(2)`, 0 to 256.
    pub writers: u32,
    /// Tasks that store through a mapping, 0 to 256.
    pub storers: u32,
    /// Tasks that call `fallocate(2)`, 0 to 256.
    pub fallocators: u32,
    /// Tasks that read with `read(2)`, 0 to 256.
    pub readers: u32,
    /// Bytes of the file, 64 KiB to 4 GiB.
    pub file: u64,
    /// The share of slots that are written at the start, 0 to 1: a look-up there hits.
    pub hit: f64,
    /// The share of slots that are in the page cache at the start, 0 to 1.
    pub cached: f64,
    /// Bytes of a slot: of one write, store or read, 4 KiB to 4 MiB, a power of two.
    pub bs: u64,
    /// Bytes of a folio, 4 KiB to 4 MiB, a power of two.
    pub folio: u64,
    /// Bytes of one `fallocate(2)`, 4 KiB to the file, a power of two.
    pub chunk: u64,
    /// Operations of writers and storers together, 1 to 2^40.
    pub ops: u64,
}

impl Default for Workload {
    fn default() -> Workload {
        Workload {
            writers: 4,
            storers: 4,
            fallocators: 1,
            readers: 0,
            file: 64 << 20,
            hit: 0.9,
            cached: 0.5,
            bs: BLOCK,
            folio: BLOCK,
            chunk: 256 << 10,
            ops: 20_000,
        }
    }
}

/// A key of a workload, what it may be, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadKey {
    /// The key.
    pub key: &'static str,
    /// The values it may have.
    pub range: &'static str,
    /// What it is.
    pub what: &'static str,
}

/// Every key.
pub const WORKLOAD_KEYS: &[WorkloadKey] = &[
    WorkloadKey { key: "w", range: "0 to 256", what: "tasks that write" },
    WorkloadKey { key: "m", range: "0 to 256", what: "tasks that store through a mapping" },
    WorkloadKey { key: "f", range: "0 to 256", what: "tasks that call fallocate" },
    WorkloadKey { key: "r", range: "0 to 256", what: "tasks that read" },
    WorkloadKey { key: "file", range: "64k to 4g", what: "bytes of the file" },
    WorkloadKey { key: "hit", range: "0 to 1", what: "share of slots written at the start" },
    WorkloadKey { key: "cached", range: "0 to 1", what: "share of slots in the page cache" },
    WorkloadKey { key: "bs", range: "4k to 4m, a power of two", what: "bytes of an operation" },
    WorkloadKey { key: "folio", range: "4k to 4m, a power of two", what: "bytes of a folio" },
    WorkloadKey { key: "chunk", range: "4k to 4m, a power of two", what: "bytes of a fallocate" },
    WorkloadKey { key: "ops", range: "1 to 1t", what: "operations of writers and storers" },
];

/// `64k`, `1g`, `4096`: a number with a power of 1024 behind it.
pub fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 10),
        b'm' => (&text[..text.len() - 1], 20),
        b'g' => (&text[..text.len() - 1], 30),
        b't' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift)
}

fn refused(typed: &str, key: &WorkloadKey) -> ErrorKind {
    let WorkloadKey { key, range, .. } = key;
    ErrorKind::Setting { what: format!("workload key {key}"), typed: typed.to_owned(), range }
}

impl FromStr for Workload {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Workload, ErrorKind> {
        let mut workload = Workload::default();
        (workload.writers, workload.storers, workload.fallocators) = (0, 0, 0);
        let has_chunk = text.split(',').any(|part| part.starts_with("chunk="));
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let Some(known) = WORKLOAD_KEYS.iter().find(|known| known.key == key) else {
                let known = WORKLOAD_KEYS.iter().map(|known| known.key.to_owned()).collect();
                let (what, typed) = ("workload key".into(), key.to_owned());
                return Err(ErrorKind::Unknown { what, typed, known });
            };
            workload.set(known.key, value).ok_or_else(|| refused(value, known))?;
        }
        if !has_chunk {
            workload.chunk = workload.chunk.min(workload.file);
        }
        workload.checked()
    }
}

impl Workload {
    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        let tasks = || value.parse::<u32>().ok().filter(|n| *n <= 256);
        let share = || value.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
        let size = |lo: u64, hi: u64| bytes(value).filter(|n| (lo..=hi).contains(n));
        let power = || size(BLOCK, 4 << 20).filter(|n| n.is_power_of_two());
        match key {
            "w" => self.writers = tasks()?,
            "m" => self.storers = tasks()?,
            "f" => self.fallocators = tasks()?,
            "r" => self.readers = tasks()?,
            "file" => self.file = size(64 << 10, 4 << 30)?,
            "hit" => self.hit = share()?,
            "cached" => self.cached = share()?,
            "bs" => self.bs = power()?,
            "folio" => self.folio = power()?,
            "chunk" => self.chunk = power()?,
            _ => self.ops = size(1, 1 << 40)?,
        }
        Some(())
    }

    /// What no single key shows.
    fn checked(self) -> Result<Workload, ErrorKind> {
        let refuse = |key, typed, range| {
            Err(ErrorKind::Setting { what: format!("workload key {key}"), typed, range })
        };
        if self.writers + self.storers == 0 {
            return refuse("w", "0".to_owned(), "1 or more with m: somebody writes");
        }
        if self.bs.max(self.chunk).max(self.folio) > self.file {
            return refuse("file", Size(self.file).to_string(), "at least bs, folio and chunk");
        }
        Ok(self)
    }

    /// Sizes.
    pub fn geometry(&self) -> Geometry {
        let blocks = u32::try_from(self.folio / BLOCK).expect("a folio of at most 4 MiB");
        let block = u32::try_from(BLOCK).expect("a small number");
        Geometry { block, folio_blocks: blocks, cluster_blocks: 1 }
    }

    /// How many slots the file has.
    pub(crate) fn slots(&self) -> u64 {
        self.file / self.bs
    }

    /// How many epochs its operations take.
    pub fn epochs(&self) -> u64 {
        self.ops.div_ceil(self.slots())
    }

    /// How many tasks it has.
    pub fn tasks(&self) -> u32 {
        self.writers + self.storers + self.fallocators + self.readers
    }

    /// What an epoch starts from.
    pub(crate) fn setup(&self, config: &Config, seed: u64) -> Setup {
        let blocks = |bytes: u64| u32::try_from(bytes / BLOCK).expect("a file of at most 4 GiB");
        let slot = |index: u64| Blocks::new(blocks(index * self.bs), blocks((index + 1) * self.bs));
        let within = |share: f64, word: u64, index: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a draw, to 53 bits")]
            let draw = (seed_of(seed ^ word, index) >> 11) as f64 / (1_u64 << 53) as f64;
            draw < share
        };
        let (mut written, mut prefault) = (Vec::new(), Vec::new());
        for index in 0..self.slots() {
            if within(self.hit, WRITTEN, index) {
                join(&mut written, slot(index));
            }
            if within(self.cached, CACHED, index) {
                join(&mut prefault, slot(index));
            }
        }
        let size = self.slots() * self.bs;
        let block = u32::try_from(BLOCK).expect("a small number");
        let file =
            FileAtStart { size, written, prefault, es: EsAtStart::Full, ..FileAtStart::default() };
        Setup {
            geometry: self.geometry(),
            protocol: config.protocol,
            order: config.order,
            file,
            free_blocks: 4 * blocks(size),
            cold_bitmaps: false,
            group_clusters: 8 * block,
            under: Under::Instantly,
            delalloc: true,
            journal_credits: None,
            commits: false,
            shrinks: false,
            farthest: blocks(size.next_multiple_of(self.folio)),
            claims_most: 2 * blocks(size),
            planted: None,
        }
    }

    /// What the tasks of an epoch do.
    pub(crate) fn source(&self, epoch: u64, seed: u64) -> Crowd {
        let slots = self.slots().min(self.ops.saturating_sub(epoch * self.slots()));
        let slots = usize::try_from(slots).expect("at most 2^20 slots");
        let mut order: Vec<u32> = (0..).take(usize::try_from(self.slots()).expect("few")).collect();
        // Fisher and Yates, as far as slots are used.
        for i in 0..slots {
            let rest = (order.len() - i - 1) as u64;
            let j = usize::try_from(drawn(seed ^ ORDER, i as u64, rest)).expect("a slot");
            order.swap(i, i + j);
        }
        order.truncate(slots);
        let left = Cell::new(self.writers + self.storers);
        Crowd { workload: *self, seed, order, next: Cell::new(0), left }
    }
}

/// Words of draws.
const WRITTEN: u64 = 0x1000_0000_0000_0000;
const CACHED: u64 = 0x2000_0000_0000_0000;
const ORDER: u64 = 0x3000_0000_0000_0000;
const ANYWHERE: u64 = 0x4000_0000_0000_0000;

fn join(ranges: &mut Vec<Blocks>, next: Blocks) {
    match ranges.last_mut() {
        Some(last) if last.hi == next.lo => last.hi = next.hi,
        _ => ranges.push(next),
    }
}

/// The tasks of an epoch: writers first, then storers, fallocators, readers.
#[derive(Debug)]
pub(crate) struct Crowd {
    workload: Workload,
    seed: u64,
    /// The slots, in the order in which they are taken.
    order: Vec<u32>,
    next: Cell<usize>,
    /// Writers and storers that have not ended.
    left: Cell<u32>,
}

impl Crowd {
    /// What `task` does as its `number`th operation, and whether that counts; `None`: it ends.
    pub(crate) fn next(&self, task: u32, number: u32) -> Option<(Request, bool)> {
        let Workload { writers, storers, fallocators, bs, chunk, file, .. } = self.workload;
        let request = |op, pos, len| {
            // Names of what is written: unique while there are at most 1024 tasks.
            let id = 1 + u64::from(task) + (u64::from(number) << 10);
            Request { id, op, pos, len, fails: None }
        };
        if task < writers + storers {
            let Some(slot) = self.order.get(self.next.get()) else {
                self.left.set(self.left.get() - 1);
                return None;
            };
            self.next.set(self.next.get() + 1);
            let op = if task < writers { Op::Write } else { Op::MmapWrite };
            return Some((request(op, u64::from(*slot) * bs, bs), true));
        }
        if self.left.get() == 0 {
            return None;
        }
        let (op, len) = match task < writers + storers + fallocators {
            true => (Op::Fallocate, chunk),
            false => (Op::Read, bs),
        };
        let word = ANYWHERE ^ (u64::from(task) << 40);
        let at = drawn(self.seed ^ word, u64::from(number), file / len - 1);
        Some((request(op, at * len, len), false))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workload { writers, storers, fallocators, readers, hit, cached, ops, .. } = self;
        write!(f, "w={writers},m={storers},f={fallocators},r={readers}")?;
        write!(f, ",file={}", Size(self.file))?;
        write!(f, ",hit={hit},cached={cached},bs={}", Size(self.bs))?;
        write!(f, ",folio={},chunk={},ops={ops}", Size(self.folio), Size(self.chunk))
    }
}

/// Bytes with the largest power of 1024 that divides them.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut unit) = (self.0, 0);
        while number > 0 && number % 1024 == 0 && unit < 4 {
            (number, unit) = (number / 1024, unit + 1);
        }
        write!(f, "{number}{}", ["", "k", "m", "g", "t"][unit])
    }
}

#[cfg(test)]
mod tests;
