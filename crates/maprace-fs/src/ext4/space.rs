//! Reservations and blocks: the counters under `i_block_reservation_lock`, and mballoc in one step.

use super::{Ext4, Super};
use crate::check::{Broken, Checker};
use crate::places::SuperPlace;
use crate::setup::Planted;
use crate::{Accounting, Errno};
use maprace_extent::{Pblk, Released};
use maprace_media::Request;
use maprace_runtime::{Effect, Foot, Runtime, Spin, Step};

static RESERVE: Step = Step::new("ext4_da_reserve_space");
static UPDATE: Step = Step::new("ext4_da_update_reserve_space");
static RELEASE: Step = Step::new("ext4_da_release_space");
static NEW_BLOCKS: Step = Step::new("ext4_mb_new_blocks");
static FREE_BLOCKS: Step = Step::new("ext4_free_blocks");
static NONDA_SWITCH: Step = Step::new("ext4_nonda_switch");
static RERESERVE: Step = Step::new("ext4_rereserve_cluster");
static READ_BITMAP: Step = Step::new("ext4_read_block_bitmap");

impl<R: Runtime> Ext4<R> {
    fn sb_foot(&self, place: SuperPlace, effect: Effect) -> Foot {
        let at = place.range();
        Foot::at(self.sb.object(), at.start, at.end, effect)
    }

    /// Far from ENOSPC, promises commute; near it they see each other.
    fn counters(&self) -> Foot {
        self.sb_foot(SuperPlace::Counters, if self.scarce { Effect::Write } else { Effect::Add })
    }

    /// `ext4_da_reserve_space`: quota, then the counters.
    pub(super) async fn reserve(&self, n: u32) -> Result<(), Errno> {
        let foot = || self.sb_foot(SuperPlace::Reservation, Effect::Add).and(self.counters());
        let section = |sb: &mut Super| {
            let before = sb.space.reserved;
            let out = sb.space.reserve(n).map_err(|_| Errno::Enospc);
            self.rt.saw(|| format!("{before} -> {}", sb.space.reserved));
            out
        };
        self.sb.with(&RESERVE, foot, section).await
    }

    /// `ext4_da_update_reserve_space`: `n` reserved clusters were allocated.
    pub(super) async fn settle(&self, n: u32, claim_quota: bool) {
        self.lower(&UPDATE, n, claim_quota).await;
    }

    /// `ext4_da_release_space`: `n` reserved clusters are not wanted any more.
    pub(super) async fn release(&self, n: u32) {
        self.lower(&RELEASE, n, false).await;
    }

    async fn lower(&self, step: &'static Step, n: u32, claim_quota: bool) {
        let foot = || self.sb_foot(SuperPlace::Reservation, Effect::Write).and(self.counters());
        let n = n + u32::from(self.has(Planted::ReleaseOneTooMany));
        let section = |sb: &mut Super| {
            let before = sb.space.reserved;
            if let Released::OnlyReserved { asked, reserved } = sb.space.settle(n, claim_quota) {
                self.log.broken(Broken::of(Checker::ReleaseWithinReservation, asked, reserved));
            }
            if self.has(Planted::DirtyCounterKept) {
                sb.space.dirty += i64::from(n);
            }
            self.rt.saw(|| format!("{before} -> {}", sb.space.reserved));
        };
        self.sb.with(step, foot, section).await;
    }

    /// `ext4_read_block_bitmap` of the group that the next allocation comes from, if nobody has read it
    /// yet: the medium's latency, under `i_data_sem`. Bitmaps lie behind all groups.
    async fn read_bitmap(&self) {
        let cold = |sb: &Super| {
            let group = sb.bitmap.first_free()? / self.group;
            sb.cold.contains(&group).then_some((group, sb.bitmap.total()))
        };
        let Some((group, total)) = self.sb.peek(cold) else { return };
        let foot = || self.sb_foot(SuperPlace::Bitmap, Effect::Write);
        let pos = (u64::from(total) * u64::from(self.ratio) + u64::from(group)) * self.block;
        let request = Request::Read { pos, len: self.block };
        let done = |now| self.medium.serve(request, now).done_ns;
        let load = || self.sb.nested(|sb| sb.cold.remove(&group));
        self.rt.io(&READ_BITMAP, foot, done, load).await;
    }

    /// `ext4_mb_new_blocks`: at most `want` clusters, from a reservation or not: the number of the first
    /// and how many. Reads the bitmap of the group first, if nobody has yet.
    ///
    /// # Divergence from Linux
    /// First fit over all groups; the claim, the quota and the bitmap change in one step.
    pub(super) async fn new_blocks(&self, want: u32, reserve: bool) -> Result<(u32, u32), Errno> {
        self.read_bitmap().await;
        let foot = || self.sb_foot(SuperPlace::Bitmap, Effect::Write).and(self.counters());
        let section = |sb: &mut Super| {
            let first = sb.bitmap.first_free().ok_or(Errno::Enospc)?;
            let left_of_group = self.group - first % self.group;
            let take = sb.bitmap.take(want.min(left_of_group));
            let (pblk, len) = take.map_err(|_| Errno::Enospc)?;
            if reserve {
                sb.space.allocate_reserved(len);
            } else if sb.space.allocate_direct(len).is_err() {
                assert!(sb.bitmap.give(pblk, len), "the blocks were just taken");
                return Err(Errno::Enospc);
            }
            if self.has(Planted::AllocationUncharged) {
                sb.space.quota_used -= i64::from(len);
            }
            if self.has(Planted::AllocationUncounted) {
                sb.space.i_blocks -= i64::from(len);
            }
            self.rt.saw(|| format!("{len} unwritten"));
            Ok((pblk.0, len))
        };
        self.sb.with(&NEW_BLOCKS, foot, section).await
    }

    /// `ext4_free_blocks`: `len` clusters from number `first` on.
    ///
    /// # Divergence from Linux
    /// They can be allocated again at once; the kernel waits until the transaction has committed.
    pub(super) async fn free_blocks(&self, first: u32, len: u32) {
        let foot = || self.sb_foot(SuperPlace::Bitmap, Effect::Write).and(self.counters());
        let section = |sb: &mut Super| {
            if sb.bitmap.give(Pblk(first), len) {
                sb.space.free_allocated(len);
            } else {
                self.log.broken(Broken::at(Checker::NoBlockTwice, first));
            }
        };
        self.sb.with(&FREE_BLOCKS, foot, section).await;
    }

    /// `ext4_rereserve_cluster`.
    pub(super) async fn rereserve(&self) {
        let foot = || self.sb_foot(SuperPlace::Reservation, Effect::Add).and(self.counters());
        self.sb.with(&RERESERVE, foot, |sb| sb.space.rereserve()).await;
    }

    /// `ext4_nonda_switch`: whether too little is free to promise any more of it. Far from ENOSPC the
    /// answer is no whatever happens, and asking is no step.
    ///
    /// # Divergence from Linux
    /// The kernel also answers yes when less is free than its per-cpu counters may be wrong by
    /// (`EXT4_FREECLUSTERS_WATERMARK`); these counters are exact. Nor does it start writeback here.
    pub(super) async fn nonda_switch(&self) -> bool {
        if !self.scarce {
            return false;
        }
        let section = |sb: &mut Super| {
            let short = sb.space.is_short();
            self.rt.saw(|| if short { "no delalloc" } else { "delalloc" }.into());
            short
        };
        let foot = || self.sb_foot(SuperPlace::Counters, Effect::Read);
        self.sb.with(&NONDA_SWITCH, foot, section).await
    }

    /// What an insertion displaced, in the newer accounting.
    pub(super) async fn settle_displaced(&self, displaced: u32, claim_quota: bool) {
        if self.accounting() == Accounting::V6_12 && displaced > 0 {
            self.settle(displaced, claim_quota).await;
        }
    }

    /// `i_reserved_data_blocks`; not a step.
    pub(super) fn reserved(&self) -> u32 {
        self.sb.peek(|sb| sb.space.reserved)
    }
}
