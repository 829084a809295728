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
    /// By kind: stretches in which one was open, merged, ascending; those before are counted.
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

/// So many stretches are kept before the oldest are counted: no window that is still open began
/// before them.
const STRETCHES: usize = 64;

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
            let from = merged(stretches, window.opened_ns, window.closed_ns);
            stretches.push((from, window.closed_ns.max(from)));
            if stretches.len() > STRETCHES {
                let oldest: Vec<_> = stretches.drain(..STRETCHES / 2).collect();
                tally.exposed(window.kind, oldest.iter().map(|(from, to)| to - from).sum());
            }
            if let Some(keep) = &mut self.keep {
                keep.push(window);
            }
        }
    }
}

/// Takes the stretches away that `from..to` touches; where the one of all of them begins. Windows come
/// in the order in which they close.
fn merged(stretches: &mut Vec<(u64, u64)>, mut from: u64, to: u64) -> u64 {
    while let Some((start, end)) = stretches.last().copied()
        && end >= from
    {
        debug_assert!(end <= to, "windows come as they close");
        from = from.min(start);
        stretches.pop();
    }
    from
}
