//! buffer_head order: for each folio lock it, then map it, then copy.
//!
//! Read beside `iomap.rs`: the difference is the point. Here the folio lock spans look-up and insertion,
//! one block at a time, so two users of one folio never map it at once.

use crate::folio::{Buffer, FolioRef};
use crate::inode::{Inode, Part, Write};
use crate::layer::Layer;
use crate::{Errno, Status};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `ext4_buffered_write_iter` and `generic_perform_write`, v6.8. Without delayed allocation the
/// transaction starts before the folio is locked.
///
/// # Divergence from Linux
/// A write past the end of the file that fails keeps what it has reserved there; the kernel gives it back
/// (`ext4_truncate_failed_write`).
pub(crate) async fn buffered_write<L: Layer>(inode: &Inode<L>, write: Write) -> Result<(), Errno> {
    let _i_rwsem = inode.i_rwsem.down_write().await;
    let write = write.on(inode.i_size());
    for part in inode.parts(write.lo, write.hi) {
        let delalloc = inode.delalloc_now().await;
        let handle = if delalloc { None } else { Some(inode.journal.start().await) };
        let folio = inode.mapping.lock_folio(part.index).await;
        let name = if delalloc { "ext4_da_write_begin" } else { "ext4_write_begin" };
        let begun = inode.rt.call(name, write_begin(inode, &folio, part, delalloc)).await;
        let copied = if begun.is_ok() { write.copied(part) } else { None };
        if let Some(copied) = copied {
            inode.copy_in(&folio, &write, copied).await;
        }
        let end = copied.map_or(part.lo, |copied| copied.hi);
        if end < part.hi {
            inode.leave_reserved(inode.geometry.blocks_of(end, part.hi)).await;
        }
        inode.end_write(&folio).await;
        drop(handle);
        begun?;
        inode.isize_extended(&write, part).await;
        if end < part.hi {
            return write.short(end);
        }
    }
    Ok(())
}

/// `ext4_da_write_begin` and `__block_write_begin_int`, on the locked folio: maps each touched block
/// that is not mapped, and fills what the write leaves of it.
async fn write_begin<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    part: Part,
    delalloc: bool,
) -> Result<(), Errno> {
    for lblk in inode.geometry.blocks_of(part.lo, part.hi).iter() {
        let buffer = get_block(inode, folio, lblk, delalloc).await?;
        let whole = inode.geometry.whole_blocks_of(part.lo, part.hi).contains(lblk);
        if whole || folio.with(|state| state.block(lblk).uptodate) {
            continue;
        }
        let on_medium = match buffer {
            Buffer::Mapped(pblk) => Some(pblk),
            Buffer::None | Buffer::Delay | Buffer::Unwritten(_) => None,
        };
        inode.fill_from(folio, lblk, on_medium).await;
    }
    Ok(())
}

/// `ext4_da_get_block_prep`, or without delayed allocation `ext4_get_block_unwritten`, for a buffer that
/// may be mapped already.
async fn get_block<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    lblk: u32,
    delalloc: bool,
) -> Result<Buffer, Errno> {
    let buffer = folio.with(|state| state.block(lblk).buffer);
    if buffer != Buffer::None {
        return Ok(buffer);
    }
    let want = Blocks::one(lblk);
    let map = match delalloc {
        true => inode.layer.map_for_write(want).await?,
        false => inode.layer.allocate(want).await?,
    };
    let map = map.assert_answers(want);
    assert_ne!(map.status, Status::Hole, "a block is mapped for a write");
    let buffer = Buffer::of(&map, lblk);
    folio.with(|state| state.block(lblk).buffer = buffer);
    Ok(buffer)
}

/// `block_page_mkwrite`: maps each unmapped buffer of the locked folio inside the file.
pub(crate) async fn page_mkwrite<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    blocks: Blocks,
    delalloc: bool,
) -> Result<(), Errno> {
    for lblk in blocks.iter() {
        get_block(inode, folio, lblk, delalloc).await?;
    }
    Ok(())
}
