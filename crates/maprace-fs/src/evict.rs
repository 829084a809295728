//! The end of the inode, after all others are done with it.

use crate::Errno;
use crate::check::reserved_at_evict;
use crate::inode::Inode;
use crate::layer::Layer;
use maprace_runtime::Runtime;
use std::sync::Arc;

impl<L: Layer> Inode<L> {
    /// `iput_final` and `ext4_evict_inode`, v6.8: writes what is dirty, drops the page cache, clears the
    /// status tree, and reports what is still reserved.
    pub(crate) async fn evict(self: &Arc<Self>) -> Result<(), Errno> {
        if !self.dirty_blocks().is_empty() {
            self.fsync().await?;
        }
        let at = self.all_folios();
        let drop_cache = async {
            for folio in self.mapping.folios(at).await {
                let here = self.mapping.lock(&folio, || maprace_runtime::Foot::NONE).await;
                if here {
                    self.remove_folio(&folio).await;
                } else {
                    self.mapping.unlock_and_put(&folio).await;
                }
            }
        };
        self.rt.call("truncate_inode_pages_final", drop_cache).await;
        let reserved = self.layer.evict().await;
        if let Some(broken) = reserved_at_evict(reserved) {
            self.log.broken(broken);
        }
        Ok(())
    }
}
