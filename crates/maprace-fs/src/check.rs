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

/// What is looked at when no operation and no I/O is in flight.
pub(crate) struct Idle<'a, L: Layer> {
    pub(crate) inode: &'a Inode<L>,
    pub(crate) books: &'a Books,
    /// The dirty blocks of the page cache, in order.
    pub(crate) dirty: &'a [u32],
}

/// Calls a checker of the books, and no other.
macro_rules! of_books {
    ($seen:expr, books $check:ident) => {
        $check::check($seen)
    };
    ($seen:expr, $other:ident $($check:ident)?) => {
        None
    };
}

/// Calls a checker of an idle inode, and no other.
macro_rules! of_idle {
    ($seen:expr, idle $check:ident) => {
        $check::check($seen)
    };
    ($seen:expr, $other:ident $($check:ident)?) => {
        None
    };
}

macro_rules! checkers {
    ($(
        $(#[$doc:meta])* $variant:ident $name:literal $visible:literal
        $when:ident $($check:ident)?, $words:expr;
    )+) => {
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

        impl Broken {
            /// What is wrong, in the words of a diagram: the kernel's own where it has any.
            pub fn words(&self) -> String {
                let words: fn(&Broken) -> String = match self.checker {
                    $(Checker::$variant => $words,)+
                };
                words(self)
            }
        }

        /// The checkers over a layer's books, for whenever nobody holds its lock.
        pub fn check_books(books: &Books) -> impl Iterator<Item = Broken> {
            [$(of_books!(books, $when $($check)?)),+].into_iter().flatten()
        }

        /// Those over an inode, for whenever nothing is in flight.
        fn check_quiet<L: Layer>(idle: &Idle<'_, L>) -> impl Iterator<Item = Broken> + use<L> {
            [$(of_idle!(idle, $when $($check)?)),+].into_iter().flatten()
        }
    };
}

checkers! {
    /// `i_reserved_data_blocks` is the number of delayed blocks. When nobody is inside the layer.
    ReservedEqualsDelayed "reserved_equals_delayed" false books reserved_equals_delayed, |b| format!("{} reserved, {} delayed", b.found(), b.expected());
    /// The file system's dirty counter is the sum of the reservations, and never above what is free.
    DirtyCounterEqualsReserved "dirty_counter_equals_reserved" false books dirty_counter_equals_reserved, |b| format!("dirty counter {}, {} reserved", b.found(), b.expected());
    /// No release takes more than is reserved. The kernel warns. An event.
    ReleaseWithinReservation "release_within_reservation" true event, |b| format!("used {} with only {} reserved data blocks", b.found(), b.expected());
    /// What the status tree says of allocation, the extent tree says. When nobody is inside the layer.
    EsMatchesExtentTree "es_matches_extent_tree" false books es_matches_extent_tree, |b| format!("es of block {} differs from the extent tree", b.at_place());
    /// Nothing is allocated under a delayed block. When nobody is inside the layer.
    DelayedNotAllocated "delayed_not_allocated" false books delayed_not_allocated, |_| "delayed over allocated".to_owned();
    /// A delayed block has a dirty folio over it. When nothing is in flight.
    DelayedHasDirtyFolio "delayed_has_dirty_folio" false idle delayed_has_dirty_folio, |b| format!("block {} delayed, no dirty folio", b.at_place());
    /// A dirty block is reserved or allocated. When nothing is in flight.
    DirtyIsMapped "dirty_is_mapped" false idle dirty_is_mapped, |b| format!("block {} dirty, nothing under it", b.at_place());
    /// No block belongs twice, and free plus allocated is all. When nobody is inside the layer.
    NoBlockTwice "no_block_twice" false books no_block_twice, no_block_twice::words;
    /// Quota is charged for what is allocated, reserved for what is reserved.
    QuotaEqualsAllocation "quota_equals_allocation" false books quota_equals_allocation, |b| format!("quota {}, should be {}", b.found(), b.expected());
    /// A block is converted to written only after its data reached the medium. An event.
    WrittenAfterData "written_after_data" false event, |b| format!("block {} written before its data", b.at_place());
    /// The writeback bit covers the conversion of what was written. An event.
    WritebackCoversConversion "writeback_covers_conversion" false event, |b| format!("block {}: writeback ends unconverted", b.at_place());
    /// A mapping whose cookie is right is what the layer says. An event.
    MappingIsCurrent "mapping_is_current" false event, |b| format!("block {} is not as it is mapped", b.at_place());
    /// A write maps anew only if something has changed since it last did. An event.
    StaleRetriesEnd "stale_retries_end" false event, |_| "stale again, nothing changed".to_owned();
    /// Locks are taken in the order in which others take them. An event.
    LockOrder "lock_order" true event, |_| "lock order inverted".to_owned();
    /// A change of status in the status tree bumps its sequence. An event.
    SequenceDatesChanges "sequence_dates_changes" false event, |b| format!("block {} changed, sequence not bumped", b.at_place());
    /// Every byte read, or found at the end, is one that a write put there.
    Data "data" true idle data, |b| format!("wrong byte at {}", b.at_place());
    /// `i_reserved_data_blocks (n) not cleared!`, at evict.
    ReservedAtEvict "reserved_at_evict" true event, |b| format!("i_reserved_data_blocks ({}) not cleared!", b.found());
    /// `delayed_allocation_blocks` is 0 when everything is on the medium and nothing is in flight.
    DirtyCounterAfterSync "dirty_counter_after_sync" true idle dirty_counter_after_sync, |b| format!("delayed_allocation_blocks is {}", b.found());
    /// `i_blocks` is what is allocated, when nothing is in flight.
    IBlocks "i_blocks" true idle i_blocks, i_blocks::words;
    /// `i_disksize` is not past `i_size`, when nothing is in flight.
    DisksizeWithinSize "disksize_within_size" false idle disksize_within_size, |b| format!("i_disksize {} > i_size {}", b.found(), b.expected());
    /// No ENOSPC while blocks are free that nobody has reserved. After an operation that failed.
    EnospcWithSpaceFree "enospc_with_space_free" true event, |b| format!("ENOSPC, {} blocks free", b.found());
    /// What happens after the tasks comes to its end.
    AfterEnds "after_ends" true event, |_| "never ends".to_owned();
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
    fn found(&self) -> i64 {
        self.values.unwrap_or_default().0
    }

    fn expected(&self) -> i64 {
        self.values.unwrap_or_default().1
    }

    fn at_place(&self) -> u64 {
        self.place.unwrap_or_default()
    }

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

/// The checkers over a whole inode, for whenever no operation and no I/O is in flight.
pub fn check_idle<L: Layer>(inode: &Inode<L>) -> Vec<Broken> {
    let mut all = Vec::new();
    let Some(books) = inode.layer.books() else { return all };
    all.extend(check_books(&books));
    let dirty = inode.dirty_blocks();
    all.extend(check_quiet(&Idle { inode, books: &books, dirty: &dirty }));
    all
}

/// The truth about the file of `setup` before anything happens.
pub(crate) fn truth_at_start(setup: &Setup) -> Truth {
    data::truth_at_start(setup)
}
