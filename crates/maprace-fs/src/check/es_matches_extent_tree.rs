//! What the status tree caches of allocation is what the extent tree has; a HOLE has nothing on disk.
//! The kernel's own twin is `ES_AGGRESSIVE_TEST`.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    books.es_differs.map(|lblk| Broken::at(Checker::EsMatchesExtentTree, lblk))
}
