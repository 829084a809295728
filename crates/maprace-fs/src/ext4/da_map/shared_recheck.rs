//! What nobody tried: looked up again, but inserted under `i_data_sem` shared.

use crate::ext4::{Ext4, Found};
use crate::{Errno, Mapping};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `ext4_da_map_blocks` as no release has it: the second look without the exclusive hold.
pub(crate) async fn da_map_blocks<R: Runtime>(
    ext4: &Ext4<R>,
    want: Blocks,
) -> Result<Mapping, Errno> {
    let hole = match ext4.es_lookup(want).await {
        Found::Known(map) => return Ok(map),
        Found::Hole(hole) => hole,
        Found::Miss => want,
    };
    let tree = ext4.i_data_sem.down_read().await;
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
