//! A delayed block has nothing allocated. An unwritten extent tagged delayed, legal up to v6.11, is
//! allocated and not counted as delayed.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    books.delayed_over_allocated.map(|lblk| Broken::at(Checker::DelayedNotAllocated, lblk))
}
