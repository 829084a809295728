//! Devices that a test can know everything about: one that lies once, one that stalls, one with a cache.

use maprace_load::{Device, Op, Reply, Request};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long an honest device takes, in nanoseconds. Odd, so that requests end in another order than they
/// began: it depends on the position.
fn takes(request: &Request) -> u64 {
    5_000 + request.pos / 512 % 7 * 1_000
}

/// Bytes by unit of 512.
#[derive(Clone, Default, Debug)]
pub(crate) struct Bytes(BTreeMap<u64, Vec<u8>>);

impl Bytes {
    pub(crate) fn put(&mut self, pos: u64, data: &[u8]) {
        for (at, unit) in (pos / 512..).zip(data.chunks(512)) {
            self.0.insert(at, unit.to_vec());
        }
    }

    pub(crate) fn clear(&mut self, pos: u64, len: u64) {
        (pos / 512..(pos + len) / 512).for_each(|at| drop(self.0.remove(&at)));
    }

    pub(crate) fn get(&self, pos: u64, data: &mut [u8]) {
        for (at, unit) in (pos / 512..).zip(data.chunks_mut(512)) {
            match self.0.get(&at) {
                Some(kept) => unit.copy_from_slice(kept),
                None => unit.fill(0),
            }
        }
    }

    /// Puts what there is over what is there.
    fn overlay(&self, pos: u64, data: &mut [u8]) {
        for (at, unit) in (pos / 512..).zip(data.chunks_mut(512)) {
            if let Some(kept) = self.0.get(&at) {
                unit.copy_from_slice(kept);
            }
        }
    }

    fn absorb(&mut self, newer: Bytes) {
        self.0.extend(newer.0);
    }
}

/// What a device does wrong, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    Nothing,
    /// A bit of what is written is another.
    Flips,
    /// A write is acknowledged and not done.
    Loses,
    /// A write goes to the neighbour.
    Misdirects,
    /// A read of what has been read before gives what was there before the last write.
    ReadsStale,
}

/// A device that keeps bytes and lies once, at its n-th chance.
#[derive(Debug)]
pub(crate) struct Liar {
    lie: Lie,
    chances: u32,
    now: Bytes,
    /// What each place held before its last write.
    before: Bytes,
    /// Places that were read since their last write.
    read: BTreeMap<u64, bool>,
    /// Where it lied.
    pub(crate) at: Rc<Cell<Option<u64>>>,
}

impl Liar {
    pub(crate) fn new(lie: Lie, chances: u32) -> Liar {
        let (now, before) = (Bytes::default(), Bytes::default());
        Liar { lie, chances, now, before, read: BTreeMap::new(), at: Rc::default() }
    }

    /// Whether this is the time.
    fn lies(&mut self, lie: Lie, pos: u64) -> bool {
        if self.lie != lie || self.at.get().is_some() {
            return false;
        }
        self.chances -= 1;
        if self.chances == 0 {
            self.at.set(Some(pos));
        }
        self.chances == 0
    }

    fn write(&mut self, pos: u64, data: &mut [u8]) {
        let mut old = vec![0; data.len()];
        self.now.get(pos, &mut old);
        // Only where there was something: nothing is no older write.
        if old.iter().any(|byte| *byte != 0) {
            self.before.put(pos, &old);
        }
        self.read.insert(pos, false);
        if self.lies(Lie::Loses, pos) {
            return;
        }
        if self.lies(Lie::Flips, pos) {
            data[data.len() / 2] ^= 0x10;
        }
        let to = if self.lies(Lie::Misdirects, pos) { pos ^ data.len() as u64 } else { pos };
        self.now.put(to, data);
    }
}

impl Device for Liar {
    fn serve(&mut self, request: &Request, data: &mut [u8], now_ns: u64) -> Reply {
        let pos = request.pos;
        match request.op {
            Op::Read => {
                let has_older = self.before.0.contains_key(&(pos / 512));
                let was_read = self.read.insert(pos, true) == Some(true);
                let stale = has_older && was_read && self.lies(Lie::ReadsStale, pos);
                if stale { self.before.get(pos, data) } else { self.now.get(pos, data) }
            }
            Op::Write => self.write(pos, data),
            Op::Trim | Op::WriteZeroes => self.now.clear(pos, request.len.into()),
            Op::Flush => {}
        }
        Reply { done_ns: now_ns + takes(request), errno: None }
    }

    fn describe(&self) -> String {
        format!("a device that {:?}", self.lie)
    }
}

/// A device whose stores take effect when they are answered, in any order: overlapping ones mix.
#[derive(Debug, Default)]
pub(crate) struct Late {
    now: Bytes,
    /// By when they are due and in which order they came.
    due: BTreeMap<(u64, u64), (Request, Vec<u8>)>,
    number: u64,
}

impl Late {
    fn settle(&mut self, now_ns: u64) {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now_ns
        {
            let (request, data) = entry.remove();
            match request.op {
                Op::Write => self.now.put(request.pos, &data),
                _ => self.now.clear(request.pos, request.len.into()),
            }
        }
    }
}

impl Device for Late {
    fn serve(&mut self, request: &Request, data: &mut [u8], now_ns: u64) -> Reply {
        self.settle(now_ns);
        self.number += 1;
        // Scattered, so that the last to come is not the last to be done.
        let done_ns = now_ns + 1_000 + self.number.wrapping_mul(0x9e37_79b9) % 50_000;
        match request.op {
            Op::Read => self.now.get(request.pos, data),
            Op::Flush => {}
            _ => drop(self.due.insert((done_ns, self.number), (*request, data.to_vec()))),
        }
        Reply { done_ns, errno: None }
    }

    fn describe(&self) -> String {
        "a device that does things late".to_owned()
    }
}

/// One server that takes 10 us for each request, one after the other, and stands still for 100 ms once.
#[derive(Debug)]
pub(crate) struct Stalls {
    pub(crate) from_ns: u64,
    pub(crate) free_ns: u64,
}

impl Device for Stalls {
    fn serve(&mut self, _: &Request, _: &mut [u8], now_ns: u64) -> Reply {
        let start = now_ns.max(self.free_ns);
        let end = self.from_ns + 100_000_000;
        let start = if (self.from_ns..end).contains(&start) { end } else { start };
        self.free_ns = start + 10_000;
        Reply { done_ns: self.free_ns, errno: None }
    }

    fn describe(&self) -> String {
        "a server that stalls".to_owned()
    }
}

/// A device that fails from its n-th request on, and counts.
#[derive(Debug)]
pub(crate) struct Fails<'a> {
    pub(crate) from: u64,
    pub(crate) errno: i32,
    pub(crate) asked: &'a Cell<u64>,
    /// Set when it is asked for the n-th time, if it is there.
    pub(crate) stop: Option<&'a AtomicBool>,
}

impl Device for Fails<'_> {
    fn serve(&mut self, _: &Request, _: &mut [u8], now_ns: u64) -> Reply {
        self.asked.set(self.asked.get() + 1);
        let is_due = self.asked.get() >= self.from;
        let errno = match self.stop {
            Some(stop) => {
                stop.fetch_or(is_due, Ordering::Relaxed);
                None
            }
            None => is_due.then_some(self.errno),
        };
        Reply { done_ns: now_ns + 1_000, errno }
    }

    fn describe(&self) -> String {
        "a device that fails".to_owned()
    }
}

/// A device with a volatile cache. What a power cut would leave can be looked at from outside.
#[derive(Debug, Default)]
pub(crate) struct Cached {
    pub(crate) kept: Rc<RefCell<Bytes>>,
    pub(crate) cache: Bytes,
    /// Whether a flush is acknowledged and not done.
    pub(crate) ignores_flushes: bool,
    /// Whether FUA is.
    pub(crate) ignores_fua: bool,
}

impl Device for Cached {
    fn serve(&mut self, request: &Request, data: &mut [u8], now_ns: u64) -> Reply {
        match request.op {
            Op::Write if request.fua && !self.ignores_fua => {
                self.kept.borrow_mut().put(request.pos, data);
                // What the cache has of it is older.
                self.cache.clear(request.pos, request.len.into());
            }
            Op::Write => self.cache.put(request.pos, data),
            Op::Read => {
                self.kept.borrow().get(request.pos, data);
                self.cache.overlay(request.pos, data);
            }
            Op::Flush if !self.ignores_flushes => {
                self.kept.borrow_mut().absorb(std::mem::take(&mut self.cache));
            }
            _ => {}
        }
        Reply { done_ns: now_ns + takes(request), errno: None }
    }

    fn describe(&self) -> String {
        "a device with a volatile cache".to_owned()
    }
}
