//! v6.8 to v6.10: inserted under `i_data_sem` exclusive, without a second look.

use crate::ext4::{Ext4, Found};
use crate::{Errno, Mapping};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `ext4_da_map_blocks`, `fs/ext4/inode.c`, v6.8 (acf795dc161f).
pub(crate) async fn da_map_blocks<R: Runtime>(
    ext4: &Ext4<R>,
    want: Blocks,
) -> Result<Mapping, Errno> {
    let mut found = ext4.es_lookup(want).await;
    if found == Found::Miss {
        let tree = ext4.i_data_sem.down_read().await;
        found = ext4.map_query_blocks(&tree, want).await;
    }
    match found {
        Found::Known(map) => Ok(map),
        Found::Hole(hole) => {
            let tree = ext4.i_data_sem.down_write().await;
            ext4.insert_delayed_blocks(&tree, hole).await
        }
        Found::Miss => unreachable!("a query finds an extent or a hole"),
    }
}
