//! How a write travels: inode, page cache, page tables, the two orders of mapping, and the layer below.
//!
//! One file, written once over a [`maprace_runtime::Runtime`] and run in every world. Names are Linux's;
//! the doc of each function names the one it follows. Here is no driver, no explorer, no log line.

mod cache;
mod device;
mod errno;
mod folio;
mod inode;
mod journal;
mod knobs;
mod ops;
mod setup;

mod buffer_head;
mod collapse;
mod direct;
mod drop_cache;
mod evict;
mod fallocate;
mod fault;
mod fiemap;
mod fsync;
mod io_end;
mod iomap;
mod isize;
mod punch;
mod read;
mod reclaim;
mod serve;
mod truncate;
mod writeback;
mod zero_range;

pub mod check;
pub mod ext4;
pub mod layer;
pub mod places;
pub mod protocol;
pub mod window;

pub use cache::Cached;
pub use check::{Books, Broken, Checker, Log};
pub use errno::Errno;
pub use inode::Inode;
pub use journal::Handle;
pub use knobs::{
    Accounting, Cookie, DelallocRelease, Flush, Insert, KnobError, Knobs, OF_IOMAP, Order, Switch,
    ZeroRange,
};
pub use layer::{Layer, LayerKind, Mapping, Removal, Status};
/// A range of logical blocks; also what a layer of one's own is written with.
pub use maprace_extent::Blocks;
/// Bytes, for whoever has real ones.
pub use maprace_extent::{Content, Origin};
pub use ops::{Op, Request, settle};
pub use protocol::Protocol;
pub use setup::{EsAtStart, FileAtStart, Geometry, Planted, Setup, Under};
