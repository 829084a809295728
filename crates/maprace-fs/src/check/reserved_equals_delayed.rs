//! `i_reserved_data_blocks` is the number of delayed blocks: W1 breaks it at the second insertion, W3
//! when the HOLE lands, W2 only when writeback maps the block.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    let (reserved, delayed) = (books.space.reserved, books.delayed);
    (reserved != delayed).then(|| Broken::of(Checker::ReservedEqualsDelayed, reserved, delayed))
}
