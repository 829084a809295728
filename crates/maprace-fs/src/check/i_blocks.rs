//! `i_blocks`, which `stat` shows, is what is allocated.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    let (found, expected) = (books.space.i_blocks, i64::from(books.allocated));
    (found != expected).then(|| Broken::of(Checker::IBlocks, found, expected))
}
