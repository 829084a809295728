//! `FS_IOC_FIEMAP`: who asks where a file lives, and leaves what he was told in the status tree.

use crate::inode::Inode;
use crate::layer::Layer;
use crate::{Errno, Switch};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

impl<L: Layer> Inode<L> {
    /// `ext4_fiemap`, `iomap_fiemap`, v6.8: under no lock; from v6.16 on `i_rwsem` shared.
    ///
    /// # Divergence from Linux
    /// What is reported is not compared with anything: by the time it is seen it may be out of date.
    pub(crate) async fn fiemap(&self, blocks: Blocks) -> Result<(), Errno> {
        let _i_rwsem = match self.knobs.fiemap_takes_i_rwsem {
            Switch::On => Some(self.i_rwsem.down_read().await),
            Switch::Off => None,
        };
        let mut rest = blocks;
        while !rest.is_empty() {
            let look_up = self.layer.look_up(rest);
            let map = self.rt.call("ext4_iomap_begin_report", look_up).await.assert_answers(rest);
            rest.lo = map.blocks.hi;
        }
        Ok(())
    }
}
