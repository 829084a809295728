//! Over a delayed block lies a dirty folio, or nothing would ever allocate it.

use super::{Books, Broken, Checker};
use crate::Inode;
use crate::layer::Layer;

pub(super) fn check<L: Layer>(books: &Books, inode: &Inode<L>, dirty: &[u32]) -> Option<Broken> {
    if books.delayed == 0 {
        return None;
    }
    let blocks = inode.geometry.blocks_of(0, inode.size_now()).iter();
    let forgotten =
        |lblk: &u32| inode.layer.is_reserved(*lblk) && dirty.binary_search(lblk).is_err();
    let mut blocks = blocks;
    blocks.find(forgotten).map(|lblk| Broken::at(Checker::DelayedHasDirtyFolio, lblk))
}
