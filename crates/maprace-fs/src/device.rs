//! The medium under the file: what its bytes are, and how long it takes.

use crate::places::Kind;
use maprace_extent::{Content, Origin, Pblk};
use maprace_media::{Medium, Request};
use maprace_runtime::{Effect, Foot, Runtime, Spin, Step};
use std::hash::Hash;
use std::sync::Arc;

static READ: Step = Step::new("submit_bio(REQ_OP_READ)");
static WRITE: Step = Step::new("bio_endio(REQ_OP_WRITE)");

/// A medium with content.
pub(crate) struct Device<R: Runtime> {
    rt: R,
    block: u64,
    medium: Arc<dyn Medium>,
    bytes: R::Spin<Content>,
}

impl<R: Runtime> Device<R> {
    /// `blocks` blocks that hold what a previous owner left.
    pub(crate) fn new(rt: &R, block: u32, blocks: u32, medium: Arc<dyn Medium>) -> Device<R> {
        let block = u64::from(block);
        let bytes = Content::of(0, block * u64::from(blocks), Origin::Foreign { pos: 0 });
        let bytes = Spin::new(rt, Kind::Medium.key(), bytes);
        Device { rt: rt.clone(), block, medium, bytes }
    }

    fn span(&self, pblk: Pblk) -> (u64, u64) {
        let pos = u64::from(pblk.0) * self.block;
        (pos, pos + self.block)
    }

    /// Reads block `pblk` for the block of the file that starts at byte `pos`.
    pub(crate) async fn read(&self, pblk: Pblk, pos: u64) -> Content {
        let (lo, hi) = self.span(pblk);
        let request = Request::Read { pos: lo, len: self.block };
        let done = |now| self.medium.serve(request, now).done_ns;
        let foot = || Foot::at(self.bytes.object(), lo, hi, Effect::Read);
        self.rt.io(&READ, foot, done, || self.peek(pblk, pos)).await
    }

    /// The same, for checkers; not a step.
    pub(crate) fn peek(&self, pblk: Pblk, pos: u64) -> Content {
        let mut content = Content::default();
        self.bytes.peek(|bytes| content.copy(pos, bytes, self.span(pblk).0, self.block));
        content
    }

    /// `blkdev_issue_discard`: what the blocks hold is anybody's guess again. Inside a section of whoever
    /// knows that they belong to nobody.
    pub(crate) fn discard(&self, pblk: Pblk, len: u32) {
        let (lo, hi) = (self.span(pblk).0, self.span(Pblk(pblk.0 + len)).0);
        self.bytes.nested(|bytes| bytes.set(lo, hi, Origin::Foreign { pos: lo }));
    }

    /// How many bytes are kept for real.
    pub(crate) fn kept(&self) -> u64 {
        self.bytes.peek(Content::kept)
    }

    /// Writes blocks; complete when it returns.
    pub(crate) async fn write(&self, blocks: &[(Pblk, u64, Content)]) {
        self.write_with(blocks, Foot::NONE, || ()).await;
    }

    /// The same, and in the step in which they are on the medium `also`, which touches `foot`.
    pub(crate) async fn write_with(
        &self,
        blocks: &[(Pblk, u64, Content)],
        touches: Foot,
        also: impl FnOnce(),
    ) {
        let ends = |(lo, hi): (u64, u64), (pblk, ..): &(Pblk, u64, Content)| {
            let (from, to) = self.span(*pblk);
            (lo.min(from), hi.max(to))
        };
        let (lo, hi) = blocks.iter().fold((u64::MAX, 0), ends);
        let foot = || Foot::at(self.bytes.object(), lo, hi, Effect::Write).and(touches);
        let len = self.block * blocks.len() as u64;
        let pos = blocks.first().map_or(0, |(pblk, ..)| self.span(*pblk).0);
        let done = |now| self.medium.serve(Request::Write { pos, len }, now).done_ns;
        let put = || {
            blocks.iter().for_each(|b| self.put(b));
            also();
        };
        self.rt.io(&WRITE, foot, done, put).await;
    }

    /// Puts one block there, inside a step or before any.
    pub(crate) fn put(&self, (pblk, pos, content): &(Pblk, u64, Content)) {
        let to = self.span(*pblk).0;
        self.bytes.nested(|bytes| bytes.copy(to, content, *pos, self.block));
    }
}

/// Hashable, since it is what an I/O carries.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Segments(pub(crate) Vec<(Pblk, u64, Content)>);
