//! What a hunt tries: operations in pairs, where in the file, on what state, and what comes after.
//!
//! Everything is derived from [`OpKind::ALL`]; nothing here knows what the model can run. The order of
//! [`Space::cases`] is part of what a budget means: small files first, then plain states, then pairs.

use crate::format::{EsStart, FileSpec, FsSpec, JournalCredits, Scenario, TaskSpec};
use crate::op::{Op, OpKind};
use crate::range::{BlockRange, ByteRange, Range};

/// Bytes of a block in every scenario of a hunt.
const BLOCK: u64 = 4096;

/// How far a hunt goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    /// What finds the races that are known.
    #[default]
    Usual,
    /// More places, more of what comes after, bigalloc, no delayed allocation.
    Thorough,
}

/// What one of the two tasks does: one operation, or a short program of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side(Vec<OpKind>);

impl Side {
    /// One operation alone.
    pub fn of(kind: OpKind) -> Side {
        Side(vec![kind])
    }

    /// As a person says it: `writeback, reclaim`.
    pub fn name(&self) -> String {
        self.joined(", ")
    }

    fn joined(&self, with: &str) -> String {
        self.0.iter().map(OpKind::name).collect::<Vec<_>>().join(with)
    }

    /// Its first operation.
    pub fn first_kind(&self) -> OpKind {
        self.0[0]
    }

    fn has(&self, wanted: impl Fn(&OpKind) -> bool) -> bool {
        self.0.iter().any(wanted)
    }

    /// Whether folios that are there and clean are something else to it than none.
    fn minds_cache(&self) -> bool {
        use OpKind::{DioWrite, MmapRead, MmapWrite, Read, Reclaim, Write};
        self.has(|kind| matches!(kind, DioWrite | MmapRead | MmapWrite | Read | Reclaim | Write))
    }

    /// Whether it removes or moves blocks, which may take more journal than a handle has.
    fn removes(&self) -> bool {
        self.has(|kind| {
            matches!(
                kind,
                OpKind::Truncate { .. }
                    | OpKind::PunchHole
                    | OpKind::CollapseRange
                    | OpKind::InsertRange
                    | OpKind::ZeroRange
            )
        })
    }

    /// Whether parts of blocks are something else to it than whole ones.
    fn minds_bytes(&self) -> bool {
        self.has(|kind| matches!(kind, OpKind::Write | OpKind::PunchHole | OpKind::ZeroRange))
    }
}

/// A piece of the file, or a size, for one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spot {
    /// Whole blocks.
    Blocks(u64, u64),
    /// Bytes from, and how many.
    Bytes(u64, u64),
    /// A new size.
    Size(u64),
    /// The operation takes none.
    Nowhere,
}

/// What a block of the file is at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BlockState {
    Hole,
    Unwritten,
    Written,
    Delayed,
    DirtyUnwritten,
    DirtyWritten,
}

use BlockState::{Delayed, DirtyUnwritten, DirtyWritten, Hole, Unwritten, Written};

/// Whether the file was read through its mapping before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Prefault {
    No,
    Whole,
}

/// The file at the start: its blocks, the first and all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    first: BlockState,
    others: BlockState,
    es: EsStart,
    prefault: Prefault,
}

/// What comes after the tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    SyncEvict,
    PunchEvict,
    SyncReclaimRead,
}

/// A setting of the file system that is not the usual one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Usual,
    FewCredits,
    Clusters,
    NoDelalloc,
}

/// One scenario, not yet built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// The two sides, by number.
    pub pair: [usize; 2],
    blocks: u64,
    state: State,
    spots: [Spot; 2],
    after: After,
    variant: Variant,
}

/// Everything that a hunt may try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Space {
    /// What tasks do.
    pub sides: Vec<Side>,
    /// The largest file, in blocks.
    pub blocks: u64,
    /// How far to go.
    pub depth: Depth,
    /// Other numbers try the scenarios of one size and state in another order; 0 in that of the table.
    pub seed: u64,
}

impl Space {
    /// Pairs of these operations, each alone, and of the two that lose a folio together.
    pub fn new(kinds: &[OpKind], blocks: u64, depth: Depth) -> Space {
        let mut sides: Vec<Side> = kinds.iter().copied().map(Side::of).collect();
        if kinds.contains(&OpKind::Writeback) && kinds.contains(&OpKind::Reclaim) {
            sides.push(Side(vec![OpKind::Writeback, OpKind::Reclaim]));
        }
        Space { sides, blocks, depth, seed: 0 }
    }

    /// The operations that can be hunted with: all but `evict`, which no task may do.
    pub fn kinds() -> Vec<OpKind> {
        OpKind::ALL.iter().copied().filter(|kind| *kind != OpKind::Evict).collect()
    }

    /// A pair as a person says it.
    pub fn pair_name(&self, pair: [usize; 2]) -> String {
        let [one, other] = pair.map(|side| self.sides[side].name());
        format!("{one} x {other}")
    }

    /// Whether one of the pair does buffered writes.
    pub(super) fn writes(&self, pair: [usize; 2]) -> bool {
        pair.iter().any(|side| self.sides[*side].has(|kind| *kind == OpKind::Write))
    }

    /// Every case, the smallest first.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for blocks in 1..=self.blocks {
            for state in states(blocks) {
                let from = cases.len();
                for pair in self.pairs() {
                    self.cases_of(&mut cases, blocks, state, pair);
                }
                shuffle(&mut cases[from..], self.seed);
            }
        }
        cases
    }

    /// Every pair once, whichever comes first.
    fn pairs(&self) -> impl Iterator<Item = [usize; 2]> {
        let count = self.sides.len();
        (0..count).flat_map(move |one| (one..count).map(move |other| [one, other]))
    }

    fn cases_of(&self, cases: &mut Vec<Case>, blocks: u64, state: State, pair: [usize; 2]) {
        let [one, other] = pair.map(|side| &self.sides[side]);
        let cached = one.minds_cache() || other.minds_cache();
        if state.prefault == Prefault::Whole && !cached {
            return;
        }
        let mut variants = vec![Variant::Usual];
        if one.removes() || other.removes() {
            variants.push(Variant::FewCredits);
        }
        let mut afters = vec![After::SyncEvict];
        if self.depth == Depth::Thorough {
            variants.push(Variant::NoDelalloc);
            variants.extend((blocks > 1).then_some(Variant::Clusters));
            afters.extend([After::PunchEvict, After::SyncReclaimRead]);
        }
        for variant in variants {
            for spots in self.places(blocks, pair) {
                let case = |after| Case { pair, blocks, state, spots, after, variant };
                cases.extend(afters.iter().copied().map(case));
            }
        }
    }

    /// Where the two sides work, without what only changes places.
    fn places(&self, blocks: u64, pair: [usize; 2]) -> Vec<[Spot; 2]> {
        let [one, other] = pair.map(|side| &self.sides[side]);
        let (mine, theirs) = (spots(one, blocks), spots(other, blocks));
        let mut places: Vec<[Spot; 2]> = Vec::new();
        for a in &mine {
            for b in &theirs {
                let mirrored = pair[0] == pair[1] && places.contains(&[*b, *a]);
                let tail = one.removes() || other.removes();
                let wanted = self.depth == Depth::Thorough || is_usual(*a, *b, blocks, tail);
                if !mirrored && wanted {
                    places.push([*a, *b]);
                }
            }
        }
        places
    }

    /// The scenario of a case.
    pub fn scenario(&self, case: &Case) -> Scenario {
        let Case { pair, blocks, spots, .. } = case;
        let [one, other] = pair.map(|side| &self.sides[side]);
        let task = |side: &Side, spot: Spot, name: String| TaskSpec {
            name,
            ops: side.0.iter().map(|kind| op(*kind, spot, *blocks)).collect(),
        };
        let same = if pair[0] == pair[1] { "-2" } else { "" };
        Scenario {
            name: format!("hunt-{}-{}", one.joined("-"), other.joined("-")),
            title: format!("{} against {}", one.name(), other.name()),
            source: String::new(),
            fs: case.fs(),
            file: case.file(),
            tasks: vec![
                task(one, spots[0], one.joined("-")),
                task(other, spots[1], other.joined("-") + same),
            ],
            after: case.after(),
            expect: Vec::new(),
        }
    }
}

impl Case {
    fn fs(&self) -> FsSpec {
        let usual = FsSpec::default();
        match self.variant {
            Variant::Usual => usual,
            Variant::FewCredits => FsSpec { journal_credits: JournalCredits::Number(1), ..usual },
            Variant::Clusters => FsSpec { cluster_blocks: 2, ..usual },
            Variant::NoDelalloc => FsSpec { delalloc: false, ..usual },
        }
    }

    fn file(&self) -> FileSpec {
        let state = |block: u64| if block == 0 { self.state.first } else { self.state.others };
        let ranges = |wanted: &[BlockState]| {
            let mut ranges: Vec<BlockRange> = Vec::new();
            for block in (0..self.blocks).filter(|block| wanted.contains(&state(*block))) {
                match ranges.last_mut() {
                    Some(last) if last.end == block => last.end += 1,
                    _ => ranges.push(BlockRange { start: block, end: block + 1 }),
                }
            }
            ranges
        };
        FileSpec {
            size: self.blocks * BLOCK,
            written: ranges(&[Written, DirtyWritten]),
            unwritten: ranges(&[Unwritten, DirtyUnwritten]),
            dirty: ranges(&[Delayed, DirtyUnwritten, DirtyWritten]),
            prefault: match self.state.prefault {
                Prefault::No => Vec::new(),
                Prefault::Whole => vec![BlockRange { start: 0, end: self.blocks }],
            },
            es: self.state.es,
        }
    }

    fn after(&self) -> Vec<Op> {
        let whole = Spot::Blocks(0, self.blocks);
        let kinds: &[OpKind] = match self.after {
            After::SyncEvict => &[OpKind::Fsync, OpKind::Evict],
            After::PunchEvict => &[OpKind::PunchHole, OpKind::Evict],
            After::SyncReclaimRead => &[OpKind::Fsync, OpKind::Reclaim, OpKind::Read],
        };
        kinds.iter().map(|kind| op(*kind, whole, self.blocks)).collect()
    }
}

/// One operation at a spot; of a program only the operations that can be there.
fn op(kind: OpKind, spot: Spot, blocks: u64) -> Op {
    let range = match spot {
        Spot::Blocks(start, end) => Some(Range::Blocks(BlockRange { start, end })),
        Spot::Bytes(pos, len) => Some(Range::Bytes(ByteRange { pos, len })),
        Spot::Size(_) | Spot::Nowhere => Some(Range::Blocks(BlockRange { start: 0, end: blocks })),
    };
    let kind = match (kind, spot) {
        (OpKind::Truncate { .. }, Spot::Size(size)) => OpKind::Truncate { size },
        (kind, _) => kind,
    };
    Op { kind, range: range.filter(|_| kind.takes_range()), fail_at: None }
}

/// The places of a side in a file of that size.
fn spots(side: &Side, blocks: u64) -> Vec<Spot> {
    if side.has(|kind| matches!(kind, OpKind::Truncate { .. })) {
        let mut sizes = vec![BLOCK / 2, BLOCK, (blocks + 1) * BLOCK];
        sizes.dedup();
        return sizes.into_iter().map(Spot::Size).collect();
    }
    if !side.has(OpKind::takes_range) {
        return vec![Spot::Nowhere];
    }
    let mut spots = vec![Spot::Blocks(0, 1)];
    if blocks > 1 {
        spots.extend([Spot::Blocks(blocks - 1, blocks), Spot::Blocks(0, blocks)]);
    }
    if side.minds_bytes() {
        let half = BLOCK / 2;
        spots.extend([Spot::Bytes(0, half), Spot::Bytes(half, half)]);
        if blocks > 1 {
            spots.push(Spot::Bytes(half, BLOCK));
        }
    }
    spots
}

/// Whether a hunt that is not thorough tries the two places together: what a smaller file does not
/// show.
fn is_usual(a: Spot, b: Spot, blocks: u64, tail: bool) -> bool {
    let half = |spot: Spot| matches!(spot, Spot::Bytes(..));
    if blocks == 1 {
        // One half beside the whole block, or the two halves beside each other.
        return match (a, b) {
            (Spot::Bytes(0, _), other) | (other, Spot::Bytes(0, _)) => a != b || !half(other),
            _ => !half(a) && !half(b),
        };
    }
    let long = |spot: Spot| spot == Spot::Blocks(0, blocks);
    let last = |spot: Spot| spot == Spot::Blocks(blocks - 1, blocks);
    let within = |spot: Spot| matches!(spot, Spot::Bytes(_, len) if len < BLOCK);
    if within(a) || within(b) {
        return false;
    }
    match (a, b) {
        (Spot::Bytes(..), other) | (other, Spot::Bytes(..)) => other == Spot::Blocks(0, 1),
        _ if a == b => !matches!(a, Spot::Blocks(..)),
        _ => tail || !(long(a) && last(b) || last(a) && long(b)),
    }
}

/// The states of a file of that size: all blocks alike, then the first unlike the others. Those that
/// only say the same in other words are left out: the status tree of a delayed block is always known,
/// and `es = "hole"` over allocated blocks is one of the others.
fn states(blocks: u64) -> Vec<State> {
    let mut pairs = [Hole, Unwritten, Written, Delayed, DirtyUnwritten, DirtyWritten]
        .map(|state| (state, state))
        .to_vec();
    if blocks > 1 {
        for other in [Unwritten, Written, Delayed] {
            pairs.extend([(other, Hole), (Hole, other)]);
        }
    }
    let mut states = Vec::new();
    for prefault in [Prefault::Whole, Prefault::No] {
        for (first, others) in &pairs {
            let es: &[EsStart] = match (first, others) {
                (Delayed, Delayed) => &[EsStart::Hole],
                (Hole | Delayed, Hole | Delayed) => &[EsStart::Hole, EsStart::Cold],
                _ => &[EsStart::Full, EsStart::Cold],
            };
            let state = |es: &EsStart| State { first: *first, others: *others, es: *es, prefault };
            states.extend(es.iter().map(state));
        }
    }
    states
}

/// Puts the cases in an order that a seed gives; 0 leaves them.
fn shuffle(cases: &mut [Case], seed: u64) {
    if seed == 0 {
        return;
    }
    let mut state = seed;
    for last in (1..cases.len()).rev() {
        // SplitMix64, by Steele, Lea and Flood.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let chosen = mixed % (last as u64 + 1);
        cases.swap(last, usize::try_from(chosen).unwrap_or(last));
    }
}
