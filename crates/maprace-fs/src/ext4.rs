//! ext4's extent layer: the status tree under `i_es_lock`, the extent tree under `i_data_sem`, the
//! reservations, in every era of `ext4_da_map_blocks`.
//!
//! Whoever asks has started the transaction; here it is only restarted, where credits run out.

mod cluster;
mod create;
mod da_map;
mod es;
mod hole;
mod remove;
mod shift;
mod space;
mod split;

use crate::check::{Books, Log};
use crate::ext4::create::Who;
use crate::journal::Handle;
use crate::layer::{Delay, Layer, LayerKind, Mapping, Removal, Status};
use crate::places::Kind;
use crate::protocol::{DaMap, Protocol, dispatch_da_map};
use crate::setup::{Cover, EsAtStart, Planted, Setup};
use crate::{Accounting, Cookie, Errno, Knobs, Order, Switch};
use maprace_extent::{
    Allocator, Blocks, EsEntry, EsStatus, EsTree, Extent, ExtentTree, Pblk, Space,
};
use maprace_media::Medium;
use maprace_runtime::{Object, Point, Runtime, RwSem, SemSteps, Spin, Traced, sem_steps};
use std::collections::BTreeSet;
use std::sync::Arc;

static I_DATA_SEM: SemSteps = sem_steps!("i_data_sem");

/// `i_data_sem` held exclusively, with the extent tree.
type TreeGuard<'a, R> = <<R as Runtime>::RwSem<ExtentTree> as RwSem<R, ExtentTree>>::Write<'a>;

/// What a look-up of the status tree, or of the extent tree behind it, found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Found {
    /// Something is there.
    Known(Mapping),
    /// Nothing is, from the first block asked for on.
    Hole(Blocks),
    /// The status tree does not know.
    Miss,
}

impl Found {
    /// For a tracepoint, of a look-up that asked for `want`.
    fn traced(self, want: Blocks) -> Traced {
        let (point, blocks) = match self {
            Found::Known(map) => (Point::Known, map.blocks),
            Found::Hole(hole) => (Point::Hole, hole),
            Found::Miss => (Point::Miss, want),
        };
        Traced { point, lo: blocks.lo, hi: blocks.hi }
    }
}

/// The allocator and the counters of the file system.
#[derive(Hash, Debug)]
pub(crate) struct Super {
    pub(crate) space: Space,
    pub(crate) bitmap: Allocator,
    /// The groups whose bitmap nobody has read yet.
    pub(crate) cold: BTreeSet<u32>,
}

/// One inode's extents.
pub struct Ext4<R: Runtime> {
    rt: R,
    protocol: Protocol,
    /// Whether mappings are dated when they are looked up.
    dated: bool,
    /// Whether anything at all is dated.
    counts_changes: bool,
    /// Whether a write dates its mapping after all locks were dropped.
    dates_late: bool,
    scarce: bool,
    /// Blocks of a cluster.
    ratio: u32,
    /// Whether transactions may have to be restarted.
    credits_run_out: bool,
    /// Clusters of a group.
    group: u32,
    /// Bytes of a block.
    block: u64,
    /// One past the last block that anybody reaches.
    farthest: u32,
    medium: Arc<dyn Medium>,
    planted: Option<Planted>,
    log: Arc<Log>,
    i_data_sem: R::RwSem<ExtentTree>,
    i_es_lock: R::Spin<EsTree>,
    sb: R::Spin<Super>,
}

impl<R: Runtime> std::fmt::Debug for Ext4<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ext4").field("protocol", &self.protocol.name).finish_non_exhaustive()
    }
}

impl<R: Runtime> Ext4<R> {
    /// The layer for the file of `setup`; what checkers see on the way goes to `log`.
    pub fn new(rt: &R, setup: &Setup, log: Arc<Log>) -> Ext4<R> {
        let ratio = setup.geometry.cluster_blocks;
        let (tree, bitmap) = trees_at_start(setup);
        let es = es_at_start(setup, &tree);
        let allocated = i64::from(tree.allocated_clusters(ratio));
        let delayed = es.reserved_clusters(EVERYTHING, ratio);
        let mut space = Space { free: i64::from(bitmap.free()), ..Space::default() };
        (space.quota_used, space.i_blocks) = (allocated, allocated);
        space.reserve(delayed).expect("free blocks are added to those of the file");
        let groups = bitmap.total().div_ceil(setup.group_clusters);
        let cold = if setup.cold_bitmaps { (0..groups).collect() } else { BTreeSet::new() };
        let iomap = setup.order == Order::Iomap;
        let Knobs { cookie, writeback_cookie, .. } = setup.protocol.knobs;
        Ext4 {
            rt: rt.clone(),
            protocol: setup.protocol,
            dated: iomap && (cookie == Cookie::On || writeback_cookie == Switch::On),
            counts_changes: iomap && (cookie != Cookie::Off || writeback_cookie == Switch::On),
            dates_late: iomap && cookie == Cookie::Late,
            scarce: setup.free_blocks <= setup.claims_most,
            ratio,
            credits_run_out: setup.journal_credits.is_some(),
            group: setup.group_clusters,
            block: u64::from(setup.geometry.block),
            farthest: setup.farthest,
            medium: setup.under.medium(),
            planted: setup.planted,
            log,
            i_data_sem: RwSem::new(rt, Kind::IDataSem.key(), &I_DATA_SEM, tree),
            i_es_lock: Spin::new(rt, Kind::IEsLock.key(), es),
            sb: Spin::new(rt, Kind::Super.key(), Super { space, bitmap, cold }),
        }
    }

    fn accounting(&self) -> Accounting {
        self.protocol.knobs.accounting
    }

    fn has(&self, bug: Planted) -> bool {
        self.planted == Some(bug)
    }

    /// v5.10 to v6.7, by what its `ext4_da_map_blocks` does.
    fn is_first_era(&self) -> bool {
        matches!(self.protocol.da_map, DaMap::V5_10 | DaMap::SharedRecheck)
    }

    /// Whether delayed blocks are inserted one by one, by name: up to v6.10.
    fn is_block_era(&self) -> bool {
        self.is_first_era() || self.protocol.da_map == DaMap::V6_8
    }

    /// `ext4_insert_delayed_blocks`: reserves, then enters; `i_data_sem` is held in the era's mode.
    async fn insert_delayed_blocks(
        &self,
        tree: &ExtentTree,
        hole: Blocks,
    ) -> Result<Mapping, Errno> {
        let name = if self.is_block_era() {
            "ext4_insert_delayed_block"
        } else {
            "ext4_insert_delayed_blocks"
        };
        let insert = async {
            let need = self.clusters_to_reserve(tree, hole).await;
            if need.clusters > 0 {
                self.reserve(need.clusters).await?;
            }
            let cookie = self.es_insert_delayed(hole, need.pending).await;
            let new = self.protocol.knobs.iomap_f_new == Switch::On;
            Ok(Mapping { blocks: hole, status: Status::Delalloc, pblk: None, new, cookie })
        };
        self.rt.call(name, insert).await
    }

    /// `ext4_map_query_blocks`: the extent tree, with `i_data_sem` held; caches what it finds.
    ///
    /// # Divergence from Linux
    /// Up to v6.11 the query also tags an unwritten extent delayed where one of its blocks is.
    async fn map_query_blocks(&self, tree: &ExtentTree, want: Blocks) -> Found {
        let found = match tree.lookup(want) {
            Some((blocks, extent)) => {
                let (_, cookie) = self.es_insert(blocks, entry_of(extent), false).await;
                Found::Known(mapping_of(blocks, extent, false, cookie))
            }
            None if self.is_first_era() => Found::Hole(self.put_gap_in_cache(tree, want).await),
            None => Found::Hole(self.determine_insert_hole(tree, want).await),
        };
        self.rt.tracepoint(|| found.traced(want));
        found
    }

    /// The first half of `ext4_map_blocks`: the status tree, and behind it the extent tree.
    async fn map_lookup(&self, want: Blocks) -> Found {
        match self.es_lookup(want).await {
            Found::Miss => {
                let tree = self.i_data_sem.down_read().await;
                self.map_query_blocks(&tree, want).await
            }
            found => found,
        }
    }

    /// Dates a mapping after all locks were dropped: the late cookie of the first postings.
    async fn dated_late(&self, map: Mapping) -> Mapping {
        if self.dates_late {
            return Mapping { cookie: self.sequence().await, ..map };
        }
        map
    }
}

fn entry_of(extent: Extent) -> EsEntry {
    let status = match extent.unwritten {
        true => EsStatus::Unwritten { delayed: false },
        false => EsStatus::Written,
    };
    EsEntry { status, pblk: Some(extent.pblk) }
}

fn mapping_of(blocks: Blocks, extent: Extent, new: bool, cookie: u64) -> Mapping {
    let status = if extent.unwritten { Status::Unwritten } else { Status::Mapped };
    Mapping { blocks, status, pblk: Some(extent.pblk), new, cookie }
}

/// The extents of the file at the start, and the bitmap without their clusters.
fn trees_at_start(setup: &Setup) -> (ExtentTree, Allocator) {
    let ratio = setup.geometry.cluster_blocks;
    let (file, free) = (&setup.file, setup.free_blocks / ratio);
    let mut bitmap = Allocator::new(setup.file_blocks().div_ceil(ratio) + free);
    let mut tree = ExtentTree::default();
    let written = file.written.iter().map(|b| (*b, false));
    for (blocks, unwritten) in written.chain(file.unwritten.iter().map(|b| (*b, true))) {
        for (piece, pblk) in places_at_start(&mut bitmap, &tree, blocks, ratio) {
            tree.insert(piece, Extent { pblk, unwritten });
        }
    }
    let delayed = setup.delayed_blocks().map(|lblk| lblk / ratio);
    let mut delayed: Vec<u32> = delayed.collect();
    delayed.dedup();
    let taken = |cluster: &u32| {
        tree.extents(Blocks::one(cluster * ratio).clusters_around(ratio)).next().is_some()
    };
    delayed.retain(|cluster| !taken(cluster));
    let reserved = u32::try_from(delayed.len()).expect("files of the model are small");
    let spare = bitmap.free() - reserved - free;
    (tree, bitmap.without_last(spare))
}

/// Where `blocks` go: what shares a cluster with something that is there, there; the rest in new ones.
fn places_at_start(
    bitmap: &mut Allocator,
    tree: &ExtentTree,
    blocks: Blocks,
    ratio: u32,
) -> Vec<(Blocks, Pblk)> {
    let mut places = Vec::new();
    let mut rest = blocks;
    while !rest.is_empty() {
        let cluster = Blocks::one(rest.lo).clusters_around(ratio);
        let neighbour = tree.extents(cluster).next();
        let (piece, base) = match neighbour {
            Some((other, extent)) => (rest.within(cluster), extent.pblk.0 - other.lo % ratio),
            None => {
                let whole = if ratio == 1 { rest } else { rest.within(cluster) };
                let (first, len) = bitmap.take(whole.clusters(ratio)).expect("room for the file");
                assert_eq!(len, whole.clusters(ratio), "an empty medium is not fragmented");
                (whole, first.0 * ratio)
            }
        };
        places.push((piece, Pblk(base + piece.lo % ratio)));
        rest.lo = piece.hi;
    }
    places
}

fn es_at_start(setup: &Setup, tree: &ExtentTree) -> EsTree {
    let known = if setup.file.es == EsAtStart::Cold { 0 } else { setup.file_blocks() };
    let mut es = EsTree::default();
    let prefault = Cover::of(&setup.file.prefault);
    for lblk in 0..known {
        let want = Blocks::one(lblk);
        let cached = match setup.file.es {
            EsAtStart::Cold => None,
            EsAtStart::Full => Some(tree.lookup(want)),
            EsAtStart::Hole => match tree.lookup(want) {
                Some(found) => prefault.contains(lblk).then_some(Some(found)),
                None => Some(None),
            },
        };
        match cached {
            Some(Some((_, extent))) => drop(es.insert(want, entry_of(extent))),
            Some(None) => drop(es.insert(want, EsEntry::bare(EsStatus::Hole))),
            None => {}
        }
    }
    let ratio = setup.geometry.cluster_blocks;
    for lblk in setup.delayed_blocks() {
        es.insert(Blocks::one(lblk), EsEntry::bare(EsStatus::Delayed));
        if tree.extents(Blocks::one(lblk).clusters_around(ratio)).next().is_some() {
            es.insert_pending(lblk / ratio);
        }
    }
    es
}

impl<R: Runtime> Layer for Ext4<R> {
    type Rt = R;

    async fn look_up(&self, want: Blocks) -> Mapping {
        let look_up = async {
            match self.map_lookup(want).await {
                Found::Known(map) => map,
                Found::Hole(blocks) => {
                    Mapping { blocks, status: Status::Hole, pblk: None, new: false, cookie: 0 }
                }
                Found::Miss => unreachable!("a query finds an extent or a hole"),
            }
        };
        self.rt.call("ext4_map_blocks", look_up).await
    }

    async fn map_for_write(&self, want: Blocks) -> Result<Mapping, Errno> {
        let map = async { dispatch_da_map!(self.protocol.da_map, self, want) };
        let map = self.rt.call("ext4_da_map_blocks", map).await?;
        // Tagged delayed though it is written: taken for delayed, as before d2dc317d564a.
        let is_tagged = map.status == Status::Mapped && map.new;
        let taken = Mapping { status: Status::Delalloc, pblk: None, ..map };
        Ok(self.dated_late(if is_tagged { taken } else { map }).await)
    }

    async fn allocate(&self, want: Blocks) -> Result<Mapping, Errno> {
        self.rt.call("ext4_map_blocks", self.map_blocks_create(want, false, Who::Locked)).await
    }

    async fn zero(&self, want: Blocks) -> Result<Mapping, Errno> {
        self.rt.call("ext4_map_blocks", self.map_blocks_zero(want)).await
    }

    async fn allocate_for_direct(&self, want: Blocks) -> Result<Mapping, Errno> {
        self.rt.call("ext4_iomap_alloc", self.map_blocks_direct(want)).await
    }

    async fn map_for_writeback(&self, want: Blocks, delay: Delay) -> Result<Mapping, Errno> {
        match delay {
            Delay::Buffer(delay) => {
                let map = self.map_blocks_create(want, delay, Who::Writeback);
                self.rt.call("ext4_map_blocks", map).await
            }
            Delay::Books => {
                let map = self.map_writeback_range(want);
                self.rt.call("ext4_iomap_map_writeback_range", map).await
            }
        }
    }

    async fn convert(&self, blocks: Blocks) {
        self.rt.call("ext4_convert_unwritten_extents", self.convert_unwritten(blocks)).await;
    }

    async fn remove(&self, handle: &mut Handle<'_, R>, blocks: Blocks, why: Removal) {
        self.remove_space(handle, blocks, why).await;
    }

    async fn collapse(&self, handle: &mut Handle<'_, R>, gone: Blocks) -> Result<(), Errno> {
        self.collapse_range(handle, gone).await
    }

    async fn make_room(&self, handle: &mut Handle<'_, R>, room: Blocks) -> Result<(), Errno> {
        self.insert_range(handle, room).await
    }

    async fn is_short_of_space(&self) -> bool {
        self.nonda_switch().await
    }

    async fn punch_delalloc(&self, blocks: Blocks) {
        self.rt.call("ext4_iomap_punch_delalloc", self.release_delayed(blocks)).await;
    }

    async fn sequence(&self) -> u64 {
        self.read_sequence().await
    }

    fn sequence_now(&self) -> Option<u64> {
        Some(self.i_es_lock.peek(maprace_extent::EsTree::seq))
    }

    async fn shrink(&self, blocks: Blocks) {
        self.es_shrink(blocks).await;
    }

    async fn evict(&self) -> u32 {
        self.rt.call("ext4_clear_inode", self.clear_inode()).await
    }

    fn books(&self) -> Option<Books> {
        self.i_data_sem
            .peek(|tree| self.i_es_lock.peek(|es| self.sb.peek(|sb| self.books_of(tree, es, sb))))
    }

    fn is_settled(&self) -> bool {
        self.i_data_sem.peek(|_| ()).is_some()
    }

    fn with_free(&self, pblk: Pblk, len: u32, discard: &mut dyn FnMut(Pblk, u32)) {
        let ratio = self.ratio;
        self.sb.nested(|sb| {
            for (first, clusters) in
                sb.bitmap.free_within(pblk.0.div_ceil(ratio), (pblk.0 + len) / ratio)
            {
                discard(Pblk(first * ratio), clusters * ratio);
            }
        });
    }

    fn lock(&self) -> Object {
        self.i_data_sem.object()
    }

    fn place_of(&self, lblk: u32) -> Option<(Pblk, bool)> {
        self.place_if_settled(lblk)?
    }

    fn place_if_settled(&self, lblk: u32) -> Option<Option<(Pblk, bool)>> {
        let found = self.i_data_sem.peek(|tree| tree.lookup(Blocks::one(lblk)))?;
        Some(found.map(|(_, extent)| (extent.pblk, !extent.unwritten)))
    }

    fn is_reserved(&self, lblk: u32) -> bool {
        self.i_es_lock.peek(|es| es.delonly(Blocks::one(lblk)) > 0)
    }
}

/// The whole of a file, for scans.
const EVERYTHING: Blocks = Blocks { lo: 0, hi: u32::MAX - 1 };

/// Clusters with something delayed and nothing allocated. Not by what is pending, which is a record of
/// the model like the reservation it is compared with.
fn delayed_clusters(tree: &ExtentTree, es: &EsTree, ratio: u32) -> u32 {
    if ratio == 1 {
        return es.delonly(EVERYTHING);
    }
    let delonly = es.entries(EVERYTHING).filter(|(_, entry)| entry.status.is_delonly());
    let clusters = delonly.flat_map(|(blocks, _)| blocks.lo / ratio..blocks.hi.div_ceil(ratio));
    let clusters: BTreeSet<u32> = clusters.collect();
    let around = |cluster: &u32| Blocks::one(cluster * ratio).clusters_around(ratio);
    let bare = clusters.iter().filter(|cluster| tree.extents(around(cluster)).next().is_none());
    u32::try_from(bare.count()).expect("files of the model are small")
}

impl<R: Runtime> Ext4<R> {
    fn books_of(&self, tree: &ExtentTree, es: &EsTree, sb: &Super) -> Books {
        let counts = Books {
            space: sb.space,
            delayed: delayed_clusters(tree, es, self.ratio),
            allocated: tree.allocated_clusters(self.ratio),
            total: sb.bitmap.total(),
            free: sb.bitmap.free(),
            ..Books::default()
        };
        with_places(counts, tree, es, |pblk| sb.bitmap.is_free(Pblk(pblk / self.ratio)))
    }
}

/// The books with the places at which trees and bitmap contradict each other.
fn with_places(
    mut books: Books,
    tree: &ExtentTree,
    es: &EsTree,
    is_free: impl Fn(u32) -> bool,
) -> Books {
    for (blocks, entry) in es.entries(EVERYTHING) {
        let on_disk = tree.extents(blocks).next();
        match entry.status {
            EsStatus::Delayed => {
                books.delayed_over_allocated =
                    books.delayed_over_allocated.or(on_disk.map(|(b, _)| b.lo));
            }
            EsStatus::Hole => books.es_differs = books.es_differs.or(on_disk.map(|(b, _)| b.lo)),
            EsStatus::Unwritten { .. } | EsStatus::Written | EsStatus::WrittenDelayed => {
                books.es_differs = books.es_differs.or(first_difference(tree, blocks, entry));
            }
        }
    }
    let mut owners: Vec<(Pblk, u32)> =
        tree.extents(EVERYTHING).map(|(blocks, extent)| (extent.pblk, blocks.len())).collect();
    owners.sort_unstable();
    let overlap = owners.windows(2).find(|w| w[0].0.0 + w[0].1 > w[1].0.0).map(|w| w[1].0);
    let mut owned = owners.iter().flat_map(|(p, n)| p.0..p.0 + n);
    books.block_twice = overlap.or_else(|| owned.find(|p| is_free(*p)).map(Pblk));
    books
}

fn first_difference(tree: &ExtentTree, blocks: Blocks, entry: EsEntry) -> Option<u32> {
    use maprace_extent::Value;
    blocks.iter().find(|lblk| {
        let cached = entry.at(u64::from(lblk - blocks.lo));
        let on_disk = tree.lookup(Blocks::one(*lblk)).map(|(_, extent)| extent);
        let unwritten = matches!(cached.status, EsStatus::Unwritten { .. });
        on_disk.map(|e| (Some(e.pblk), e.unwritten)) != Some((cached.pblk, unwritten))
    })
}

/// Makes ext4 in any world.
#[derive(Clone, Copy, Default, Debug)]
pub struct Ext4Kind;

impl Ext4Kind {
    /// The most blocks a scenario's file may have: footprints have an end.
    pub const BLOCKS_MOST: u32 = 1 << 24;
}

impl LayerKind for Ext4Kind {
    type In<R: Runtime> = Ext4<R>;
    fn build<R: Runtime>(&self, rt: &R, setup: &Setup, log: &Arc<Log>) -> Ext4<R> {
        Ext4::new(rt, setup, log.clone())
    }
}
