//! No physical block belongs to two logical ones or is free as well, and free plus allocated is all.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    if let Some(pblk) = books.block_twice {
        return Some(Broken::at(Checker::NoBlockTwice, pblk.0));
    }
    let sum = books.free + books.allocated;
    let counted = books.space.free == i64::from(books.free);
    (sum != books.total || !counted).then(|| Broken::of(Checker::NoBlockTwice, sum, books.total))
}

/// In the words of a diagram.
pub(super) fn words(broken: &Broken) -> String {
    match broken.values {
        Some((found, total)) => format!("{found} blocks owned or free, there are {total}"),
        None => format!("block {} of the medium used twice", broken.at_place()),
    }
}
