//! `/sys/fs/ext4/DEV/delayed_allocation_blocks` is 0 once everything is written and nothing moves, but for
//! what a short write in buffer_head order has left reserved.

use super::{Broken, Checker, Idle};
use crate::layer::Layer;
use std::collections::BTreeSet;

pub(super) fn check<L: Layer>(idle: &Idle<'_, L>) -> Option<Broken> {
    let Idle { inode, books, dirty } = idle;
    if !dirty.is_empty() {
        return None;
    }
    let ratio = inode.geometry.cluster_blocks;
    let left = |lblk: &u32| inode.is_left_reserved(*lblk) && inode.layer.is_reserved(*lblk);
    let blocks = inode.geometry.blocks_of(0, inode.far_pos()).iter();
    let left: BTreeSet<u32> = blocks.filter(left).map(|lblk| lblk / ratio).collect();
    let most = i64::try_from(left.len()).unwrap_or(i64::MAX);
    let found = books.space.dirty;
    (found < 0 || found > most).then(|| Broken::of(Checker::DirtyCounterAfterSync, found, most))
}
