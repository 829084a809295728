//! Which pages of a file exist: a bit for each, in parts that are made when they are first needed.
//!
//! Any thread may set and clear any bit. A terabyte is 32 MiB of bits, of which a device that holds
//! little has few: a part is 4 KiB and speaks for 128 MiB.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of a word.
const WORD: u64 = 64;

/// Words of a part.
const WORDS: usize = 512;

/// Pages of a part.
const PART: u64 = WORD * WORDS as u64;

/// One part.
type Part = Box<[AtomicU64; WORDS]>;

/// Which pages exist.
#[derive(Debug)]
pub(super) struct Pages(Box<[OnceLock<Part>]>);

impl Pages {
    /// None of so many.
    pub(super) fn none(pages: u64) -> Pages {
        let parts = usize::try_from(pages.div_ceil(PART)).unwrap_or(usize::MAX);
        Pages((0..parts).map(|_| OnceLock::new()).collect())
    }

    /// Where a page's bit is: part, word, bit.
    fn place(page: u64) -> (usize, usize, u64) {
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        (index(page / PART), index(page % PART / WORD), page % WORD)
    }

    /// Whether a page exists.
    pub(super) fn has(&self, page: u64) -> bool {
        let (part, word, bit) = Pages::place(page);
        let Some(part) = self.0[part].get() else { return false };
        part[word].load(Ordering::Acquire) >> bit & 1 == 1
    }

    /// These pages exist from now on.
    pub(super) fn set(&self, pages: Range<u64>) {
        self.each_word(pages, |part, word, mask| {
            let empty = || Box::new([const { AtomicU64::new(0) }; WORDS]);
            part.get_or_init(empty)[word].fetch_or(mask, Ordering::AcqRel);
        });
    }

    /// These pages do not exist any more; whether any did.
    pub(super) fn clear(&self, pages: Range<u64>) -> bool {
        let mut any = false;
        self.each_word(pages, |part, word, mask| {
            if let Some(part) = part.get() {
                any |= part[word].fetch_and(!mask, Ordering::AcqRel) & mask != 0;
            }
        });
        any
    }

    fn each_word(&self, pages: Range<u64>, mut each: impl FnMut(&OnceLock<Part>, usize, u64)) {
        let mut page = pages.start;
        while page < pages.end {
            let (part, word, bit) = Pages::place(page);
            let count = (WORD - bit).min(pages.end - page);
            let ones = if count == WORD { u64::MAX } else { (1 << count) - 1 };
            each(&self.0[part], word, ones << bit);
            page += count;
        }
    }

    /// The pages from `page` to the first that differs from it, within `end`; and whether they exist.
    pub(super) fn run(&self, page: u64, end: u64) -> (Range<u64>, bool) {
        let has = self.has(page);
        let differs = (page + 1..end).find(|next| self.has(*next) != has);
        (page..differs.unwrap_or(end), has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terabyte_of_nothing_has_no_bits() {
        let pages = Pages::none(1 << 28);
        assert!(!pages.has((1 << 28) - 1) && !pages.clear(0..1 << 28));
        pages.set(PART - 1..PART + 1);
        assert_eq!(pages.0.iter().filter(|part| part.get().is_some()).count(), 2);
        assert!(pages.clear(0..1 << 28) && !pages.clear(0..1 << 28));
    }

    proptest! {
        #[test]
        fn it_is_a_vector_of_bools(
            steps in prop::collection::vec((0..PART * 2, 1..200_u64, prop::bool::ANY), 1..20),
        ) {
            let (pages, mut all) = (Pages::none(PART * 2 + 200), vec![false; 65_736]);
            for (from, len, sets) in steps {
                let range = usize::try_from(from).unwrap()..usize::try_from(from + len).unwrap();
                if sets {
                    pages.set(from..from + len);
                } else {
                    prop_assert_eq!(pages.clear(from..from + len), all[range.clone()].contains(&true));
                }
                all[range.clone()].fill(sets);
                let near = from.saturating_sub(3)..from + len + 3;
                for page in near.filter(|page| *page < PART * 2 + 200) {
                    let want = all[usize::try_from(page).unwrap()];
                    prop_assert_eq!(pages.has(page), want, "{}", page);
                }
                prop_assert_eq!(pages.run(from, from + len), (from..from + len, sets));
            }
        }
    }
}
