//! Memory is short: clean folios go, and so does what the status tree can find out again.

use crate::Errno;
use crate::cache::{Pages, Place, Pte};
use crate::folio::FolioRef;
use crate::inode::Inode;
use crate::layer::Layer;
use maprace_runtime::{BitLock, Effect, Step};
use std::ops::Range;

static TRYLOCK: Step = Step::new("folio_trylock");
static UNMAP: Step = Step::new("try_to_unmap");
static REMOVE: Step = Step::new("__remove_mapping");
static ISOLATE: Step = Step::new("isolate_lru_folios");

impl<L: Layer> Inode<L> {
    /// `shrink_folio_list`, v6.8, for the folios `at`: never waits for a folio lock.
    pub(crate) async fn reclaim(&self, at: Range<u32>) -> Result<(), Errno> {
        self.shrink_list(self.isolate(at).await).await;
        Ok(())
    }

    async fn shrink_list(&self, folios: Vec<FolioRef<L::Rt>>) {
        for folio in folios {
            let test = || folio.writeback.touch(Effect::Test);
            let idle = |free: bool| free.then(|| !folio.writeback.is_set());
            match folio.lock.try_lock(&TRYLOCK, test, idle).await {
                None => {}
                Some(false) => self.mapping.unlock(&folio).await,
                Some(true) => self.reclaim_locked(&folio).await,
            }
        }
    }

    /// A turn of `kswapd`: `shrink_folio_list` over the next `most` clean folios from `from` on, in the
    /// order of the file; where to go on, or `None` at its end.
    ///
    /// # Divergence from Linux
    /// The kernel goes by two lists of what was used last (`lru`); here the hand of a clock goes around.
    pub(crate) async fn shrink_turn(&self, from: u32, most: usize) -> Option<u32> {
        let at = from..u32::MAX;
        let foot = || self.mapping.touch(Place::Slot, at.clone(), Effect::Read);
        let clean = |pages: &mut Pages<L::Rt>| -> Vec<_> {
            pages.clean_among(at.clone()).take(most).collect()
        };
        let clean = self.mapping.step(&ISOLATE, foot, clean).await;
        let next = clean.last().map(|folio| folio.index + 1);
        self.shrink_list(clean).await;
        next
    }

    /// `isolate_lru_folios`: reclaim's own reference is not counted, as the kernel expects it.
    async fn isolate(&self, at: Range<u32>) -> Vec<FolioRef<L::Rt>> {
        let foot = || self.mapping.touch(Place::Slot, at.clone(), Effect::Read);
        self.mapping.step(&ISOLATE, foot, |pages| pages.among(at.clone()).collect()).await
    }

    /// The rest of `shrink_folio_list`: unmaps it; if it is clean and nobody holds it, it goes.
    async fn reclaim_locked(&self, folio: &FolioRef<L::Rt>) {
        let index = folio.index..folio.index + 1;
        let touch = |place, effect| self.mapping.touch(place, index.clone(), effect);
        if !folio.with(|state| state.in_cache) {
            return self.mapping.unlock(folio).await;
        }
        let unmap = || touch(Place::Pte, Effect::Write);
        self.mapping.step(&UNMAP, unmap, |pages| pages.lower_pte(folio.index, Pte::None)).await;
        let remove = || {
            touch(Place::Slot, Effect::Write)
                .and(touch(Place::Refs, Effect::Write))
                .and(touch(Place::Pte, Effect::Write))
        };
        self.mapping
            .step(&REMOVE, remove, |pages| {
                let clean = !folio.with(|state| state.is_dirty());
                let goes = clean && pages.is_unreferenced(folio);
                if goes {
                    pages.remove(folio);
                }
                goes
            })
            .await;
        self.mapping.unlock(folio).await;
    }
}
