//! Bytes in memory, page by page: a page that was never written costs nothing.

use super::{Store, within};
use crate::units::index;
use std::collections::BTreeMap;
use std::io;

/// Bytes of a page.
const PAGE: usize = 4096;

/// A medium in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory {
    size: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Memory {
    /// A medium of `size` bytes, all zero.
    pub fn new(size: u64) -> Memory {
        Memory { size, pages: BTreeMap::new() }
    }
}

/// The parts of a range that lie on one page each: page, first byte within it, length.
fn parts(pos: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let (page_len, end) = (PAGE as u64, pos + len);
    let mut at = pos;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let (page, from) = (at / page_len, at % page_len);
            let part = (page_len - from).min(end - at);
            at += part;
            (page, index(from), index(part))
        })
    })
}

impl Store for Memory {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, pos: u64, into: &mut [u8]) -> io::Result<()> {
        let len = into.len() as u64;
        within(self.size, pos, len)?;
        let mut done = 0;
        for (page, from, part) in parts(pos, len) {
            let out = &mut into[done..done + part];
            match self.pages.get(&page) {
                Some(bytes) => out.copy_from_slice(&bytes[from..from + part]),
                None => out.fill(0),
            }
            done += part;
        }
        Ok(())
    }

    fn write(&mut self, pos: u64, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        within(self.size, pos, len)?;
        let mut done = 0;
        for (page, from, part) in parts(pos, len) {
            let page = self.pages.entry(page).or_insert_with(|| vec![0; PAGE].into_boxed_slice());
            page[from..from + part].copy_from_slice(&bytes[done..done + part]);
            done += part;
        }
        Ok(())
    }

    fn discard(&mut self, pos: u64, len: u64) -> io::Result<()> {
        within(self.size, pos, len)?;
        let (page_len, end) = (PAGE as u64, pos + len);
        let (first, last) = (pos.div_ceil(page_len), end / page_len);
        if first >= last {
            for (page, from, part) in parts(pos, len) {
                self.clear(page, from, part);
            }
            return Ok(());
        }
        // Only pages that exist are visited, however long the range.
        let whole: Vec<u64> = self.pages.range(first..last).map(|(page, _)| *page).collect();
        for page in whole {
            self.pages.remove(&page);
        }
        if pos < first * page_len {
            self.clear(first - 1, index(pos % page_len), PAGE - index(pos % page_len));
        }
        if last * page_len < end {
            self.clear(last, 0, index(end - last * page_len));
        }
        Ok(())
    }

    fn kept(&self) -> io::Result<u64> {
        Ok(self.pages.len() as u64 * PAGE as u64)
    }
}

impl Memory {
    fn clear(&mut self, page: u64, from: usize, len: usize) {
        if let Some(bytes) = self.pages.get_mut(&page) {
            bytes[from..from + len].fill(0);
        }
    }
}
