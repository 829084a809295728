//! The operations of a task, and what each is called in the kernel.

use crate::folio::FolioRef;
use crate::inode::{Inode, Write};
use crate::layer::Layer;
use crate::setup::Planted;
use crate::writeback::{Sync, writepages};
use crate::{Errno, Order, buffer_head, iomap};
use maprace_runtime::Runtime;
use std::sync::Arc;

/// An operation. Positions and lengths are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// `write(2)`, buffered.
    Write,
    /// `read(2)`, buffered.
    Read,
    /// Stores through a shared mapping.
    MmapWrite,
    /// Loads through a shared mapping.
    MmapRead,
    /// `fallocate(2)`, mode 0.
    Fallocate,
    /// `write(2)` with O_DIRECT.
    DioWrite,
    /// `fallocate(2)`, `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`.
    PunchHole,
    /// `fallocate(2)`, `FALLOC_FL_ZERO_RANGE`.
    ZeroRange,
    /// `fallocate(2)`, `FALLOC_FL_COLLAPSE_RANGE`.
    CollapseRange,
    /// `fallocate(2)`, `FALLOC_FL_INSERT_RANGE`.
    InsertRange,
    /// `truncate(2)`, to the size that stands in `pos`.
    Truncate,
    /// `FS_IOC_FIEMAP`.
    Fiemap,
    /// A journal commit.
    Commit,
    /// Background writeback; returns when everything is submitted.
    Writeback,
    /// `fsync(2)`.
    Fsync,
    /// Page reclaim.
    Reclaim,
    /// The extent status shrinker.
    ShrinkEs,
    /// The inode is evicted; only after all tasks.
    Evict,
}

impl Op {
    /// Whether it may start I/O that completes in a task of its own.
    pub fn starts_io(self) -> bool {
        use Op::{CollapseRange, DioWrite, Fsync, InsertRange, Writeback};
        matches!(self, Fsync | Writeback | DioWrite | CollapseRange | InsertRange)
    }
}

/// One operation of one task.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Request {
    /// Unique among the requests of a run, and not 0: the name of what it writes.
    pub id: u32,
    /// What.
    pub op: Op,
    /// The first byte.
    pub pos: u64,
    /// How many bytes.
    pub len: u64,
    /// The first byte that a write cannot read from its user.
    pub fails: Option<u64>,
}

impl<L: Layer> Inode<L> {
    /// Does one operation.
    ///
    /// # Errors
    /// What the kernel would return: a result of the model.
    pub async fn run(self: &Arc<Self>, request: Request) -> Result<(), Errno> {
        let Request { id, op, pos, len, fails } = request;
        let end = pos + len;
        let write = Write { id, lo: pos, hi: end, fails, old_size: 0 };
        let folios = self.folios_at(pos, end);
        match op {
            Op::Write => match self.order {
                Order::BufferHead => buffer_head::buffered_write(self, write).await,
                Order::Iomap => iomap::buffered_write(self, write).await,
            },
            Op::DioWrite => self.direct_write(write).await,
            Op::Read => self.read(id, pos, end).await,
            Op::MmapWrite => self.mmap_write(id, pos, end).await,
            Op::MmapRead => self.mmap_read(pos, end).await,
            Op::Fallocate => self.fallocate(pos, end).await,
            Op::PunchHole => self.punch_hole(id, pos, end).await,
            Op::ZeroRange => self.zero_range(id, pos, end).await,
            Op::CollapseRange => self.collapse_range(id, pos, end).await,
            Op::InsertRange => self.insert_range(id, pos, end).await,
            Op::Truncate => self.truncate(pos).await,
            Op::Fiemap => self.fiemap(self.geometry.blocks_of(pos, end)).await,
            Op::Commit => {
                self.journal.commit().await;
                Ok(())
            }
            Op::Writeback => {
                writepages(self, folios, Sync::None).await;
                Ok(())
            }
            Op::Fsync => self.fsync().await,
            Op::Reclaim => self.reclaim(folios).await,
            Op::ShrinkEs => {
                self.layer.shrink(self.geometry.blocks_of(pos, end)).await;
                Ok(())
            }
            Op::Evict => self.evict().await,
        }
    }

    /// Unlocks a folio after a write.
    pub(crate) async fn end_write(&self, folio: &FolioRef<L::Rt>) {
        if self.has(Planted::FolioLeftLocked) {
            return;
        }
        self.mapping.unlock_and_put(folio).await;
    }

    /// The runtime it lives in.
    pub fn runtime(&self) -> &L::Rt {
        &self.rt
    }
}

/// `remember` for a task between two operations.
pub fn settle<R: Runtime>(rt: &R, results: &[Result<(), Errno>]) {
    rt.remember(&results);
}
