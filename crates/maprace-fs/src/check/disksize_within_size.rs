//! `i_disksize`, which a crash would leave as the size, is never past `i_size`.

use super::{Broken, Checker, Idle};
use crate::layer::Layer;

pub(super) fn check<L: Layer>(idle: &Idle<'_, L>) -> Option<Broken> {
    let (disk, size) = idle.inode.sizes_now();
    let fit = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    (disk > size).then(|| Broken::of(Checker::DisksizeWithinSize, fit(disk), fit(size)))
}
