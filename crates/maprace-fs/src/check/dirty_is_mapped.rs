//! Under a dirty block something is reserved or allocated, or writeback would have nowhere to go.

use super::{Broken, Checker, Idle};
use crate::layer::Layer;

pub(super) fn check<L: Layer>(idle: &Idle<'_, L>) -> Option<Broken> {
    let Idle { inode, dirty, .. } = idle;
    let homeless =
        |lblk: &&u32| inode.layer.place_of(**lblk).is_none() && !inode.layer.is_reserved(**lblk);
    dirty.iter().find(homeless).map(|lblk| Broken::at(Checker::DirtyIsMapped, *lblk))
}
