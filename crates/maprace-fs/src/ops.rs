//! The operations of a task, and what each is called in the kernel.

use crate::folio::FolioRef;
use crate::inode::Inode;
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
    /// `fallocate(2)`, `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`.
    PunchHole,
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
}

impl<L: Layer> Inode<L> {
    /// Does one operation.
    ///
    /// # Errors
    /// What the kernel would return: a result of the model.
    pub async fn run(self: &Arc<Self>, request: Request) -> Result<(), Errno> {
        let Request { id, op, pos, len } = request;
        let end = pos + len;
        let folios = self.folios_at(pos, end);
        match op {
            Op::Write => match self.order {
                Order::BufferHead => buffer_head::buffered_write(self, id, pos, end).await,
                Order::Iomap => iomap::buffered_write(self, id, pos, end).await,
            },
            Op::Read => self.read(id, pos, end).await,
            Op::MmapWrite => self.mmap_write(id, pos, end).await,
            Op::MmapRead => self.mmap_read(pos, end).await,
            Op::Fallocate => self.fallocate(pos, end).await,
            Op::PunchHole => self.punch_hole(id, pos, end).await,
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
