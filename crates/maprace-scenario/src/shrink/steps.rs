//! The ways to make a scenario simpler, the coarsest first. Each gives attempts, the largest first; all
//! of them parse when they are printed.

use crate::format::{EsStart, FsSpec, Scenario};
use crate::op::{Op, OpKind};
use crate::range::{BlockRange, ByteRange, Range};

/// A way to make a scenario simpler: every attempt for one scenario.
pub(super) type Step = fn(&Scenario) -> Vec<Scenario>;

/// In the order in which they are tried.
pub(super) const STEPS: &[Step] =
    &[tasks, operations, after, settings, blocks, file_ranges, es, operation_ranges, failures];

/// The scenario with one change, made in place.
fn with(scenario: &Scenario, change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut changed = scenario.clone();
    change(&mut changed);
    changed
}

/// A list without one of its elements.
fn without<T>(list: &mut Vec<T>, at: usize) {
    let _ = list.remove(at);
}

/// One task less, the last first.
fn tasks(now: &Scenario) -> Vec<Scenario> {
    if now.tasks.len() == 1 {
        return Vec::new();
    }
    let smaller = |at: usize| with(now, |small| without(&mut small.tasks, at));
    (0..now.tasks.len()).rev().map(smaller).collect()
}

/// One operation of a task less.
fn operations(now: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    for (task, spec) in now.tasks.iter().enumerate().filter(|(_, spec)| spec.ops.len() > 1) {
        let smaller = |at: usize| with(now, |small| without(&mut small.tasks[task].ops, at));
        all.extend((0..spec.ops.len()).rev().map(smaller));
    }
    all
}

/// Nothing afterwards, or one operation less.
fn after(now: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    if now.after.len() > 1 {
        all.push(with(now, |small| small.after.clear()));
    }
    let smaller = |at: usize| with(now, |small| without(&mut small.after, at));
    all.extend((0..now.after.len()).rev().map(smaller));
    all
}

/// One setting of the file system less.
fn settings(now: &Scenario) -> Vec<Scenario> {
    let usual = FsSpec::default();
    let back: [fn(&mut FsSpec, &FsSpec); 6] = [
        |fs, usual| fs.folio_blocks = usual.folio_blocks,
        |fs, usual| fs.cluster_blocks = usual.cluster_blocks,
        |fs, usual| fs.free_blocks = usual.free_blocks,
        |fs, usual| fs.delalloc = usual.delalloc,
        |fs, usual| fs.bitmaps = usual.bitmaps,
        |fs, usual| fs.journal_credits = usual.journal_credits,
    ];
    let simpler = back.iter().map(|back| with(now, |small| back(&mut small.fs, &usual)));
    simpler.filter(|small| small.fs != now.fs).collect()
}

/// A piece of the file less, in every place that speaks of it: halves, then quarters, then blocks, the
/// last first.
fn blocks(now: &Scenario) -> Vec<Scenario> {
    let blocks = now.file.blocks(now.fs.block);
    let mut all = Vec::new();
    let mut piece = blocks / 2;
    while piece > 0 {
        let starts = (0..blocks / piece).rev().map(|i| i * piece);
        all.extend(starts.filter_map(|start| without_blocks(now, start, start + piece)));
        piece /= 2;
    }
    all
}

/// Without the blocks `start..end`; `None` where an operation would have nothing left to work on.
fn without_blocks(now: &Scenario, start: u64, end: u64) -> Option<Scenario> {
    let block = now.fs.block;
    // Where a place is when `lo..hi` is gone: what lay inside is at its start.
    let cut = |lo: u64, hi: u64, at: u64| at.min(lo) + at.saturating_sub(hi);
    let by_block = |at: u64| cut(start, end, at);
    let by_byte = |at: u64| cut(start * block, end * block, at);
    let mut small = now.clone();
    small.file.size = by_byte(small.file.size);
    for ranges in lists(&mut small) {
        for range in ranges.iter_mut() {
            *range = BlockRange { start: by_block(range.start), end: by_block(range.end) };
        }
        ranges.retain(|range| !range.is_empty());
    }
    let tasks = small.tasks.iter_mut().flat_map(|task| &mut task.ops);
    for op in tasks.chain(&mut small.after) {
        if let OpKind::Truncate { size } = &mut op.kind {
            *size = by_byte(*size);
        }
        match &mut op.range {
            None => {}
            Some(Range::Blocks(range)) => {
                *range = BlockRange { start: by_block(range.start), end: by_block(range.end) };
                if range.is_empty() {
                    return None;
                }
            }
            Some(Range::Bytes(range)) => {
                let (pos, end) = (by_byte(range.pos), by_byte(range.end()));
                *range = ByteRange { pos, len: end - pos };
                if range.len == 0 {
                    return None;
                }
            }
        }
        if let Some(fails) = op.fail_at {
            if (start..end).contains(&fails) {
                return None;
            }
            op.fail_at = Some(by_block(fails));
        }
    }
    (small.file.size < now.file.size).then_some(small)
}

/// The lists of ranges of the file.
fn lists(scenario: &mut Scenario) -> [&mut Vec<BlockRange>; 4] {
    let file = &mut scenario.file;
    [&mut file.prefault, &mut file.dirty, &mut file.unwritten, &mut file.written]
}

/// One range of the file less, or a shorter one.
fn file_ranges(now: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    for list in 0..4 {
        let count = lists(&mut now.clone())[list].len();
        for at in 0..count {
            all.push(with(now, |small| without(lists(small)[list], at)));
        }
        for at in 0..count {
            let whole = lists(&mut now.clone())[list][at];
            all.extend(
                shorter(whole).map(|range| with(now, |small| lists(small)[list][at] = range)),
            );
        }
    }
    all
}

/// The two halves of a range, then the range without its last and without its first block.
fn shorter(range: BlockRange) -> impl Iterator<Item = BlockRange> {
    let BlockRange { start, end } = range;
    let middle = start + range.len() / 2;
    let all = [(start, middle), (middle, end), (start, end.saturating_sub(1)), (start + 1, end)];
    let shorter = move |range: &BlockRange| !range.is_empty() && range.len() < end - start;
    all.into_iter().map(|(start, end)| BlockRange { start, end }).filter(shorter)
}

/// The status tree as prefault leaves it.
fn es(now: &Scenario) -> Vec<Scenario> {
    let simpler = with(now, |small| small.file.es = EsStart::Hole);
    if simpler == *now { Vec::new() } else { vec![simpler] }
}

/// Every operation, by place: of a task, or afterwards.
fn each_op(now: &Scenario) -> Vec<(Option<usize>, usize, Op)> {
    let of = |task: Option<usize>, ops: &[Op]| {
        ops.iter().enumerate().map(|(i, op)| (task, i, *op)).collect::<Vec<_>>()
    };
    let tasks = now.tasks.iter().enumerate().flat_map(|(i, task)| of(Some(i), &task.ops));
    tasks.chain(of(None, &now.after)).collect()
}

fn replaced(now: &Scenario, task: Option<usize>, at: usize, op: Op) -> Scenario {
    with(now, |small| match task {
        Some(task) => small.tasks[task].ops[at] = op,
        None => small.after[at] = op,
    })
}

/// One operation works on less; one that works on the whole file stays so.
fn operation_ranges(now: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    for (task, at, op) in each_op(now) {
        let ranges: Vec<Range> = match op.range {
            None => Vec::new(),
            Some(Range::Blocks(range)) => shorter(range).map(Range::Blocks).collect(),
            Some(Range::Bytes(range)) => {
                shorter_bytes(range, now.fs.block).into_iter().map(Range::Bytes).collect()
            }
        };
        let fits = |range: &Range| {
            op.fail_at.is_none_or(|block| range.blocks(now.fs.block).contains(block))
        };
        let small = |range| replaced(now, task, at, Op { range: Some(range), ..op });
        all.extend(ranges.into_iter().filter(fits).map(small));
    }
    all
}

/// A range of bytes without its first and without its last block, each of which may be a part.
fn shorter_bytes(range: ByteRange, block: u64) -> Vec<ByteRange> {
    let (lo, hi) = (range.pos, range.end());
    let later = (lo + 1).next_multiple_of(block);
    let sooner = (hi - 1) / block * block;
    let all = [(lo, sooner), (later, hi)];
    let some = all.into_iter().filter(|(lo, hi)| lo < hi);
    some.map(|(lo, hi)| ByteRange { pos: lo, len: hi - lo }).collect()
}

/// One copy less that fails.
fn failures(now: &Scenario) -> Vec<Scenario> {
    let failing = each_op(now).into_iter().filter(|(_, _, op)| op.fail_at.is_some());
    failing.map(|(task, at, op)| replaced(now, task, at, Op { fail_at: None, ..op })).collect()
}
