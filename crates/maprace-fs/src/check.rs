//! What must hold, one named checker each, and where broken invariants are written down.
//!
//! A checker records and the run goes on. Three kinds: those over the layer's [`Books`], which hold
//! whenever nobody is inside the layer's lock; those over the page cache, which hold when no operation
//! is in flight; and events, seen where they happen. A file each; the table is [`Checker`].

mod data;
mod delayed_has_dirty_folio;
mod delayed_not_allocated;
mod dirty_counter_after_sync;
mod dirty_counter_equals_reserved;
mod dirty_is_mapped;
mod disksize_within_size;
mod enospc_with_space_free;
mod es_matches_extent_tree;
mod i_blocks;
pub mod lock_order;
mod mapping_is_current;
mod no_block_twice;
mod quota_equals_allocation;
mod reserved_at_evict;
mod reserved_equals_delayed;

pub(crate) use data::Seen;
pub use data::Truth;
pub use enospc_with_space_free::enospc_with_space_free;
pub(crate) use mapping_is_current::mapping_is_current;
pub(crate) use reserved_at_evict::reserved_at_evict;

use crate::layer::Layer;
use crate::{Inode, setup::Setup};
use maprace_extent::{Lblk, Pblk, Space};
use std::fmt;
use std::sync::{Mutex, PoisonError};

macro_rules! checkers {
    ($($(#[$doc:meta])* $variant:ident $name:literal $visible:literal;)+) => {
        /// The named invariants.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum Checker { $($(#[$doc])* $variant),+ }

        impl Checker {
            /// All of them, in the order of their bits.
            pub const ALL: &'static [Checker] = &[$(Checker::$variant),+];
            /// The name.
            pub fn name(self) -> &'static str {
                match self { $(Checker::$variant => $name),+ }
            }
            /// Whether a user of the kernel can see it broken: a warning, a wrong counter, wrong bytes.
            pub fn is_kernel_visible(self) -> bool {
                match self { $(Checker::$variant => $visible),+ }
            }
            /// The checker with that name.
            pub fn from_name(name: &str) -> Option<Checker> {
                Checker::ALL.iter().copied().find(|c| c.name() == name)
            }
        }
    };
}

checkers! {
    /// `i_reserved_data_blocks` is the number of delayed blocks. When nobody is inside the layer.
    ReservedEqualsDelayed "reserved_equals_delayed" false;
    /// The file system's dirty counter is the sum of the reservations, and never above what is free.
    DirtyCounterEqualsReserved "dirty_counter_equals_reserved" false;
    /// No release takes more than is reserved. The kernel warns. An event.
    ReleaseWithinReservation "release_within_reservation" true;
    /// What the status tree says of allocation, the extent tree says. When nobody is inside the layer.
    EsMatchesExtentTree "es_matches_extent_tree" false;
    /// Nothing is allocated under a delayed block. When nobody is inside the layer.
    DelayedNotAllocated "delayed_not_allocated" false;
    /// A delayed block has a dirty folio over it. When nothing is in flight.
    DelayedHasDirtyFolio "delayed_has_dirty_folio" false;
    /// A dirty block is reserved or allocated. When nothing is in flight.
    DirtyIsMapped "dirty_is_mapped" false;
    /// No block belongs twice, and free plus allocated is all. When nobody is inside the layer.
    NoBlockTwice "no_block_twice" false;
    /// Quota is charged for what is allocated, reserved for what is reserved.
    QuotaEqualsAllocation "quota_equals_allocation" false;
    /// A block is converted to written only after its data reached the medium. An event.
    WrittenAfterData "written_after_data" false;
    /// The writeback bit covers the conversion of what was written. An event.
    WritebackCoversConversion "writeback_covers_conversion" false;
    /// A mapping whose cookie is right is what the layer says. An event.
    MappingIsCurrent "mapping_is_current" false;
    /// A write maps anew only if something has changed since it last did. An event.
    StaleRetriesEnd "stale_retries_end" false;
    /// Locks are taken in the order in which others take them. An event.
    LockOrder "lock_order" true;
    /// A change of status in the status tree bumps its sequence. An event.
    SequenceDatesChanges "sequence_dates_changes" false;
    /// Every byte read, or found at the end, is one that a write put there.
    Data "data" true;
    /// `i_reserved_data_blocks (n) not cleared!`, at evict.
    ReservedAtEvict "reserved_at_evict" true;
    /// `delayed_allocation_blocks` is 0 when everything is on the medium and nothing is in flight.
    DirtyCounterAfterSync "dirty_counter_after_sync" true;
    /// `i_blocks` is what is allocated, when nothing is in flight.
    IBlocks "i_blocks" true;
    /// `i_disksize` is not past `i_size`, when nothing is in flight.
    DisksizeWithinSize "disksize_within_size" false;
    /// No ENOSPC while blocks are free that nobody has reserved. After an operation that failed.
    EnospcWithSpaceFree "enospc_with_space_free" true;
    /// What happens after the tasks comes to its end.
    AfterEnds "after_ends" true;
}

/// A broken invariant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Broken {
    /// Which.
    pub checker: Checker,
    /// What was found and what should have been, as far as they are numbers.
    pub values: Option<(i64, i64)>,
    /// Where: a logical block, a byte, or a physical block, as the checker has it.
    pub place: Option<u64>,
}

impl Broken {
    /// At a place.
    pub fn at(checker: Checker, place: u32) -> Broken {
        Broken { checker, values: None, place: Some(u64::from(place)) }
    }

    /// By two numbers that should agree.
    pub fn of(checker: Checker, found: impl Into<i64>, expected: impl Into<i64>) -> Broken {
        Broken { checker, values: Some((found.into(), expected.into())), place: None }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.checker.name())?;
        if let Some((found, expected)) = self.values {
            write!(f, ": {found}, expected {expected}")?;
        }
        if let Some(place) = self.place {
            write!(f, " at {place}")?;
        }
        Ok(())
    }
}

/// Where broken invariants are written down, by the model and by checkers.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<Broken>>);

impl Log {
    /// Writes one down.
    pub fn broken(&self, broken: Broken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(broken);
    }

    /// Takes what was written down since the last call.
    pub fn take(&self) -> Vec<Broken> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a layer's state comes to, while nobody changes it. Counts are in clusters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Books {
    /// The counters.
    pub space: Space,
    /// How many blocks the status tree has as delayed and not allocated.
    pub delayed: u32,
    /// How many the extent tree has.
    pub allocated: u32,
    /// How many the medium has.
    pub total: u32,
    /// How many of them the bitmap has as free.
    pub free: u32,
    /// A block that is delayed though something is allocated for it.
    pub delayed_over_allocated: Option<Lblk>,
    /// A block of which status tree and extent tree say different things.
    pub es_differs: Option<Lblk>,
    /// A physical block that belongs twice, or belongs and is free.
    pub block_twice: Option<Pblk>,
}

/// The checkers over a layer's books, for whenever nobody holds its lock.
pub fn check_books(books: &Books) -> impl Iterator<Item = Broken> {
    [
        reserved_equals_delayed::check(books),
        dirty_counter_equals_reserved::check(books),
        es_matches_extent_tree::check(books),
        delayed_not_allocated::check(books),
        no_block_twice::check(books),
        quota_equals_allocation::check(books),
    ]
    .into_iter()
    .flatten()
}

/// The checkers over a whole inode, for whenever no operation and no I/O is in flight.
pub fn check_idle<L: Layer>(inode: &Inode<L>) -> Vec<Broken> {
    let mut all = Vec::new();
    let Some(books) = inode.layer.books() else { return all };
    all.extend(check_books(&books));
    all.extend(i_blocks::check(&books));
    all.extend(disksize_within_size::check(inode));
    let dirty = inode.dirty_blocks();
    if dirty.is_empty() {
        all.extend(dirty_counter_after_sync::check(&books, inode));
    }
    all.extend(dirty_is_mapped::check(inode, &dirty));
    all.extend(delayed_has_dirty_folio::check(&books, inode, &dirty));
    all.extend(data::check(inode));
    all
}

/// The truth about the file of `setup` before anything happens.
pub(crate) fn truth_at_start(setup: &Setup) -> Truth {
    data::truth_at_start(setup)
}
