//! Follows one run: which windows open and close, what operations and locks cost.

use super::tally::Tally;
use maprace_fs::places;
use maprace_fs::window::{Watched, Window, WindowKind, Windows};
use maprace_runtime::{Happening, Key, Point, Traced};
use std::collections::BTreeMap;

/// The state of a run. Feed it what happens, in order of time.
#[derive(Debug)]
pub struct Meter {
    lock: Key,
    windows: Windows,
    tasks: Vec<Doing>,
    /// By kind: stretches in which one was open, merged, ascending. All of a run: which windows are still
    /// open, and since when, is not known here.
    open: BTreeMap<WindowKind, Vec<(u64, u64)>>,
    /// Who wants each window as it closes: raw samples.
    keep: Option<Vec<Window>>,
}

/// What a task is doing.
#[derive(Clone, Copy, Default, Debug)]
struct Doing {
    began_ns: u64,
    asked_ns: Option<u64>,
    exclusive_since_ns: Option<u64>,
}

impl Meter {
    /// For runs whose layer has that lock.
    pub fn new(watched: Watched) -> Meter {
        let lock = watched.lock;
        let windows = Windows::new(watched);
        Meter { lock, windows, tasks: Vec::new(), open: BTreeMap::new(), keep: None }
    }

    /// The same, keeping every window.
    #[must_use]
    pub fn keeping(mut self) -> Meter {
        self.keep = Some(Vec::new());
        self
    }

    /// The windows that were kept since the last call.
    pub fn kept(&mut self) -> Vec<Window> {
        self.keep.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Something happens to `task`.
    pub fn see(&mut self, now_ns: u64, task: usize, happening: &Happening, tally: &mut Tally) {
        self.windows.see(now_ns, task, happening);
        self.collect(tally);
        if self.tasks.len() <= task {
            self.tasks.resize(task + 1, Doing::default());
        }
        let doing = &mut self.tasks[task];
        let sums = &mut tally.sums;
        match happening {
            Happening::Asks { key, .. } if *key == self.lock => doing.asked_ns = Some(now_ns),
            Happening::Takes { key, exclusive } => {
                *sums.acquisitions.entry(places::class(*key)).or_default() += 1;
                if *key == self.lock {
                    sums.lock_taken += 1;
                    let asked_ns = doing.asked_ns.take().unwrap_or(now_ns);
                    sums.lock_wait.add(now_ns - asked_ns);
                    doing.exclusive_since_ns = exclusive.then_some(now_ns);
                }
            }
            Happening::Drops { key, .. } if *key == self.lock => {
                if let Some(since) = doing.exclusive_since_ns.take() {
                    sums.exclusive_hold.add(now_ns - since);
                }
            }
            Happening::Trace(traced) => self.traced(now_ns, task, *traced, tally),
            _ => {}
        }
    }

    fn traced(&mut self, now_ns: u64, task: usize, traced: Traced, tally: &mut Tally) {
        let sums = &mut tally.sums;
        match traced.point {
            Point::Known => sums.found += 1,
            Point::Hole => sums.holes += 1,
            Point::Miss => sums.misses += 1,
            Point::Begins => self.tasks[task].began_ns = now_ns,
            Point::Ends => {
                sums.operations += 1;
                sums.bytes_written += u64::from(traced.hi);
                sums.operation.add(now_ns - self.tasks[task].began_ns);
            }
            _ => {}
        }
    }

    /// `task` has ended.
    pub fn ended(&mut self, task: usize, tally: &mut Tally) {
        self.windows.ended(task);
        if let Some(doing) = self.tasks.get_mut(task) {
            *doing = Doing::default();
        }
        self.collect(tally);
    }

    /// The run has ended: the next one begins at 0.
    pub fn next_round(&mut self, tally: &mut Tally) {
        for task in 0..self.tasks.len() {
            self.ended(task, tally);
        }
        self.windows.reset();
        self.tasks.clear();
        for (kind, stretches) in std::mem::take(&mut self.open) {
            let ns = stretches.iter().map(|(from, to)| to - from).sum();
            tally.exposed(kind, ns);
        }
    }

    fn collect(&mut self, tally: &mut Tally) {
        for window in self.windows.take() {
            tally.window(&window);
            let stretches = self.open.entry(window.kind).or_default();
            merge(stretches, window.opened_ns, window.closed_ns);
            if let Some(keep) = &mut self.keep {
                keep.push(window);
            }
        }
    }
}

/// Adds `from..to` to stretches that are ascending and apart. Windows come roughly in the order in which
/// they close: some are told only when it is known whether they were noticed.
fn merge(stretches: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    let after = stretches.iter().rposition(|(start, _)| *start <= to).map_or(0, |at| at + 1);
    let apart = stretches[..after].iter().rposition(|(_, end)| *end < from);
    let first = apart.map_or(0, |at| at + 1);
    let touched = &stretches[first..after];
    let start = touched.first().map_or(from, |(start, _)| from.min(*start));
    let end = touched.last().map_or(to, |(_, end)| to.max(*end));
    stretches.splice(first..after, [(start, end)]);
}

#[cfg(test)]
mod tests;
