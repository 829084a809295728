//! A folio is modified under a mapping only if the mapping still is what the layer says: asked where
//! the cookie has just been found right, so a break means that something changed undated.

use super::{Broken, Checker};
use crate::Status;
use crate::layer::{Layer, Mapping};
use maprace_extent::Blocks;

pub(crate) fn mapping_is_current<L: Layer>(
    layer: &L,
    map: &Mapping,
    blocks: Blocks,
) -> Option<Broken> {
    // Somebody inside the layer has not finished, nor dated, what he changes.
    if !layer.is_settled() {
        return None;
    }
    let differs = |lblk: &u32| {
        let now = layer.place_of(*lblk);
        match map.status {
            Status::Hole => now.is_some(),
            Status::Delalloc => !layer.is_reserved(*lblk),
            Status::Unwritten => now != map.pblk_of(*lblk).map(|pblk| (pblk, false)),
            Status::Mapped => now != map.pblk_of(*lblk).map(|pblk| (pblk, true)),
        }
    };
    blocks.iter().find(differs).map(|lblk| Broken::at(Checker::MappingIsCurrent, lblk))
}
