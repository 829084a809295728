//! `ext4_da_map_blocks`, one file an era. The table is in `protocol.rs`.
//!
//! Each maps the first of `want` for a delayed write: what the status tree knows, what the extent tree
//! knows, or a new reservation. They differ in the locks around look-up and insertion, and in nothing
//! else, so read them side by side.

pub(crate) mod exclusive;
pub(crate) mod shared_recheck;
pub(crate) mod v5_10;
pub(crate) mod v6_11;
pub(crate) mod v6_12;
pub(crate) mod v6_8;
