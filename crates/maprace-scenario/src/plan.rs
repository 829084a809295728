//! A scenario in a configuration, ready to be built: what is not modelled is refused here, by name.

use crate::config::Config;
use crate::format::{Bitmaps, EsStart, JournalCredits, Scenario};
use crate::op::{Op, OpKind};
use crate::range::BlockRange;
use maprace_fs::{Blocks, EsAtStart, FileAtStart, Geometry, Planted, Request, Setup};

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
        refuse(scenario)?;
        let fit = |v: u64| u32::try_from(v).expect("the format bounds every number");
        let blocks = scenario.file.blocks(scenario.fs.block);
        let ops: usize = scenario.tasks.iter().map(|task| task.ops.len()).sum();
        let most = (ops as u64 + scenario.after.len() as u64 + 1) * (blocks + far(scenario));
        let setup = Setup {
            geometry: Geometry {
                block: fit(scenario.fs.block),
                folio_blocks: fit(scenario.fs.folio_blocks),
            },
            protocol: config.protocol,
            order: config.order,
            file: file_at_start(scenario),
            free_blocks: fit(scenario.fs.free_blocks),
            cold_bitmaps: scenario.fs.bitmaps == Bitmaps::Cold,
            claims_most: u32::try_from(2 * most).unwrap_or(u32::MAX),
            planted: None,
        };
        let mut tasks = Vec::new();
        for (number, task) in (1..).zip(&scenario.tasks) {
            let requests = requests(scenario, number, &task.ops)?;
            tasks.push(PlannedTask { name: task.name.clone(), requests });
        }
        let after = requests(scenario, 0, &scenario.after)?;
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

/// One past the farthest block that any operation touches.
fn far(scenario: &Scenario) -> u64 {
    let all = scenario.tasks.iter().flat_map(|task| &task.ops);
    let ends = all.filter_map(|op| op.blocks(scenario.fs.block)).map(|range| range.end);
    ends.max().unwrap_or(0)
}

fn refuse(scenario: &Scenario) -> Result<(), NotModelled> {
    let not = |what: &str, instead| {
        Err(NotModelled { scenario: scenario.name.clone(), what: what.to_owned(), instead })
    };
    if scenario.fs.cluster_blocks != 1 {
        return not("`cluster_blocks` above 1 (bigalloc)", "mke2fs without -O bigalloc is");
    }
    if !scenario.fs.delalloc {
        return not("`delalloc = false`", "delayed allocation is what the model is about");
    }
    if scenario.fs.journal_credits != JournalCredits::Enough {
        return not("`journal_credits` as a number", "operations have credits enough");
    }
    Ok(())
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
fn requests(scenario: &Scenario, number: u32, ops: &[Op]) -> Result<Vec<Request>, NotModelled> {
    (1..).zip(ops).map(|(i, op)| request(scenario, number * 100 + i, op)).collect()
}

fn request(scenario: &Scenario, id: u32, op: &Op) -> Result<Request, NotModelled> {
    let not = |instead| {
        let what = format!("operation `{op}`");
        Err(NotModelled { scenario: scenario.name.clone(), what, instead })
    };
    if op.fail_at.is_some() {
        return not("copies do not fail");
    }
    let opnotsupp = "a file system without it returns EOPNOTSUPP";
    let op_of = match op.kind {
        OpKind::Write => maprace_fs::Op::Write,
        OpKind::Read => maprace_fs::Op::Read,
        OpKind::MmapWrite => maprace_fs::Op::MmapWrite,
        OpKind::MmapRead => maprace_fs::Op::MmapRead,
        OpKind::Fallocate => maprace_fs::Op::Fallocate,
        OpKind::PunchHole => maprace_fs::Op::PunchHole,
        OpKind::Writeback => maprace_fs::Op::Writeback,
        OpKind::Reclaim => maprace_fs::Op::Reclaim,
        OpKind::ShrinkEs => maprace_fs::Op::ShrinkEs,
        OpKind::Fsync => maprace_fs::Op::Fsync,
        OpKind::Evict => maprace_fs::Op::Evict,
        OpKind::DioWrite => return not("open(2) with O_DIRECT returns EINVAL"),
        OpKind::Truncate { .. } => return not("the file keeps its size but for growing writes"),
        OpKind::Commit => return not("there is no journal"),
        OpKind::ZeroRange | OpKind::CollapseRange | OpKind::InsertRange | OpKind::Fiemap => {
            return not(opnotsupp);
        }
    };
    let whole = || (0, scenario.file.size);
    let (pos, len) = op.bytes(scenario.fs.block).map_or_else(whole, |range| (range.pos, range.len));
    Ok(Request { id, op: op_of, pos, len })
}
