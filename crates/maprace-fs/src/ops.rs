//! The operations of a task, and what each is called in the kernel.

use crate::folio::FolioRef;
use crate::inode::{Inode, Write};
use crate::layer::Layer;
use crate::setup::Planted;
use crate::writeback::{Sync, writepages};
use crate::{Errno, Order, buffer_head, iomap};
use maprace_extent::{Blocks, Content};
use maprace_runtime::Runtime;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

/// Every operation, a line each: what it is; its name in a scenario; whether it may start I/O that
/// completes in a task of its own (`io`) or not (`quiet`); what the kernel calls the way it takes; what
/// runs; the largest are boxed, so that a task that is kept has less to keep. In three groups, by what is typed behind the name: a range of the file, a size, nothing.
///
/// Calls `$with!` with all of it, so that who lists operations lists all.
#[macro_export]
macro_rules! operations {
    ($with:ident) => {
        $with! {
            [inode request user]
            ranged {
                /// `write(2)`, buffered.
                Write "write" quiet "generic_perform_write" => inode.buffered_write(request.write(user)).await;
                /// `read(2)`, buffered.
                Read "read" quiet "filemap_read" => inode.read(request.id, request.pos, request.end(), user).await;
                /// Stores through a shared mapping, page by page: read fault, `page_mkwrite`, store.
                MmapWrite "mmap_write" quiet "page_mkwrite" => inode.mmap_write(request.write(user)).await;
                /// Loads through a shared mapping, page by page.
                MmapRead "mmap_read" quiet "mmap_read" => inode.mmap_read(request.pos, request.end(), user).await;
                /// `write(2)` with O_DIRECT.
                DioWrite "dio_write" io "ext4_dio_write_iter" => Box::pin(inode.direct_write(request.write(user))).await;
                /// `fallocate(2)`, mode 0.
                Fallocate "fallocate" quiet "fallocate" => inode.fallocate(request.pos, request.end()).await;
                /// `fallocate(2)`, `FALLOC_FL_ZERO_RANGE`.
                ZeroRange "zero_range" quiet "zero_range" => inode.zero_range(request.id, request.pos, request.end()).await;
                /// `fallocate(2)`, `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`.
                PunchHole "punch_hole" quiet "punch_hole" => inode.punch_hole(request.id, request.pos, request.end()).await;
                /// `fallocate(2)`, `FALLOC_FL_COLLAPSE_RANGE`.
                CollapseRange "collapse_range" io "collapse_range" => Box::pin(inode.collapse_range(request.id, request.pos, request.end())).await;
                /// `fallocate(2)`, `FALLOC_FL_INSERT_RANGE`.
                InsertRange "insert_range" io "insert_range" => Box::pin(inode.insert_range(request.id, request.pos, request.end())).await;
                /// Background writeback; returns at submission, each I/O completes in a task `io_end`.
                Writeback "writeback" io "writepages" => inode.writeback(inode.folios_of(request)).await;
                /// Memory pressure: the clean folios of the range leave the page cache.
                Reclaim "reclaim" quiet "shrink_folio_list" => inode.reclaim(inode.folios_of(request)).await;
                /// Memory pressure: the extent status shrinker over the range.
                ShrinkEs "shrink_es" quiet "ext4_es_scan" => inode.shrink_es(inode.blocks_of(request)).await;
                /// `FS_IOC_FIEMAP`.
                Fiemap "fiemap" quiet "fiemap" => inode.fiemap(inode.blocks_of(request)).await;
            }
            sized {
                /// `truncate(2)`, to the size that stands in `pos`.
                Truncate "truncate" quiet "truncate" => inode.truncate(request.pos).await;
            }
            bare {
                /// `fsync(2)`.
                Fsync "fsync" io "fsync" => inode.fsync().await;
                /// A journal commit.
                Commit "commit" quiet "jbd2 commit" => inode.commit().await;
                /// The inode leaves memory; only after all tasks, when nobody uses the file any more.
                Evict "evict" quiet "evict" => inode.evict().await;
            }
        }
    };
}

/// Whether a line says `io`.
macro_rules! is_io {
    (io) => {
        true
    };
    (quiet) => {
        false
    };
}

macro_rules! op {
    ([$inode:ident $request:ident $user:ident] $($group:ident {
        $($(#[$doc:meta])* $op:ident $name:literal $io:ident $head:literal => $run:expr;)+
    })+) => {
        /// An operation. Positions and lengths are in bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Op { $($($(#[$doc])* $op,)+)+ }

        impl Op {
            /// What the kernel calls the way it takes.
            pub fn head(self) -> &'static str {
                match self { $($(Op::$op => $head,)+)+ }
            }

            /// Whether it may start I/O that completes in a task of its own.
            pub fn starts_io(self) -> bool {
                match self { $($(Op::$op => is_io!($io),)+)+ }
            }
        }

        impl<L: Layer> Inode<L> {
            /// Does one operation. `user` is the memory of whoever asks, where there is any: a
            /// write takes its bytes from there, and a read copies them there; each byte stands at
            /// its position in the file.
            ///
            /// # Errors
            /// What the kernel would return: a result of the model.
            pub async fn run_for(
                self: &Arc<Self>,
                request: Request,
                user: Option<&mut Content>,
            ) -> Result<(), Errno> {
                let ($inode, $request, $user) = (self, &request, user);
                match $request.op { $($(Op::$op => $run,)+)+ }
            }
        }
    };
}

operations!(op);

/// One operation of one task.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Request {
    /// Unique among the requests of a run, and not 0: the name of what it writes.
    pub id: u64,
    /// What.
    pub op: Op,
    /// The first byte.
    pub pos: u64,
    /// How many bytes.
    pub len: u64,
    /// The first byte that a write cannot read from its user.
    pub fails: Option<u64>,
}

impl Request {
    /// One past the last byte.
    fn end(&self) -> u64 {
        self.pos + self.len
    }

    fn write(&self, user: Option<&mut Content>) -> Write {
        let (lo, hi, bytes) = (self.pos, self.end(), user.map(std::mem::take));
        Write { id: self.id, lo, hi, bytes, fails: self.fails, old_size: 0 }
    }
}

impl<L: Layer> Inode<L> {
    /// Does one operation, where nobody has any bytes.
    ///
    /// # Errors
    /// What the kernel would return: a result of the model.
    pub fn run(self: &Arc<Self>, request: Request) -> impl Future<Output = Result<(), Errno>> {
        self.run_for(request, None)
    }

    fn folios_of(&self, request: &Request) -> Range<u32> {
        self.folios_at(request.pos, request.end())
    }

    fn blocks_of(&self, request: &Request) -> Blocks {
        self.geometry.blocks_of(request.pos, request.end())
    }

    /// A buffered write, in the order of the inode.
    pub(crate) async fn buffered_write(&self, write: Write) -> Result<(), Errno> {
        match self.order {
            Order::BufferHead => buffer_head::buffered_write(self, write).await,
            Order::Iomap => iomap::buffered_write(self, write).await,
        }
    }

    async fn writeback(self: &Arc<Self>, at: Range<u32>) -> Result<(), Errno> {
        writepages(self, at, Sync::None).await;
        Ok(())
    }

    async fn shrink_es(&self, blocks: Blocks) -> Result<(), Errno> {
        self.layer.shrink(blocks).await;
        Ok(())
    }

    async fn commit(&self) -> Result<(), Errno> {
        self.journal.commit().await;
        Ok(())
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
