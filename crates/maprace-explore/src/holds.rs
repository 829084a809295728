//! From which step to which step something was held.

use maprace_runtime::Object;
use maprace_runtime::sim::{Done, Guard, Hold};

/// A hold of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) obj: Object,
    pub(crate) exclusive: bool,
    /// The task that took it; `None` if it was held from the start.
    task: Option<usize>,
    /// The step that took it; `None` if it was held from the start.
    pub(crate) from: Option<usize>,
    /// The step that gave it back, which may be of another task; `None` if none did so far.
    pub(crate) to: Option<usize>,
}

impl Interval {
    /// Whether it keeps a step with this guard from running.
    pub(crate) fn blocks(&self, guard: Guard) -> bool {
        match guard {
            Guard::None => false,
            Guard::Shared(obj) | Guard::Clear(obj) => self.exclusive && self.obj == obj,
            Guard::Exclusive(obj) => self.obj == obj,
        }
    }
}

/// All holds of an execution so far.
#[derive(Debug, Default)]
pub(crate) struct Holds(Vec<Interval>);

impl Holds {
    /// Begins with what is held before the first step.
    pub(crate) fn from_start(held: &[Hold]) -> Holds {
        Holds(held.iter().filter_map(|hold| begin(*hold, None, None)).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interval> {
        self.0.iter()
    }

    /// Adds what the `at`-th step took and gave back.
    pub(crate) fn push(&mut self, at: usize, step: &Done) {
        for hold in &step.holds {
            if let Some(interval) = begin(*hold, Some(step.task), Some(at)) {
                self.0.push(interval);
            } else if let Some(ended) = self.ended_by(*hold, step.task) {
                ended.to = Some(at);
            }
        }
    }

    /// Forgets what the steps from the `len`-th on did.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.retain(|interval| interval.from.is_none_or(|from| from < len));
        for interval in &mut self.0 {
            interval.to = interval.to.filter(|to| *to < len);
        }
    }

    /// The open hold that `hold` ends: of the same task, if it has one.
    fn ended_by(&mut self, hold: Hold, task: usize) -> Option<&mut Interval> {
        let (obj, exclusive) = match hold {
            Hold::Drop(obj) => (obj, true),
            Hold::Unshare(obj) => (obj, false),
            Hold::Take(_) | Hold::Share(_) => return None,
        };
        let open = |i: &Interval| i.to.is_none() && i.obj == obj && i.exclusive == exclusive;
        let own = self.0.iter().position(|i| open(i) && i.task == Some(task));
        let at = own.or_else(|| self.0.iter().position(open))?;
        self.0.get_mut(at)
    }
}

fn begin(hold: Hold, task: Option<usize>, from: Option<usize>) -> Option<Interval> {
    let (obj, exclusive) = match hold {
        Hold::Take(obj) => (obj, true),
        Hold::Share(obj) => (obj, false),
        Hold::Drop(_) | Hold::Unshare(_) => return None,
    };
    Some(Interval { obj, exclusive, task, from, to: None })
}
