//! Which steps of a run a diagram shows: of each task one stretch, from the first step that matters to
//! the last.
//!
//! A step matters if an invariant breaks in it, if it tells what it found, or if its order against a
//! step of another task can matter. Once every invariant that breaks while the tasks run is broken,
//! only steps that touch what the breaking ones wrote are still shown: unless the damage is in the
//! bytes and shows at the end, for which everything counts. Of a deadlock every step is shown.

use crate::explore_world::{Moment, Story};
use maprace_explore::Replayed;
use maprace_fs::Checker;
use maprace_runtime::{Access, Effect, Foot};

/// What is shown of a run.
#[derive(Debug)]
pub(super) struct Picked {
    /// For each step whether it is shown.
    pub(super) shown: Vec<bool>,
    /// The step that completes the damage, if it happens while the tasks run.
    pub(super) last: Option<usize>,
}

/// Picks what is shown.
pub(super) fn pick(steps: &[Replayed], story: &Story, deadlock: bool) -> Picked {
    if deadlock {
        return Picked { shown: vec![true; steps.len()], last: None };
    }
    let breaks = breaking(story);
    let cut = last_break(story, &breaks);
    let mut shown = vec![false; steps.len()];
    let tasks = steps.iter().map(|step| step.done.task).max().map_or(0, |most| most + 1);
    for task in 0..tasks {
        let own = |i: &usize| steps[*i].done.task == task;
        let matters = |i: &usize| {
            breaks.contains(i)
                || match cut {
                    Some(cut) if *i > cut => touches_damage(steps, &breaks, *i),
                    _ => !steps[*i].note.saw.is_empty() || meets_another(steps, *i, cut),
                }
        };
        let stretch: Vec<usize> = (0..steps.len()).filter(own).collect();
        let first = stretch.iter().position(matters);
        let last = stretch.iter().rposition(matters);
        if let (Some(first), Some(last)) = (first, last) {
            stretch[first..=last].iter().for_each(|i| shown[*i] = true);
        }
    }
    Picked { shown, last: cut }
}

/// The steps in which an invariant first breaks.
fn breaking(story: &Story) -> Vec<usize> {
    let step = |moment| match moment {
        Moment::Step(n) => Some(n),
        Moment::End | Moment::After(_) => None,
    };
    story.happened.iter().filter_map(|happened| step(happened.moment)).collect()
}

/// The last of them, if what follows is only consequences.
fn last_break(story: &Story, breaks: &[usize]) -> Option<usize> {
    let in_bytes_later = story.happened.iter().any(|happened| {
        happened.broken.checker == Checker::Data && !matches!(happened.moment, Moment::Step(_))
    });
    if in_bytes_later { None } else { breaks.iter().max().copied() }
}

/// Whether the order of a step against one of another task, up to the last that counts, can matter.
fn meets_another(steps: &[Replayed], i: usize, cut: Option<usize>) -> bool {
    let one = &steps[i].done;
    let counting = &steps[..cut.map_or(steps.len(), |cut| cut + 1)];
    counting.iter().any(|other| other.done.task != one.task && other.done.main.clash(&one.main))
}

/// Whether a step changes what a breaking step wrote.
fn touches_damage(steps: &[Replayed], breaks: &[usize], i: usize) -> bool {
    let foot = &steps[i].done.main;
    breaks.iter().any(|at| {
        let damaged = &steps[*at].done.main;
        written(damaged).any(|a| written(foot).any(|b| overlap(a, b)))
    })
}

fn written(foot: &Foot) -> impl Iterator<Item = &Access> {
    foot.accesses().iter().filter(|access| matches!(access.effect, Effect::Write | Effect::Add))
}

fn overlap(a: &Access, b: &Access) -> bool {
    a.obj == b.obj && a.lo < b.hi && b.lo < a.hi
}
