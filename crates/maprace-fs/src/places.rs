//! What the objects of the model are called, and where in one of them a step can be.
//!
//! A footprint names an object, a range and an effect; what the range counts is the object's affair.
//! All of that is said here once: `Kind` is every object there is, the constants are the places
//! inside one, and [`describe`] reads both back for whoever shows a footprint. A new place is a value
//! of an enum here, so it cannot be forgotten there. Objects of somebody else's layer are not known:
//! of those a kind is all that can be said.

use maprace_runtime::Key;
use std::fmt;
use std::ops::Range;

/// The kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    IRwsem,
    InvalidateLock,
    /// A part of the running transaction, as lockdep calls it.
    Jbd2Handle,
    /// `T_LOCKED`: nobody new may join the transaction.
    TransactionLocked,
    FolioLock,
    Writeback,
    /// What a folio holds; touched under other objects' places only.
    Folio,
    IPages,
    ISize,
    /// The bytes of the file as its readers may see them.
    Bytes,
    Medium,
    IDataSem,
    IEsLock,
    Super,
}

impl Kind {
    const ALL: [Kind; 14] = [
        Kind::IRwsem,
        Kind::InvalidateLock,
        Kind::Jbd2Handle,
        Kind::TransactionLocked,
        Kind::FolioLock,
        Kind::Writeback,
        Kind::Folio,
        Kind::IPages,
        Kind::ISize,
        Kind::Bytes,
        Kind::Medium,
        Kind::IDataSem,
        Kind::IEsLock,
        Kind::Super,
    ];

    /// Its name in keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::IRwsem => "i_rwsem",
            Kind::InvalidateLock => "invalidate_lock",
            Kind::Jbd2Handle => "jbd2_handle",
            Kind::TransactionLocked => "transaction_locked",
            Kind::FolioLock => "folio_lock",
            Kind::Writeback => "writeback",
            Kind::Folio => "folio",
            Kind::IPages => "i_pages",
            Kind::ISize => "i_size",
            Kind::Bytes => "bytes",
            Kind::Medium => "medium",
            Kind::IDataSem => "i_data_sem",
            Kind::IEsLock => "i_es_lock",
            Kind::Super => "super",
        }
    }

    /// The key of the only one of its kind.
    pub(crate) const fn key(self) -> Key {
        Key::only(self.name())
    }

    /// The key of the one that belongs to the folio at `index`.
    pub(crate) fn key_at(self, index: u32) -> Key {
        Key { kind: self.name(), index: u64::from(index) }
    }

    fn of(key: Key) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == key.kind)
    }

    /// Whether there is one for each folio.
    const fn is_of_folio(self) -> bool {
        matches!(self, Kind::FolioLock | Kind::Writeback | Kind::Folio)
    }
}

/// The places of a folio in the page cache, [`Kind::IPages`]; each is [`PART`] from the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Which folio is at an index.
    Slot = 0,
    /// How many hold it.
    Refs = 1,
    /// Its dirty tag.
    Tag = 2,
    /// Its page table entry.
    Pte = 3,
    /// Its writeback tag.
    Writeback = 4,
}

/// How far apart the parts of the page cache are.
const PART: u64 = 1 << 29;

impl Place {
    const ALL: [Place; 5] = [Place::Slot, Place::Refs, Place::Tag, Place::Pte, Place::Writeback];

    /// Where it is of the folios `at`.
    pub(crate) fn range(self, at: Range<u32>) -> Range<u64> {
        let base = self as u64 * PART;
        base + u64::from(at.start)..base + u64::from(at.end)
    }

    const fn name(self) -> &'static str {
        match self {
            Place::Slot => "page cache slot",
            Place::Refs => "folio references",
            Place::Tag => "dirty tag",
            Place::Pte => "page table entry",
            Place::Writeback => "writeback tag",
        }
    }
}

/// `i_size` in [`Kind::ISize`].
pub(crate) const I_SIZE: Range<u64> = 0..1;
/// `i_size` and `i_disksize`.
pub(crate) const BOTH_SIZES: Range<u64> = 0..2;

/// The sequence in [`Kind::IEsLock`], past every block. A change of the whole file has it too.
pub(crate) const SEQUENCE: Range<u64> = u32::MAX as u64 - 1..u32::MAX as u64;

/// The places of the super block, [`Kind::Super`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SuperPlace {
    /// The inode's reservation.
    Reservation = 0,
    /// The file system's counters.
    Counters = 1,
    /// The block bitmap.
    Bitmap = 2,
}

impl SuperPlace {
    const ALL: [SuperPlace; 3] =
        [SuperPlace::Reservation, SuperPlace::Counters, SuperPlace::Bitmap];

    /// Where it is.
    pub(crate) const fn range(self) -> Range<u64> {
        let at = self as u64;
        at..at + 1
    }

    const fn name(self) -> &'static str {
        match self {
            SuperPlace::Reservation => "i_reserved_data_blocks",
            SuperPlace::Counters => "free-block counters",
            SuperPlace::Bitmap => "block bitmap",
        }
    }
}

/// A place in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// What it is, for example `extent status`.
    pub what: &'static str,
    /// What the range counts; empty where there is none.
    pub unit: &'static str,
    /// First and one past the last; `None` where it is one thing. [`END`] is the end of all files.
    pub range: Option<(u64, u64)>,
}

/// Where a range ends that has no end.
pub const END: u64 = u32::MAX as u64;

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Described { what, unit, range } = self;
        match range {
            None => f.write_str(what),
            Some((lo, END)) => write!(f, "{what}, {unit} {lo}.."),
            Some((lo, hi)) => write!(f, "{what}, {unit} {lo}..{hi}"),
        }
    }
}

/// What the units `lo..hi` of the object with that key are; `None` for an object of somebody else's,
/// and for what is no place.
pub fn describe(key: Key, lo: u64, hi: u64) -> Option<Described> {
    let one = |what| Described { what, unit: "", range: None };
    let some = |what, unit, lo, hi| Described { what, unit, range: Some((lo, hi)) };
    Some(match Kind::of(key)? {
        Kind::IPages => {
            let (base, part) = (lo / PART * PART, usize::try_from(lo / PART).ok()?);
            let place = Place::ALL.get(part).filter(|_| hi - base <= PART)?;
            some(place.name(), "folios", lo - base, hi - base)
        }
        Kind::IEsLock if lo >= SEQUENCE.start => one("i_es_seq"),
        Kind::IEsLock => some("extent status", "blocks", lo, hi),
        Kind::Super => {
            one(SuperPlace::ALL.into_iter().find(|place| place.range() == (lo..hi))?.name())
        }
        Kind::ISize if hi <= I_SIZE.end => one("i_size"),
        Kind::ISize if lo >= I_SIZE.end => one("i_disksize"),
        Kind::ISize => one("i_size and i_disksize"),
        Kind::Bytes => some("file data", "bytes", lo, hi),
        Kind::Medium => some("medium", "bytes", lo, hi),
        Kind::Folio => some("folio", "folios", key.index, key.index + 1),
        Kind::IRwsem
        | Kind::InvalidateLock
        | Kind::Jbd2Handle
        | Kind::TransactionLocked
        | Kind::FolioLock
        | Kind::Writeback
        | Kind::IDataSem => one(class(key)),
    })
}

/// What locks of that kind are called.
pub fn class(key: Key) -> &'static str {
    match Kind::of(key) {
        Some(Kind::Jbd2Handle) => "jbd2 handle",
        Some(Kind::TransactionLocked) => "T_LOCKED",
        Some(Kind::Writeback) => "writeback bit",
        _ => key.kind,
    }
}

/// What a lock is called: its [`class`], and where each folio has one the index of the folio.
pub fn lock(key: Key) -> String {
    match Kind::of(key) {
        Some(kind) if kind.is_of_folio() => format!("{} {}", class(key), key.index),
        _ => class(key).to_owned(),
    }
}

/// How the kernel takes a lock that a task takes without a step of its own.
pub fn taking(key: Key, shared: bool) -> Option<String> {
    Some(match (Kind::of(key), shared) {
        (Some(Kind::Jbd2Handle), true) => "ext4_journal_start".to_owned(),
        (_, true) => format!("down_read({})", class(key)),
        (_, false) => format!("down_write({})", class(key)),
    })
}

/// How the kernel gives back a lock whose release is no step of its own; `None` where it has nothing
/// to give back: a handle that had to wait, or a commit whose handles are gone.
pub fn releasing(key: Key, shared: bool) -> Option<String> {
    Some(match (Kind::of(key), shared) {
        (Some(Kind::Jbd2Handle), true) => "ext4_journal_stop".to_owned(),
        (Some(Kind::Jbd2Handle), false) | (Some(Kind::TransactionLocked), true) => return None,
        (Some(Kind::TransactionLocked), false) => "T_FLUSH".to_owned(),
        (_, true) => format!("up_read({})", class(key)),
        (_, false) => format!("up_write({})", class(key)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kind: Kind, range: Range<u64>) -> String {
        describe(kind.key(), range.start, range.end).unwrap().to_string()
    }

    #[test]
    fn every_kind_is_listed_once_and_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind.key()), Some(kind));
        }
    }

    #[test]
    fn every_place_says_what_it_is_and_of_which_folio() {
        let named = |place: Place| words(Kind::IPages, place.range(3..5));
        assert_eq!(
            Place::ALL.map(named),
            [
                "page cache slot, folios 3..5",
                "folio references, folios 3..5",
                "dirty tag, folios 3..5",
                "page table entry, folios 3..5",
                "writeback tag, folios 3..5",
            ]
        );
        assert_eq!(describe(Kind::IPages.key(), 0, PART + 1), None);
        assert_eq!(describe(Kind::IPages.key(), 5 * PART, 5 * PART + 1), None);
        let named = |place: SuperPlace| words(Kind::Super, place.range());
        assert_eq!(
            SuperPlace::ALL.map(named),
            ["i_reserved_data_blocks", "free-block counters", "block bitmap"]
        );
        assert_eq!(words(Kind::IEsLock, SEQUENCE), "i_es_seq");
        assert_eq!(words(Kind::IEsLock, 1..4), "extent status, blocks 1..4");
        assert_eq!(words(Kind::IEsLock, 0..END), "extent status, blocks 0..");
        assert_eq!(words(Kind::ISize, I_SIZE), "i_size");
        assert_eq!(words(Kind::ISize, BOTH_SIZES), "i_size and i_disksize");
    }

    #[test]
    fn locks_of_folios_carry_their_index_and_a_strange_lock_its_kind() {
        assert_eq!(lock(Kind::FolioLock.key_at(2)), "folio_lock 2");
        assert_eq!(lock(Kind::Jbd2Handle.key()), "jbd2 handle");
        let ilock = Key::only("ILOCK");
        assert_eq!((lock(ilock).as_str(), describe(ilock, 0, 1)), ("ILOCK", None));
        assert_eq!(releasing(ilock, false).as_deref(), Some("up_write(ILOCK)"));
        assert_eq!(releasing(Kind::Jbd2Handle.key(), true).as_deref(), Some("ext4_journal_stop"));
    }
}
