//! At evict nothing is reserved any more: the kernel prints `i_reserved_data_blocks (n) not cleared!`.

use super::{Broken, Checker};

pub(crate) fn reserved_at_evict(reserved: u32) -> Option<Broken> {
    (reserved != 0).then(|| Broken::of(Checker::ReservedAtEvict, reserved, 0))
}
