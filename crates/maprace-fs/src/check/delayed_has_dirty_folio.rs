//! Over a delayed block lies a dirty folio, or nothing would ever allocate it. One exception: a short
//! write in buffer_head order leaves what it reserved until somebody writes there or the inode goes.

use super::{Broken, Checker, Idle};
use crate::layer::Layer;

pub(super) fn check<L: Layer>(idle: &Idle<'_, L>) -> Option<Broken> {
    let Idle { inode, books, dirty } = idle;
    if books.delayed == 0 {
        return None;
    }
    let blocks = inode.geometry.blocks_of(0, inode.far_pos()).iter();
    let forgotten = |lblk: &u32| {
        let dirty = dirty.binary_search(lblk).is_ok() || inode.is_left_reserved(*lblk);
        inode.layer.is_reserved(*lblk) && !dirty
    };
    let mut blocks = blocks;
    blocks.find(forgotten).map(|lblk| Broken::at(Checker::DelayedHasDirtyFolio, lblk))
}
