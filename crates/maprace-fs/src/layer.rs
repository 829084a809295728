//! The contract of an extent layer: where a file's bytes live, and who finds out under which locks.
//!
//! A layer is a room below the page cache. It is asked with or without folio locks held, and takes
//! its own. Answers are never trusted: the caller runs [`Mapping::assert_answers`] on each.

use crate::{Books, Errno, Handle, Log, Setup};
use maprace_extent::{Blocks, Pblk};
use maprace_runtime::{Object, Runtime};
use std::future::Future;
use std::sync::Arc;

/// What a layer says of the blocks it maps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// `IOMAP_HOLE`: nothing is there.
    Hole,
    /// `IOMAP_DELALLOC`: space is reserved.
    Delalloc,
    /// `IOMAP_UNWRITTEN`: allocated, reads as zero.
    Unwritten,
    /// `IOMAP_MAPPED`: allocated and written.
    Mapped,
}

/// An answer: `struct iomap`, or `struct ext4_map_blocks` after the call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mapping {
    /// The blocks it speaks of: a beginning of those asked for.
    pub blocks: Blocks,
    /// What they are.
    pub status: Status,
    /// Where the first of them lives, if allocated.
    pub pblk: Option<Pblk>,
    /// `IOMAP_F_NEW`: this call reserved or allocated them.
    pub new: bool,
    /// `validity_cookie`: the sequence that dates it.
    pub cookie: u64,
}

impl Mapping {
    /// Called on every answer of a layer.
    ///
    /// # Panics
    /// When it does not answer `want`: a layer that lies makes every later verdict worthless.
    #[must_use]
    pub fn assert_answers(self, want: Blocks) -> Mapping {
        let begins = self.blocks.lo == want.lo && self.blocks.hi <= want.hi;
        assert!(begins && !self.blocks.is_empty(), "{self:?} does not answer {want}");
        let allocated = matches!(self.status, Status::Unwritten | Status::Mapped);
        assert_eq!(self.pblk.is_some(), allocated, "{self:?}: a place iff something is allocated");
        self
    }

    /// Where block `lblk` of it lives.
    pub fn pblk_of(&self, lblk: u32) -> Option<Pblk> {
        self.pblk.map(|first| Pblk(first.0 + (lblk - self.blocks.lo)))
    }
}

/// How writeback knows that a block was delayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// `BH_Delay` of the buffer, looked at under the folio lock.
    Buffer(bool),
    /// The layer's own books, in the hold in which it allocates.
    Books,
}

/// Why blocks are taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// Punch hole: a hole stays, which may be cached.
    Punch,
    /// Truncate: the file ends before them.
    Truncate,
}

/// An extent layer. The methods after `evict` have a default: a layer without them answers EOPNOTSUPP.
pub trait Layer: Sized + 'static {
    /// The world it lives in.
    type Rt: Runtime;

    /// Looks up, reserves nothing, allocates nothing. For reads. `ext4_map_blocks` without CREATE.
    fn look_up(&self, want: Blocks) -> impl Future<Output = Mapping>;
    /// Maps the first of `want` for a write, which may reserve them. `ext4_da_map_blocks`.
    fn map_for_write(&self, want: Blocks) -> impl Future<Output = Result<Mapping, Errno>>;
    /// Allocates the first of `want` unwritten, for `fallocate`.
    fn allocate(&self, want: Blocks) -> impl Future<Output = Result<Mapping, Errno>>;
    /// Maps the first of `want` for writeback, allocating what was delayed.
    fn map_for_writeback(
        &self,
        want: Blocks,
        delay: Delay,
    ) -> impl Future<Output = Result<Mapping, Errno>>;
    /// Unwritten to written, once the data is on the medium.
    fn convert(&self, blocks: Blocks) -> impl Future<Output = ()>;
    /// Takes everything of `blocks` away. May drop its lock in between to restart `handle`.
    fn remove(
        &self,
        handle: &mut Handle<'_, Self::Rt>,
        blocks: Blocks,
        why: Removal,
    ) -> impl Future<Output = ()>;
    /// Gives back the delayed blocks of `blocks` that a write reserved and did not use.
    fn punch_delalloc(&self, blocks: Blocks) -> impl Future<Output = ()>;
    /// The sequence now: a mapping with another cookie is stale.
    fn sequence(&self) -> impl Future<Output = u64>;
    /// The same for checkers, where the layer says; not a step.
    fn sequence_now(&self) -> Option<u64> {
        None
    }
    /// Memory is short: forgets what can be found out again.
    fn shrink(&self, blocks: Blocks) -> impl Future<Output = ()>;
    /// The inode goes; returns what is still reserved for it.
    fn evict(&self) -> impl Future<Output = u32>;

    /// Allocates the first of `want` unwritten and makes what is written there unwritten: zero range.
    fn zero(&self, want: Blocks) -> impl Future<Output = Result<Mapping, Errno>> {
        let _ = want;
        async { Err(Errno::Eopnotsupp) }
    }
    /// Allocates the first of `want` for direct I/O, which converts just what it asked for.
    fn allocate_for_direct(&self, want: Blocks) -> impl Future<Output = Result<Mapping, Errno>> {
        self.allocate(want)
    }
    /// Takes `blocks` away and moves all that follows to where they began: collapse range.
    fn collapse(
        &self,
        handle: &mut Handle<'_, Self::Rt>,
        blocks: Blocks,
    ) -> impl Future<Output = Result<(), Errno>> {
        let _ = (handle, blocks);
        async { Err(Errno::Eopnotsupp) }
    }
    /// Moves all from the first of `blocks` on to behind them: insert range.
    fn make_room(
        &self,
        handle: &mut Handle<'_, Self::Rt>,
        blocks: Blocks,
    ) -> impl Future<Output = Result<(), Errno>> {
        let _ = (handle, blocks);
        async { Err(Errno::Eopnotsupp) }
    }
    /// Whether space is too short to promise any more of it: `ext4_nonda_switch`.
    fn is_short_of_space(&self) -> impl Future<Output = bool> {
        async { false }
    }

    /// The state that checkers compare, unless somebody is in the middle of changing it. Not a step.
    fn books(&self) -> Option<Books>;
    /// Whether nobody is in the middle of changing it: whether there are [`Layer::books`], for whoever
    /// asks often and wants no more. Not a step.
    fn is_settled(&self) -> bool {
        self.books().is_some()
    }
    /// Hands the runs of those of the `len` blocks of the medium from `pblk` on that belong to nobody to
    /// `discard`, while nobody can take them. Not a step. A layer that does not say keeps what it frees
    /// until it is written again.
    fn with_free(&self, pblk: Pblk, len: u32, discard: &mut dyn FnMut(Pblk, u32)) {
        let _ = (pblk, len, discard);
    }
    /// The lock whose release ends a change of the books.
    fn lock(&self) -> Object;
    /// Where block `lblk` of the file is on the medium and whether it is written. Not a step.
    fn place_of(&self, lblk: u32) -> Option<(Pblk, bool)>;
    /// The same, unless somebody is in the middle of changing it: in one look, where it matters that
    /// threads come in between. Not a step.
    fn place_if_settled(&self, lblk: u32) -> Option<Option<(Pblk, bool)>> {
        self.is_settled().then(|| self.place_of(lblk))
    }
    /// Whether space is reserved for block `lblk`. Not a step.
    fn is_reserved(&self, lblk: u32) -> bool;
}

/// What makes a layer, in any world.
pub trait LayerKind: 'static {
    /// The layer in the world `R`.
    type In<R: Runtime>: Layer<Rt = R>;
    /// A layer for one file, as `setup` says; what it sees go wrong on the way goes to `log`.
    fn build<R: Runtime>(&self, rt: &R, setup: &Setup, log: &Arc<Log>) -> Self::In<R>;
}
