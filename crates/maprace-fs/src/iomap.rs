//! iomap order: map as far as the layer gives, then for each folio lock it, ask whether the mapping
//! still holds, and copy; give back what was reserved and not used.
//!
//! Read beside `buffer_head.rs`: the difference is the point. Here nothing but the layer's own locks
//! keeps a fault out between look-up and insertion, and the mapping ages while folios are locked.
//!
//! # Divergence from Linux
//! No release has ext4 in this order; it follows the posted series: several blocks are inserted at once
//! under every protocol, and a delayed mapping that reserved something is `IOMAP_F_NEW` (a knob).

use crate::cache::Place;
use crate::folio::FolioRef;
use crate::inode::{Inode, Part};
use crate::layer::{Layer, Mapping};
use crate::{Cookie, Errno, Status};
use maprace_extent::Blocks;
use maprace_runtime::{Effect, Runtime, RwSem, Step};

static SEEK: Step = Step::new("mapping_seek_hole_data");

/// `iomap_file_buffered_write`: maps, writes folio after folio, maps the rest again if it went stale.
pub(crate) async fn buffered_write<L: Layer>(
    inode: &Inode<L>,
    id: u32,
    lo: u64,
    hi: u64,
) -> Result<(), Errno> {
    let _i_rwsem = inode.i_rwsem.down_write().await;
    let mut pos = lo;
    while pos < hi {
        let want = inode.geometry.blocks_of(pos, hi);
        let begin = inode.layer.map_for_write(want);
        let map = inode.rt.call("iomap_begin", begin).await?.assert_answers(want);
        assert_ne!(map.status, Status::Hole, "blocks are mapped for a write");
        let end = hi.min(inode.geometry.bytes_of(map.blocks).1);
        for part in inode.parts(pos, end) {
            let folio = inode.mapping.lock_folio(part.index).await;
            if !iomap_valid(inode, &map).await {
                inode.end_write(&folio).await;
                break;
            }
            write_begin(inode, &folio, part, &map).await;
            inode.copy_in(&folio, id, lo, part).await;
            inode.end_write(&folio).await;
            pos = part.hi;
        }
        inode.rt.call("iomap_end", iomap_end(inode, &map, pos)).await;
    }
    Ok(())
}

/// `iomap_valid`, under the folio lock.
async fn iomap_valid<L: Layer>(inode: &Inode<L>, map: &Mapping) -> bool {
    if inode.knobs.cookie == Cookie::Off {
        return true;
    }
    let valid = inode.layer.sequence().await == map.cookie;
    inode.rt.saw(|| (if valid { "valid" } else { "IOMAP_F_STALE" }).to_string());
    valid
}

/// `__iomap_write_begin`, on the locked folio: fills what the write leaves of each touched block, as
/// the mapping says, however old it is.
async fn write_begin<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    part: Part,
    map: &Mapping,
) {
    for lblk in inode.geometry.blocks_of(part.lo, part.hi).iter() {
        let whole = inode.geometry.whole_blocks_of(part.lo, part.hi).contains(lblk);
        if whole || folio.with(|state| state.block(lblk).uptodate) {
            continue;
        }
        let reads = map.status == Status::Mapped && !map.new;
        inode.fill_from(folio, lblk, map.pblk_of(lblk).filter(|_| reads)).await;
    }
}

/// `iomap_end` of a write, with `iomap_write_delalloc_release`: what the mapping reserved past `pos`
/// goes back, but for blocks that somebody has dirtied meanwhile.
async fn iomap_end<L: Layer>(inode: &Inode<L>, map: &Mapping, pos: u64) {
    let unused = map.blocks.within(inode.geometry.blocks_of(pos, u64::from(u32::MAX)));
    let (first, _) = inode.geometry.bytes_of(unused);
    let unused = if first < pos { Blocks::new(unused.lo + 1, unused.hi) } else { unused };
    if map.status != Status::Delalloc || !map.new || unused.is_empty() {
        return;
    }
    let _invalidate = inode.mapping.invalidate_lock.down_write().await;
    let mut kept = dirty_in(inode, unused).await;
    kept.push(unused.hi);
    let mut lo = unused.lo;
    for dirty in kept {
        let clean = Blocks::new(lo, dirty);
        if !clean.is_empty() {
            inode.layer.punch_delalloc(clean).await;
        }
        lo = dirty + 1;
    }
}

/// `mapping_seek_hole_data` over the page cache: the dirty blocks among `blocks`.
async fn dirty_in<L: Layer>(inode: &Inode<L>, blocks: Blocks) -> Vec<u32> {
    let at = inode.geometry.folios_of(blocks);
    let foot = || {
        let tags = inode.mapping.touch(Place::Tag, at.clone(), Effect::Read);
        tags.and(inode.mapping.touch(Place::Slot, at.clone(), Effect::Read))
    };
    inode
        .mapping
        .step(&SEEK, foot, |pages| {
            let folios: Vec<_> = at.clone().filter_map(|i| pages.folio(i)).collect();
            let dirty = folios.iter().flat_map(|folio| folio.with(|state| state.dirty()));
            dirty.filter(|lblk| blocks.contains(*lblk)).collect()
        })
        .await
}

/// `iomap_page_mkwrite`: the folio is locked first in this order too; maps all of it inside the file.
pub(crate) async fn page_mkwrite<L: Layer>(inode: &Inode<L>, blocks: Blocks) -> Result<(), Errno> {
    let mut rest = blocks;
    while !rest.is_empty() {
        let begin = inode.layer.map_for_write(rest);
        let map = inode.rt.call("iomap_begin", begin).await?.assert_answers(rest);
        assert_ne!(map.status, Status::Hole, "blocks are mapped for a fault");
        rest.lo = map.blocks.hi;
    }
    Ok(())
}
