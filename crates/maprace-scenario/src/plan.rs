//! A scenario in a configuration, ready to be built: what is not modelled is refused here, by name.

use crate::config::Config;
use crate::format::{Bitmaps, EsStart, JournalCredits, Scenario};
use crate::op::{Op, OpKind};
use crate::range::BlockRange;
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::{Blocks, EsAtStart, FileAtStart, Geometry, Planted, Request, Setup, Under};

/// What cannot be run yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{scenario}: {what} is not modelled: {instead}")]
pub struct NotModelled {
    /// The scenario.
    pub scenario: String,
    /// The operation or key.
    pub what: String,
    /// What the kernel does where it cannot, or what there is instead.
    pub instead: &'static str,
}

/// A task of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTask {
    /// Its name.
    pub name: String,
    /// What it does.
    pub requests: Vec<Request>,
}

/// A scenario in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the world starts from.
    pub setup: Setup,
    /// The tasks.
    pub tasks: Vec<PlannedTask>,
    /// What happens afterwards.
    pub after: Vec<Request>,
    /// The text of [`Plan::after`], for diagrams.
    pub after_text: Vec<String>,
}

impl Plan {
    /// Puts `scenario` and `config` together.
    ///
    /// # Errors
    /// When the scenario asks for something that the model lacks.
    pub fn new(scenario: &Scenario, config: &Config) -> Result<Plan, NotModelled> {
        let fit = |v: u64| u32::try_from(v).expect("the format bounds every number");
        let farthest = checked_farthest(scenario)?;
        let all = || scenario.tasks.iter().flat_map(|task| &task.ops).chain(&scenario.after);
        let most = (all().count() as u64 + 1) * u64::from(farthest);
        let moves = |op: &Op| {
            use OpKind::{CollapseRange, InsertRange, Truncate};
            matches!(op.kind, Truncate { .. } | CollapseRange | InsertRange)
        };
        let setup = Setup {
            geometry: Geometry {
                block: fit(scenario.fs.block),
                folio_blocks: fit(scenario.fs.folio_blocks),
                cluster_blocks: fit(scenario.fs.cluster_blocks),
            },
            protocol: config.protocol,
            order: config.order,
            file: file_at_start(scenario),
            free_blocks: fit(scenario.fs.free_blocks),
            cold_bitmaps: scenario.fs.bitmaps == Bitmaps::Cold,
            group_clusters: 8 * fit(scenario.fs.block),
            under: Under::Instantly,
            delalloc: scenario.fs.delalloc,
            journal_credits: match scenario.fs.journal_credits {
                JournalCredits::Enough => None,
                JournalCredits::Number(credits) => Some(credits),
            },
            commits: all().any(|op| op.kind == OpKind::Commit),
            shrinks: all().any(moves),
            farthest,
            claims_most: u32::try_from(2 * most).unwrap_or(u32::MAX),
            planted: None,
        };
        let mut tasks = Vec::new();
        for (number, task) in (1..).zip(&scenario.tasks) {
            let requests = requests(scenario, number, &task.ops);
            tasks.push(PlannedTask { name: task.name.clone(), requests });
        }
        let after = requests(scenario, 0, &scenario.after);
        let after_text = scenario.after.iter().map(ToString::to_string).collect();
        Ok(Plan { setup, tasks, after, after_text })
    }

    /// The same with a bug planted in the model, for tests of the checkers.
    #[doc(hidden)]
    #[must_use]
    pub fn planted(mut self, bug: Planted) -> Plan {
        self.setup.planted = Some(bug);
        self
    }
}

/// The same as a block number, if a file may be so long.
fn checked_farthest(scenario: &Scenario) -> Result<u32, NotModelled> {
    let farthest = farthest(scenario);
    u32::try_from(farthest).ok().filter(|blocks| *blocks <= Ext4Kind::BLOCKS_MOST).ok_or_else(
        || NotModelled {
            scenario: scenario.name.clone(),
            what: format!("a file that may grow to {farthest} blocks"),
            instead: "past the largest file insert_range returns EFBIG",
        },
    )
}

/// One past the farthest block that any operation can reach, wherever those before it have put the end
/// of the file; a whole number of folios.
fn farthest(scenario: &Scenario) -> u64 {
    let block = scenario.fs.block;
    let all = || scenario.tasks.iter().flat_map(|task| &task.ops).chain(&scenario.after);
    let end = |op: &Op| match op.kind {
        OpKind::Truncate { size } => size.div_ceil(block),
        _ => op.blocks(block).map_or(0, |range| range.end),
    };
    let inserted = |op: &Op| match op.kind {
        OpKind::InsertRange => op.blocks(block).map_or(0, |range| range.len()),
        _ => 0,
    };
    let reached = all().map(end).max().unwrap_or(0).max(scenario.file.blocks(block));
    let unit = scenario.fs.folio_blocks.max(scenario.fs.cluster_blocks);
    (reached + all().map(inserted).sum::<u64>()).next_multiple_of(unit)
}

fn file_at_start(scenario: &Scenario) -> FileAtStart {
    let fit = |v: u64| u32::try_from(v).expect("the format bounds every number");
    let ranges = |all: &[BlockRange]| -> Vec<Blocks> {
        all.iter().map(|range| Blocks::new(fit(range.start), fit(range.end))).collect()
    };
    let file = &scenario.file;
    FileAtStart {
        size: file.size,
        written: ranges(&file.written),
        unwritten: ranges(&file.unwritten),
        dirty: ranges(&file.dirty),
        prefault: ranges(&file.prefault),
        es: match file.es {
            EsStart::Hole => EsAtStart::Hole,
            EsStart::Cold => EsAtStart::Cold,
            EsStart::Full => EsAtStart::Full,
        },
    }
}

/// The operations of task `number`, each with an id that nobody else has.
fn requests(scenario: &Scenario, number: u64, ops: &[Op]) -> Vec<Request> {
    (1..).zip(ops).map(|(i, op)| request(scenario, number * 100 + i, op)).collect()
}

fn request(scenario: &Scenario, id: u64, op: &Op) -> Request {
    let op_of = op.kind.of_model();
    if let OpKind::Truncate { size } = op.kind {
        return Request { id, op: op_of, pos: size, len: 0, fails: None };
    }
    let block = scenario.fs.block;
    let whole = || (0, whole_file(scenario, op.kind));
    let (pos, len) = op.bytes(block).map_or_else(whole, |range| (range.pos, range.len));
    let fails = op.fail_at.map(|lblk| lblk * block);
    Request { id, op: op_of, pos, len, fails }
}

/// What "the whole file" is where no range is typed, in bytes: for what only looks, all that the file
/// may ever have; for what changes it, what it has at the start.
fn whole_file(scenario: &Scenario, kind: OpKind) -> u64 {
    use OpKind::{Fiemap, Read, Reclaim, ShrinkEs, Writeback};
    match kind {
        Read | Reclaim | ShrinkEs | Writeback | Fiemap => farthest(scenario) * scenario.fs.block,
        _ => scenario.file.size,
    }
}
