//! Where a file's bytes live: extent status tree, on-disk extent tree, allocator, space counters, and
//! what the bytes are.
//!
//! Pure data: no clock, no `async`, no lock. Who may touch what, and when, is the file system's affair.

#![deny(missing_docs)]

mod alloc;
mod blocks;
mod counters;
mod es;
mod payload;
mod runs;
mod tree;

pub use alloc::{Allocator, NoSpace};
pub use blocks::{Blocks, Lblk, Pblk};
pub use counters::{Released, Space};
pub use es::{EsEntry, EsStatus, EsTree};
pub use payload::{Content, Origin};
pub use runs::{Run, RunMap, Value};
pub use tree::{Extent, ExtentTree};
