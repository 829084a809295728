//! Bytes that somebody gave, in pages that are shared until one of their owners writes.
//!
//! A page may hold more than is valid of it: what a byte is, its origin says, and only if that is a write
//! is anybody shown what stands here. So zeroing drops whole pages and leaves the others as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: u64 = 4096;

type Page = [u8; 4096];

/// Pages by number. Nearly always none, or, in a folio, one.
#[derive(Clone, Default)]
pub(super) enum Pages {
    /// Nobody gave any bytes.
    #[default]
    None,
    /// One page.
    One(u64, Arc<Page>),
    /// As many as there are.
    Many(BTreeMap<u64, Arc<Page>>),
}

/// A position in memory.
pub(super) fn index(at: u64) -> usize {
    usize::try_from(at).expect("what is in memory can be addressed")
}

/// The parts of `lo..hi` that lie in one page each: page, first byte, one past the last.
fn parts(lo: u64, hi: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    let end = if lo < hi { hi.div_ceil(PAGE) } else { 0 };
    (lo / PAGE..end).map(move |page| (page, lo.max(page * PAGE), hi.min((page + 1) * PAGE)))
}

impl Pages {
    fn page(&self, number: u64) -> Option<&Arc<Page>> {
        match self {
            Pages::None => None,
            Pages::One(at, page) => (*at == number).then_some(page),
            Pages::Many(pages) => pages.get(&number),
        }
    }

    /// The page to change it; all zero if it was not there.
    fn page_mut(&mut self, number: u64) -> &mut Page {
        if self.page(number).is_none() {
            self.set_page(number, Arc::new([0; 4096]));
        }
        let page = match self {
            Pages::None => None,
            Pages::One(_, page) => Some(page),
            Pages::Many(pages) => pages.get_mut(&number),
        };
        Arc::make_mut(page.expect("it was put there if it was not"))
    }

    fn set_page(&mut self, number: u64, page: Arc<Page>) {
        match self {
            Pages::None => *self = Pages::One(number, page),
            Pages::One(at, old) if *at == number => *old = page,
            Pages::One(at, old) => {
                *self = Pages::Many(BTreeMap::from([(*at, old.clone()), (number, page)]));
            }
            Pages::Many(pages) => drop(pages.insert(number, page)),
        }
    }

    /// Puts bytes at `pos`.
    pub(super) fn put(&mut self, pos: u64, bytes: &[u8]) {
        for (number, lo, hi) in parts(pos, pos + bytes.len() as u64) {
            let part = &bytes[index(lo - pos)..index(hi - pos)];
            if hi - lo == PAGE {
                let whole = <Arc<Page>>::try_from(<Arc<[u8]>>::from(part));
                self.set_page(number, whole.expect("it has the length of a page"));
            } else {
                self.page_mut(number)[index(lo % PAGE)..][..part.len()].copy_from_slice(part);
            }
        }
    }

    /// Fills `into` from `pos` on; false, and nothing is done, if a page is not there.
    pub(super) fn get(&self, pos: u64, into: &mut [u8]) -> bool {
        let all = || parts(pos, pos + into.len() as u64);
        if all().any(|(page, ..)| self.page(page).is_none()) {
            return false;
        }
        for (number, lo, hi) in all() {
            if let Some(page) = self.page(number) {
                let from = &page[index(lo % PAGE)..][..index(hi - lo)];
                into[index(lo - pos)..index(hi - pos)].copy_from_slice(from);
            }
        }
        true
    }

    /// Drops the pages that lie wholly in `lo..hi`.
    pub(super) fn drop_within(&mut self, lo: u64, hi: u64) {
        let (first, end) = (lo.div_ceil(PAGE), hi / PAGE);
        match self {
            Pages::None => {}
            Pages::One(at, _) if (first..end).contains(at) => *self = Pages::None,
            Pages::One(..) => {}
            Pages::Many(_) if first >= end => {}
            Pages::Many(pages) => pages.extract_if(first..end, |_, _| true).for_each(drop),
        }
    }

    /// The pages `first..end` that are there, in order.
    fn range(&self, first: u64, end: u64) -> impl Iterator<Item = (u64, &Arc<Page>)> {
        let (one, many) = match self {
            Pages::None => (None, None),
            Pages::One(at, page) => ((first..end).contains(at).then_some((*at, page)), None),
            Pages::Many(pages) => (None, Some(pages.range(first..end))),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|(at, page)| (*at, page)))
    }

    /// Copies what `source` has of `from..from + len` to `to`; what it lacks is lacking then, or stays as
    /// it was, which no one is shown.
    pub(super) fn copy(&mut self, to: u64, source: &Pages, from: u64, len: u64) {
        if len == 0 || matches!((&*self, source), (Pages::None, Pages::None)) {
            return;
        }
        self.drop_within(to, to + len);
        for (number, page) in source.range(from / PAGE, (from + len).div_ceil(PAGE)) {
            let (lo, hi) = (from.max(number * PAGE), (from + len).min((number + 1) * PAGE));
            let at = to + (lo - from);
            if hi - lo == PAGE && at.is_multiple_of(PAGE) {
                self.set_page(at / PAGE, page.clone());
            } else {
                self.put(at, &page[index(lo % PAGE)..][..index(hi - lo)]);
            }
        }
    }

    /// How many bytes the pages have.
    pub(super) fn kept(&self) -> u64 {
        match self {
            Pages::None => 0,
            Pages::One(..) => PAGE,
            Pages::Many(pages) => pages.len() as u64 * PAGE,
        }
    }
}
