//! Under a dirty block something is reserved or allocated, or writeback would have nowhere to go.

use super::{Broken, Checker};
use crate::Inode;
use crate::layer::Layer;

pub(super) fn check<L: Layer>(inode: &Inode<L>, dirty: &[u32]) -> Option<Broken> {
    let homeless =
        |lblk: &&u32| inode.layer.place_of(**lblk).is_none() && !inode.layer.is_reserved(**lblk);
    dirty.iter().find(homeless).map(|lblk| Broken::at(Checker::DirtyIsMapped, *lblk))
}
