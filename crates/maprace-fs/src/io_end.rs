//! I/O end: the data is on the medium; what is unwritten is converted; the writeback bits go out.

use crate::check::{Broken, Checker};
use crate::device::Segments;
use crate::folio::FolioRef;
use crate::inode::Inode;
use crate::layer::Layer;
use crate::setup::Planted;
use maprace_extent::Blocks;
use maprace_runtime::Runtime;

/// `ext4_io_end_t` with its bio.
pub(crate) struct IoEnd<R: Runtime> {
    pub(crate) folios: Vec<FolioRef<R>>,
    pub(crate) segments: Segments,
    /// What has to be converted.
    pub(crate) unwritten: Vec<Blocks>,
}

impl<R: Runtime> Default for IoEnd<R> {
    fn default() -> Self {
        IoEnd { folios: Vec::new(), segments: Segments::default(), unwritten: Vec::new() }
    }
}

impl<L: Layer> Inode<L> {
    /// `ext4_end_bio`, `ext4_end_io_end`, `ext4_release_io_end`, v6.8: the writeback bits cover the
    /// conversion.
    pub(crate) async fn end_io(&self, io: IoEnd<L::Rt>) {
        if self.has(Planted::WritebackEndsEarly) {
            self.end_writeback(&io, Converted::No).await;
        }
        let early = self.has(Planted::ConvertBeforeData);
        if !early {
            self.device.write(&io.segments.0).await;
        }
        for blocks in merged(&io.unwritten) {
            if early {
                self.log.broken(Broken::at(Checker::WrittenAfterData, blocks.lo));
            }
            let _handle = self.journal.start_reserved().await;
            self.layer.convert(blocks).await;
        }
        if early {
            self.device.write(&io.segments.0).await;
        }
        let end =
            io.segments.0.iter().map(|(_, pos, _)| pos + u64::from(self.geometry.block)).max();
        if let Some(end) = end.filter(|end| *end > self.size_at_start) {
            self.update_disksize(end).await;
        }
        if !self.has(Planted::WritebackEndsEarly) {
            self.end_writeback(&io, Converted::All).await;
        }
    }

    /// `folio_end_writeback` of every folio.
    async fn end_writeback(&self, io: &IoEnd<L::Rt>, converted: Converted) {
        if let (Converted::No, Some(blocks)) = (converted, io.unwritten.first()) {
            self.log.broken(Broken::at(Checker::WritebackCoversConversion, blocks.lo));
        }
        for folio in &io.folios {
            self.mapping.end_writeback(folio).await;
        }
    }
}

/// What has become of the unwritten blocks of an I/O.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Converted {
    /// Nothing yet.
    No,
    /// They are written.
    All,
}

/// Adjacent ranges as one.
fn merged(ranges: &[Blocks]) -> Vec<Blocks> {
    let mut all: Vec<Blocks> = Vec::new();
    for blocks in ranges {
        match all.last_mut() {
            Some(last) if last.hi == blocks.lo => last.hi = blocks.hi,
            _ => all.push(*blocks),
        }
    }
    all
}
