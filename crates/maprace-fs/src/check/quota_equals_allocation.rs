//! Quota used is what is allocated, quota reserved is what is reserved.

use super::{Books, Broken, Checker};

pub(super) fn check(books: &Books) -> Option<Broken> {
    let (space, allocated) = (&books.space, i64::from(books.allocated));
    let broken =
        |found, expected| Some(Broken::of(Checker::QuotaEqualsAllocation, found, expected));
    if space.quota_used != allocated {
        return broken(space.quota_used, allocated);
    }
    let reserved = i64::from(space.reserved);
    if space.quota_reserved != reserved { broken(space.quota_reserved, reserved) } else { None }
}
