//! ENOSPC while blocks are free that are promised to nobody: what a leaked reservation does to a user.
//!
//! Asked after an operation has returned ENOSPC and nothing is in flight.

use super::{Broken, Checker};
use crate::Inode;
use crate::layer::Layer;

/// What is wrong with an ENOSPC that was returned just now.
pub fn enospc_with_space_free<L: Layer>(inode: &Inode<L>) -> Option<Broken> {
    let books = inode.layer().books()?;
    let (promised, delayed) = (books.space.dirty, i64::from(books.delayed));
    let spare = books.space.free - delayed;
    let lost = promised > delayed && spare > 0;
    lost.then(|| Broken::of(Checker::EnospcWithSpaceFree, spare, 0))
}
