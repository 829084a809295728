//! Buffered read: `filemap_read`, with the page cache filled on the way.
//!
//! A read takes no `i_rwsem`; from v5.15 on, filling the page cache takes `invalidate_lock` shared.

use crate::cache::Place;
use crate::folio::FolioRef;
use crate::inode::{Inode, Part};
use crate::layer::Layer;
use crate::{Errno, Switch};
use maprace_extent::Content;
use maprace_runtime::{Effect, Runtime, RwSem, Spin, Step};

static FIND: Step = Step::new("filemap_get_read_batch");
static COPY_OUT: Step = Step::new("copy_folio_to_iter");

impl<L: Layer> Inode<L> {
    /// `filemap_read`, v6.8 (`generic_file_buffered_read`, v5.10). Every byte is compared, and copied to
    /// `user`, if there is one.
    pub(crate) async fn read(
        &self,
        id: u64,
        lo: u64,
        hi: u64,
        mut user: Option<&mut Content>,
    ) -> Result<(), Errno> {
        for part in self.parts(lo, hi) {
            let folio = loop {
                match self.find_uptodate(id, part).await {
                    Some(folio) => break folio,
                    None => {
                        self.rt.call("filemap_create_folio", self.create_folio(part)).await;
                    }
                }
            };
            self.copy_out(id, &folio, part, user.as_deref_mut()).await;
        }
        Ok(())
    }

    /// `filemap_get_read_batch`: the folio, if it is there and uptodate where it is read.
    async fn find_uptodate(&self, id: u64, part: Part) -> Option<FolioRef<L::Rt>> {
        let at = part.index..part.index + 1;
        let foot = || {
            self.bytes(part.lo, part.hi, Effect::Read)
                .and(self.mapping.touch(Place::Slot, at.clone(), Effect::Read))
                .and(self.mapping.touch(Place::Refs, at.clone(), Effect::Add))
                .and(self.reads_size())
        };
        let blocks = self.geometry.blocks_of(part.lo, part.hi);
        self.mapping
            .step(&FIND, foot, |pages| {
                let hi = part.hi.min(self.i_size());
                let read = (id, part.index);
                self.truth.nested(|truth| truth.begin_read(read, part.lo.min(hi), hi));
                let folio = self.mapping.find(pages, part.index)?;
                if folio.with(|state| state.is_uptodate(blocks)) {
                    return Some(folio);
                }
                pages.put(&folio);
                None
            })
            .await
    }

    /// `filemap_create_folio`, v6.8; in v5.10 the same without `invalidate_lock`.
    async fn create_folio(&self, part: Part) {
        let _shared = match self.knobs.fillers_take_invalidate_lock {
            Switch::On => Some(self.mapping.invalidate_lock.down_read().await),
            Switch::Off => None,
        };
        let folio = self.mapping.get_folio(part.index).await;
        let here = self.mapping.lock(&folio, || maprace_runtime::Foot::NONE).await;
        if here && !folio.with(|state| state.is_uptodate(state.range())) {
            self.fill(&folio).await;
        }
        self.mapping.unlock_and_put(&folio).await;
    }

    /// `copy_folio_to_iter`: no lock, and the folio may have been truncated meanwhile.
    async fn copy_out(
        &self,
        id: u64,
        folio: &FolioRef<L::Rt>,
        part: Part,
        user: Option<&mut Content>,
    ) {
        let at = part.index..part.index + 1;
        let foot = || {
            self.bytes(part.lo, part.hi, Effect::Read).and(self.mapping.touch(
                Place::Refs,
                at,
                Effect::Add,
            ))
        };
        let read = (id, part.index);
        self.mapping
            .step(&COPY_OUT, foot, |pages| {
                let got: Content = folio.with(|state| state.bytes.clone());
                self.report(self.truth.nested(|truth| truth.end_read(read, &got)));
                if let Some(user) = user {
                    user.copy(part.lo, &got, part.lo, part.hi - part.lo);
                }
                pages.put(folio);
            })
            .await;
    }
}
