//! A folio is modified under a mapping only if the mapping still is what the layer says: asked where
//! the mapping has just been found valid, at a sequence, so a break means that something changed undated
//! or that what is stale was taken for valid.

use super::{Broken, Checker};
use crate::Status;
use crate::layer::{Layer, Mapping};
use maprace_extent::Blocks;

pub(crate) fn mapping_is_current<L: Layer>(
    layer: &L,
    map: &Mapping,
    sequence: u64,
    blocks: Blocks,
) -> Option<Broken> {
    // Somebody inside the layer has not finished, nor dated, what he changes.
    if !layer.is_settled() {
        return None;
    }
    let differs = |lblk: &u32| {
        let Some(now) = layer.place_if_settled(*lblk) else { return false };
        match map.status {
            Status::Hole => now.is_some(),
            Status::Delalloc => !layer.is_reserved(*lblk),
            Status::Unwritten => now != map.pblk_of(*lblk).map(|pblk| (pblk, false)),
            Status::Mapped => now != map.pblk_of(*lblk).map(|pblk| (pblk, true)),
        }
    };
    let lblk = blocks.iter().find(differs)?;
    // On threads it may have changed since it was found valid: then it is dated by now, or being.
    let is_dated = layer.sequence_now().is_some_and(|now| now != sequence);
    (layer.is_settled() && !is_dated).then(|| Broken::at(Checker::MappingIsCurrent, lblk))
}
