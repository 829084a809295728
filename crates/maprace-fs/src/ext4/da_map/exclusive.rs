//! Look-up and insertion in one exclusive hold of `i_data_sem`: no window, and every look-up pays.

use crate::ext4::{Ext4, Found};
use crate::{Errno, Mapping};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `ext4_da_map_blocks` as no release has it: the alternative that the fix was measured against.
pub(crate) async fn da_map_blocks<R: Runtime>(
    ext4: &Ext4<R>,
    want: Blocks,
) -> Result<Mapping, Errno> {
    let tree = ext4.i_data_sem.down_write().await;
    let mut found = ext4.es_lookup(want).await;
    if found == Found::Miss {
        found = ext4.map_query_blocks(&tree, want).await;
    }
    match found {
        Found::Known(map) => Ok(map),
        Found::Hole(hole) => ext4.insert_delayed_blocks(&tree, hole).await,
        Found::Miss => unreachable!("a query finds an extent or a hole"),
    }
}
