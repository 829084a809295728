//! Which windows a schedule had open, and which steps of others landed in them, by the table of
//! `docs/KERNEL.md`: names of steps, what they saw, and blocks in common.
//!
//! This is for a picture. What is damaged is the checkers' affair, and how often and how long windows
//! are open is measured by tracepoints, not here.

use super::{Holding, Window, axis};
use maprace_explore::{Replay, Replayed};
use maprace_fs::places;

/// What was looked up and is going to be used.
struct Open {
    task: usize,
    step: usize,
    kind: Kind,
}

/// How a window begins, and so how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// W1, W2: a look-up without `i_data_sem` found no block; ends as one is inserted as delayed.
    LookUp,
    /// W3: nothing delayed was seen under a shared hold; ends as the hole is cached.
    Scan,
    /// W4: a map of an unwritten block; ends as the folio is locked.
    Map,
    /// W5: `i_data_sem` was dropped for credits; ends as it is taken again.
    Dropped,
}

/// All windows that were hit; where none was, all that were open.
pub(super) fn windows(replay: &Replay, holds: &[Holding]) -> Vec<Window> {
    let seen = Seen { replay, holds };
    let (mut open, mut all): (Vec<Open>, Vec<Window>) = (Vec::new(), Vec::new());
    for i in 0..replay.steps.len() {
        let task = replay.steps[i].done.task;
        if let Some(at) = open.iter().rposition(|o| o.task == task && seen.closes(o, i)) {
            let opened = open.remove(at);
            all.extend(seen.window(&opened, i));
        }
        if let Some(kind) = seen.opens(i) {
            // A later look of the same kind is the one whose answer is used.
            open.retain(|o| o.task != task || o.kind != kind);
            open.push(Open { task, step: i, kind });
        } else if seen.is_second_look(i) {
            open.retain(|o| o.task != task || o.kind != Kind::LookUp);
        }
    }
    if all.iter().any(|window| !window.hits.is_empty()) {
        all.retain(|window| !window.hits.is_empty());
    } else {
        all.retain(|window| matches!(window.name.as_str(), "W1" | "W2"));
    }
    all
}

struct Seen<'a> {
    replay: &'a Replay,
    holds: &'a [Holding],
}

impl Seen<'_> {
    fn step(&self, i: usize) -> &Replayed {
        &self.replay.steps[i]
    }

    fn saw(&self, i: usize, words: &[&str]) -> bool {
        self.step(i).note.saw.iter().any(|saw| words.iter().any(|word| saw.starts_with(word)))
    }

    fn is(&self, i: usize, name: &str) -> bool {
        self.step(i).done.step.name == name
    }

    fn inside(&self, i: usize, call: &str) -> bool {
        self.step(i).note.calls.contains(&call)
    }

    /// How the task of step `i` holds `i_data_sem` in it: exclusively or not, or not at all.
    fn data_sem(&self, i: usize) -> Option<bool> {
        let task = self.step(i).done.task;
        let here = |h: &&Holding| h.task == task && h.from <= i && i < h.to;
        let is_it = |h: &&Holding| places::class(self.replay.key(h.object)) == "i_data_sem";
        self.holds.iter().filter(here).find(is_it).map(|hold| hold.exclusive)
    }

    fn opens(&self, i: usize) -> Option<Kind> {
        let (sem, is_lookup) = (self.data_sem(i), self.is(i, "ext4_es_lookup_extent"));
        if is_lookup && sem.is_none() && self.saw(i, &["hole", "miss"]) {
            return Some(Kind::LookUp);
        }
        let scans = self.is(i, "ext4_es_find_extent_range") || self.is(i, "ext4_es_scan_range");
        if scans && sem == Some(false) && self.saw(i, &["none delayed"]) {
            return Some(Kind::Scan);
        }
        if self.inside(i, "iomap_begin") && self.saw(i, &["unwritten"]) {
            return Some(Kind::Map);
        }
        let holds = self.holds.iter();
        let mut dropped =
            holds.filter(|h| h.exclusive && h.to == i + 1 && h.task == self.step(i).done.task);
        let is_sem = |h: &Holding| places::class(self.replay.key(h.object)) == "i_data_sem";
        dropped.any(is_sem).then_some(Kind::Dropped)
    }

    /// The answer of an earlier look-up is not used where a later one under the lock replaces it.
    fn is_second_look(&self, i: usize) -> bool {
        self.is(i, "ext4_es_lookup_extent") && self.data_sem(i).is_some()
    }

    fn closes(&self, open: &Open, i: usize) -> bool {
        match open.kind {
            Kind::LookUp => self.step(i).done.step.name.starts_with("ext4_es_insert_delayed"),
            Kind::Scan => self.is(i, "ext4_es_insert_extent") && self.saw(i, &["hole"]),
            Kind::Map => self.is(i, "folio_lock"),
            Kind::Dropped => {
                self.is(i, "down_write(i_data_sem)")
                    && self.inside(i, "ext4_datasem_ensure_credits")
            }
        }
    }

    /// Whether a step of another task does harm in a window of that kind.
    fn harms(&self, kind: Kind, i: usize) -> bool {
        let name = self.step(i).done.step.name;
        let inserts = name.starts_with("ext4_es_insert");
        match kind {
            // A cached hole changes nothing.
            Kind::LookUp => (inserts && !self.saw(i, &["hole"])) || name == "ext4_es_remove_extent",
            Kind::Scan => name.starts_with("ext4_es_insert_delayed"),
            Kind::Map => name == "ext4_es_insert_extent" && self.saw(i, &["written"]),
            Kind::Dropped => name == "ext4_es_insert_extent",
        }
    }

    /// `None` where nothing could happen in between.
    fn window(&self, open: &Open, end: usize) -> Option<Window> {
        let foreign = |i: &usize| self.step(*i).done.task != open.task;
        let harms = |i: &usize| self.harms(open.kind, *i);
        // A removal restarted has no blocks of its own to compare.
        let meets = |i: &usize| open.kind == Kind::Dropped || self.overlap(open.step, end, *i);
        let hits: Vec<usize> =
            (open.step + 1..end).filter(foreign).filter(harms).filter(meets).collect();
        let by_delayed =
            |i: &usize| self.step(*i).done.step.name.starts_with("ext4_es_insert_delayed");
        let name = match open.kind {
            Kind::LookUp if hits.iter().any(by_delayed) => "W1",
            Kind::LookUp if hits.is_empty() && self.inside(open.step, "iomap_begin") => "W1",
            Kind::LookUp => "W2",
            Kind::Scan => "W3",
            Kind::Map => "W4",
            Kind::Dropped => "W5",
        };
        let [from, to] = [open.step, end].map(|i| self.step(i).done.step.name);
        let what = match open.kind {
            Kind::Dropped => "i_data_sem is dropped in the middle and taken again".to_owned(),
            _ => format!("from the answer of {from} to its effect in {to}"),
        };
        let task = open.task;
        let (from, to) = (axis(open.step + 1), axis(end));
        (from < to).then(|| Window { name: name.to_owned(), task, what, from, to, hits })
    }

    /// Whether step `i` touches blocks of the status tree that one of the window's two ends does too.
    fn overlap(&self, from: usize, to: usize, i: usize) -> bool {
        let own: Vec<(u64, u64)> =
            [from, to].into_iter().flat_map(|end| self.blocks(end)).collect();
        self.blocks(i).iter().any(|(lo, hi)| own.iter().any(|(a, b)| lo < b && a < hi))
    }

    /// The blocks of the status tree that a step touches.
    fn blocks(&self, i: usize) -> Vec<(u64, u64)> {
        let full = &self.step(i).done.full;
        if full.is_everything() {
            return vec![(0, places::END)];
        }
        let range = |access: &maprace_runtime::Access| {
            let key = self.replay.key(access.obj);
            let described = places::describe(key, access.lo.into(), access.hi.into())?;
            described.range.filter(|_| described.what == "extent status")
        };
        full.accesses().iter().filter_map(range).collect()
    }
}
