//! From steps to rows: each in the column of its task, calls above the steps they enclose, releases
//! where the lock was taken.

use super::pick::Picked;
use super::{Scene, words};
use crate::explore_world::Moment;
use maprace_explore::Replayed;
use maprace_fs::{Op, Request};
use maprace_runtime::Object;
use maprace_runtime::sim::Hold;
use std::collections::BTreeMap;

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// The number of its task.
    pub(super) task: usize,
    /// How deep in calls.
    pub(super) depth: usize,
    /// The step, call or release.
    pub(super) name: String,
    /// What it found.
    pub(super) found: String,
    /// What breaks in it.
    pub(super) marks: Vec<String>,
}

/// The rows of a run, and the head of each task that has any.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) heads: BTreeMap<usize, String>,
    pub(super) rows: Vec<Row>,
}

/// A lock that is held in the diagram.
struct Held {
    task: usize,
    object: Object,
    name: &'static str,
    /// The depth at which it was taken, where the release will stand.
    depth: usize,
}

/// Where a column is.
struct Place {
    op: usize,
    /// Whether the head is itself one of the announced calls.
    head_is_call: bool,
    path: Vec<String>,
}

struct Writer<'a> {
    scene: &'a Scene<'a>,
    places: BTreeMap<usize, Place>,
    held: Vec<Held>,
    out: Rows,
}

/// Makes the rows of what was picked.
pub(super) fn rows(scene: &Scene<'_>, picked: &Picked) -> Rows {
    let mut writer =
        Writer { scene, places: BTreeMap::new(), held: Vec::new(), out: Rows::default() };
    for (i, step) in scene.replay.steps.iter().enumerate() {
        if picked.shown[i] {
            writer.step(i, step);
            writer.locks(step, picked.last == Some(i));
        }
    }
    writer.out
}

impl Writer<'_> {
    fn step(&mut self, i: usize, step: &Replayed) {
        let task = step.done.task;
        let path = self.path(i, step);
        let place = self.places.get_mut(&task).expect("it was just put there");
        let common = path.iter().zip(&place.path).take_while(|(a, b)| a == b).count();
        for (depth, name) in path.iter().enumerate().skip(common) {
            self.out.rows.push(Row {
                task,
                depth,
                name: name.clone(),
                found: String::new(),
                marks: Vec::new(),
            });
        }
        let depth = path.len();
        place.path = path;
        self.out.rows.push(Row {
            task,
            depth,
            name: step.done.step.name.to_owned(),
            found: step.note.saw.join("; "),
            marks: self.marks(i),
        });
    }

    /// What breaks in step `i`.
    fn marks(&self, i: usize) -> Vec<String> {
        let happened = &self.scene.story.happened;
        let here = happened.iter().filter(|h| h.moment == Moment::Step(i));
        here.map(|h| h.broken.words()).collect()
    }

    /// The calls around step `i`, the column's head first; opens the column where it is new.
    fn path(&mut self, i: usize, step: &Replayed) -> Vec<String> {
        let task = step.done.task;
        let op = self.op_of(task, i);
        let request = self.scene.plan.tasks.get(task).and_then(|t| t.requests.get(op)).copied();
        let calls = &step.note.calls;
        let new_op = self.places.get(&task).is_none_or(|place| place.op != op);
        if new_op {
            let call = request.and_then(|request| words::call_of(request.op));
            let head_is_call = call.is_some() && calls.first().copied() == call;
            let head = self.head(task, request, head_is_call);
            let opens = !self.out.heads.contains_key(&task);
            let path = if opens { vec![head.clone()] } else { Vec::new() };
            self.out.heads.entry(task).or_insert(head);
            self.places.insert(task, Place { op, head_is_call, path });
        }
        let head_is_call = self.places[&task].head_is_call;
        let head = self.head(task, request, head_is_call);
        let own = |call: &&str| (*call).to_owned();
        let call = request.and_then(|request| words::call_of(request.op));
        match head_is_call {
            true if calls.first().copied() == call => {
                [head].into_iter().chain(calls[1..].iter().map(own)).collect()
            }
            true => calls.iter().map(own).collect(),
            false => [head].into_iter().chain(calls.iter().map(own)).collect(),
        }
    }

    /// Which operation of its task step `i` belongs to.
    fn op_of(&self, task: usize, i: usize) -> usize {
        let ends = self.scene.story.ends.get(task);
        ends.map_or(0, |ends| ends.iter().take_while(|end| **end < i).count())
    }

    fn head(&self, task: usize, request: Option<Request>, head_is_call: bool) -> String {
        let Some(request) = request else { return self.scene.replay.labels[task].clone() };
        let config = self.scene.config;
        let name = match request.op {
            Op::MmapWrite if !head_is_call => "mmap_write",
            op => words::operation(op, config.order, &config.layer),
        };
        let alone = self.scene.plan.tasks[task].requests.len() == 1;
        if alone || matches!(request.op, Op::Fsync | Op::Evict | Op::Commit) {
            return name.to_owned();
        }
        format!("{name} {}", words::range(&request, self.scene.plan.setup.geometry))
    }

    /// Keeps the books of semaphores, and shows releases that join a step, unless nothing comes after
    /// it that counts.
    fn locks(&mut self, step: &Replayed, is_last: bool) {
        let task = step.done.task;
        for hold in &step.done.holds {
            match hold {
                Hold::Take(object) | Hold::Share(object) => {
                    if let Some(name) = semaphore(step.done.step.name) {
                        let depth = self.places[&task].path.len();
                        self.held.push(Held { task, object: *object, name, depth });
                    }
                }
                Hold::Drop(object) => self.release(task, *object, "up_write", is_last),
                Hold::Unshare(object) => self.release(task, *object, "up_read", is_last),
            }
        }
    }

    fn release(&mut self, task: usize, object: Object, how: &str, is_last: bool) {
        let taken = |held: &Held| held.task == task && held.object == object;
        let Some(at) = self.held.iter().rposition(taken) else { return };
        let Held { name, depth, .. } = self.held.remove(at);
        if is_last {
            return;
        }
        if let Some(place) = self.places.get_mut(&task) {
            place.path.truncate(depth);
        }
        let name = format!("{how}({name})");
        self.out.rows.push(Row { task, depth, name, found: String::new(), marks: Vec::new() });
    }
}

/// The semaphore that a step takes, by the step's name.
fn semaphore(step: &'static str) -> Option<&'static str> {
    let inner = step.strip_prefix("down_read(").or_else(|| step.strip_prefix("down_write("));
    inner?.strip_suffix(')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semaphore_is_known_by_the_step_that_takes_it() {
        assert_eq!(semaphore("down_write(i_data_sem)"), Some("i_data_sem"));
        assert_eq!(semaphore("down_read(invalidate_lock)"), Some("invalidate_lock"));
        assert_eq!(semaphore("folio_lock"), None);
    }
}
