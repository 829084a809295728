//! v6.11: the extent status is looked up again under `i_data_sem` before inserting.

use crate::ext4::{Ext4, Found};
use crate::{Errno, Mapping};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `ext4_da_map_blocks`, `fs/ext4/inode.c`, v6.11 (0ea6560abb3b).
pub(crate) async fn da_map_blocks<R: Runtime>(
    ext4: &Ext4<R>,
    want: Blocks,
) -> Result<Mapping, Errno> {
    let mut found = ext4.es_lookup(want).await;
    if found == Found::Miss {
        let tree = ext4.i_data_sem.down_read().await;
        found = ext4.map_query_blocks(&tree, want).await;
    }
    let hole = match found {
        Found::Known(map) => return Ok(map),
        Found::Hole(hole) => hole,
        Found::Miss => unreachable!("a query finds an extent or a hole"),
    };
    let tree = ext4.i_data_sem.down_write().await;
    let mut found = ext4.es_lookup(hole).await;
    if found == Found::Miss {
        found = ext4.map_query_blocks(&tree, hole).await;
    }
    match found {
        Found::Known(map) => Ok(map),
        Found::Hole(hole) => ext4.insert_delayed_blocks(&tree, hole).await,
        Found::Miss => unreachable!("a query finds an extent or a hole"),
    }
}
