//! `/sys/fs/ext4/DEV/delayed_allocation_blocks` is 0 once everything is written and nothing moves.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    let found = books.space.dirty;
    (found != 0).then(|| Broken::of(Checker::DirtyCounterAfterSync, found, 0))
}
