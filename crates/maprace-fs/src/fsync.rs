//! `fsync`: everything dirty is written, and waited for.

use crate::Errno;
use crate::inode::Inode;
use crate::layer::Layer;
use crate::writeback::{Sync, writepages};
use maprace_runtime::Runtime;
use std::ops::Range;
use std::sync::Arc;

impl<L: Layer> Inode<L> {
    /// `ext4_sync_file`, v6.8.
    ///
    /// # Divergence from Linux
    /// No transaction is committed and the medium is not flushed: there is no power cut yet to tell the
    /// difference.
    pub(crate) async fn fsync(self: &Arc<Self>) -> Result<(), Errno> {
        self.write_and_wait(self.all_folios()).await;
        Ok(())
    }

    /// `file_write_and_wait_range` over the folios `at`.
    pub(crate) async fn write_and_wait(self: &Arc<Self>, at: Range<u32>) {
        let write_and_wait = async {
            writepages(self, at.clone(), Sync::All).await;
            self.mapping.wait_for_writeback(at.clone()).await;
        };
        self.rt.call("file_write_and_wait_range", write_and_wait).await;
    }
}
