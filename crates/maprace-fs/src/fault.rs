//! Page faults: `mmap_read`, `mmap_write`, and `ext4_page_mkwrite` between them.
//!
//! A fault holds `invalidate_lock` shared and the folio lock, never `i_rwsem`.

use crate::cache::{Place, Pte};
use crate::folio::FolioRef;
use crate::inode::{Inode, Part, Write};
use crate::layer::Layer;
use crate::{Content, Errno, Order, Switch, buffer_head, iomap};
use maprace_runtime::{Effect, Runtime, RwSem, Spin, Step};

static STORE: Step = Step::new("store");
static LOAD: Step = Step::new("load");

type ReadHold<'a, R> = <<R as Runtime>::RwSem<()> as RwSem<R, ()>>::Read<'a>;

/// How a write fault ended.
enum Mkwrite {
    /// The entry was made writable.
    Done,
    /// The folio was truncated meanwhile: the access starts over.
    Again,
}

impl<L: Layer> Inode<L> {
    /// Stores the bytes of `write` through the mapping, page after page. A fault beyond `i_size`
    /// ends it with SIGBUS.
    pub(crate) async fn mmap_write(&self, write: Write) -> Result<(), Errno> {
        for part in self.parts(write.lo, write.hi) {
            loop {
                match self.mapping.read_pte(part.index).await {
                    (Pte::None, _) => {
                        self.rt.call("ext4_filemap_fault", self.filemap_fault(part.index)).await?;
                        continue;
                    }
                    (Pte::ReadOnly, Some(folio)) => {
                        if let Mkwrite::Again = self.write_fault(&folio).await? {
                            continue;
                        }
                    }
                    (Pte::ReadOnly, None) => unreachable!("a present entry has a folio"),
                    (Pte::Writable, _) => {}
                }
                if self.store(&write, part).await {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Loads the bytes through the mapping, page after page, to `user`, if there is one.
    pub(crate) async fn mmap_read(
        &self,
        lo: u64,
        hi: u64,
        mut user: Option<&mut Content>,
    ) -> Result<(), Errno> {
        for part in self.parts(lo, hi) {
            while !self.load(part, user.as_deref_mut()).await {
                self.rt.call("ext4_filemap_fault", self.filemap_fault(part.index)).await?;
            }
        }
        Ok(())
    }

    /// `ext4_filemap_fault`, v5.10, `filemap_fault`, v6.8: a read fault. `invalidate_lock` is held
    /// shared around the fill; the entry is set under the folio lock.
    ///
    /// # Divergence from Linux
    /// The lock is taken whether there is something to fill or not, as in v5.10; v6.8 takes it only then.
    async fn filemap_fault(&self, index: u32) -> Result<(), Errno> {
        let folio = {
            let _shared = self.lock_for_fault().await;
            let folio = self.mapping.get_folio(index).await;
            let here = self.mapping.lock(&folio, || self.reads_size()).await;
            let (first, _) = self.geometry.bytes_of(self.geometry.blocks_in(index));
            if first >= self.i_size() || !here {
                let beyond = first >= self.i_size();
                self.mapping.unlock_and_put(&folio).await;
                return if beyond { Err(Errno::Sigbus) } else { Ok(()) };
            }
            if !folio.with(|state| state.is_uptodate(state.range())) {
                self.fill(&folio).await;
            }
            folio
        };
        self.mapping.set_pte(&folio).await;
        self.mapping.unlock_and_put(&folio).await;
        Ok(())
    }

    /// `do_wp_page` for a shared file mapping: `page_mkwrite`, then the entry is made writable before
    /// the folio lock is dropped.
    async fn write_fault(&self, folio: &FolioRef<L::Rt>) -> Result<Mkwrite, Errno> {
        let made = self.rt.call("ext4_page_mkwrite", self.page_mkwrite(folio)).await;
        if let Ok(Mkwrite::Done) = made {
            self.mapping.make_pte_writable(folio).await;
        }
        self.mapping.unlock_and_put(folio).await;
        made
    }

    /// `invalidate_lock` shared (`i_mmap_sem` up to v5.14); before ea3d7209ca01 there was no such lock.
    async fn lock_for_fault(&self) -> Option<ReadHold<'_, L::Rt>> {
        match self.knobs.faults_take_invalidate_lock {
            Switch::On => Some(self.mapping.invalidate_lock.down_read().await),
            Switch::Off => None,
        }
    }

    /// `ext4_page_mkwrite`, v5.10 to v6.12: `invalidate_lock` shared, then the folio lock, then the
    /// mapping, in both orders. Without delayed allocation buffer_head order starts a transaction
    /// before it locks the folio. Returns with the folio locked.
    ///
    /// # Divergence from Linux
    /// Without delayed allocation the kernel first locks the folio once to see whether all of it is
    /// mapped, and then needs no transaction. A fault past the end gets SIGBUS at once; the kernel lets
    /// the access start over, and the read fault says so. ENOSPC is returned as such; the kernel commits
    /// what could free blocks, tries again, and then sends SIGBUS.
    async fn page_mkwrite(&self, folio: &FolioRef<L::Rt>) -> Result<Mkwrite, Errno> {
        let _shared = self.lock_for_fault().await;
        let delalloc = self.delalloc_now().await;
        let _handle = match (delalloc, self.order) {
            (false, Order::BufferHead) => Some(self.journal.start().await),
            (true, _) | (_, Order::Iomap) => None,
        };
        let here = self.mapping.lock(folio, || self.reads_size()).await;
        let in_file = self.geometry.blocks_of(0, self.i_size());
        let blocks = self.geometry.blocks_in(folio.index).within(in_file);
        if !here {
            return Ok(Mkwrite::Again);
        }
        if blocks.is_empty() {
            return Err(Errno::Sigbus);
        }
        match self.order {
            Order::BufferHead => {
                let mapped = buffer_head::page_mkwrite(self, folio, blocks, delalloc).await;
                if mapped.is_err() {
                    self.leave_reserved(blocks).await;
                }
                mapped?;
                self.mark_dirty(folio, blocks).await;
            }
            Order::Iomap => iomap::page_mkwrite(self, folio, blocks).await?,
        }
        Ok(Mkwrite::Done)
    }

    /// The store itself, if the entry is writable: bytes inside the file.
    async fn store(&self, write: &Write, part: Part) -> bool {
        let at = part.index..part.index + 1;
        let foot = || {
            self.bytes(part.lo, part.hi, Effect::Write)
                .and(self.mapping.touch(Place::Pte, at, Effect::Read))
                .and(self.reads_size())
        };
        self.mapping
            .step(&STORE, foot, |pages| {
                if *pages.pte(part.index) != Pte::Writable {
                    return false;
                }
                let folio = pages.folio(part.index).expect("a present entry has a folio");
                let hi = part.hi.min(self.i_size());
                folio.with(|state| write.put(&mut state.bytes, part.lo, hi));
                self.truth.nested(|truth| truth.write(part.lo, hi, write.origin(part.lo)));
                true
            })
            .await
    }

    /// The load itself, if the entry is present.
    async fn load(&self, part: Part, user: Option<&mut Content>) -> bool {
        let at = part.index..part.index + 1;
        let foot = || {
            self.bytes(part.lo, part.hi, Effect::Read)
                .and(self.mapping.touch(Place::Pte, at, Effect::Read))
                .and(self.reads_size())
        };
        self.mapping
            .step(&LOAD, foot, |pages| {
                if *pages.pte(part.index) == Pte::None {
                    return false;
                }
                let folio = pages.folio(part.index).expect("a present entry has a folio");
                let hi = part.hi.min(self.i_size());
                let got = folio.with(|state| state.bytes.clone());
                self.report(self.truth.nested(|truth| truth.load(part.lo, hi, &got)));
                if let Some(user) = user {
                    user.copy(part.lo, &got, part.lo, hi.saturating_sub(part.lo));
                }
                true
            })
            .await
    }
}
