//! v5.10 to v6.7: inserted under `i_data_sem` shared, after a look-up without it.

use crate::ext4::{Ext4, Found};
use crate::{Errno, Mapping};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `ext4_da_map_blocks`, `fs/ext4/inode.c`, v5.10.
///
/// # Divergence from Linux
/// It maps and inserts as many blocks as `want` has, where v5.10 knows one: iomap order needs more, and
/// buffer_head order asks for one.
pub(crate) async fn da_map_blocks<R: Runtime>(
    ext4: &Ext4<R>,
    want: Blocks,
) -> Result<Mapping, Errno> {
    match ext4.es_lookup(want).await {
        Found::Hole(hole) => {
            let tree = ext4.i_data_sem.down_read().await;
            ext4.insert_delayed_blocks(&tree, hole).await
        }
        Found::Known(map) => Ok(map),
        Found::Miss => {
            let tree = ext4.i_data_sem.down_read().await;
            match ext4.map_query_blocks(&tree, want).await {
                Found::Hole(hole) => ext4.insert_delayed_blocks(&tree, hole).await,
                Found::Known(map) => Ok(map),
                Found::Miss => unreachable!("a query finds an extent or a hole"),
            }
        }
    }
}
