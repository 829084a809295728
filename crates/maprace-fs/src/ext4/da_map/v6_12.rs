//! v6.12: the locks of v6.11; what changed is who releases a reservation.

pub(crate) use super::v6_11::da_map_blocks;
