//! The end of the file moves: `i_size`, and the folio that it lay in.

use crate::cache::{Place, Pte};
use crate::inode::{Inode, Part, Sizes, Write};
use crate::layer::Layer;
use crate::places::{BOTH_SIZES, I_SIZE};
use maprace_runtime::{Effect, Foot, Spin, Step};

static I_SIZE_WRITE: Step = Step::new("i_size_write");
static FIND: Step = Step::new("filemap_lock_folio");
static MKCLEAN: Step = Step::new("folio_mkclean");

impl<L: Layer> Inode<L> {
    /// `i_size_write`, when the file ends before `end`; `i_rwsem` is held exclusively.
    pub(crate) async fn grow(&self, end: u64) {
        let old = self.i_size();
        if end <= old {
            return;
        }
        let foot = || {
            Foot::write(self.sizes.object(), I_SIZE.start, I_SIZE.end).and(self.bytes(
                old,
                end,
                Effect::Write,
            ))
        };
        self.sizes
            .with(&I_SIZE_WRITE, foot, |sizes| {
                sizes.i_size = end;
                self.truth.nested(|truth| truth.grow(old, end));
            })
            .await;
    }

    /// `i_size_write` and `i_disksize` together, as truncate and the moving operations set them.
    ///
    /// # Divergence from Linux
    /// Not under `i_data_sem`: nobody who holds it looks at `i_size`.
    pub(crate) async fn set_size(&self, size: u64) {
        let old = self.i_size();
        let (lo, hi) = (old.min(size), old.max(size));
        let foot = || {
            Foot::write(self.sizes.object(), BOTH_SIZES.start, BOTH_SIZES.end).and(self.bytes(
                lo,
                hi,
                Effect::Write,
            ))
        };
        self.sizes
            .with(&I_SIZE_WRITE, foot, |sizes| {
                *sizes = Sizes { i_size: size, i_disksize: size };
                self.truth.nested(|truth| truth.resize(old, size));
            })
            .await;
    }

    /// The end of a write that began past the end of the file: [`Inode::pagecache_isize_extended`].
    pub(crate) async fn isize_extended(&self, write: &Write, part: Part) {
        if write.lo > write.old_size && part.lo == write.lo {
            self.pagecache_isize_extended(write.old_size, write.lo).await;
        }
    }

    /// `pagecache_isize_extended`, `mm/truncate.c`, v6.8: write-protects the folio in which the file
    /// ended, if blocks of it are in the file now: a store to them has to map them first.
    pub(crate) async fn pagecache_isize_extended(&self, from: u64, to: u64) {
        let rounded = from.next_multiple_of(u64::from(self.geometry.block));
        if to <= rounded || rounded % self.geometry.folio() == 0 {
            return;
        }
        let index = self.folios_at(rounded, rounded + 1).start;
        let at = index..index + 1;
        let touch = |place, effect| self.mapping.touch(place, at.clone(), effect);
        let find = || touch(Place::Slot, Effect::Read).and(touch(Place::Refs, Effect::Add));
        let found = self.mapping.step(&FIND, find, |pages| self.mapping.find(pages, index)).await;
        let Some(folio) = found else { return };
        if self.mapping.lock(&folio, || Foot::NONE).await {
            let foot = || touch(Place::Pte, Effect::Write).and(touch(Place::Tag, Effect::Write));
            self.mapping
                .step(&MKCLEAN, foot, |pages| {
                    if *pages.pte(index) == Pte::Writable {
                        pages.lower_pte(index, Pte::ReadOnly);
                    }
                })
                .await;
        }
        self.mapping.unlock_and_put(&folio).await;
    }
}
