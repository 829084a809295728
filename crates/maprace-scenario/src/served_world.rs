//! The served world: one file of the modelled file system, with real bytes, for whoever brings requests.
//!
//! Several threads share it, each with a [`Worker`] of the runtime of tasks; a request is answered by a task
//! of the thread that brought it ([`Slots`]). What the kernel's own threads do, writing back and reclaiming, is done by
//! tasks too ([`pressure`]). Nothing here knows what a request is to whoever brings it: it has a token.
//!
//! Every byte read is compared, as in every world; what is broken is written down and asked for.

mod pressure;
mod slots;

pub use slots::{Slot, Slots};

use crate::config::Config;
use maprace_fs::check::check_books;
use maprace_fs::layer::Layer;
use maprace_fs::{
    Broken, Cached, Content, Errno, EsAtStart, FileAtStart, Geometry, Inode, LayerKind, Log, Op,
    Request, Setup, Under,
};
use maprace_runtime::tasks::{Tasks, Worker};
use pressure::Pressure;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a block, and of a folio: what of the file is asked for is whole ones.
pub const SERVED_BLOCK: u32 = 4096;

/// The most bytes a served file may have: its blocks and those of the medium below, which has room for
/// as many again and some, are counted in 32 bits.
pub const SERVED_BYTES_MOST: u64 = ((1 << 31) - SLACK as u64) * SERVED_BLOCK as u64;

/// Free blocks beyond those of the whole file: what an old protocol leaks is taken from these.
const SLACK: u32 = 1 << 18;

/// What a write becomes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Store {
    /// `write(2)`, buffered.
    #[default]
    Write,
    /// Stores through a shared mapping.
    Mmap,
}

/// What writing zeroes becomes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Zeroes {
    /// `fallocate(2)` with `FALLOC_FL_ZERO_RANGE`; where the layer answers EOPNOTSUPP, the other.
    #[default]
    ZeroRange,
    /// `FALLOC_FL_PUNCH_HOLE`, then mode 0: a hole is made and allocated.
    Fallocate,
}

/// A file to be served: empty, sparse, of a fixed size.
#[derive(Clone, Debug)]
pub struct ServedFile {
    /// Layer, protocol with its knobs, order.
    pub config: Config,
    /// Bytes: whole blocks, at most [`SERVED_BYTES_MOST`].
    pub size: u64,
    /// Bytes of the page cache, at most.
    pub cache_bytes: u64,
    /// The medium.
    pub under: Under,
    /// What a write becomes.
    pub store: Store,
    /// What writing zeroes becomes.
    pub zeroes: Zeroes,
}

/// What is asked. Positions and lengths are bytes, whole blocks, inside the file.
#[derive(Clone, Debug)]
pub enum Asked {
    /// `len` bytes from `pos` on.
    Read {
        /// The first byte.
        pos: u64,
        /// How many.
        len: u64,
    },
    /// Bytes to `pos`.
    Write {
        /// The first byte.
        pos: u64,
        /// What.
        bytes: Written,
        /// As with O_DSYNC: on the medium when it is answered.
        durable: bool,
    },
    /// `fsync(2)`.
    Sync,
    /// The range becomes a hole.
    Discard {
        /// The first byte.
        pos: u64,
        /// How many.
        len: u64,
    },
    /// The range reads as zeroes, and is allocated.
    Zero {
        /// The first byte.
        pos: u64,
        /// How many.
        len: u64,
    },
}

/// The bytes of a write, named and in pages, so that nothing copies them again.
#[derive(Clone, Debug)]
pub struct Written {
    id: u64,
    len: u64,
    content: Content,
}

/// Told what became of a request, by its token: what a read brought, and nothing otherwise.
pub trait Answered {
    /// It has ended.
    fn answered(&self, token: u64, outcome: Result<Content, Errno>);
}

/// A file of the modelled file system that is served, whatever its layer.
pub trait Served: Send + Sync + fmt::Debug {
    /// Takes the bytes of a write to `pos`.
    fn take(&self, pos: u64, bytes: &[u8]) -> Written;

    /// Starts the task of `worker` that answers what `slot` is asked, until that is closed.
    fn attend(self: Arc<Self>, worker: &Worker, slot: Rc<Slot>);

    /// How much the page cache holds, in folios of a block.
    fn cached(&self) -> Cached;

    /// Bytes that are kept for real: on the medium, and dirty in the page cache.
    fn kept_bytes(&self) -> u64;

    /// What the checkers have found since they were last asked.
    fn broken(&self) -> Vec<Broken>;

    /// The inode goes, when every request has ended and every worker has gone: writes what is dirty,
    /// drops the page cache; what the checkers have found by then, the books among it.
    fn evict(self: Arc<Self>) -> Vec<Broken>;
}

/// The file over the layers of one kind.
struct File<L: Layer> {
    inode: Arc<Inode<L>>,
    ids: AtomicU64,
    store: Store,
    zeroes: Zeroes,
    pressure: Pressure,
}

impl<L: Layer> fmt::Debug for File<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Builds the file.
pub(crate) fn serve<K: LayerKind>(kind: &K, file: &ServedFile) -> Arc<dyn Served>
where
    K::In<Tasks>: Send + Sync,
{
    let (rt, setup, log) = (Tasks::new(), setup(file), Arc::new(Log::default()));
    let layer = kind.build(&rt, &setup, &log);
    Arc::new(File {
        inode: Arc::new(Inode::new(&rt, &setup, layer, log)),
        ids: AtomicU64::new(1),
        store: file.store,
        zeroes: file.zeroes,
        pressure: Pressure::new(&rt, file.cache_bytes / u64::from(SERVED_BLOCK)),
    })
}

/// # Panics
/// When the size is none that [`ServedFile`] allows.
fn setup(file: &ServedFile) -> Setup {
    let block = u64::from(SERVED_BLOCK);
    assert!(file.size.is_multiple_of(block), "{} bytes are no whole blocks", file.size);
    assert!(file.size <= SERVED_BYTES_MOST, "{} bytes are too many", file.size);
    let blocks = u32::try_from(file.size / block).expect("fewer than 2^31");
    Setup {
        geometry: Geometry { block: SERVED_BLOCK, folio_blocks: 1, cluster_blocks: 1 },
        protocol: file.config.protocol,
        order: file.config.order,
        file: FileAtStart { size: file.size, es: EsAtStart::Cold, ..FileAtStart::default() },
        free_blocks: blocks + SLACK,
        cold_bitmaps: false,
        group_clusters: 8 * SERVED_BLOCK,
        under: file.under.clone(),
        delalloc: true,
        journal_credits: None,
        commits: false,
        shrinks: false,
        farthest: blocks,
        claims_most: 0,
        planted: None,
    }
}

impl<L: Layer<Rt = Tasks> + Send + Sync> Served for File<L> {
    fn take(&self, pos: u64, bytes: &[u8]) -> Written {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        Written { id, len: bytes.len() as u64, content: Content::real(id, pos, bytes) }
    }

    fn attend(self: Arc<Self>, worker: &Worker, slot: Rc<Slot>) {
        worker.spawn(async move {
            while let Some((token, asked)) = slot.next().await {
                let outcome = self.answer(asked).await;
                slot.answered(token, outcome);
            }
        });
    }

    fn cached(&self) -> Cached {
        self.inode.cached()
    }

    fn kept_bytes(&self) -> u64 {
        let dirty = u64::from(self.inode.cached().dirty) * u64::from(SERVED_BLOCK);
        self.inode.kept_bytes() + dirty
    }

    fn broken(&self) -> Vec<Broken> {
        self.inode.log().take()
    }

    fn evict(self: Arc<Self>) -> Vec<Broken> {
        let worker = Worker::new(Arc::new(|| {}));
        let file = self.clone();
        // What it returns is a result of the model; what it leaves is asked for below.
        worker.spawn(async move {
            let _ = file.run(Op::Evict, 0, 0).await;
        });
        let ended = worker.run_ahead();
        let mut broken = self.inode.log().take();
        broken.extend(self.inode.layer().books().iter().flat_map(check_books));
        if !ended {
            broken.push(Broken {
                checker: maprace_fs::Checker::AfterEnds,
                values: None,
                place: None,
            });
        }
        broken
    }
}

impl<L: Layer<Rt = Tasks>> File<L> {
    fn request(&self, op: Op, pos: u64, len: u64) -> Request {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        Request { id, op, pos, len, fails: None }
    }

    async fn run(&self, op: Op, pos: u64, len: u64) -> Result<(), Errno> {
        self.inode.run(self.request(op, pos, len)).await
    }

    async fn answer(&self, asked: Asked) -> Result<Content, Errno> {
        self.pressure.balance(&self.inode).await;
        match asked {
            Asked::Read { pos, len } => {
                let mut user = Content::default();
                let request = self.request(Op::Read, pos, len);
                return self.inode.run_for(request, Some(&mut user)).await.map(|()| user);
            }
            Asked::Write { pos, bytes, durable } => self.write(pos, bytes, durable).await?,
            Asked::Sync => Box::pin(self.run(Op::Fsync, 0, 0)).await?,
            Asked::Discard { pos, len } => Box::pin(self.punch(pos, len)).await?,
            Asked::Zero { pos, len } => Box::pin(self.zero(pos, len)).await?,
        }
        Ok(Content::default())
    }

    /// A durable one ends as with O_DSYNC (`generic_write_sync`): its own range is synced.
    async fn write(&self, pos: u64, mut bytes: Written, durable: bool) -> Result<(), Errno> {
        let op = match self.store {
            Store::Write => Op::Write,
            Store::Mmap => Op::MmapWrite,
        };
        let request = Request { id: bytes.id, op, pos, len: bytes.len, fails: None };
        self.inode.run_for(request, Some(&mut bytes.content)).await?;
        if durable {
            self.inode.fsync_range(pos, pos + bytes.len).await;
        }
        Ok(())
    }

    async fn punch(&self, pos: u64, len: u64) -> Result<(), Errno> {
        let places = self.inode.places(pos, pos + len).await;
        self.run(Op::PunchHole, pos, len).await?;
        self.inode.discard_free(&places);
        Ok(())
    }

    async fn zero(&self, pos: u64, len: u64) -> Result<(), Errno> {
        if self.zeroes == Zeroes::ZeroRange {
            match self.run(Op::ZeroRange, pos, len).await {
                Err(Errno::Eopnotsupp) => {}
                done => return done,
            }
        }
        self.punch(pos, len).await?;
        self.run(Op::Fallocate, pos, len).await
    }
}

#[cfg(test)]
mod tests;
