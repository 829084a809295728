//! The file system's dirty counter is what its inodes have reserved, here one, and no more is promised
//! than is free.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    let (space, reserved) = (&books.space, i64::from(books.space.reserved));
    let agrees = space.dirty == reserved && space.dirty <= space.free;
    (!agrees).then(|| Broken::of(Checker::DirtyCounterEqualsReserved, space.dirty, reserved))
}
