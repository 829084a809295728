//! Windows: between a look-up and the moment its answer takes effect, read off what happens to tasks.
//!
//! Fed with what happens, in order of time, in virtual time or from the logs of threads; knows which
//! events open and close W1 to W6 and which change of another task hits them. It follows
//! `docs/KERNEL.md`, "Windows", and changes nothing. A window counts only while nothing excludes the
//! other path: where a lock does, it is no window.

use crate::knobs::Insert;
use crate::places::Kind;
use crate::{Knobs, Order, Switch};
use maprace_runtime::{Happening, Key, Point, Traced};

/// A kind of window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum WindowKind {
    /// A map that is to be inserted, against another user of its blocks.
    W1,
    /// A fault that found a hole, until `i_data_sem` is granted, against `fallocate`.
    W2,
    /// A reader's scan for delayed blocks, until it caches a hole.
    W3,
    /// A mapping of an iomap write, until a folio of it is locked.
    W4,
    /// `i_data_sem` dropped to restart a transaction, until it is taken again.
    W5,
    /// Page cache dropped after a short write, until what was reserved is given back.
    W6,
}

impl WindowKind {
    /// All of them.
    pub const ALL: [WindowKind; 6] = [
        WindowKind::W1,
        WindowKind::W2,
        WindowKind::W3,
        WindowKind::W4,
        WindowKind::W5,
        WindowKind::W6,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            WindowKind::W1 => "W1",
            WindowKind::W2 => "W2",
            WindowKind::W3 => "W3",
            WindowKind::W4 => "W4",
            WindowKind::W5 => "W5",
            WindowKind::W6 => "W6",
        }
    }

    /// From what to what, in a line.
    pub fn what(self) -> &'static str {
        match self {
            WindowKind::W1 => "look-up of a map to its insertion, no folio lock in between",
            WindowKind::W2 => "look-up of a fault that found a hole to the grant of i_data_sem",
            WindowKind::W3 => "scan for delayed blocks to the caching of a hole",
            WindowKind::W4 => "iomap_begin to the lock of a folio of the mapping",
            WindowKind::W5 => "i_data_sem dropped to i_data_sem taken again, over a restart",
            WindowKind::W6 => "page cache dropped to reserved blocks given back",
        }
    }
}

/// A window that has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Which.
    pub kind: WindowKind,
    /// Whose.
    pub task: usize,
    /// When it opened, in nanoseconds.
    pub opened_ns: u64,
    /// When it closed, in nanoseconds.
    pub closed_ns: u64,
    /// The first block at risk.
    pub lo: u32,
    /// One past the last.
    pub hi: u32,
    /// Whether a conflicting change of another task landed in it.
    pub hit: bool,
    /// Whether a second look or a cookie noticed that.
    pub caught: bool,
}

/// What decides whether a window is one.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// The lock of the layer: `i_data_sem`.
    pub lock: Key,
    /// Blocks of a folio.
    pub folio_blocks: u32,
    /// The order of buffered writes.
    pub order: Order,
    /// The settings.
    pub knobs: Knobs,
}

/// A window that may be open: since when, over what, and whether it was hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Open {
    since_ns: u64,
    lo: u32,
    hi: u32,
    hit: bool,
}

impl Open {
    fn at(since_ns: u64, lo: u32, hi: u32) -> Open {
        Open { since_ns, lo, hi, hit: false }
    }

    fn change(&mut self, traced: Traced) {
        self.hit |= is_common((self.lo, self.hi), (traced.lo, traced.hi));
    }

    fn close(self, kind: WindowKind, task: usize, now_ns: u64, caught: bool) -> Window {
        let Open { since_ns, lo, hi, hit } = self;
        let caught = hit && caught;
        Window { kind, task, opened_ns: since_ns, closed_ns: now_ns, lo, hi, hit, caught }
    }
}

/// A window of which only its end tells which blocks were at risk.
#[derive(Clone, Debug, Default)]
struct Vague {
    since_ns: u64,
    lo: u32,
    hi: u32,
    /// What others changed since.
    changes: Vec<(u32, u32)>,
}

impl Vague {
    fn at(since_ns: u64, lo: u32, hi: u32) -> Vague {
        Vague { since_ns, lo, hi, changes: Vec::new() }
    }

    fn change(&mut self, traced: Traced) {
        self.changes.push((traced.lo, traced.hi));
    }

    /// It was about `lo..hi`.
    fn over(&self, lo: u32, hi: u32) -> Open {
        let hit = self.changes.iter().any(|change| is_common(*change, (lo, hi)));
        Open { since_ns: self.since_ns, lo, hi, hit }
    }

    /// It was about that part of `lo..hi` that it is over, if there is one.
    fn within(&self, lo: u32, hi: u32) -> Option<Open> {
        let (lo, hi) = (lo.max(self.lo), hi.min(self.hi));
        (lo < hi).then(|| self.over(lo, hi))
    }
}

fn is_common(a: (u32, u32), b: (u32, u32)) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// The look-up of a map and what became of it.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Against other maps of the blocks: until the insertion.
    map: Open,
    /// Against `fallocate`: until the grant.
    fill: Open,
    /// When the layer's lock was granted.
    granted_ns: Option<u64>,
    /// Whether it was repeated under that lock.
    renewed: bool,
    /// How the layer's lock was held when it found its answer, and still is: shared or exclusively.
    under: Option<bool>,
}

/// What is known of a task.
#[derive(Clone, Debug, Default)]
struct Task {
    in_map: u32,
    in_mkwrite: u32,
    in_release: u32,
    in_restart: u32,
    holds_lock: Option<bool>,
    holds_i_rwsem: bool,
    holds_invalidate: Option<bool>,
    /// The blocks that a look-up or a change last spoke of.
    told: (u32, u32),
    /// What it last began to take away or to move.
    removed: (u32, u32),
    look: Option<Look>,
    scan: Option<Vague>,
    /// The answer that an iomap write is about to map by: its window opens when it does, but what others
    /// change from the answer on makes the mapping old.
    answer: Option<Vague>,
    /// The mapping of an iomap write.
    mapping: Option<Vague>,
    /// A folio was locked under a mapping that was hit: was that noticed?
    locked: Option<Window>,
    restart: Option<Open>,
    /// The clean-up of a short write has begun to drop the page cache.
    release: Option<Vague>,
}

/// Follows the tasks of one run.
#[derive(Debug)]
pub struct Windows {
    watched: Watched,
    tasks: Vec<Task>,
    closed: Vec<Window>,
}

impl Windows {
    /// Nothing has happened yet.
    pub fn new(watched: Watched) -> Windows {
        Windows { watched, tasks: Vec::new(), closed: Vec::new() }
    }

    /// Forgets what was.
    pub fn reset(&mut self) {
        self.tasks.clear();
        self.closed.clear();
    }

    /// The windows that have closed since the last call.
    pub fn take(&mut self) -> std::vec::Drain<'_, Window> {
        self.closed.drain(..)
    }

    /// `task` has ended; its number may come again.
    pub fn ended(&mut self, task: usize) {
        if let Some(task) = self.tasks.get_mut(task) {
            self.closed.extend(task.locked.take());
            *task = Task::default();
        }
    }

    /// Something happens to `task`.
    #[inline]
    pub fn see(&mut self, now_ns: u64, task: usize, happening: &Happening) {
        if self.tasks.len() <= task {
            self.tasks.resize_with(task + 1, Task::default);
        }
        match happening {
            Happening::Enter(name) => self.enters(now_ns, task, name),
            Happening::Leave(name) => self.leaves(now_ns, task, name),
            Happening::Takes { key, exclusive } => self.takes(now_ns, task, *key, *exclusive),
            Happening::Drops { key, .. } => self.drops(now_ns, task, *key),
            Happening::Trace(traced) => self.traced(now_ns, task, *traced),
            Happening::Asks { .. } => {}
        }
    }

    fn enters(&mut self, now_ns: u64, task: usize, name: &str) {
        let state = &mut self.tasks[task];
        match name {
            MAP => state.in_map += 1,
            BEGIN => {
                // The folio that was locked last was not written: its mapping was found stale.
                if let Some(locked) = state.locked.take() {
                    self.closed.push(Window { caught: true, ..locked });
                }
                (state.mapping, state.answer) = (None, Some(Vague::default()));
            }
            "ext4_page_mkwrite" => state.in_mkwrite += 1,
            END => {
                // The folios that it locks are not written by that mapping.
                state.in_release += 1;
                state.mapping = None;
            }
            "truncate_pagecache_range"
                if state.in_release > 0 && state.holds_invalidate != Some(true) =>
            {
                state.release = Some(Vague::at(now_ns, 0, 0));
            }
            "ext4_datasem_ensure_credits" => state.in_restart += 1,
            _ => {}
        }
    }

    fn leaves(&mut self, now_ns: u64, task: usize, name: &str) {
        let state = &mut self.tasks[task];
        match name {
            MAP => {
                state.in_map -= 1;
                if state.in_map == 0 {
                    self.look_ends(now_ns, task, false);
                }
            }
            BEGIN => {
                let (lo, hi) = state.told;
                let answer = state.answer.take().filter(|_| state.in_mkwrite == 0);
                state.mapping = answer.map(|answer| Vague { since_ns: now_ns, lo, hi, ..answer });
            }
            "ext4_page_mkwrite" => state.in_mkwrite -= 1,
            END => {
                state.in_release -= 1;
                state.release = None;
            }
            "truncate_pagecache_range" => {
                // Open from here on; who dirtied a block while it was dropped has lost it as well.
                if let Some(release) = &mut state.release {
                    release.since_ns = now_ns;
                }
            }
            "ext4_datasem_ensure_credits" => state.in_restart -= 1,
            _ => {}
        }
    }

    fn takes(&mut self, now_ns: u64, task: usize, key: Key, exclusive: bool) {
        let state = &mut self.tasks[task];
        if key == self.watched.lock {
            state.holds_lock = Some(exclusive);
            if let Some(open) = state.restart.take() {
                self.closed.push(open.close(WindowKind::W5, task, now_ns, false));
            }
            if let Some(look) = &mut state.look {
                look.granted_ns = look.granted_ns.or(Some(now_ns));
            }
        } else if key.kind == Kind::FolioLock.name() {
            self.locks_folio(now_ns, task, key.index);
        } else if key.kind == Kind::IRwsem.name() {
            state.holds_i_rwsem = exclusive;
        } else if key.kind == Kind::InvalidateLock.name() {
            state.holds_invalidate = Some(exclusive);
        }
    }

    fn drops(&mut self, now_ns: u64, task: usize, key: Key) {
        let state = &mut self.tasks[task];
        if key == self.watched.lock {
            (state.holds_lock, state.scan) = (None, None);
            if state.in_restart > 0 {
                let (lo, hi) = state.removed;
                state.restart = Some(Open::at(now_ns, lo, hi));
            }
            // An answer that was found under the lock ages from here on.
            if let Some(look) = &mut state.look
                && look.under.is_some()
            {
                *look = Look::of(Open::at(now_ns, look.map.lo, look.map.hi));
            }
        } else if key.kind == Kind::IRwsem.name() {
            state.holds_i_rwsem = false;
            // The write is over: what it had locked last was not mapped again.
            self.closed.extend(state.locked.take());
        } else if key.kind == Kind::InvalidateLock.name() {
            state.holds_invalidate = None;
        }
    }

    /// A folio of the mapping is locked.
    fn locks_folio(&mut self, now_ns: u64, task: usize, index: u64) {
        let folio_blocks = self.watched.folio_blocks;
        let state = &mut self.tasks[task];
        let Some(mapping) = &state.mapping else { return };
        let Ok(first) = u32::try_from(index * u64::from(folio_blocks)) else { return };
        let Some(open) = mapping.within(first, first + folio_blocks) else { return };
        let window = open.close(WindowKind::W4, task, now_ns, false);
        self.closed.extend(state.locked.take());
        match open.hit {
            true => state.locked = Some(window),
            false => self.closed.push(window),
        }
    }

    fn traced(&mut self, now_ns: u64, task: usize, traced: Traced) {
        match traced.point {
            Point::Hole | Point::Known | Point::Miss => self.looks(now_ns, task, traced),
            Point::Scanned => {
                let excluded = self.watched.knobs.insert != Insert::Shared;
                let state = &mut self.tasks[task];
                state.scan = match state.holds_lock {
                    Some(false) if !excluded => Some(Vague::at(now_ns, traced.lo, traced.hi)),
                    _ => None,
                };
            }
            Point::HoleCached => {
                self.caches_hole(now_ns, task, traced);
                self.others_restart(task, traced);
            }
            Point::Cached => self.others_restart(task, traced),
            Point::Removing => self.tasks[task].removed = (traced.lo, traced.hi),
            Point::Delayed => {
                self.tasks[task].tells(traced);
                self.tasks[task].scan = None;
                self.others(task, traced, true);
                if self.tasks[task].in_map > 0 {
                    self.look_ends(now_ns, task, true);
                }
            }
            Point::Changed => {
                // A hole that is cached changes something where somebody has delayed a block since the
                // scan. It allocates nothing, so that it is no hit of a fault that found the hole.
                let allocates = !self.caches_hole(now_ns, task, traced);
                self.tasks[task].tells(traced);
                self.others(task, traced, allocates);
                if let Some(release) = self.tasks[task].release.take() {
                    let open = release.over(traced.lo, traced.hi);
                    self.closed.push(open.close(WindowKind::W6, task, now_ns, false));
                }
            }
            Point::Dirtied => {
                let locked = self.tasks[task].locked.take();
                self.closed.extend(locked);
                self.others_release(task, traced);
            }
            Point::Begins | Point::Ends => {}
        }
    }

    /// A look-up: the first of a map, or a second look under the lock.
    fn looks(&mut self, now_ns: u64, task: usize, traced: Traced) {
        let shared_insert = self.watched.knobs.insert == Insert::Shared;
        let state = &mut self.tasks[task];
        state.tells(traced);
        if state.in_map == 0 {
            return;
        }
        if traced.point == Point::Known {
            // Whoever is to dirty these blocks takes for reserved what is about to be given back.
            self.others_release(task, traced);
        }
        let state = &mut self.tasks[task];
        let is_second = |look: &&mut Look| look.granted_ns.is_some() && look.under.is_none();
        if let Some(look) = state.look.as_mut().filter(is_second)
            && state.holds_lock.is_some()
        {
            look.renewed = true;
            if !(shared_insert && state.holds_lock == Some(false)) {
                return;
            }
            // A second look under the lock shared keeps nobody out: its answer ages as the first did.
            self.look_ends(now_ns, task, false);
        }
        let state = &mut self.tasks[task];
        match state.holds_lock {
            under if traced.point == Point::Hole => {
                let look = Look::of(Open::at(now_ns, traced.lo, traced.hi));
                let granted_ns = under.map(|_| now_ns);
                state.look = Some(Look { granted_ns, under, ..look });
            }
            _ => state.look = None,
        }
    }

    /// A hole was entered; whether that was the end of a scan.
    fn caches_hole(&mut self, now_ns: u64, task: usize, traced: Traced) -> bool {
        let Some(scan) = self.tasks[task].scan.take() else { return false };
        let open = scan.within(traced.lo, traced.hi);
        self.closed.extend(open.map(|open| open.close(WindowKind::W3, task, now_ns, false)));
        true
    }

    /// The look-up of a map has had its effect, or come to nothing.
    fn look_ends(&mut self, now_ns: u64, task: usize, inserted: bool) {
        let Watched { order, knobs, .. } = self.watched;
        let state = &mut self.tasks[task];
        let Some(look) = state.look.take() else { return };
        let Some(granted_ns) = look.granted_ns else { return };
        if !inserted && !look.renewed {
            return;
        }
        let kept_out = state.holds_i_rwsem
            || (knobs.fallocate_takes_invalidate_lock == Switch::On
                && state.holds_invalidate.is_some());
        if !kept_out && look.under.is_none() {
            self.closed.push(look.fill.close(WindowKind::W2, task, granted_ns, look.renewed));
        }
        // Others insert under the lock in the mode of the era.
        let others_wait = look.under == Some(true)
            || (look.under == Some(false) && knobs.insert != Insert::Shared);
        if order == Order::Iomap && !others_wait {
            self.closed.push(look.map.close(WindowKind::W1, task, now_ns, look.renewed));
        }
    }

    /// A change by `task` hits the windows of all others over the same blocks.
    fn others(&mut self, task: usize, traced: Traced, allocates: bool) {
        for (other, state) in self.tasks.iter_mut().enumerate() {
            if other == task {
                continue;
            }
            if let Some(look) = &mut state.look
                && !look.renewed
            {
                match traced.point {
                    Point::Delayed => look.map.change(traced),
                    _ if look.granted_ns.is_none() && allocates => look.fill.change(traced),
                    _ => {}
                }
            }
            if let (Some(scan), Point::Delayed) = (&mut state.scan, traced.point) {
                scan.change(traced);
            }
            let mapping = state.mapping.as_mut().or(state.answer.as_mut());
            if let (Some(mapping), Point::Changed) = (mapping, traced.point) {
                mapping.change(traced);
            }
        }
        self.others_release(task, traced);
        self.others_restart(task, traced);
    }

    fn others_release(&mut self, task: usize, traced: Traced) {
        for (other, state) in self.tasks.iter_mut().enumerate() {
            if other != task
                && let Some(release) = &mut state.release
            {
                release.change(traced);
            }
        }
    }

    fn others_restart(&mut self, task: usize, traced: Traced) {
        for (other, state) in self.tasks.iter_mut().enumerate() {
            if other != task
                && let Some(open) = &mut state.restart
            {
                open.change(traced);
            }
        }
    }
}

impl Task {
    /// A look-up or a change of its own speaks of these blocks: what others changed before is in it.
    fn tells(&mut self, traced: Traced) {
        self.told = (traced.lo, traced.hi);
        if let Some(answer) = &mut self.answer {
            answer.changes.clear();
        }
    }
}

impl Look {
    fn of(open: Open) -> Look {
        Look { map: open, fill: open, granted_ns: None, renewed: false, under: None }
    }
}

/// The function that maps for a delayed write.
const MAP: &str = "ext4_da_map_blocks";
/// What maps for iomap.
const BEGIN: &str = "iomap_begin";
/// What ends an iomap write, and cleans up after a short one.
const END: &str = "iomap_end";

#[cfg(test)]
mod tests;
