//! A store through a shared mapping, as one writes it without a runtime: blocking code over the same
//! data structures, with the same locks taken in the same order.
//!
//! Only this path, in buffer_head order under v6.12, far from ENOSPC, without bigalloc, and with every
//! block already mapped readable. Where the model branches on a setting, a read of the setting is left
//! out; no lock, no look-up, no change of state and no bookkeeping of checkers is.

use maprace_extent::{Blocks, Content, EsEntry, EsStatus, EsTree, ExtentTree, Origin, Pblk, Space};
use maprace_fs::{Errno, Geometry};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Buffer {
    None,
    Delay,
    Mapped(Pblk),
}

#[derive(Clone, Copy)]
struct BlockState {
    uptodate: bool,
    dirty: bool,
    buffer: Buffer,
}

struct FolioState {
    first: u32,
    blocks: Vec<BlockState>,
    bytes: Content,
    in_cache: bool,
}

impl FolioState {
    fn block(&mut self, lblk: u32) -> &mut BlockState {
        &mut self.blocks[(lblk - self.first) as usize]
    }
}

struct Folio {
    index: u32,
    lock: Mutex<()>,
    state: Mutex<FolioState>,
}

struct Slot {
    folio: Arc<Folio>,
    refs: u32,
    dirty: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pte {
    #[expect(dead_code, reason = "every block is mapped at the start, and none is unmapped")]
    None,
    ReadOnly,
    Writable,
}

struct Pages {
    slots: Vec<Option<Slot>>,
    ptes: Vec<Pte>,
}

impl Pages {
    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    fn take(&mut self, index: u32) -> Option<Arc<Folio>> {
        let slot = self.slot(index)?;
        slot.refs += 1;
        Some(slot.folio.clone())
    }

    fn put(&mut self, folio: &Arc<Folio>) {
        if let Some(slot) = self.slot(folio.index)
            && Arc::ptr_eq(&slot.folio, folio)
        {
            slot.refs = slot.refs.saturating_sub(1);
        }
    }
}

/// What checkers compare bytes with.
struct Truth {
    now: Content,
    reads: BTreeMap<(u32, u32), (u64, u64, Vec<Content>)>,
    reserved_only: BTreeSet<u32>,
}

impl Truth {
    fn write(&mut self, lo: u64, hi: u64, origin: Origin) {
        self.now.set(lo, hi, origin);
        for (from, to, seen) in self.reads.values_mut() {
            if *from < hi && lo < *to {
                seen.push(self.now.clone());
            }
        }
    }
}

struct Map {
    blocks: Blocks,
    pblk: Option<Pblk>,
}

enum Found {
    Known(Map),
    Hole(Blocks),
}

/// `struct inode` with everything that hangs on it.
pub(crate) struct Inode {
    geometry: Geometry,
    invalidate_lock: RwLock<()>,
    i_pages: Mutex<Pages>,
    i_size: Mutex<u64>,
    i_data_sem: RwLock<ExtentTree>,
    i_es_lock: Mutex<EsTree>,
    sb: Mutex<Space>,
    truth: Mutex<Truth>,
}

impl Inode {
    /// A file of `blocks` blocks, all of them read through the mapping before: holes, or written.
    pub(crate) fn new(geometry: Geometry, blocks: u32, written: bool) -> Inode {
        let all = Blocks::new(0, blocks);
        let (_, size) = geometry.bytes_of(all);
        let origin = if written { Origin::write(0, 0) } else { Origin::Zero };
        let (mut tree, mut es) = (ExtentTree::default(), EsTree::default());
        if written {
            tree.insert(all, maprace_extent::Extent { pblk: Pblk(0), unwritten: false });
            es.insert(all, EsEntry { status: EsStatus::Written, pblk: Some(Pblk(0)) });
        } else {
            es.insert(all, EsEntry::bare(EsStatus::Hole));
        }
        let bytes = Content::of(0, size, origin);
        let slots = all.iter().map(|index| Some(slot(geometry, index, &bytes))).collect();
        let ptes = vec![Pte::ReadOnly; blocks as usize];
        Inode {
            geometry,
            invalidate_lock: RwLock::new(()),
            i_pages: Mutex::new(Pages { slots, ptes }),
            i_size: Mutex::new(size),
            i_data_sem: RwLock::new(tree),
            i_es_lock: Mutex::new(es),
            sb: Mutex::new(Space { free: i64::from(2 * blocks), ..Space::default() }),
            truth: Mutex::new(Truth {
                now: bytes,
                reads: BTreeMap::new(),
                reserved_only: BTreeSet::new(),
            }),
        }
    }

    /// Blocks that are delayed and that are reserved: what both sides have to agree on.
    pub(crate) fn delayed_and_reserved(&self) -> (u32, u32) {
        let delayed = self.i_es_lock.lock().delonly(Blocks::new(0, u32::MAX));
        (delayed, self.sb.lock().reserved)
    }

    /// Stores bytes `lo..hi` of write `id`, all in the folio at `index`.
    pub(crate) fn mmap_write(&self, id: u64, index: u32, lo: u64, hi: u64) -> Result<(), Errno> {
        loop {
            let (pte, folio) = self.read_pte(index);
            match (pte, folio) {
                (Pte::None, _) => return Err(Errno::Sigbus),
                (Pte::ReadOnly, Some(folio)) => {
                    if !self.write_fault(&folio)? {
                        continue;
                    }
                }
                (Pte::ReadOnly, None) => unreachable!("a present entry has a folio"),
                (Pte::Writable, _) => {}
            }
            if self.store(id, index, lo, hi) {
                return Ok(());
            }
        }
    }

    fn read_pte(&self, index: u32) -> (Pte, Option<Arc<Folio>>) {
        let mut pages = self.i_pages.lock();
        let pte = pages.ptes[index as usize];
        (pte, if pte == Pte::ReadOnly { pages.take(index) } else { None })
    }

    /// False if the folio was truncated meanwhile.
    fn write_fault(&self, folio: &Arc<Folio>) -> Result<bool, Errno> {
        let made = self.page_mkwrite(folio);
        if let Ok((_, true)) = made {
            let mut pages = self.i_pages.lock();
            if pages.ptes[folio.index as usize] == Pte::ReadOnly {
                pages.ptes[folio.index as usize] = Pte::Writable;
            }
        }
        // The reference goes before the lock does, as in the model.
        self.i_pages.lock().put(folio);
        made.map(|(_locked, done)| done)
    }

    fn page_mkwrite<'a>(&self, folio: &'a Folio) -> Result<(MutexGuard<'a, ()>, bool), Errno> {
        let _shared = self.invalidate_lock.read();
        let locked = folio.lock.lock();
        let here = folio.state.lock().in_cache;
        let in_file = self.geometry.blocks_of(0, *self.i_size.lock());
        let blocks = self.geometry.blocks_in(folio.index).within(in_file);
        if !here {
            return Ok((locked, false));
        }
        if blocks.is_empty() {
            return Err(Errno::Sigbus);
        }
        for lblk in blocks.iter() {
            self.get_block(folio, lblk)?;
        }
        self.mark_dirty(folio, blocks);
        Ok((locked, true))
    }

    fn get_block(&self, folio: &Folio, lblk: u32) -> Result<(), Errno> {
        if folio.state.lock().block(lblk).buffer != Buffer::None {
            return Ok(());
        }
        let map = self.da_map_blocks(Blocks::one(lblk))?;
        assert!(map.blocks.lo == lblk && !map.blocks.is_empty());
        let buffer = map.pblk.map_or(Buffer::Delay, Buffer::Mapped);
        folio.state.lock().block(lblk).buffer = buffer;
        Ok(())
    }

    fn es_lookup(&self, want: Blocks) -> Option<Found> {
        let tree = self.i_es_lock.lock();
        let (blocks, entry) = tree.lookup(want)?;
        Some(match entry.status {
            EsStatus::Hole => Found::Hole(blocks),
            _ => Found::Known(Map { blocks, pblk: entry.pblk }),
        })
    }

    /// `ext4_da_map_blocks`, v6.11.
    fn da_map_blocks(&self, want: Blocks) -> Result<Map, Errno> {
        let hole = match self.es_lookup(want).expect("the status tree knows all of the file") {
            Found::Known(map) => return Ok(map),
            Found::Hole(hole) => hole,
        };
        let _tree = self.i_data_sem.write();
        match self.es_lookup(hole).expect("the status tree knows all of the file") {
            Found::Known(map) => Ok(map),
            Found::Hole(hole) => self.insert_delayed(hole),
        }
    }

    fn insert_delayed(&self, hole: Blocks) -> Result<Map, Errno> {
        self.sb.lock().reserve(hole.len()).map_err(|_| Errno::Enospc)?;
        let mut tree = self.i_es_lock.lock();
        let before = tree.lookup(Blocks::one(hole.lo));
        assert!(before.is_some_and(|(_, entry)| entry.status == EsStatus::Hole));
        let changed = tree.entries(hole).any(|(_, old)| old.status != EsStatus::Delayed);
        let (seq, reserved) = (tree.seq(), tree.reserved_clusters(hole, 1));
        tree.insert(hole, EsEntry::bare(EsStatus::Delayed));
        let displaced = reserved.saturating_sub(tree.reserved_clusters(hole, 1));
        tree.bump();
        assert!(changed && displaced == 0 && tree.seq() != seq);
        Ok(Map { blocks: hole, pblk: None })
    }

    fn mark_dirty(&self, folio: &Folio, blocks: Blocks) {
        {
            let mut pages = self.i_pages.lock();
            let mut state = folio.state.lock();
            blocks.iter().for_each(|lblk| state.block(lblk).dirty = true);
            drop(state);
            if let Some(slot) = pages.slot(folio.index) {
                slot.dirty = true;
            }
        }
        let stale = |truth: &Truth| blocks.iter().any(|lblk| truth.reserved_only.contains(&lblk));
        if stale(&self.truth.lock()) {
            self.truth.lock().reserved_only.retain(|lblk| !blocks.contains(*lblk));
        }
    }

    /// False if the entry is not writable any more.
    fn store(&self, id: u64, index: u32, lo: u64, hi: u64) -> bool {
        let origin = Origin::write(id, 0);
        let mut pages = self.i_pages.lock();
        if pages.ptes[index as usize] != Pte::Writable {
            return false;
        }
        let folio = pages.slot(index).expect("a present entry has a folio").folio.clone();
        let hi = hi.min(*self.i_size.lock());
        folio.state.lock().bytes.set(lo, hi, origin);
        self.truth.lock().write(lo, hi, origin);
        true
    }
}

fn slot(geometry: Geometry, index: u32, file: &Content) -> Slot {
    let blocks = geometry.blocks_in(index);
    let (lo, hi) = geometry.bytes_of(blocks);
    let mut bytes = Content::default();
    bytes.copy(lo, file, lo, hi - lo);
    let state = BlockState { uptodate: true, dirty: false, buffer: Buffer::None };
    let state = FolioState {
        first: blocks.lo,
        blocks: vec![state; blocks.len() as usize],
        bytes,
        in_cache: true,
    };
    assert!(state.blocks.iter().all(|block| block.uptodate && !block.dirty));
    let folio = Arc::new(Folio { index, lock: Mutex::new(()), state: Mutex::new(state) });
    Slot { folio, refs: 0, dirty: false }
}
