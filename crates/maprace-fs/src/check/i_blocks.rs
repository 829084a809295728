//! `i_blocks`, which `stat` shows, is what is allocated.

use super::{Broken, Checker, Idle};
use crate::layer::Layer;

pub(super) fn check<L: Layer>(idle: &Idle<'_, L>) -> Option<Broken> {
    let books = idle.books;
    let (found, expected) = (books.space.i_blocks, i64::from(books.allocated));
    (found != expected).then(|| Broken::of(Checker::IBlocks, found, expected))
}

/// In the words of a diagram.
pub(super) fn words(broken: &Broken) -> String {
    let (found, blocks) = (broken.found(), broken.expected());
    let verb = if blocks == 1 { "is" } else { "are" };
    format!("i_blocks is {found}, {blocks} {verb} allocated")
}
