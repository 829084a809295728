//! The space counters: what is free, what is promised, what is charged.
//!
//! Follows `fs/ext4/inode.c` (`ext4_da_reserve_space`, `ext4_da_update_reserve_space`,
//! `ext4_da_release_space`), `fs/ext4/balloc.c` (`ext4_claim_free_clusters`) and the quota calls in
//! them. All counts are in clusters; without bigalloc one cluster is one block.

use crate::NoSpace;

/// What a release did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Released {
    /// As many as asked.
    All,
    /// More were asked for than were reserved: the kernel warns and takes what there is.
    OnlyReserved {
        /// What was asked for.
        asked: u32,
        /// What was reserved.
        reserved: u32,
    },
}

/// The counters of a file system with one inode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Space {
    /// `s_freeclusters_counter`.
    pub free: i64,
    /// `s_dirtyclusters_counter`: promised and not yet allocated.
    pub dirty: i64,
    /// `i_reserved_data_blocks`.
    pub reserved: u32,
    /// Quota charged to the owner.
    pub quota_used: i64,
    /// Quota reserved for the owner.
    pub quota_reserved: i64,
    /// `i_blocks`, in clusters.
    pub i_blocks: i64,
}

impl Space {
    /// `ext4_claim_free_clusters`: promises `n` blocks.
    ///
    /// # Errors
    /// [`NoSpace`] when fewer than `n` are free and not promised.
    fn claim(&mut self, n: u32) -> Result<(), NoSpace> {
        if self.free - self.dirty < i64::from(n) {
            return Err(NoSpace);
        }
        self.dirty += i64::from(n);
        Ok(())
    }

    /// `ext4_nonda_switch`: whether less than one and a half times what is promised is free.
    pub fn is_short(&self) -> bool {
        2 * self.free < 3 * self.dirty || self.free < self.dirty
    }

    /// `ext4_da_reserve_space`: reserves `n` blocks for delayed allocation.
    ///
    /// # Errors
    /// [`NoSpace`], and nothing is changed.
    pub fn reserve(&mut self, n: u32) -> Result<(), NoSpace> {
        self.claim(n)?;
        self.quota_reserved += i64::from(n);
        self.reserved += n;
        Ok(())
    }

    /// `ext4_da_update_reserve_space`: `n` reserved blocks were allocated. Their quota is charged when
    /// the allocation used the reservation (`claim_quota`), else given back.
    pub fn settle(&mut self, n: u32, claim_quota: bool) -> Released {
        let (used, released) = self.at_most_reserved(n);
        self.reserved -= used;
        self.dirty -= i64::from(used);
        self.quota_reserved -= i64::from(used);
        if claim_quota {
            self.quota_used += i64::from(used);
            self.i_blocks += i64::from(used);
        }
        released
    }

    /// `ext4_da_release_space`: `n` reserved blocks are not wanted any more.
    pub fn release(&mut self, n: u32) -> Released {
        self.settle(n, false)
    }

    fn at_most_reserved(&self, n: u32) -> (u32, Released) {
        if n > self.reserved {
            return (self.reserved, Released::OnlyReserved { asked: n, reserved: self.reserved });
        }
        (n, Released::All)
    }

    /// `ext4_mb_new_blocks` for `n` blocks that were reserved before: the promise is kept by the
    /// reservation, the charge comes when it is settled.
    pub fn allocate_reserved(&mut self, n: u32) {
        self.free -= i64::from(n);
    }

    /// `ext4_mb_new_blocks` for `n` blocks that nobody reserved: claimed, charged and taken.
    ///
    /// # Errors
    /// [`NoSpace`], and nothing is changed.
    pub fn allocate_direct(&mut self, n: u32) -> Result<(), NoSpace> {
        self.claim(n)?;
        self.quota_used += i64::from(n);
        self.i_blocks += i64::from(n);
        self.free -= i64::from(n);
        self.dirty -= i64::from(n);
        Ok(())
    }

    /// `ext4_rereserve_cluster`: one allocated cluster, which is about to be freed, has delayed blocks
    /// that rely on it: it becomes a reservation.
    pub fn rereserve(&mut self) {
        self.reserved += 1;
        self.dirty += 1;
        self.quota_reserved += 1;
    }

    /// `ext4_free_blocks`: `n` allocated blocks are free again.
    pub fn free_allocated(&mut self, n: u32) {
        self.free += i64::from(n);
        self.quota_used -= i64::from(n);
        self.i_blocks -= i64::from(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(free: i64) -> Space {
        Space { free, ..Space::default() }
    }

    #[test]
    fn a_reservation_that_is_allocated_ends_as_a_charge() {
        let mut s = space(10);
        s.reserve(2).unwrap();
        s.allocate_reserved(2);
        assert_eq!(s.settle(2, true), Released::All);
        assert_eq!(s, Space { free: 8, quota_used: 2, i_blocks: 2, ..Space::default() });
        s.free_allocated(2);
        assert_eq!(s, space(10));
    }

    #[test]
    fn promises_count_against_what_is_free() {
        let mut s = space(3);
        s.reserve(2).unwrap();
        assert_eq!(s.reserve(2), Err(NoSpace));
        assert_eq!(s.allocate_direct(2), Err(NoSpace));
        s.allocate_direct(1).unwrap();
        assert_eq!((s.free, s.dirty), (2, 2));
    }

    #[test]
    fn delayed_allocation_ends_when_two_thirds_of_what_is_free_are_promised() {
        let mut s = space(9);
        s.reserve(6).unwrap();
        assert!(!s.is_short());
        s.reserve(1).unwrap();
        assert!(s.is_short());
    }

    #[test]
    fn a_cluster_that_is_freed_under_delayed_blocks_is_promised_again() {
        let mut s = space(3);
        s.allocate_direct(1).unwrap();
        s.rereserve();
        s.free_allocated(1);
        let promised = Space { free: 3, dirty: 1, reserved: 1, quota_reserved: 1, ..s };
        assert_eq!((s, s.quota_used, s.i_blocks), (promised, 0, 0));
    }

    #[test]
    fn more_than_reserved_is_not_released() {
        let mut s = space(9);
        s.reserve(1).unwrap();
        assert_eq!(s.release(3), Released::OnlyReserved { asked: 3, reserved: 1 });
        assert_eq!(s, space(9));
    }
}
