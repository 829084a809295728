//! A folio: its lock, its writeback bit, and what it holds.
//!
//! What the folio lock protects is reached through [`Locked`]; the bytes are also read without it.

use crate::layer::{Mapping, Status};
use crate::places::Kind;
use maprace_extent::{Blocks, Content, Pblk};
use maprace_runtime::{BitLock, Runtime, Spin, Step};
use smallvec::{SmallVec, smallvec};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

static WAIT_WRITEBACK: Step = Step::new("folio_wait_writeback");

/// What a buffer_head says of a block; in iomap order there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Buffer {
    /// Not `BH_Mapped`.
    #[default]
    None,
    /// `BH_Delay`.
    Delay,
    /// `BH_Unwritten`.
    Unwritten(Pblk),
    /// `BH_Mapped` to a written block.
    Mapped(Pblk),
}

impl Buffer {
    /// What `ext4_da_get_block_prep` makes of a mapping, for its block `lblk`.
    pub(crate) fn of(map: &Mapping, lblk: u32) -> Buffer {
        match (map.status, map.pblk_of(lblk)) {
            (Status::Delalloc, _) => Buffer::Delay,
            (Status::Unwritten, Some(pblk)) => Buffer::Unwritten(pblk),
            (Status::Mapped, Some(pblk)) => Buffer::Mapped(pblk),
            (Status::Hole, _) | (_, None) => Buffer::None,
        }
    }
}

/// One block of a folio.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct BlockState {
    pub(crate) uptodate: bool,
    pub(crate) dirty: bool,
    pub(crate) buffer: Buffer,
}

/// What a folio holds. Bytes are kept at their positions in the file.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FolioState {
    pub(crate) first: u32,
    pub(crate) blocks: SmallVec<[BlockState; 1]>,
    pub(crate) bytes: Content,
    /// `folio->mapping`: still in the page cache.
    pub(crate) in_cache: bool,
}

impl FolioState {
    pub(crate) fn block(&mut self, lblk: u32) -> &mut BlockState {
        &mut self.blocks[(lblk - self.first) as usize]
    }

    pub(crate) fn range(&self) -> Blocks {
        let len = u32::try_from(self.blocks.len()).expect("a folio has few blocks");
        Blocks::new(self.first, self.first + len)
    }

    pub(crate) fn is_uptodate(&self, blocks: Blocks) -> bool {
        blocks.within(self.range()).iter().all(|b| self.blocks[(b - self.first) as usize].uptodate)
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.blocks.iter().any(|block| block.dirty)
    }

    /// The blocks with a dirty state, in order.
    pub(crate) fn dirty(&self) -> Vec<u32> {
        self.range().iter().filter(|b| self.blocks[(b - self.first) as usize].dirty).collect()
    }
}

/// `struct folio`.
pub(crate) struct Folio<R: Runtime> {
    pub(crate) index: u32,
    pub(crate) lock: R::BitLock,
    pub(crate) writeback: R::BitLock,
    pub(crate) state: R::Spin<FolioState>,
}

impl<R: Runtime> Folio<R> {
    pub(crate) fn new(rt: &R, index: u32, blocks: Blocks) -> Arc<Folio<R>> {
        let state = FolioState {
            first: blocks.lo,
            blocks: smallvec![BlockState::default(); blocks.len() as usize],
            bytes: Content::default(),
            in_cache: true,
        };
        Arc::new(Folio {
            index,
            lock: BitLock::new(rt, Kind::FolioLock.key_at(index)),
            writeback: BitLock::new(rt, Kind::Writeback.key_at(index)),
            state: Spin::new(rt, Kind::Folio.key_at(index), state),
        })
    }

    /// What the lock protects, for who holds it, and for sections whose footprint covers it.
    pub(crate) fn with<O>(&self, section: impl FnOnce(&mut FolioState) -> O) -> O {
        self.state.nested(section)
    }

    /// `folio_wait_writeback`.
    pub(crate) async fn wait_writeback(&self) {
        self.writeback.wait(&WAIT_WRITEBACK).await;
    }
}

/// A folio that somebody has found: hashes as which one it is.
pub(crate) struct FolioRef<R: Runtime>(pub(crate) Arc<Folio<R>>);

impl<R: Runtime> Hash for FolioRef<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.index.hash(state);
        self.0.lock.identity().hash(state);
    }
}

impl<R: Runtime> Clone for FolioRef<R> {
    fn clone(&self) -> Self {
        FolioRef(self.0.clone())
    }
}

impl<R: Runtime> std::ops::Deref for FolioRef<R> {
    type Target = Folio<R>;
    fn deref(&self) -> &Folio<R> {
        &self.0
    }
}
