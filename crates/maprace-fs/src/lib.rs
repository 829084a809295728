//! How a write travels: inode, page cache, page tables, the two orders of mapping, and the layer below.
//!
//! One file, written once over a [`maprace_runtime::Runtime`] and run in every world. Names are Linux's;
//! the doc of each function names the one it follows. Here is no driver, no explorer, no log line.

mod cache;
mod device;
mod errno;
mod folio;
mod inode;
mod knobs;
mod ops;
mod setup;

mod buffer_head;
mod evict;
mod fallocate;
mod fault;
mod fsync;
mod io_end;
mod iomap;
mod punch;
mod read;
mod reclaim;
mod writeback;

pub mod check;
pub mod ext4;
pub mod layer;
pub mod protocol;

pub use check::{Books, Broken, Checker, Log};
pub use errno::Errno;
pub use inode::Inode;
pub use knobs::{Accounting, Cookie, Insert, KnobError, Knobs, Order, Switch, ZeroRange};
pub use layer::{Layer, LayerKind, Mapping, Status};
/// A range of logical blocks; also what a layer of one's own is written with.
pub use maprace_extent::Blocks;
pub use ops::{Op, Request, settle};
pub use protocol::Protocol;
pub use setup::{EsAtStart, FileAtStart, Geometry, Planted, Setup};
