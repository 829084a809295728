//! Short words: what the kernel calls an operation, and where it works.

use crate::range::{BlockRange, ByteRange};
use maprace_fs::{Geometry, Op, Order, Request};

/// What the kernel calls the way an operation takes: the head of its column.
pub fn operation(op: Op, order: Order, layer: &str) -> &'static str {
    match (op, order) {
        (Op::Write, Order::Iomap) => "iomap_file_buffered_write",
        (Op::Write, Order::BufferHead) if layer == "ext4" => "ext4_buffered_write_iter",
        _ => op.head(),
    }
}

/// The call that an operation's head stands for, so that it is not said twice.
pub(super) fn call_of(op: Op) -> Option<&'static str> {
    match op {
        Op::MmapWrite => Some("ext4_page_mkwrite"),
        Op::Writeback => Some("ext4_do_writepages"),
        _ => None,
    }
}

/// The range of an operation, as a scenario has it: in blocks where it fills them.
pub(super) fn range(request: &Request, geometry: Geometry) -> String {
    let block = u64::from(geometry.block);
    let (pos, len) = (request.pos, request.len);
    if request.op == Op::Truncate {
        return pos.to_string();
    }
    if pos % block == 0 && len % block == 0 {
        return BlockRange { start: pos / block, end: (pos + len) / block }.to_string();
    }
    ByteRange { pos, len }.to_string()
}
